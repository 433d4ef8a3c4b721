# SPDX-License-Identifier: Apache-2.0
"""Roads in the reports: how each site's roads flow now, the worst first. Pure; from published rows only."""

from collections.abc import Collection, Sequence

import msgspec

from schemas.rules import RuleKind
from streams.reports.material import Material, RoadRow, Story
from streams.reports.wording import Speech

LETTERS = "ABCDEF"
"""Service levels of roads, 0 to 5."""
ROADS_TOLD = 3
DISTURBED = (RuleKind.INCIDENT, RuleKind.CONGESTION)


class RoadReport(msgspec.Struct, frozen=True, kw_only=True):
    """A road's newest window, all vehicles; None where it is not known.

    `disturbed` says that an alert of kind incident or congestion is open there.
    """

    road: str
    name: str
    service_level: str | None
    speed_km_h: float | None
    flow_veh_h_lane: float | None
    disturbed: bool


class RoadsReport(msgspec.Struct, frozen=True, kw_only=True):
    """Some roads: how many there are, how many have data now, and the worst of them."""

    roads: int
    known: int
    worst: list[RoadReport]


def roads_of(material: Material, site: str, told: Sequence[Story]) -> RoadsReport:
    """How the roads of a site flow at the end of the material."""
    return _report(material, sorted(road for road, of in _sites(material).items() if of == site), told)


def other_roads(material: Material, told: Sequence[Story]) -> RoadsReport:
    """The same of the roads that belong to no site of the city file: those of its squares."""
    mine = () if material.is_of_one_site else _sites(material).items()
    return _report(material, sorted(road for road, of in mine if of not in material.city.sites), told)


def _sites(material: Material) -> dict[str, str]:
    return dict(zip(map(str, material.roads.column("zone")), map(str, material.roads.column("site")), strict=True))


def _report(material: Material, mine: Sequence[str], told: Sequence[Story]) -> RoadsReport:
    disturbed = disturbed_roads(told)
    now = speaking_roads(material)
    found = [road_report(material, now[key], disturbed) for key in mine if key in now]
    found.sort(key=_badness)
    return RoadsReport(roads=len(mine), known=len(found), worst=found[:ROADS_TOLD])


def road_report(material: Material, row: RoadRow, disturbed: Collection[str]) -> RoadReport:
    """One road as its row tells it."""
    return RoadReport(
        road=row.road, name=material.place_name(row.road),
        service_level=None if row.service_level is None else LETTERS[row.service_level], speed_km_h=row.speed_km_h,
        flow_veh_h_lane=row.flow_veh_h_lane, disturbed=row.road in disturbed)


def speaking_roads(material: Material) -> dict[str, RoadRow]:
    """By road, its newest window that says something of the end of the material."""
    found: dict[str, RoadRow] = {}
    for row in material.road_rows:
        before = found.get(row.road)
        if row.speaks_at(material.until_us) and (before is None or row.end_us > before.end_us):
            found[row.road] = row
    return found


def disturbed_roads(told: Sequence[Story]) -> set[str]:
    """Places with an open alert about a road's flow."""
    return {story.last.place for story in told if story.is_open and story.last.measure in DISTURBED}


def roads_line(report: RoadsReport, speech: Speech) -> str:
    """One sentence about some roads and one about each of the worst; empty without roads."""
    if not report.roads:
        return ""
    head = speech.say(f"Wegen: {report.known} van {report.roads} met gegevens",
                      f"Roads: {report.known} of {report.roads} with data")
    return ". ".join([head, *(f"{one.name}: {road_text(one, speech)}" for one in report.worst)])


def road_text(one: RoadReport, speech: Speech) -> str:
    """A road in a few words."""
    parts = []
    if one.disturbed:
        parts.append(speech.say("verstoord", "disturbed"))
    if one.service_level is not None:
        parts.append(speech.say(f"dienstniveau {one.service_level}", f"service level {one.service_level}"))
    if one.speed_km_h is not None:
        parts.append(f"{one.speed_km_h:.0f} km/{speech.say('u', 'h')}")
    if one.flow_veh_h_lane is not None:
        parts.append(speech.say(f"{one.flow_veh_h_lane:.0f} voertuigen per uur en strook",
                                f"{one.flow_veh_h_lane:.0f} vehicles per hour and lane"))
    return ", ".join(parts) or speech.say("geen gegevens", "no data")


def _badness(one: RoadReport) -> tuple[bool, int, float, str]:
    level = -1 if one.service_level is None else LETTERS.index(one.service_level)
    return not one.disturbed, -level, float("inf") if one.speed_km_h is None else one.speed_km_h, one.road
