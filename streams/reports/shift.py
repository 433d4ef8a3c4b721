# SPDX-License-Identifier: Apache-2.0
"""The end-of-shift report: how many alarms, which were of use, how early, how much they asked of one operator. Pure.

Exercises, alerts for information and alerts that were suppressed as they opened are no alarms: they are counted apart.
"""

from collections import Counter
from collections.abc import Sequence
from enum import StrEnum
from statistics import median

import msgspec

from schemas.alert_words import LEVEL_MEASURE
from schemas.moment import rfc3339
from schemas.rules import RuleKind, Severity
from streams.reports.alarm_load import GOAL_PER_HOUR, alarm_load, alarms_of, chattering, stale
from streams.reports.material import Material, Story, ZoneRow, stories
from streams.reports.silence import SilentSite, silence_lines, silent_sites
from streams.reports.wording import Language, Speech

USEFUL_US = 30 * 60_000_000
"""A level that is published within so long of the opening makes an alarm useful."""
ABOUT_LEVELS = (LEVEL_MEASURE, RuleKind.FORECAST)
"""Measures of alarms whose level their zone can show; the level of others is their rule's own."""


class Verdict(StrEnum):
    """What became of an alarm; the first that holds."""

    NUISANCE = "nuisance"
    """An operator ended it by hand: that word counts more than a sensor's."""
    REACHED = "reached"
    """Of a rule about the level of a zone: the zone showed it within half an hour."""
    ACKNOWLEDGED = "acknowledged"
    """An operator took it up."""
    PENDING = "pending"
    """The half hour still runs."""
    UNANSWERED = "unanswered"
    """None of these; of rules about other things nothing is known of what came of them."""


class JudgedAlarm(msgspec.Struct, frozen=True, kw_only=True):
    """One alarm; `minutes_before` is how long before the level was first shown (0 = it was there)."""

    alert_id: str
    place: str
    place_name: str
    rule: str
    kind: str
    opened: str
    opened_us: int
    level: int
    verdict: Verdict
    minutes_before: float | None
    acknowledged_after_s: float | None


class Forecasts(msgspec.Struct, frozen=True, kw_only=True):
    """Forecast alarms: how many, how many whose level came within half an hour, and the minutes before it did."""

    alarms: int
    reached: int
    least_min: float | None
    median_min: float | None
    most_min: float | None


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """By the yardstick of EEMUA 191 and ISA-18.2.

    `slots_by_alarms` says for each number of alarms how many ten-minute slots had it; `chattering` and `stale` are ids.
    """

    per_hour: float
    goal_per_hour: float
    slots_by_alarms: dict[int, int]
    slots_above_10: int
    largest_in_10_min: int
    chattering: list[str]
    stale: list[str]


class Shift(msgspec.Struct, frozen=True, kw_only=True):
    """The report; `silent` as in the hand-over list."""

    kind: str = "shift"
    from_: str = msgspec.field(name="from")
    until: str
    from_us: int
    until_us: int
    origin: str
    timezone: str
    silent: list[SilentSite]
    alarms: int
    verdicts: dict[Verdict, int]
    exercises: int
    informative: int
    muted: int
    forecasts: Forecasts
    load: Load
    judged: list[JudgedAlarm]


def shift(material: Material) -> Shift:
    """What the alarms of the material's time were worth.

    Raises
    ------
    ValueError
        The time is empty.
    """
    told = [one for one in stories(material) if material.from_us <= one.first.opened_at_us < material.until_us]
    real = [one for one in told if not one.first.exercise]
    alarms = alarms_of(sorted(
        (one for one in material.transitions if not one.exercise and one.at_us <= material.until_us),
        key=lambda one: (one.at_us, one.alert_id, one.seq)))
    heard = {alarm.alert_id for alarm in alarms}
    judged = [_judged(material, one) for one in real if one.first.alert_id in heard]
    informative = sum(one.first.severity == Severity.INFO for one in real)
    within = [alarm for alarm in alarms if material.from_us <= alarm.opened_us < material.until_us]
    load = alarm_load([alarm.opened_us for alarm in within], material.from_us, material.until_us)
    return Shift(
        from_=rfc3339(material.from_us), until=rfc3339(material.until_us), from_us=material.from_us,
        until_us=material.until_us, origin=str(material.origin), timezone=material.city.timezone, alarms=len(judged),
        silent=silent_sites(material),
        verdicts={verdict: sum(one.verdict is verdict for one in judged) for verdict in Verdict},
        exercises=len(told) - len(real), informative=informative,
        muted=len(real) - len(judged) - informative, forecasts=_forecasts(judged), judged=judged,
        load=Load(
            per_hour=round(load.per_hour, 2), goal_per_hour=GOAL_PER_HOUR,
            slots_by_alarms=dict(sorted(Counter(load.slots).items())), slots_above_10=load.floods,
            largest_in_10_min=load.largest, chattering=[one.alert_id for one in chattering(within)],
            stale=[one.alert_id for one in stale(alarms, material.until_us)]),
    )


def _judged(material: Material, story: Story) -> JudgedAlarm:
    one = story.first
    minutes = _minutes_before(material.rows, story) if one.measure in ABOUT_LEVELS else None
    taken_up = story.acknowledged_us
    return JudgedAlarm(
        alert_id=one.alert_id, place=one.place, place_name=material.place_name(one.place), rule=one.rule,
        kind=one.measure, opened=rfc3339(one.opened_at_us), opened_us=one.opened_at_us, level=one.level_to,
        verdict=_verdict(story, minutes, material.until_us), minutes_before=minutes,
        acknowledged_after_s=None if taken_up is None else round((taken_up - one.opened_at_us) / 1e6, 1))


