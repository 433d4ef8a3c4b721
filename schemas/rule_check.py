# SPDX-License-Identifier: Apache-2.0
"""What makes the rules of a city file sound: each looks at places that can answer, in its unit, with room to clear.

Whether limits about people keep their room once they are snapped to the bands is judged by the core that snaps.
"""

import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

import msgspec

from schemas.city import CityFile, Facility, SensorStatus
from schemas.city_fault import Fault, key_path, meant, reference_faults
from schemas.ids import IdKind
from schemas.reading import Metric
from schemas.roads import RoadTable, road_keys
from schemas.rules import EVERYWHERE, GRID_KINDS, KINDS, Rule, RuleKind

_DEFAULTS = {field.name: field.default for field in msgspec.structs.fields(Rule)}
_BELONGS: dict[str, tuple[RuleKind, ...]] = {
    "min_people": (RuleKind.DENSITY,),
    "density_from_per_m2": (RuleKind.STOP_AND_GO,),
    "lead_min": (RuleKind.FORECAST,),
    "skip_levels": GRID_KINDS,
}
"""Fields that mean something for some kinds only."""
_ROWS = {"zones": "zone", "gates": "gate", "roads": "road"}
_WITHOUT_CAMERA = (RuleKind.OCCUPANCY,)
"""Rules about zones that gates answer; all others need a sensor that counts people in the zone."""


@dataclass(frozen=True, slots=True)
class _Surroundings:
    """What rules may name."""

    file: CityFile
    roads: Collection[str]
    counted: frozenset[str]


def rule_faults(file: CityFile, roads: RoadTable) -> Iterator[Fault]:
    """Faults of all rules, then of what no rule watches.

    Parameters
    ----------
    file : CityFile
    roads : RoadTable
        Its measuring sites are what `roads` of a rule names.
    """
    around = _Surroundings(file, frozenset(road_keys(roads, IdKind.ZONE)), counted_zones(file))
    for key, rule in file.rules.items():
        path = key_path("rules", key)
        for judge in _JUDGES:
            yield from judge(path, rule, around)
    yield from _unwatched(file, around.counted)
    yield from _lone_forecasts(file, around.counted)


def counted_zones(file: CityFile) -> frozenset[str]:
    """Zones in which a sensor that is not on trial counts people."""
    return frozenset(
        sensor.zone for sensor in file.sensors.values()
        if sensor.zone is not None and sensor.status is SensorStatus.ACTIVE and Metric.PEOPLE.key in sensor.measures)


def looked_at(rule: Rule, zones: Collection[str]) -> list[str]:
    """Those of some zones that a rule about zones looks at."""
    return [zone for zone in zones if EVERYWHERE in rule.zones or zone in rule.zones]


def _limit_faults(path: str, rule: Rule, _: _Surroundings) -> Iterator[Fault]:
    facts, kind = KINDS[rule.kind], rule.kind.value
    if rule.unit is not None and rule.unit != facts.unit:
        yield Fault(f"{path}.unit", f"{rule.unit!r} is not the unit of kind {kind!r}, which is {facts.unit!r}; "
                                    "convert the limits to it, or leave `unit` out")
    if rule.kind is RuleKind.LEVEL:
        for name in ("limit", "clear"):
            if getattr(rule, name) is not None:
                yield Fault(f"{path}.{name}", "a rule of kind 'level' has the limits of its zones' profile; remove it, "
                                              "or use kind 'density' for a limit of its own")
        return
    if math.isnan(rule.raising):
        yield Fault(f"{path}.limit", f"is missing; kind {kind!r} has no usual limit: give one in {facts.unit}")
        return
    if not 0 < rule.raising <= facts.highest:
        yield Fault(f"{path}.limit", f"{rule.raising:g} is not plausible; it must lie above 0 and at most at "
                                     f"{facts.highest:g} {facts.unit}")
        return
    yield from _clear_faults(path, rule)


def _clear_faults(path: str, rule: Rule) -> Iterator[Fault]:
    facts = KINDS[rule.kind]
    name = "hysteresis_percent" if rule.clear is None else "clear"
    safe = rule.clearing < rule.raising if facts.rising else rule.clearing > rule.raising
    if not safe:
        side = "below" if facts.rising else "above"
        yield Fault(f"{path}.{name}", f"{rule.clearing:g} {facts.unit} is not {side} the raising limit "
                                      f"{rule.raising:g}, so the alert would flap; the clearing limit lies {side} it")
    elif not facts.rising and rule.clearing >= facts.highest:
        yield Fault(f"{path}.{name}", f"the alert would only clear above {rule.clearing:g} {facts.unit}, which is "
                                      f"never reached; bring the clearing limit below {facts.highest:g}")
    if rule.clear is not None and rule.hysteresis_percent != _DEFAULTS["hysteresis_percent"]:
        yield Fault(f"{path}.hysteresis_percent", "means nothing beside `clear`; keep one of the two")


def _field_faults(path: str, rule: Rule, _: _Surroundings) -> Iterator[Fault]:
    for name, kinds in _BELONGS.items():
        if rule.kind not in kinds and getattr(rule, name) != _DEFAULTS[name]:
            known = " and ".join(repr(kind.value) for kind in kinds)
            yield Fault(f"{path}.{name}", f"means nothing for kind {rule.kind.value!r}, only for {known}; remove it")
    on = KINDS[rule.kind].on
    for name, row in _ROWS.items():
        if on not in (row, "place") and getattr(rule, name) != [EVERYWHERE]:
            yield Fault(f"{path}.{name}", f"kind {rule.kind.value!r} looks at {on}s; remove it and name them "
                                          f"in `{on}s`")


