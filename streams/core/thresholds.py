# SPDX-License-Identifier: Apache-2.0
"""From level profiles and permitted capacities to thresholds in persons, snapped to band edges."""

from dataclasses import dataclass

import numpy as np

from schemas.city import CityFile, Facility, Profile, Rule, SensorStatus, Zone
from schemas.reading import Metric
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
    """

    zone: str
    gain: float
    people: list[float]
    up: list[int]
    down: list[int]


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


def view_areas(file: CityFile) -> dict[str, float]:
    """Area in view of the counted people sensors, m2, for each zone that has one."""
    areas: dict[str, float] = {}
    for sensor in file.sensors.values():
        measure = sensor.measures.get(Metric.PEOPLE.key)
        if sensor.zone is None or measure is None or sensor.status is not SensorStatus.ACTIVE:
            continue
        areas[sensor.zone] = areas.get(sensor.zone, 0.0) + (measure.view_area_m2 or 0.0)
    return areas


def rules_of_zone(file: CityFile, zone: str) -> dict[str, Rule]:
    """The rules that look at a zone."""
    return {key: rule for key, rule in file.rules.items() if "*" in rule.zones or zone in rule.zones}


def zone_thresholds(file: CityFile) -> list[ZoneThresholds]:
    """Thresholds of every zone in which people are counted; the hysteresis is the smallest of its rules."""
    found = []
    areas = view_areas(file)
    for key, zone in file.zones.items():
        profile = file.profiles.get(zone.profile)
        if zone.facility is Facility.ROAD or profile is None or not areas.get(key):
            continue
        gain = max(zone.area_m2 / areas[key], 1.0)
        people = level_people(zone, profile)
        rules = rules_of_zone(file, key).values()
        share = min((rule.hysteresis_percent for rule in rules), default=10.0) / 100
        finite = np.asarray([limit for limit in people if np.isfinite(limit)])
        up = snapped(finite, gain)
        down = clearing_edge(finite * (1 - share), gain, up)
        found.append(ZoneThresholds(key, gain, people, up.tolist(), down.tolist()))
    return found


def threshold_faults(file: CityFile) -> list[tuple[str, str]]:
    """Thresholds that snap together or leave no hysteresis, as (key path, what is wrong and what to do)."""
    faults = []
    for found in zone_thresholds(file):
        path = f"zones.{found.zone}"
        if not found.up:
            faults.append((path, f"profile {file.zones[found.zone].profile!r} gives no threshold for this "
                                 "facility and no capacity is permitted; add one of the two"))
        for level, (lower, upper) in enumerate(zip(found.up, found.up[1:], strict=False), start=1):
            if lower >= upper:
                faults.append((path, f"levels {level} and {level + 1} both begin at {upper} counted persons "
                                     f"(one stands for {found.gain:.3g} people); enlarge the area in "
                                     "view, the capacity or the distance between the levels"))
        for key, rule in rules_of_zone(file, found.zone).items():
            if rule.level > len(found.up):
                continue
            up = found.up[rule.level - 1]
            if up < LOWEST_RAISE:
                faults.append((path, f"rule {key!r} would raise at {up} counted persons, which leaves no band "
                                     f"to clear in (lowest: {LOWEST_RAISE}); enlarge the area in view or the "
                                     "limit"))
    return faults
