# SPDX-License-Identifier: Apache-2.0
"""The baselines of a partition: the newest of each place and measure, looked up by time as arrays over places."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.baseline import BaselineRows, decode_baseline, encode_baseline, no_rows, slot_of
from schemas.reading import Metric
from streams.core.layout import Layout, PlaceKind
from streams.core.moves import Moves

MEASURES: dict[PlaceKind, tuple[Metric, ...]] = {
    PlaceKind.ZONE: (Metric.PEOPLE,), PlaceKind.GATE: (Metric.IN, Metric.OUT),
    PlaceKind.ROAD: (Metric.VEHICLES, Metric.SPEED),
}
"""What a kind of place has a baseline of; the position is the first index of all arrays here."""
SIDES = 2

Floats = npt.NDArray[np.float64]
_Key = tuple[int, int, str, int]


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one quarter hour of the week; arrays of shape `SIDES` x places, as in `schemas.baseline`.

    Parameters
    ----------
    mean, sd, low, middle, high : float64 arrays
        NaN where nothing is known.
    weeks : float64 array
        0 where nothing is known.
    grain_s : float64 array
        The coarsest cell behind them.
    """

    mean: Floats
    sd: Floats
    low: Floats
    middle: Floats
    high: Floats
    weeks: Floats
    grain_s: Floats


class Baselines:
    """Baselines by place number of a layout.

    Attributes
    ----------
    encoded : bytes
        All rows, as in a message: the state for snapshots. Setting it brings the rows back.
    free_flow_km_h : float64 array over places
        The highest usual speed of a road in a quarter hour of the week; NaN where none is known.
    """

    STATE = ("encoded",)

    def __init__(self, layout: Layout, timezone: str) -> None:
        self._timezone = timezone
        self._at = _positions(layout)
        self._places = len(layout.place_kind)
        self._rows = no_rows()
        self._encoded: bytes | None = None
        self._row_of = np.full((SIDES, self._places), -1, np.intp)
        self.free_flow_km_h = np.full(self._places, np.nan)
        self._found: tuple[int, Figures] | None = None

    @property
    def encoded(self) -> bytes:
        """All rows as bytes; made anew only after a change."""
        if self._encoded is None:
            self._encoded = encode_baseline(self._rows)
        return self._encoded

    @encoded.setter
    def encoded(self, value: bytes) -> None:
        self._keep(decode_baseline(value))

    def carry(self, old: "Baselines", moves: Moves) -> None:
        """Keep the rows of places that the new layout still has; their keys do not depend on dense numbers."""
        del moves
        self._keep(old._rows)

    def take(self, rows: BaselineRows) -> int:
        """Take rows in; a row that is older than what is known changes nothing.

        Returns
        -------
        int
            How many rows are new here.
        """
        known = dict(zip(self._rows.keys(), self._rows.computed_at_us.tolist(), strict=True))
        newer = [
            at for at, (key, computed_us) in enumerate(zip(rows.keys(), rows.computed_at_us.tolist(), strict=True))
            if key in self._at and computed_us > known.get(key, -1)
        ]
        if not newer:
            return 0
        fresh = rows.take(np.array(newer, np.intp))
        replaced = set(fresh.keys())
        kept = [at for at, key in enumerate(self._rows.keys()) if key not in replaced]
        self._keep(self._rows.take(np.array(kept, np.intp)).joined(fresh))
        return len(newer)

    def at(self, at_us: int) -> Figures:
        """The figures of the quarter hour that holds an instant (microseconds since 1970, UTC)."""
        slot = slot_of(at_us, self._timezone)
        if self._found is None or self._found[0] != slot:
            self._found = slot, self._figures(slot)
        return self._found[1]

    def _figures(self, slot: int) -> Figures:
        known = self._row_of >= 0
        row = self._row_of[known]

        def over_places(table: npt.NDArray[np.generic], missing: float) -> Floats:
            found = np.full((SIDES, self._places), missing)
            found[known] = table[row, slot]
            return found

        rows = self._rows
        return Figures(
            over_places(rows.mean, np.nan), over_places(rows.sd, np.nan), over_places(rows.low, np.nan),
            over_places(rows.middle, np.nan), over_places(rows.high, np.nan),
            over_places(rows.weeks, 0.0), over_places(rows.grain_s, 0.0))

    def _keep(self, rows: BaselineRows) -> None:
        mine = sorted((key, at) for at, key in enumerate(rows.keys()) if key in self._at)
        # In the order of their keys: the same rows are the same bytes, in whatever order they came.
        self._rows = rows.take(np.array([at for _, at in mine], np.intp))
        self._row_of[:] = -1
        for row, (key, _) in enumerate(mine):
            self._row_of[self._at[key]] = row
        self.free_flow_km_h = self._free_flow(mine)
        self._encoded, self._found = None, None

    def _free_flow(self, mine: Sequence[tuple[_Key, int]]) -> Floats:
        """The highest median speed of each road over its quarters of the week."""
        found = np.full(self._places, np.nan)
        speeds = [row for row, (key, _) in enumerate(mine) if key[-1] == Metric.SPEED]
        if not speeds:
            return found
        place = [self._at[mine[row][0]][1] for row in speeds]
        found[place] = np.fmax.reduce(self._rows.middle[speeds], axis=1)
        return found


def _positions(layout: Layout) -> dict[_Key, tuple[int, int]]:
    """Key of a row to the side and place that it is about."""
    places = zip(layout.place_kind.tolist(), layout.place_number.tolist(), layout.place_class, strict=True)
    return {
        (kind, number, vehicle_class, int(measure)): (side, place)
        for place, (kind, number, vehicle_class) in enumerate(places)
        for side, measure in enumerate(MEASURES[PlaceKind(kind)])
    }
