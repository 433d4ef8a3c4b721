# SPDX-License-Identifier: Apache-2.0
"""From level profiles and permitted capacities to thresholds in persons, snapped to band edges."""

import itertools
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from schemas.city import CityFile, Facility, Profile, Rule, RuleKind, SensorStatus, Zone
from schemas.city_fault import key_path
from schemas.reading import Metric
from schemas.rules import EVERYWHERE
from streams.core.privacy import LOWEST_RAISE, clearing_edge, snapped


@dataclass(frozen=True, slots=True)
class ZoneThresholds:
    """The thresholds of one zone while all its sensors report.

    Parameters
    ----------
    zone : str
    gain : float
        Zone area / area in view: for how many people one counted person stands.
    people : list of float
        People in the zone from which level 1, 2, ... holds.
    up, down : list of int
        Raising and clearing edges of the same levels, in counted persons.
    own : dict of str to (int, int)
        Raising and clearing edge of each rule of kind density.
    """

    zone: str
    gain: float
    people: list[float]
    up: list[int]
    down: list[int]
    own: dict[str, tuple[int, int]] = field(default_factory=dict)


def level_people(zone: Zone, profile: Profile) -> list[float]:
    """People in the zone from which level 1, 2, ... holds: the lower of the two columns, as the worse counts.

    The zone's facility and time type choose the density column; the permit's number gives the other one.
    Infinity where neither column applies to the zone.
    """
    columns = []
    if zone.capacity is not None and profile.percent_of_capacity is not None:
        columns.append([percent / 100 * zone.capacity for percent in profile.percent_of_capacity])
    densities = profile.densities(zone.time_type)
    if zone.facility in densities:
        columns.append([density * zone.area_m2 for density in densities[zone.facility]])
    if not columns:
        return [np.inf] * (len(profile.levels) - 1)
    return [min(limits) for limits in zip(*columns, strict=True)][1:]


def level_by_gates(inside_high: int, limits: Sequence[float]) -> int:
    """The level of a zone that no sensor sees: by the upper bound of the people inside, as `level_people` limits it."""
    return sum(inside_high >= limit for limit in limits)


def view_areas(file: CityFile) -> dict[str, float]:
    """Area in view of the counted people sensors, m2, for each zone that has one."""
    areas: dict[str, float] = {}
    people = Metric.PEOPLE.key
    for sensor in file.sensors.values():
        measure = sensor.measures.get(people)
        if sensor.zone is None or measure is None or sensor.status is not SensorStatus.ACTIVE:
            continue
        areas[sensor.zone] = areas.get(sensor.zone, 0.0) + (measure.view_area_m2 or 0.0)
    return areas


def rules_of_zone(file: CityFile, zone: str, kind: RuleKind = RuleKind.LEVEL) -> dict[str, Rule]:
    """The rules of a kind that look at a zone."""
    return {key: rule for key, rule in file.rules.items()
            if rule.kind is kind and (EVERYWHERE in rule.zones or zone in rule.zones)}


def safe_share(rule: Rule) -> float:
    """The clearing limit of a rule on the grid, as a share of its raising one."""
    if rule.clear is None or not rule.raising > 0:
        return 1 - rule.hysteresis_percent / 100
    return rule.clear / rule.raising


def density_people(zone: Zone, rule: Rule) -> float:
    """People in the zone from which a rule of kind density is over."""
    return max(rule.raising * zone.area_m2, rule.min_people or 0)


def zone_thresholds(file: CityFile) -> list[ZoneThresholds]:
    """Thresholds of every zone in which people are counted; the hysteresis is the smallest of its level rules."""
    areas = view_areas(file)
    asked = []
    for key, zone in file.zones.items():
        profile = file.profiles.get(zone.profile)
        if zone.facility is Facility.ROAD or profile is None or not areas.get(key):
            continue
        gain = max(zone.area_m2 / areas[key], 1.0)
        asked.append((key, gain, level_people(zone, profile)))
    return _of_people(file, asked)