def _place_faults(path: str, rule: Rule, around: _Surroundings) -> Iterator[Fault]:
    known: dict[str, Collection[str]] = {"zones": around.file.zones, "gates": around.file.gates, "roads": around.roads}
    on = KINDS[rule.kind].on
    # A rule about places of every kind may leave one of them out.
    mine = [name for name, row in _ROWS.items() if on in (row, "place")]
    if not any(getattr(rule, name) for name in mine):
        yield Fault(f"{path}.{mine[0]}", f'is empty; name {mine[0]}, or write ["*"] for all')
    for name in mine:
        wanted: list[str] = getattr(rule, name)
        if EVERYWHERE in wanted and len(wanted) > 1:
            yield Fault(f"{path}.{name}", f"'*' already means all {name}; write it alone")
        for at, key in enumerate(wanted):
            if key != EVERYWHERE:
                yield from _named_faults(f"{path}.{name}[{at}]", _ROWS[name], key, known[name])
    if on in ("zone", "place"):
        yield from _blind_faults(path, rule, around)


def _named_faults(path: str, row: str, key: str, known: Collection[str]) -> Iterator[Fault]:
    if row == "road" and key not in known:
        yield Fault(path, f"there is no measuring site {key!r} in the roads companion{meant(key, known)}; name one by "
                          "NDW's id, or bring it in with `drukte city import-ndw`")
        return
    yield from reference_faults(path, row, key, known)


def _blind_faults(path: str, rule: Rule, around: _Surroundings) -> Iterator[Fault]:
    """Zones that a rule names, and about which it could never say anything."""
    for at, key in enumerate(rule.zones):
        zone = around.file.zones.get(key)
        if zone is None:
            continue
        if rule.kind is RuleKind.OCCUPANCY and zone.capacity is None:
            yield Fault(f"{path}.zones[{at}]", f"zone {key!r} has no `capacity` to hold the people against; give it "
                                               "one, or leave the zone out")
        elif rule.kind not in _WITHOUT_CAMERA and key not in around.counted:
            yield Fault(f"{path}.zones[{at}]", f"no sensor counts people in zone {key!r} (those on trial do not "
                                               "count), so the rule could never fire; add one, or leave the zone out")


def _level_faults(path: str, rule: Rule, around: _Surroundings) -> Iterator[Fault]:
    file = around.file
    zones = looked_at(rule, file.zones) if KINDS[rule.kind].on == "zone" else []
    for profile_key in dict.fromkeys(file.zones[zone].profile for zone in zones):
        profile = file.profiles.get(profile_key)
        if profile is not None and profile.levels and rule.level >= len(profile.levels):
            yield Fault(
                f"{path}.level",
                f"level {rule.level} is unknown to profile {profile_key!r} of its zones, which ends at "
                f"{len(profile.levels) - 1}; lower the level or name other zones",
            )
    most = max((len(profile.levels) for profile in file.profiles.values()), default=0)
    if not zones and most and rule.level >= most:
        yield Fault(f"{path}.level", f"level {rule.level} is unknown to every profile; the highest is "
                                     f"{most - 1}: lower it")


def _event_faults(path: str, rule: Rule, around: _Surroundings) -> Iterator[Fault]:
    for at, key in enumerate(rule.events):
        yield from reference_faults(f"{path}.events[{at}]", "event", key, around.file.events)


_JUDGES: tuple[Callable[[str, Rule, _Surroundings], Iterator[Fault]], ...] = (
    _limit_faults, _field_faults, _place_faults, _level_faults, _event_faults)


def _unwatched(file: CityFile, counted: frozenset[str]) -> Iterator[Fault]:
    """Zones in which people are counted and no level is watched outside of events: rules are always on."""
    always = [rule for rule in file.rules.values() if rule.kind is RuleKind.LEVEL and not rule.events]
    bare = [
        key for key, zone in file.zones.items() if key in counted and zone.facility is not Facility.ROAD
        and not any(looked_at(rule, [key]) for rule in always)]
    if bare:
        more = f" and {len(bare) - 1} more" if len(bare) > 1 else ""
        yield Fault("rules", f"people are counted in zone {bare[0]!r}{more}, and no rule of kind 'level' without "
                             "`events` looks there; add one: protection is always on, events only add to it")


def _lone_forecasts(file: CityFile, counted: frozenset[str]) -> Iterator[Fault]:
    """Forecasts of a level that nothing measured would raise: a forecast is never the only alert of a level."""
    always = [rule for rule in file.rules.values() if rule.kind is RuleKind.LEVEL and not rule.events]
    for key, rule in file.rules.items():
        if rule.kind is not RuleKind.FORECAST:
            continue
        lone = [zone for zone in looked_at(rule, [zone for zone in file.zones if zone in counted])
                if (levels := [one.level for one in always if looked_at(one, [zone])]) and min(levels) > rule.level]
        if lone:
            yield Fault(f"{key_path('rules', key)}.level",
                        f"in zone {lone[0]!r} no rule of kind 'level' begins at level {rule.level} or below; a "
                        "forecast is never the only alert of a level: add that rule, or forecast a higher level")
