# SPDX-License-Identifier: Apache-2.0
"""What differs between two city versions, in words. Pure."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from enum import StrEnum
from typing import Any

import msgspec

from schemas.city import City
from schemas.city_fault import key_path
from schemas.ids import IdKind
from schemas.roads import road_keys
from streams.core.thresholds import ZoneThresholds, zone_thresholds


class ChangeKind(StrEnum):
    """What a difference is about."""

    GEOMETRY = "geometry"
    """What draws the zone map: takes over at 00:00 UTC only."""
    PLACES = "places"
    SENSORS = "sensors"
    THRESHOLDS = "thresholds"
    """Where levels begin, as snapped to the bands; follows from areas, capacities, profiles, rules and views."""
    RULES = "rules"
    EVENTS = "events"
    PLANS = "plans"
    PROFILES = "profiles"
    SOURCES = "sources"
    ROADS = "roads"
    GENERAL = "general"


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One difference.

    Parameters
    ----------
    kind : ChangeKind
    path : str
        Key path in the city file; of thresholds the zone's.
    text : str
        What changed, for people.
    """

    kind: ChangeKind
    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}"


_GEOMETRY = {"zones": ("site", "area_m2", "polygon"), "gates": ("site", "from", "to", "line")}
_SECTIONS = {
    "sites": ChangeKind.PLACES, "zones": ChangeKind.PLACES, "gates": ChangeKind.PLACES,
    "sensors": ChangeKind.SENSORS, "rules": ChangeKind.RULES, "events": ChangeKind.EVENTS, "plans": ChangeKind.PLANS,
    "profiles": ChangeKind.PROFILES, "sources": ChangeKind.SOURCES, "activations": ChangeKind.SENSORS,
}
_DRAWN = ("polygon", "line")


def city_differences(before: City, after: City) -> list[Difference]:
    """Every difference between two versions; by section, then in the order of their keys."""
    first, second = msgspec.to_builtins(before.file), msgspec.to_builtins(after.file)
    found = [
        Difference(kind=ChangeKind.GENERAL, path=name, text=f"{first[name]} -> {second[name]}")
        for name in ("name", "timezone") if first[name] != second[name]
    ]
    for section, kind in _SECTIONS.items():
        found += _section(kind, section, first[section], second[section])
    return [*found, *_thresholds(before, after), *_roads(before, after)]


def kinds(found: Iterable[Difference]) -> list[str]:
    """The kinds that occur, each once, in their fixed order."""
    there = {one.kind for one in found}
    return [kind.value for kind in ChangeKind if kind in there]


def _section(
    kind: ChangeKind, section: str, before: Mapping[str, Any], after: Mapping[str, Any]
) -> Iterator[Difference]:
    drawn = ChangeKind.GEOMETRY if section in _GEOMETRY else kind
    for key in [*before, *(key for key in after if key not in before)]:
        path = key_path(section, key)
        if key not in after:
            yield Difference(kind=drawn, path=path, text="removed")
        elif key not in before:
            yield Difference(kind=drawn, path=path, text="new")
        else:
            for name, text in _fields(before[key], after[key]):
                geometry = name.partition(".")[0] in _GEOMETRY.get(section, ())
                yield Difference(
                    kind=ChangeKind.GEOMETRY if geometry else kind, path=f"{path}.{name}", text=text)


def _fields(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Key path and words of each field that differs; tables are looked into."""
    for name in [*before, *(name for name in after if name not in before)]:
        old, new = before.get(name), after.get(name)
        if old == new:
            continue
        if isinstance(old, dict) and isinstance(new, dict):
            yield from ((f"{key_path('', name)}.{inner}", text) for inner, text in _fields(old, new))
        elif name in _DRAWN:
            yield name, "drawn anew"
        else:
            yield key_path("", name), f"{_shown(old)} -> {_shown(new)}"


def _shown(value: object) -> str:
    return "none" if value is None else msgspec.json.encode(value).decode()


def _thresholds(before: City, after: City) -> Iterator[Difference]:
    first = {one.zone: one for one in zone_thresholds(before.file)}
    for found in zone_thresholds(after.file):
        was = first.get(found.zone)
        path = key_path("zones", found.zone)
        if was is None or same_thresholds(was, found):
            continue
        text = f"{_edges(before, was)} -> {_edges(after, found)}"
        yield Difference(kind=ChangeKind.THRESHOLDS, path=path, text=text)


def same_thresholds(first: ZoneThresholds, second: ZoneThresholds) -> bool:
    """Whether a zone raises and clears at the same numbers of people."""
    return (first.up, first.down, first.own, first.gain) == (second.up, second.down, second.own, second.gain)


def _edges(city: City, found: ZoneThresholds) -> str:
    """Levels with raising and clearing edge in counted persons, and for how many people one stands."""
    names = city.file.profiles[city.file.zones[found.zone].profile].levels[1:]
    levels = ", ".join(
        f"{name} from {up} (below {down})" for name, up, down in zip(names, found.up, found.down, strict=False))
    levels += "".join(f", rule {key} from {up} (below {down})" for key, (up, down) in found.own.items())
    return f"{levels} counted persons, one for {found.gain:.3g}"


def _roads(before: City, after: City) -> Iterator[Difference]:
    if before.roads.table.equals(after.roads.table):
        return
    for kind, word in ((IdKind.ZONE, "measuring sites"), (IdKind.SENSOR, "sensors")):
        old, new = set(road_keys(before.roads, kind)), set(road_keys(after.roads, kind))
        yield Difference(kind=ChangeKind.ROADS, path="roads", text=(
            f"{word}: {_counted(new - old)} new, {_counted(old - new)} removed, {len(new)} in all"))


def _counted(keys: Collection[str]) -> str:
    return f"{len(keys)} (such as {min(keys)})" if keys else "0"
