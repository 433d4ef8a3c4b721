# SPDX-License-Identifier: Apache-2.0
"""Where the simulated people can be: zones, the openings between them, and the square that gets too full."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from schemas.city import OUTSIDE, City, CityFile, Facility
from schemas.reading import Metric
from streams.core.thresholds import level_people

FLOW_MAX_PER_M_S = 82 / 60
"""Most people that pass a metre of effective width in a second; Fruin's walkway limit E/F, 82 p/m/min."""
FILL_S = 500.0
"""A square that its openings cannot fill in this time is no good for showing an alert."""
WORTH_SHOWING = 100
"""A square whose highest level holds from fewer people shows mostly chance."""


@dataclass(frozen=True, slots=True)
class Ground:
    """The zones of people of a city and the openings through which they move.

    `outside` is one place more, at index `len(zones)`.

    Parameters
    ----------
    zones : tuple of str
        Keys, in the order of the city file.
    level_people : float array [zone, level]
        Number of people from which each level holds, level 1 first; infinite where a profile has no more.
    gates : tuple of str or None
        Key of the gate of each opening; None = a way in that nothing counts.
    side_from, side_to : intp array [opening]
        Index of the place on either side, as in the city file.
    width_m : float array [opening]
        Effective width.
    limit_per_s : float array [opening]
        Most people that pass in a second, both ways together.
    depth : intp array [zone and outside]
        Fewest openings between a place and outside.
    square : int
        Index of the zone that reaches its highest level in every cycle; -1 in a city without zones of people.
    """

    zones: tuple[str, ...]
    level_people: npt.NDArray[np.float64]
    gates: tuple[str | None, ...]
    side_from: npt.NDArray[np.intp]
    side_to: npt.NDArray[np.intp]
    width_m: npt.NDArray[np.float64]
    limit_per_s: npt.NDArray[np.float64]
    depth: npt.NDArray[np.intp]
    square: int

    @classmethod
    def of(cls, city: City) -> Self:
        """Lay out the ground of a city.

        Where no gate leads from a zone to outside, also not through others, an uncounted way in does.
        """
        file = city.file
        zones = tuple(key for key, zone in file.zones.items() if zone.facility != Facility.ROAD)
        place = {key: index for index, key in enumerate((*zones, OUTSIDE))}
        sides: list[tuple[int, int]] = []
        gates: list[str | None] = []
        widths_m: list[float] = []
        for key, gate in file.gates.items():
            if gate.from_ in place and gate.to in place:
                gates.append(key)
                sides.append((place[gate.from_], place[gate.to]))
                widths_m.append(gate.width_m)
        for index in _cut_off(len(zones), sides, [file.zones[key].area_m2 for key in zones]):
            gates.append(None)
            sides.append((len(zones), index))
            widths_m.append(max(2.0, file.zones[zones[index]].area_m2**0.5 / 2))
        side_from, side_to = np.array(sides, np.intp).reshape(-1, 2).T
        width_m = np.array(widths_m, np.float64)
        limit_per_s = width_m * FLOW_MAX_PER_M_S
        levels = _level_people(file, zones)
        from_outside = _limit_from_outside(len(zones), side_from, side_to, limit_per_s)
        square = _square(file, zones, levels, from_outside)
        depth = _depth(len(zones), side_from, side_to)
        return cls(zones, levels, tuple(gates), side_from, side_to, width_m, limit_per_s, depth, square)

    @property
    def most_people(self) -> npt.NDArray[np.float64]:
        """Number of people from which the highest level of each zone holds."""
        return _most_people(self.level_people)


def _level_people(file: CityFile, zones: tuple[str, ...]) -> npt.NDArray[np.float64]:
    rows = [level_people(file.zones[key], file.profiles[file.zones[key].profile]) for key in zones]
    table = np.full((len(zones), max((len(row) for row in rows), default=0)), np.inf)
    for index, row in enumerate(rows):
        table[index, : len(row)] = row
    return table


def _cut_off(zones: int, sides: list[tuple[int, int]], areas_m2: list[float]) -> list[int]:
    """The largest zone of each group of joined zones that has no way to outside (index `zones`)."""
    leader = list(range(zones + 1))

    def leader_of(place: int) -> int:
        while leader[place] != place:
            leader[place] = leader[leader[place]]
            place = leader[place]
        return place

    for one, other in sides:
        leader[leader_of(one)] = leader_of(other)
    largest: dict[int, int] = {}
    for index in sorted(range(zones), key=lambda index: areas_m2[index]):
        if leader_of(index) != leader_of(zones):
            largest[leader_of(index)] = index
    return sorted(largest.values())


def _most_people(levels: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    finite = np.where(np.isfinite(levels), levels, 0.0)
    most: npt.NDArray[np.float64] = finite.max(axis=1, initial=0.0)
    return most


def _depth(
    zones: int, side_from: npt.NDArray[np.intp], side_to: npt.NDArray[np.intp]
) -> npt.NDArray[np.intp]:
    depth = np.full(zones + 1, zones + 1, np.intp)
    depth[zones] = 0
    before = np.zeros_like(depth)
    while (before != depth).any():
        before = depth.copy()
        np.minimum.at(depth, side_to, depth[side_from] + 1)
        np.minimum.at(depth, side_from, depth[side_to] + 1)
    return depth


def _limit_from_outside(
    zones: int,
    side_from: npt.NDArray[np.intp],
    side_to: npt.NDArray[np.intp],
    limit_per_s: npt.NDArray[np.float64],
) -> npt.NDArray[np.float64]:
    inner = np.where(side_from == zones, side_to, side_from)
    at_edge = (side_from == zones) | (side_to == zones)
    limit: npt.NDArray[np.float64] = np.zeros(zones)
    np.add.at(limit, inner[at_edge], limit_per_s[at_edge])
    return limit


def _square(
    file: CityFile,
    zones: tuple[str, ...],
    levels: npt.NDArray[np.float64],
    from_outside_per_s: npt.NDArray[np.float64],
) -> int:
    """Choose a zone that a camera sees, worth showing and filled in time; of those the largest."""
    seen = {sensor.zone for sensor in file.sensors.values() if Metric.PEOPLE.key in sensor.measures}
    most = _most_people(levels)
    fill_s = most / np.maximum(from_outside_per_s, 1e-9)

    def fitness(index: int) -> tuple[bool, bool, float]:
        in_time = bool(fill_s[index] <= FILL_S)
        shown = zones[index] in seen and bool(most[index] >= WORTH_SHOWING)
        return shown, in_time, float(most[index] if in_time else -fill_s[index])

    return max(range(len(zones)), key=fitness, default=-1)
