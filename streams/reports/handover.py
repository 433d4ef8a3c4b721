# SPDX-License-Identifier: Apache-2.0
"""The hand-over list: every open alert, as the one who takes over needs it. Pure."""

import msgspec

from schemas.alert import Certainty, State
from schemas.expected import told_certainty
from schemas.moment import rfc3339
from schemas.rules import RuleKind
from streams.reports.exercises import Exercise, exercise_text, exercises
from streams.reports.material import Material, Story, stories
from streams.reports.outlook import Expected, expected, expected_text
from streams.reports.roads import RoadReport, disturbed_roads, road_report, road_text, speaking_roads
from streams.reports.wording import ARROWS, Language, Speech


class TakenMeasure(msgspec.Struct, frozen=True, kw_only=True):
    """A measure that was taken: `PLAN/MEASURE`, by which role and when."""

    measure: str
    role: str
    at: str


class OpenAlert(msgspec.Struct, frozen=True, kw_only=True):
    """One open alert; about people the percent band alone, `expected` of a zone, `road` of a road.

    Times are log times, `note_id` is the last note's.
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
    """The list, the gravest first, and the exercises that are on or ended in its time."""

    kind: str = "handover"
    at: str
    at_us: int
    origin: str
    timezone: str
    alerts: list[OpenAlert]
    exercises: list[Exercise]


def handover(material: Material) -> Handover:
    """What is open at the end of the material."""
    found = [open_alert(material, story) for story in stories(material) if story.is_open]
    found.sort(key=lambda one: (one.exercise, -one.level, one.acknowledged, one.since_us, one.alert_id))
    return Handover(at=rfc3339(material.until_us), at_us=material.until_us, origin=str(material.origin),
                    timezone=material.city.timezone, alerts=found, exercises=exercises(material))


def open_alert(material: Material, story: Story) -> OpenAlert:
    """One alert as it stands."""
    one = story.last
    acknowledged_us = story.acknowledged_us if one.acknowledged else None
    return OpenAlert(
        alert_id=one.alert_id, site=one.site, place=one.place, place_name=material.place_name(one.place),
        rule=one.rule, kind=one.measure, severity=one.severity, state=one.state_to, since=rfc3339(one.opened_at_us),
        since_us=one.opened_at_us, level=one.level_to, level_word=material.level_word(one.profile, one.level_to),
        percent_low=one.percent_low, percent_high=one.percent_high, trend=one.trend, certainty=told_certainty(one),
        stale=one.stale, acknowledged=one.acknowledged,
        acknowledged_by=story.acknowledged_by if one.acknowledged else "",
        acknowledged_at=None if acknowledged_us is None else rfc3339(acknowledged_us), escalated=one.escalated,
        suppressed=one.suppressed, exercise=one.exercise, assigned=one.assigned, note_id=story.note_id,
        measures=[TakenMeasure(measure=done.measure, role=done.role, at=rfc3339(done.at_us)) for done in story.taken],
        expected=expected(material, one.place), road=_road(material, story),
    )


def _road(material: Material, story: Story) -> RoadReport | None:
    row = speaking_roads(material).get(story.last.place)
    return None if row is None else road_report(material, row, disturbed_roads([story]))


def handover_text(report: Handover, language: Language) -> str:
    """As plain text."""
    speech = Speech(language, report.timezone)
    head = speech.say("Overdracht", "Hand-over") + f", {speech.clock(report.at_us)}"
    lines = [line for one in report.alerts for line in alert_lines(one, speech)]
    if not lines:
        lines = [speech.say("Geen open meldingen.", "No open alerts.")]
    return "\n".join([head, *(exercise_text(one, speech) for one in report.exercises), *lines]) + "\n"


def alert_lines(one: OpenAlert, speech: Speech) -> list[str]:
    """An alert in some lines: what it is, who does what, and what is known of its road or is ahead of its zone."""
    drill = speech.say("OEFENING ", "EXERCISE ") if one.exercise else ""
    arrow = "" if one.trend is None else f" {ARROWS[one.trend]}"
    ahead = speech.say(" verwacht", " expected") if one.kind == RuleKind.FORECAST else ""
    stale = speech.say(", geen gegevens", ", no data") if one.stale else ""
    return [
        f"- {drill}{one.place_name}: {speech.level(one.level, one.level_word)}{ahead}{arrow}, "
        f"{speech.percent(one.percent_low, one.percent_high)}, {speech.state(one.state)} "
        f"{speech.say('sinds', 'since')} {speech.clock(one.since_us)}, {speech.certainty(one.certainty)}{stale} "
        f"({one.rule}, {one.alert_id})",
        f"  {'; '.join(_who(one, speech))}",
        *([] if one.road is None else [f"  {speech.say('Weg', 'Road')}: {road_text(one.road, speech)}"]),
        *([] if not one.expected else [
            f"  {speech.say('Verwacht', 'Expected')}: "
            f"{'; '.join(expected_text(ahead, speech) for ahead in one.expected)}"]),
    ]


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
