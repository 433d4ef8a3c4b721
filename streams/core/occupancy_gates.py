# SPDX-License-Identifier: Apache-2.0
"""What the city file says of its gates: which zones they join, how wide they are and how they err.

Rows are the zones, then the areas (zones joined by gates, with their ways to outside): an area's people change
only at its outer gates, so errors of inner gates cancel. A direction is a gate's way in (its number), or its way
out (its number plus the number of gates).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.city import City, ErrorModel
from schemas.reading import Metric
from streams.core.layout import Layout, PlaceKind, gate_widths_m

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

UNSTATED_SD = 0.05
"""Of a counter about which the city file says nothing; in practice they are some 7 % off, one way."""
FULL_FLOW_PER_M_MIN = 82.0
"""Flow per metre of effective width at which a gate counts as fully crowded: Fruin's walkway limit E/F."""
CROWDING_SD = 0.045
"""Share that is missed where it is fully crowded: not known, so it may be about this much."""


@dataclass(frozen=True, slots=True)
class Gates:
    """Arrays over the gates of a partition.

    Parameters
    ----------
    place : int array
        Its place in the layout.
    zones : int array [2, gate]
        Zone rows `from` and `to`; -1 for `outside`.
    width_m : float64 array
        Effective width.
    bias, sd : float64 arrays [direction]
        The stated systematic share, and how far it may be from that.
    crowding_sd : float64 array [direction]
        Share that may be missed where it is fully crowded.
    """

    place: Indices
    zones: Indices
    width_m: Floats
    bias: Floats
    sd: Floats
    crowding_sd: Floats

    def __len__(self) -> int:
        return len(self.place)

    def errors(self, place: Indices) -> tuple[Floats, Floats]:
        """Of gates at these places, both ways together: mean stated bias and largest deviation, as shares."""
        number = np.searchsorted(self.place, place)
        ways = np.stack([number, number + len(self)])
        return self.bias[ways].mean(axis=0), self.sd[ways].max(axis=0)


@dataclass(frozen=True, slots=True)
class Joint:
    """The pairs of a direction and a row into which (or out of which) it leads; `rows` = number of rows."""

    direction: Indices
    row: Indices
    rows: int

    def sum(self, of_direction: Floats) -> Floats:
        """By row, from values by direction."""
        return np.bincount(self.row, of_direction[self.direction], self.rows).astype(np.float64)

    def along(self, part: Floats, weight: Floats) -> Floats:
        """By row: how far its error grows with one standard deviation of the errors of all its gates.

        Errors of different gates are independent, so a row's error is the root of the sum of squares of what
        passed at each (`weight`, which holds `part`); this is its growth by the newest `part`.
        """
        both, square = self.sum(part * weight), self.sum(weight * weight)
        return both / np.sqrt(np.maximum(square, 1e-12))


@dataclass(frozen=True, slots=True)
class Joints:
    """Which directions lead into and out of which rows.

    Parameters
    ----------
    rows, zones : int
        Rows of zones and areas together; those that are zones.
    area : int array [zone]
        The row of each zone's area; -1 for a zone without gates.
    from_row, to_row : int arrays [2, gate]
        Rows that a gate's way in takes from and adds to: of its zones, then of its area; -1 = none.
    into, out_of : Joint
    """

    rows: int
    zones: int
    area: Indices
    from_row: Indices
    to_row: Indices
    into: Joint
    out_of: Joint


def gates_of(city: City, layout: Layout) -> Gates:
    """The gates of a partition and what the city file says of their counters."""
    place = layout.places_of(PlaceKind.GATE)
    models: dict[str, tuple[list[ErrorModel], list[ErrorModel]]] = {}
    for sensor in city.file.sensors.values():
        if sensor.gate is not None:
            of_gate = models.setdefault(sensor.gate, ([], []))
            for side, metric in enumerate((Metric.IN, Metric.OUT)):
                if (found := sensor.measures.get(metric.key)) is not None:
                    of_gate[side != sensor.swapped].append(found.error)
    stated = [[_stated(models.get(layout.place_key[at], ([], []))[side]) for at in place] for side in (0, 1)]
    figures = np.array([*stated[0], *stated[1]], np.float64).reshape(-1, 2)
    return Gates(
        place=place, zones=layout.gate_zones[place].T.copy(), width_m=gate_widths_m(city, layout)[place],
        bias=figures[:, 0].copy(), sd=figures[:, 1].copy(), crowding_sd=np.full(2 * len(place), CROWDING_SD),
    )


def _stated(models: Iterable[ErrorModel]) -> tuple[float, float]:
    """Bias and its deviation; of several counters at one gate the mean bias and the largest deviation."""
    known = list(models)
    if not known:
        return 0.0, UNSTATED_SD
    sd = max(model.sd if model.sd or model.bias else UNSTATED_SD for model in known)
    return sum(model.bias for model in known) / len(known), sd


def joints_of(gates: Gates, zones: int) -> Joints:
    """Join rows and directions; areas are numbered by their lowest zone."""
    area = _areas(gates.zones, zones)
    sides = gates.zones
    inner = (sides >= 0).all(axis=0)
    of_gate = np.where(sides.max(axis=0) >= 0, area[sides.max(axis=0)], -1)
    from_row = np.stack([sides[0], np.where(inner | (sides[0] < 0), -1, of_gate)])
    to_row = np.stack([sides[1], np.where(inner | (sides[1] < 0), -1, of_gate)])
    numbers = np.arange(len(gates))
    way_in, way_out = np.tile(numbers, 2), np.tile(numbers + len(gates), 2)
    in_row = np.concatenate([to_row.ravel(), from_row.ravel()])
    out_row = np.concatenate([from_row.ravel(), to_row.ravel()])
    direction = np.concatenate([way_in, way_out])
    rows = int(max(zones, area.max(initial=-1) + 1))
    return Joints(
        rows=rows, zones=zones, area=area, from_row=from_row, to_row=to_row,
        into=Joint(direction[in_row >= 0], in_row[in_row >= 0], rows),
        out_of=Joint(direction[out_row >= 0], out_row[out_row >= 0], rows),
    )


def _areas(sides: Indices, zones: int) -> Indices:
    """The row of every zone's area: zones that gates join, transitively; -1 for a zone without gates."""
    lowest = np.arange(zones)
    inner = sides[:, (sides >= 0).all(axis=0)]
    while True:
        before = lowest.copy()
        both = np.minimum(lowest[inner[0]], lowest[inner[1]])
        np.minimum.at(lowest, inner[0], both)
        np.minimum.at(lowest, inner[1], both)
        lowest = lowest[lowest]
        if (lowest == before).all():
            break
    has_gate = np.zeros(zones, np.bool_)
    has_gate[sides[sides >= 0]] = True
    area = np.full(zones, -1, np.intp)
    area[has_gate] = zones + np.unique(lowest[has_gate], return_inverse=True)[1]
    return area
