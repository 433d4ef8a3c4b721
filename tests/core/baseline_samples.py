# SPDX-License-Identifier: Apache-2.0
"""Baselines of places that show the same at every hour of the week."""

import numpy as np

from schemas.baseline import SLOTS, BaselineRows
from schemas.reading import Metric
from streams.core.layout import PlaceKind


def baseline_rows(places: int, mean: float = 100.0, sd: float = 10.0, computed_at_us: int = 1,
                  kind: PlaceKind = PlaceKind.ZONE, measure: Metric = Metric.PEOPLE) -> BaselineRows:
    """Places 1 to `places` of one kind."""
    def table(value: float) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        return np.full((places, SLOTS), value, np.float32)

    return BaselineRows(
        np.full(places, kind, np.uint8), np.arange(1, places + 1, dtype=np.int32), [""] * places,
        np.full(places, measure, np.uint8), np.full(places, computed_at_us, np.int64), table(mean), table(sd),
        table(max(mean - 2 * sd, 0.0)), table(mean), table(mean + 2 * sd),
        np.full((places, SLOTS), 8, np.uint8), np.full((places, SLOTS), 900, np.uint16))
