# SPDX-License-Identifier: Apache-2.0
"""The seal: when a grain's exact values leave the fold to be released with noise, and are forgotten."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.live import Status
from schemas.reading import Metric
from schemas.seal import CELLS, QUARTER_S, Group, Seal
from streams.core.counts import PARTS
from streams.core.grain_plan import HOUR_US, QUARTER_US, QUARTERS, group_of
from streams.core.grains import MILLI, UNUSED, Grains
from streams.core.layout import Layout, PlaceKind

FULL = 1.0 - 1e-6
SIX_HOURS_AFTER_US = 6 * HOUR_US
"""Grains of six hours are sealed so long after their end, whatever their place says: nights are such grains."""

Rows = npt.NDArray[np.intp]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


def seals_due(grains: Grains, layout: Layout, now_us: int) -> list[Seal]:
    """Seal every grain that ended long enough before `now_us`, and forget its values."""
    return [seal for code in (1, 2, 3) for seal in _sealed(grains, layout, code, _due(grains, code, now_us), now_us)]


def seals_of_places(grains: Grains, layout: Layout, gone: Mask, now_us: int) -> list[Seal]:
    """Seal all that is left of places that a newer city version no longer has (mask over places)."""
    mine = np.where(gone[grains.rows.place], grains.code, 0)
    return [seal for code in (1, 2, 3) for seal in _sealed(grains, layout, code, mine == code, now_us)]


def _due(grains: Grains, code: int, now_us: int) -> Mask:
    """Cells (quarters x rows) whose grain of this code is due."""
    grain_us = QUARTERS[code - 1] * QUARTER_US
    end_us = grains.start_us // grain_us * grain_us + grain_us
    after_us = np.where(code < len(QUARTERS), grains.rows.seal_after_us, SIX_HOURS_AFTER_US)
    due: Mask = (grains.code == code) & (end_us[:, None] + after_us <= now_us)
    return due


def _sealed(grains: Grains, layout: Layout, code: int, due: Mask, now_us: int) -> Iterator[Seal]:
    if not due.any():
        return
    grain_us = QUARTERS[code - 1] * QUARTER_US
    grain_start = np.where(grains.start_us == UNUSED, UNUSED, grains.start_us // grain_us * grain_us)
    for start_us in np.unique(grain_start[due.any(axis=1)]).tolist():
        quarters = np.flatnonzero(grain_start == start_us)
        mine = due[quarters]
        rows = np.flatnonzero(mine.any(axis=0))
        sums = _sums(grains, quarters, rows, due)
        zone_map = f"{int(grains.zone_map[quarters[0]]):08x}"
        for site, group, at in _batches(grains, layout, rows):
            cells = _cells(grains, layout, rows[at], _part(sums, at), QUARTERS[code - 1] * QUARTER_S)
            yield Seal(site, group, QUARTERS[code - 1] * QUARTER_S, start_us, zone_map, 0, now_us, cells)
        _forget(grains, quarters, due)


@dataclass(frozen=True, slots=True)
class _Sums:
    """Of rows over the quarters of a grain."""

    value: Ints
    covered: Ints
    expected: Ints
    vehicles: Ints


def _sums(grains: Grains, quarters: Rows, rows: Rows, due: Mask) -> _Sums:
    at = np.ix_(quarters, rows)
    mine = due[at]
    return _Sums(*(np.where(mine, kept[at], 0).sum(axis=0)
                   for kept in (grains.value, grains.covered, grains.expected, grains.vehicles)))


def _part(sums: _Sums, at: Rows) -> _Sums:
    return _Sums(sums.value[at], sums.covered[at], sums.expected[at], sums.vehicles[at])


def _batches(grains: Grains, layout: Layout, rows: Rows) -> Iterator[tuple[str, Group, Rows]]:
    """Rows by site and group, each in the order of place, class and metric."""
    by_batch: dict[tuple[str, Group], list[tuple[int, str, int, int]]] = {}
    for position, row in enumerate(rows.tolist()):
        place = int(grains.rows.place[row])
        key = layout.place_site[place], group_of(PlaceKind(int(layout.place_kind[place])))
        by_batch.setdefault(key, []).append(
            (int(layout.place_number[place]), layout.place_class[place], int(grains.rows.metric[row]), position))
    for (site, group), found in sorted(by_batch.items()):
        yield site, group, np.array([position for *_, position in sorted(found)], np.intp)


def _cells(grains: Grains, layout: Layout, rows: Rows, sums: _Sums, grain_s: int) -> pa.RecordBatch:
    metric, place = grains.rows.metric[rows], grains.rows.place[rows]
    # A row may have joined within the grain: what it was not there for is time without coverage.
    per_quarter = grains.rows.expected[rows] * (QUARTER_S * MILLI)
    expected = np.maximum(sums.expected, per_quarter * (grain_s // QUARTER_S))
    coverage = np.where(expected > 0, sums.covered / np.maximum(expected, 1), 0.0)
    is_speed = metric == Metric.SPEED
    has_value = np.where(is_speed, sums.vehicles > 0, sums.covered > 0)
    status = np.where(has_value, np.where(coverage >= FULL, Status.OK, Status.PARTIAL), Status.MISSING)
    return pa.RecordBatch.from_arrays([
        pa.array(layout.place_number[place].astype(np.int32)),
        pa.array([layout.place_class[at] for at in place], pa.string()),
        pa.array(metric),
        pa.array(_values(metric, sums), mask=~has_value),
        pa.array(np.where(is_speed, sums.vehicles / MILLI, np.minimum(coverage, 1.0) * grain_s)),
        pa.array(np.minimum(coverage, 1.0).astype(np.float32)),
        pa.array(status.astype(np.int16)),
    ], schema=CELLS)


def _values(metric: npt.NDArray[np.uint8], sums: _Sums) -> npt.NDArray[np.float64]:
    """In the units of `schemas.seal.CELLS`; whole numbers, rounded half up, of people."""
    person_s = (sums.value + MILLI // 2) // MILLI
    passages = (sums.value + PARTS // 2) // PARTS
    speed = sums.value / np.maximum(sums.vehicles, 1)
    found = np.where(metric == Metric.PEOPLE, person_s, passages).astype(np.float64)
    found = np.where(metric == Metric.VEHICLES, sums.value / PARTS, found)
    return np.asarray(np.where(metric == Metric.SPEED, speed, found))


def _forget(grains: Grains, quarters: Rows, due: Mask) -> None:
    for at in quarters.tolist():
        mine = due[at]
        for kept in (grains.value, grains.covered, grains.expected, grains.vehicles, grains.code):
            kept[at, mine] = 0
        if not grains.code[at].any():
            grains.forget(at)
