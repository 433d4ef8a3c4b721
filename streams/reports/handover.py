# SPDX-License-Identifier: Apache-2.0
"""The hand-over list: every open alert, as the one who takes over needs it. Pure."""

import msgspec

from schemas.alert import Certainty, State, Transition
from schemas.alert_words import about, has_level, is_of_level
from schemas.expected import told_certainty
from schemas.moment import rfc3339
from schemas.rules import RuleKind
from streams.reports.exercises import Exercise, exercise_text, exercises
from streams.reports.material import LEAST_FRESH_US, Material, Story, stories
from streams.reports.outlook import Expected, expected, expected_text
from streams.reports.roads import RoadReport, disturbed_roads, road_report, road_text, speaking_roads
from streams.reports.silence import SilentSite, silence_lines, silent_sites
from streams.reports.wording import ARROWS, Language, Speech


class TakenMeasure(msgspec.Struct, frozen=True, kw_only=True):
    """A measure that was taken: `PLAN/MEASURE`, by which role and when."""

    measure: str
    role: str
    at: str


class OpenAlert(msgspec.Struct, frozen=True, kw_only=True):
    """One open alert; about people the percent band alone, `expected` of a zone, `road` of a road.

    Times are log times, `note_id` is the last note's. Percent and trend are those of the window that ended at
    `seen_us`. Where `level_word` is empty the level says nothing: not of missing data, and of other rules than those
    about levels only while their condition holds.
    """

    alert_id: str
    site: str
    place: str
    place_name: str
    rule: str
    kind: str
    severity: str
    state: State
    since: str
    since_us: int
    level: int
    level_word: str
    percent_low: float | None
    percent_high: float | None
    trend: int | None
    seen_us: int
    certainty: Certainty
    stale: bool
    acknowledged: bool
    acknowledged_by: str
    acknowledged_at: str | None
    escalated: bool
    suppressed: bool
    exercise: bool
    assigned: str
    note_id: str
    measures: list[TakenMeasure]
    expected: list[Expected]
    road: RoadReport | None


class Handover(msgspec.Struct, frozen=True, kw_only=True):
    """The list, the gravest first, and the exercises that are on or ended in its time.

    `silent` are sites of which nothing was heard for long: of alerts that opened or ended there nothing is known here.
    """

    kind: str = "handover"
    at: str
    at_us: int
    origin: str
    timezone: str
    silent: list[SilentSite]
    alerts: list[OpenAlert]
    exercises: list[Exercise]


def handover(material: Material) -> Handover:
    """What is open at the end of the material."""
    found = [open_alert(material, story) for story in stories(material) if story.is_open]
    found.sort(key=lambda one: (one.exercise, -one.level, one.acknowledged, one.since_us, one.alert_id))
    return Handover(at=rfc3339(material.until_us), at_us=material.until_us, origin=str(material.origin),
                    timezone=material.city.timezone, silent=silent_sites(material),
                    alerts=found, exercises=exercises(material))


def open_alert(material: Material, story: Story) -> OpenAlert:
    """One alert as it stands."""
    one = story.last
    acknowledged_us = story.acknowledged_us if one.acknowledged else None
    return OpenAlert(
        alert_id=one.alert_id, site=one.site, place=one.place, place_name=material.place_name(one.place),
        rule=one.rule, kind=one.measure, severity=one.severity, state=one.state_to, since=rfc3339(one.opened_at_us),
        since_us=one.opened_at_us, level=one.level_to, level_word=_level_word(material, one),
        percent_low=one.percent_low, percent_high=one.percent_high, trend=one.trend, seen_us=one.window_end_us,
        certainty=told_certainty(one),
        stale=one.stale, acknowledged=one.acknowledged,
        acknowledged_by=story.acknowledged_by if one.acknowledged else "",
        acknowledged_at=None if acknowledged_us is None else rfc3339(acknowledged_us), escalated=one.escalated,
        suppressed=one.suppressed, exercise=one.exercise, assigned=one.assigned, note_id=story.note_id,
        measures=[TakenMeasure(measure=done.measure, role=done.role, at=rfc3339(done.at_us)) for done in story.taken],
        expected=expected(material, one.place), road=_road(material, story),
    )


