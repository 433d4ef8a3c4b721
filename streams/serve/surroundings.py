# SPDX-License-Identifier: Apache-2.0
"""Context on the page: which records are shown, in which words, and where they lie on the maps of the sites. Pure."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Self

import msgspec

from schemas.city import CityFile, Point
from schemas.context import ContextKind, ContextRecord
from streams.serve.drawing import Projection, site_projection, site_zones

AHEAD_S = 86_400.0
"""So long before it begins, in log time, a record is shown."""
RECORDS_SHOWN = 100
REACH_M = 500.0
"""A record farther from a site's zones is not on its map."""
WORDS = {
    ContextKind.ROAD_WORKS: "wegwerkzaamheden", ContextKind.CLOSURE: "afsluiting", ContextKind.EVENT: "evenement",
    ContextKind.INCIDENT: "incident", ContextKind.MEASURE: "verkeersmaatregel",
}


class ContextItem(msgspec.Struct, frozen=True, kw_only=True):
    """A record that holds now or soon; `paths` are SVG paths in metres on the map of each site near it."""

    id: str
    source: str
    kind: str
    word: str
    what: str
    begins_at: dt.datetime
    ends_at: dt.datetime | None
    paths: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Map:
    projection: Projection
    west: float
    north: float
    east: float
    south: float

    def holds(self, spots: list[tuple[float, float]]) -> bool:
        """Whether the box around some spots meets the map's own and `REACH_M` around it."""
        rights, downs = zip(*spots, strict=True)
        return bool(
            min(rights) <= self.east + REACH_M and max(rights) >= self.west - REACH_M
            and min(downs) <= self.south + REACH_M and max(downs) >= self.north - REACH_M
        )


@dataclass(frozen=True, slots=True)
class SiteMaps:
    """The maps of the page, by site key."""

    maps: dict[str, _Map] = field(default_factory=dict)

    @classmethod
    def of(cls, file: CityFile) -> Self:
        """As the page draws them: only sites with zones."""
        maps = {}
        for site in file.sites:
            zones = site_zones(file, site)
            if zones:
                gates = [gate for gate in file.gates.values() if gate.site == site]
                projection = site_projection(zones, gates)
                spots = [projection.spot(point) for zone in zones.values() for point in zone.polygon]
                rights, downs = zip(*spots, strict=True)
                maps[site] = _Map(projection, min(rights), min(downs), max(rights), max(downs))
        return cls(maps)

    def paths(self, place: list[list[Point]]) -> dict[str, str]:
        """SVG paths of a place on each map that it meets; a point is a line without length."""
        found = {}
        for site, drawn in self.maps.items():
            parts = [[drawn.projection.spot(point) for point in part] for part in place]
            shown = [_path(part) for part in parts if drawn.holds(part)]
            if shown:
                found[site] = "".join(shown)
        return found


def shown_context(records: Iterable[ContextRecord], maps: SiteMaps, now: dt.datetime) -> list[ContextItem]:
    """The records that hold at `now` or begin within `AHEAD_S`, the soonest to begin first."""
    now_us = round(now.timestamp() * 1e6)
    shown = [one for one in records if not one.is_over(now_us) and one.begins_us <= now_us + AHEAD_S * 1e6]
    shown.sort(key=lambda one: (one.begins_us, one.key))
    return [_item(one, maps) for one in shown[-RECORDS_SHOWN:]]


def _item(one: ContextRecord, maps: SiteMaps) -> ContextItem:
    return ContextItem(
        id=one.record, source=one.source, kind=one.kind, word=WORDS[one.kind], what=one.what,
        begins_at=_moment(one.begins_us), ends_at=None if one.ends_us is None else _moment(one.ends_us),
        paths=maps.paths(one.place),
    )


def _path(spots: list[tuple[float, float]]) -> str:
    first, *others = spots
    lines = "".join(f"L{right:g} {down:g}" for right, down in others) or "h0"
    return f"M{first[0]:g} {first[1]:g}{lines}"


def _moment(at_us: int) -> dt.datetime:
    return dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=min(at_us, 4_102_444_800_000_000))
