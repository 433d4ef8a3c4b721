# SPDX-License-Identifier: Apache-2.0
"""The situation report: how each site stands, what changed in the last hour, and how sure that is. Pure."""

from collections.abc import Iterator, Sequence

import msgspec

from schemas.alert import Certainty, certainty
from schemas.city import Facility
from schemas.moment import rfc3339
from streams.reports.handover import OpenAlert, alert_lines, open_alert
from streams.reports.material import Material, Story, ZoneRow, stories
from streams.reports.outlook import OutlookReport, outlook_line, outlook_of
from streams.reports.roads import RoadsReport, other_roads, roads_line, roads_of
from streams.reports.silence import SilentSite, silence_lines, silent_sites
from streams.reports.wording import ARROWS, BY_GATES, Language, Speech


class LevelChange(msgspec.Struct, frozen=True, kw_only=True):
    """A zone whose level differs from that at the begin; None = no data."""

    zone: str
    zone_name: str
    before: int | None
    before_word: str
    after: int | None
    after_word: str


class AlertChange(msgspec.Struct, frozen=True, kw_only=True):
    """An alert that opened or ended within the time; `exercise` says that it belongs to one."""

    alert_id: str
    place_name: str
    rule: str
    opened: bool
    exercise: bool
    at_us: int


class Lost(msgspec.Struct, frozen=True, kw_only=True):
    """A sensor that tells nothing of use."""

    sensor: str
    state: int
    since_us: int


class SiteReport(msgspec.Struct, frozen=True, kw_only=True):
    """One site. Level, percent and arrow are those of its worst zone; None where no zone has data.

    `zones_blind` are the zones of which nothing is known now; `by_gates` says that the worst one is known by its gates
    alone, since no sensor sees people in it.
    """

    site: str
    name: str
    worst_zone: str
    by_gates: bool
    level: int | None
    level_word: str
    percent_low: float | None
    percent_high: float | None
    trend: int | None
    certainty: Certainty
    zones: int
    zones_blind: list[str]
    alerts: list[OpenAlert]
    level_changes: list[LevelChange]
    alert_changes: list[AlertChange]
    sensors_lost: list[Lost]
    roads: RoadsReport
    outlook: OutlookReport


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """All sites, the worst first; `roads` are those that belong to none of them.

    `silent` as in the hand-over list.
    """

    kind: str = "situation"
    at: str
    from_us: int
    at_us: int
    origin: str
    city: str
    timezone: str
    silent: list[SilentSite]
    sites: list[SiteReport]
    roads: RoadsReport


def situation(material: Material) -> Situation:
    """How the city stands at the end of the material, and what changed since its begin."""
    told = stories(material)
    sites = [_site(material, key, told) for key in material.city.sites]
    sites.sort(key=lambda one: (-(one.level if one.level is not None else 0.5), one.site))
    return Situation(
        at=rfc3339(material.until_us), from_us=material.from_us, at_us=material.until_us, city=material.city.name,
        origin=str(material.origin), timezone=material.city.timezone, sites=sites,
        silent=silent_sites(material),
        roads=other_roads(material, told))


def _site(material: Material, site: str, told: Sequence[Story]) -> SiteReport:
    zones = [key for key, zone in material.city.zones.items()
             if zone.site == site and zone.facility is not Facility.ROAD]
    now = _speaking(material.rows, material.until_us)
    before = _speaking(material.rows, material.from_us)
    known = [now[key] for key in zones if key in now]
    worst = max(known, key=lambda row: (row.level or 0, row.percent_high or 0.0, row.zone), default=None)
    blind = [material.place_name(key) for key in zones if key not in now]
    mine = [story for story in told if story.first.site == site]
    return SiteReport(
        site=site, name=material.site_name(site), worst_zone="" if worst is None else material.place_name(worst.zone),
        by_gates=worst is not None and worst.by_gates,
        level=None if worst is None else worst.level, level_word="" if worst is None else _word(material, worst),
        percent_low=None if worst is None else worst.percent_low,
        percent_high=None if worst is None else worst.percent_high, trend=None if worst is None else worst.trend,
        certainty=_certainty(worst, len(blind), len(zones)), zones=len(zones), zones_blind=blind,
        alerts=[open_alert(material, story) for story in mine if story.is_open],
        level_changes=list(_level_changes(material, zones, before, now)),
        alert_changes=list(_alert_changes(material, mine)),
        sensors_lost=[Lost(sensor=one.sensor, state=one.state, since_us=one.since_us)
                      for one in material.lost if one.site == site],
        roads=roads_of(material, site, mine), outlook=outlook_of(material, zones),
    )


def _speaking(rows: Sequence[ZoneRow], at_us: int) -> dict[str, ZoneRow]:
    """By zone, the newest window with data that says something of that moment; sensors before gates."""
    known = (row for row in rows if row.level is not None and row.speaks_at(at_us))
    return {row.zone: row for row in sorted(known, key=lambda row: (not row.by_gates, row.end_us))}


