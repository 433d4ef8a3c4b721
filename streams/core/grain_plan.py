# SPDX-License-Identifier: Apache-2.0
"""At which grain the time of a place is published: quarter hour, hour or six hours, exactly one of them.

Grains divide UTC days, so that each is a sum of whole quarters and none overlaps another. Source: DESIGN 6.6 and
the quiet-cell rule of docs/privacy.md.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.city import City, Grain
from schemas.ids import IdKind
from schemas.reading import Metric
from schemas.seal import GRAINS_S, QUARTER_S, Group
from streams.core.layout import Layout, PlaceKind

QUARTER_US = QUARTER_S * 1_000_000
HOUR_US = 4 * QUARTER_US
DAY_QUARTERS = 96
NIGHT_QUARTERS = 24
"""Nights, 00 to 06 UTC, are quiet everywhere: people are published at six hours then."""
QUARTERS = tuple(grain_s // QUARTER_S for grain_s in GRAINS_S)
"""How many quarters a grain is, by its code - 1; code 0 is no cell."""
_CODE = {Grain.QUARTER: 1, Grain.HOUR: 2, Grain.SIX_HOURS: 3}
_METRICS = {
    PlaceKind.ZONE: (Group.PEOPLE, (Metric.PEOPLE,)),
    PlaceKind.GATE: (Group.PASSAGES, (Metric.IN, Metric.OUT)),
    PlaceKind.ROAD: (Group.VEHICLES, (Metric.VEHICLES, Metric.SPEED)),
}


@dataclass(frozen=True, slots=True)
class CellRows:
    """What is accumulated: one row for each place and metric of a partition.

    Parameters
    ----------
    place : int array
        Place in the layout.
    metric : uint8 array
    code : uint8 array
        Grain by day, a position in `QUARTERS` + 1.
    seal_after_us : int64 array
    is_public : bool array
        Roads: public at their source, exact, quarter hours at night too.
    channel_row : int array over channels
        The row that a channel feeds; -1 for trial sensors and device metrics.
    channel_weight : int64 array over channels
        What one ms of a channel adds to its row's coverage: whole m2 in view, 1 for counts.
    expected : int64 array over rows
        The sum of its channels' weights.
    """

    place: npt.NDArray[np.intp]
    metric: npt.NDArray[np.uint8]
    code: npt.NDArray[np.uint8]
    seal_after_us: npt.NDArray[np.int64]
    is_public: npt.NDArray[np.bool_]
    channel_row: npt.NDArray[np.intp]
    channel_weight: npt.NDArray[np.int64]
    expected: npt.NDArray[np.int64]

    def code_at(self, row: npt.NDArray[np.intp], quarter_us: int) -> npt.NDArray[np.uint8]:
        """The grain code of rows in the quarter that begins at `quarter_us`."""
        night = quarter_us // QUARTER_US % DAY_QUARTERS < NIGHT_QUARTERS
        six_hours = night & ~self.is_public[row]
        return np.where(six_hours, _CODE[Grain.SIX_HOURS], self.code[row]).astype(np.uint8)


def group_of(kind: PlaceKind) -> Group:
    """What a kind of place is sealed with."""
    return _METRICS[kind][0]


def cell_rows(city: City, layout: Layout) -> CellRows:
    """The rows of a partition: zones with people, gates with passages, roads with vehicles and speed."""
    kinds = [PlaceKind(kind) for kind in layout.place_kind.tolist()]
    rows = [(at, metric) for at, kind in enumerate(kinds) for metric in _METRICS[kind][1]]
    row_of = {key: row for row, key in enumerate(rows)}
    plans = [_plan(city, kinds[at], layout.place_key[at]) for at, _ in rows]
    places, roles = layout.channel_place.tolist(), layout.channel_role.tolist()
    channel_row = np.array([
        row_of.get((place, Metric(role)), -1) for place, role in zip(places, roles, strict=True)
    ], np.intp).reshape(-1)
    channel_row[~layout.channel_research] = -1
    view = np.maximum(np.round(layout.channel_view_m2).astype(np.int64), 1)
    weight = np.where(layout.channel_role == Metric.PEOPLE, view, 1).astype(np.int64)
    fed = channel_row >= 0
    expected = np.zeros(len(rows), np.int64)
    np.add.at(expected, channel_row[fed], weight[fed])
    return CellRows(
        place=np.array([at for at, _ in rows], np.intp), metric=np.array([metric for _, metric in rows], np.uint8),
        code=np.array([code for code, _ in plans], np.uint8),
        seal_after_us=np.array([hours * HOUR_US for _, hours in plans], np.int64),
        is_public=np.array([kinds[at] is PlaceKind.ROAD for at, _ in rows], np.bool_),
        channel_row=channel_row, channel_weight=weight, expected=expected,
    )


def _plan(city: City, kind: PlaceKind, key: str) -> tuple[int, int]:
    if kind is PlaceKind.ROAD:
        return _CODE[Grain.QUARTER], 6
    place = city.file.zones[key] if kind is PlaceKind.ZONE else city.file.gates[key]
    return _CODE[place.grain], place.seal_after_h


def site_number(city: City, layout: Layout, place: int) -> int:
    """The number of a place's site in `CITY.ids`."""
    return city.ids[IdKind.SITE][layout.place_site[place]]