def _level_word(material: Material, one: Transition) -> str:
    is_told = is_of_level(one) or (has_level(one) and one.profile in material.city.profiles)
    return material.level_word(one.profile, one.level_to) if is_told else ""


def _road(material: Material, story: Story) -> RoadReport | None:
    row = speaking_roads(material).get(story.last.place)
    return None if row is None else road_report(material, row, disturbed_roads([story]))


def handover_text(report: Handover, language: Language) -> str:
    """As plain text."""
    speech = Speech(language, report.timezone)
    head = speech.say("Overdracht", "Hand-over") + f", {speech.clock(report.at_us)}"
    lines = [line for one in report.alerts for line in alert_lines(one, speech, report.at_us)]
    if not lines:
        lines = [speech.say("Geen open meldingen bekend.", "No open alerts known.") if report.silent
                 else speech.say("Geen open meldingen.", "No open alerts.")]
    drills = [exercise_text(one, speech) for one in report.exercises]
    return "\n".join([head, *silence_lines(report.silent, speech), *drills, *lines]) + "\n"


def alert_lines(one: OpenAlert, speech: Speech, at_us: int) -> list[str]:
    """An alert in some lines: what it is, who does what, and what is known of its road or is ahead of its zone.

    Parameters
    ----------
    one : OpenAlert
    speech : Speech
    at_us : int
        The report's end.
    """
    drill = speech.say("OEFENING ", "EXERCISE ") if one.exercise else ""
    stale = speech.say(", geen gegevens", ", no data") if one.stale else ""
    return [
        f"- {drill}{one.place_name}: {_figures(one, speech, at_us)}, {speech.state(one.state)} "
        f"{speech.say('sinds', 'since')} {speech.clock(one.since_us)}, {speech.certainty(one.certainty)}{stale} "
        f"({one.rule}, {one.alert_id})",
        f"  {'; '.join(_who(one, speech))}",
        *([] if one.road is None else [f"  {speech.say('Weg', 'Road')}: {road_text(one.road, speech)}"]),
        *([] if not one.expected else [
            f"  {speech.say('Verwacht', 'Expected')}: "
            f"{'; '.join(expected_text(ahead, speech) for ahead in one.expected)}"]),
    ]


def _figures(one: OpenAlert, speech: Speech, at_us: int) -> str:
    """Level and percent; where they are of before, of when, and without an arrow."""
    is_old = at_us - one.seen_us > LEAST_FRESH_US
    arrow = "" if one.trend is None or is_old else f" {ARROWS[one.trend]}"
    ahead = speech.say(" verwacht", " expected") if one.kind == RuleKind.FORECAST else ""
    what = f"{speech.level(one.level, one.level_word)}{ahead}" if one.level_word else (
        about(one.kind, dutch=speech.is_dutch))
    if one.percent_low is None:
        return what + arrow
    when = speech.say(" om ", " at ") + speech.clock(one.seen_us) if is_old else ""
    return f"{what}{arrow}, {speech.percent(one.percent_low, one.percent_high)}{when}"


def _who(one: OpenAlert, speech: Speech) -> list[str]:
    role = one.acknowledged_by or speech.say("onbekende rol", "unknown role")
    parts = [speech.say(f"bevestigd door {role}", f"acknowledged by {role}") if one.acknowledged
             else speech.say("niet bevestigd", "not acknowledged")]
    if one.escalated:
        parts.append(speech.say("geëscaleerd", "escalated"))
    if one.suppressed:
        parts.append(speech.say("onderdrukt", "suppressed"))
    if one.assigned:
        parts.append(speech.say(f"toegewezen aan {one.assigned}", f"assigned to {one.assigned}"))
    parts += [speech.say(f"maatregel {done.measure} genomen door {done.role}",
                         f"measure {done.measure} taken by {done.role}") for done in one.measures]
    if one.note_id:
        parts.append(speech.say(f"laatste notitie {one.note_id}", f"last note {one.note_id}"))
    return parts