def _word(material: Material, row: ZoneRow) -> str:
    return material.level_word(material.city.zones[row.zone].profile, row.level or 0)


def _certainty(worst: ZoneRow | None, blind: int, zones: int) -> Certainty:
    """That of the worst zone; less where a worse one may not be seen, or where it is estimated by its gates."""
    if worst is None or 2 * blind >= zones:
        return Certainty.UNSURE
    own = certainty(worst.coverage, False, worst.people_low, worst.people_high)
    return Certainty.LIKELY if (blind or worst.by_gates) and own is Certainty.SURE else own


def _level_changes(
    material: Material, zones: Sequence[str], before: dict[str, ZoneRow], now: dict[str, ZoneRow]
) -> Iterator[LevelChange]:
    for key in zones:
        was, row = before.get(key), now.get(key)
        if (None if was is None else was.level) != (None if row is None else row.level):
            yield LevelChange(
                zone=key, zone_name=material.place_name(key), before=None if was is None else was.level,
                before_word="" if was is None else _word(material, was), after=None if row is None else row.level,
                after_word="" if row is None else _word(material, row))


def _alert_changes(material: Material, told: Sequence[Story]) -> Iterator[AlertChange]:
    for story in told:
        for opened, at_us in ((True, story.first.opened_at_us), (False, story.ended_us)):
            if at_us is not None and material.from_us <= at_us <= material.until_us:
                yield AlertChange(alert_id=story.first.alert_id, place_name=material.place_name(story.first.place),
                                  rule=story.first.rule, opened=opened, exercise=story.first.exercise, at_us=at_us)


def situation_text(report: Situation, language: Language) -> str:
    """As plain text."""
    speech = Speech(language, report.timezone)
    lines = [f"{speech.say('Situatie', 'Situation')} {report.city}, {speech.clock(report.at_us)} "
             f"({speech.say('sinds', 'since')} {speech.clock(report.from_us)})"]
    lines += silence_lines(report.silent, speech)
    for site in report.sites:
        lines += ["", *_site_lines(site, speech, report.at_us)]
    if report.roads.roads:
        lines += ["", roads_line(report.roads, speech)]
    return "\n".join(lines) + "\n"


def _site_lines(site: SiteReport, speech: Speech, at_us: int) -> Iterator[str]:
    if not site.zones:
        nobody = speech.say("geen zones waar mensen gemeten worden", "no zones where people are measured")
        yield f"{site.name}: {nobody}"
    elif site.level is None:
        yield f"{site.name}: {speech.say('GEEN GEGEVENS', 'NO DATA')}, {speech.certainty(site.certainty)}"
    else:
        arrow = "" if site.trend is None else f" {ARROWS[site.trend]}"
        gates = f", {speech.say(*BY_GATES)}" if site.by_gates else ""
        yield (f"{site.name}: {speech.level(site.level, site.level_word)}{arrow}, "
               f"{speech.percent(site.percent_low, site.percent_high)} ({site.worst_zone}{gates}), "
               f"{speech.certainty(site.certainty)}")
    if site.zones_blind:
        yield f"  {speech.say('Geen gegevens van', 'No data of')}: {', '.join(site.zones_blind)}"
    yield from (f"  {line}" for line in (
        outlook_line(site.outlook, site.zones, speech), roads_line(site.roads, speech)) if line)
    yield f"  {speech.say('Open meldingen', 'Open alerts')}: {len(site.alerts)}"
    for one in site.alerts:
        yield from (f"  {line}" for line in alert_lines(one, speech, at_us))
    changes = list(_change_lines(site, speech))
    nothing = speech.say("niets", "nothing")
    yield f"  {speech.say('Veranderd', 'Changed')}: {'' if changes else nothing}".rstrip()
    yield from (f"  - {line}" for line in changes)
    for lost in site.sensors_lost:
        yield (f"  {speech.say('Sensor weg', 'Sensor lost')}: {lost.sensor}, {speech.sensor(lost.state)} "
               f"{speech.say('sinds', 'since')} {speech.clock(lost.since_us)}")


def _change_lines(site: SiteReport, speech: Speech) -> Iterator[str]:
    for one in site.level_changes:
        yield (f"{one.zone_name}: {speech.level(one.before, one.before_word)} → "
               f"{speech.level(one.after, one.after_word)}")
    for change in site.alert_changes:
        word = speech.say("melding geopend", "alert opened") if change.opened else (
            speech.say("melding voorbij", "alert ended"))
        drill = speech.say("OEFENING ", "EXERCISE ") if change.exercise else ""
        yield f"{speech.clock(change.at_us)} {drill}{word}: {change.place_name}, {change.rule}"