def _of_people(file: CityFile, asked: Sequence[tuple[str, float, list[float]]]) -> list[ZoneThresholds]:
    """Thresholds of zones (key, gain, people), snapped all together: one by one it takes longer than all else."""
    limits, own = [], []
    for key, gain, people in asked:
        share = max((safe_share(rule) for rule in rules_of_zone(file, key).values()), default=0.9)
        limits.append(_Limits(people, share, gain))
        own.append(rules_of_zone(file, key, RuleKind.DENSITY))
        limits += [_Limits([density_people(file.zones[key], rule)], safe_share(rule), gain)
                   for rule in own[-1].values()]
    edges = iter(_edges(limits))
    found = []
    for (key, gain, people), rules in zip(asked, own, strict=True):
        up, down = next(edges)
        of_rules = {name: (raised, cleared) for name, ((raised,), (cleared,)) in zip(
            rules, itertools.islice(edges, len(rules)), strict=True)}
        found.append(ZoneThresholds(key, gain, people, up, down, of_rules))
    return found


@dataclass(frozen=True, slots=True)
class _Limits:
    """Limits in people, which share of them clears, and for how many people one counted person stands."""

    people: Sequence[float]
    share: float
    gain: float


def _edges(asked: Sequence[_Limits]) -> list[tuple[list[int], list[int]]]:
    """Raising and clearing edges in counted persons of those limits that there are."""
    finite = [[limit for limit in one.people if math.isfinite(limit)] for one in asked]
    sizes = [len(limits) for limits in finite]
    people = np.array([limit for limits in finite for limit in limits], np.float64)
    gain = np.repeat(np.array([one.gain for one in asked], np.float64), sizes)
    share = np.repeat(np.array([one.share for one in asked], np.float64), sizes)
    up = snapped(people, gain)
    ups, downs = up.tolist(), clearing_edge(people * share, gain, up).tolist()
    ends = list(itertools.accumulate(sizes))
    return [(ups[end - size : end], downs[end - size : end]) for end, size in zip(ends, sizes, strict=True)]


def threshold_faults(file: CityFile) -> list[tuple[str, str]]:
    """Thresholds that snap together or leave no hysteresis, as (key path, what is wrong and what to do)."""
    faults: list[tuple[str, str]] = []
    for found in zone_thresholds(file):
        path = key_path("zones", found.zone)
        if not found.up:
            faults.append((path, f"profile {file.zones[found.zone].profile!r} gives no threshold for this "
                                 "facility and no capacity is permitted; add one of the two"))
        faults += [(path, text) for text in _level_faults(file, found)]
        faults += [(path, text) for text in _density_faults(file, found)]
        faults += _event_faults(file, found)
    return faults


def _level_faults(file: CityFile, found: ZoneThresholds) -> Iterator[str]:
    for level, (lower, upper) in enumerate(zip(found.up, found.up[1:], strict=False), start=1):
        if lower >= upper:
            yield (f"levels {level} and {level + 1} both begin at {upper} counted persons "
                   f"(one stands for {found.gain:.3g} people); enlarge the area in "
                   "view, the capacity or the distance between the levels")
    for key, rule in rules_of_zone(file, found.zone).items():
        if rule.level <= len(found.up):
            yield from _room_faults(key, found.up[rule.level - 1])


def _density_faults(file: CityFile, found: ZoneThresholds) -> Iterator[str]:
    taken: dict[int, str] = {}
    rules = rules_of_zone(file, found.zone, RuleKind.DENSITY)
    for key, (up, _) in found.own.items():
        yield from _room_faults(key, up)
        other = taken.setdefault(up, key)
        people = [density_people(file.zones[found.zone], rules[one]) for one in (other, key)]
        if people[0] != people[1]:
            yield (f"rules {other!r} and {key!r} both raise at {up} counted persons (one stands for {found.gain:.3g} "
                   "people), though their limits differ; enlarge the area in view or the distance between the limits")


def _room_faults(rule: str, up: int) -> Iterator[str]:
    if up < LOWEST_RAISE:
        yield (f"rule {rule!r} would raise at {up} counted persons, which leaves no band "
               f"to clear in (lowest: {LOWEST_RAISE}); enlarge the area in view or the limit")


def _event_faults(file: CityFile, found: ZoneThresholds) -> list[tuple[str, str]]:
    """What snaps together only while an event tightens the levels."""
    faults = []
    zone = file.zones[found.zone]
    for key, event in file.events.items():
        profile = file.profiles.get(event.profile or "")
        if profile is None or zone.site not in event.sites or len(profile.levels) != len(found.people) + 1:
            continue
        both = [min(pair) for pair in zip(found.people, level_people(zone, profile), strict=True)]
        if both != found.people:
            [tightened] = _of_people(file, [(found.zone, found.gain, both)])
            faults += [(key_path("events", key) + ".profile", f"in zone {found.zone!r} {text}")
                       for text in _level_faults(file, tightened)]
    return faults