def _verdict(story: Story, minutes_before: float | None, until_us: int) -> Verdict:
    if story.dismissed:
        return Verdict.NUISANCE
    if minutes_before is not None:
        return Verdict.REACHED
    if story.acknowledged_us is not None:
        return Verdict.ACKNOWLEDGED
    return Verdict.PENDING if until_us < story.first.opened_at_us + USEFUL_US else Verdict.UNANSWERED


def _minutes_before(rows: Sequence[ZoneRow], story: Story) -> float | None:
    """From the opening to the begin of the first window at the level; fewest minutes, since a window is a maximum.

    The window that decided on it may be the only one at the level; it counts.
    """
    opened_us, level = story.first.opened_at_us, max(story.first.level_to, 1)
    starts_us = [
        row.start_us for row in rows
        if row.zone == story.first.place and row.level is not None and row.level >= level
        and row.end_us > min(opened_us, story.first.window_start_us) and row.start_us <= opened_us + USEFUL_US
    ]
    return round(max(min(starts_us) - opened_us, 0) / 60e6, 1) if starts_us else None


def _forecasts(judged: Sequence[JudgedAlarm]) -> Forecasts:
    mine = [one for one in judged if one.kind == RuleKind.FORECAST]
    minutes = [one.minutes_before for one in mine if one.minutes_before is not None]
    return Forecasts(
        alarms=len(mine), reached=len(minutes), least_min=min(minutes, default=None),
        median_min=median(minutes) if minutes else None, most_min=max(minutes, default=None))


def shift_text(report: Shift, language: Language) -> str:
    """As plain text."""
    speech = Speech(language, report.timezone)
    load, forecasts = report.load, report.forecasts
    slots = ", ".join(f"{alarms}: {number}" for alarms, number in load.slots_by_alarms.items())
    verdicts = ", ".join(f"{number} {_verdict_word(verdict, speech)}" for verdict, number in report.verdicts.items()
                         if number)
    lines = [
        f"{speech.say('Dienst', 'Shift')} {speech.clock(report.from_us)} - {speech.clock(report.until_us)}",
        *silence_lines(report.silent, speech),
        f"{speech.say('Alarmen', 'Alarms')}: {report.alarms}" + (f" ({verdicts})" if verdicts else ""),
        speech.say(f"Geen alarm: oefeningen {report.exercises}, ter informatie {report.informative}, onderdrukt "
                   f"{report.muted}",
                   f"No alarms: exercises {report.exercises}, for information {report.informative}, suppressed "
                   f"{report.muted}"),
        speech.say(f"Per uur gemiddeld {load.per_hour:g} (doel ten hoogste {load.goal_per_hour:g})",
                   f"Mean per hour {load.per_hour:g} (goal at most {load.goal_per_hour:g})"),
        speech.say(f"Tien minuten met meer dan 10 alarmen: {load.slots_above_10}; drukste tien minuten: "
                   f"{load.largest_in_10_min}",
                   f"Ten minutes with more than 10 alarms: {load.slots_above_10}; busiest ten minutes: "
                   f"{load.largest_in_10_min}"),
        speech.say(f"Aantal tienminutenblokken naar alarmen: {slots}", f"Ten-minute slots by alarms: {slots}"),
        speech.say(f"Klapperend {len(load.chattering)}, langer dan 8 uur open {len(load.stale)}",
                   f"Chattering {len(load.chattering)}, open for more than 8 hours {len(load.stale)}"),
    ]
    if forecasts.alarms:
        lines.append(speech.say(f"Verwachtingen: {forecasts.alarms}, waarvan {forecasts.reached} uitgekomen",
                                f"Forecasts: {forecasts.alarms}, of which {forecasts.reached} came true"))
    if forecasts.median_min is not None:
        lines[-1] += (f"; {forecasts.least_min:g} / {forecasts.median_min:g} / {forecasts.most_min:g} "
                      + speech.say("min vooraf (minst, midden, meest)", "min before (least, median, most)"))
    lines += [_line(one, speech) for one in report.judged]
    return "\n".join(lines) + "\n"


def _line(one: JudgedAlarm, speech: Speech) -> str:
    verdict = _verdict_word(one.verdict, speech)
    if one.verdict is Verdict.UNANSWERED and one.kind in ABOUT_LEVELS:
        verdict = speech.say("niveau niet bereikt, ", "level not reached, ") + verdict
    text = f"- {speech.clock(one.opened_us)} {one.place_name}, {one.rule}: {verdict}"
    if one.kind == RuleKind.FORECAST and one.minutes_before is not None:
        text += speech.say(f", {one.minutes_before:g} min vooraf", f", {one.minutes_before:g} min before")
    return text


def _verdict_word(verdict: Verdict, speech: Speech) -> str:
    return speech.say(*{
        Verdict.NUISANCE: ("met de hand beëindigd", "ended by hand"),
        Verdict.REACHED: ("niveau bereikt", "level reached"),
        Verdict.ACKNOWLEDGED: ("bevestigd", "acknowledged"),
        Verdict.PENDING: ("nog geen half uur oud", "not half an hour old yet"),
        Verdict.UNANSWERED: ("niet bevestigd", "not acknowledged"),
    }[verdict])
