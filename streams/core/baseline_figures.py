# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of a baseline: from published cells of some weeks to figures for each quarter hour of the week.

A published cell about people is the truth plus noise of a known standard deviation. The mean over weeks carries the
noise divided by the number of weeks; what weeks differ by is the scatter that is left when the known noise and the
scatter of counting are taken off. So noise never passes for a changeable place, nor for a precise one.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.baseline import DAY_QUARTERS, HOLIDAY, SLOTS, rounded, slots_of

LEAST_DAYS = 3
"""Days behind a slot below which nothing is said of it."""
LEAST_COVERAGE = 0.5
SUNDAY = 6
QUARTER_US = 900_000_000
QUARTER_S = 900

_LEAST_CV = 0.05
_FIRST_CV = 0.5
"""Between weeks, for the first look: what lies 4 sd beyond is left out, then the true variation is estimated."""
_OUTLIER_SDS = 4.0
_PRIOR_DAYS = 4.0
_QUANTILE = 1.6449
# What a quarter may differ from the mean of its cell: a six-hour cell says little of one quarter.
_GRAIN_CV = {900: 0.0, 3600: 0.2, 21600: 0.7}

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Samples:
    """Figures of single quarters; arrays of one length.

    Parameters
    ----------
    row : int64 array
        Which place and measure.
    slot : int64 array
        See `schemas.baseline`.
    value : float64 array
        May be below 0 by noise.
    noise_sd : float64 array
        Of the release, in the unit of `value`; 0 where the source is public.
    grain_s : int64 array
        Length of the cell that it comes from.
    """

    row: Ints
    slot: Ints
    value: Floats
    noise_sd: Floats
    grain_s: Ints


@dataclass(frozen=True, slots=True)
class Tables:
    """Figures of rows x `SLOTS`, as `schemas.baseline.BaselineRows` has them."""

    mean: npt.NDArray[np.float32]
    sd: npt.NDArray[np.float32]
    low: npt.NDArray[np.float32]
    middle: npt.NDArray[np.float32]
    high: npt.NDArray[np.float32]
    weeks: npt.NDArray[np.uint8]
    grain_s: npt.NDArray[np.uint16]


def samples_of(row: Ints, start_us: Ints, grain_s: Ints, value: Floats, noise_sd: Floats, is_total: Mask,
               timezone: str) -> Samples:
    """Cells as quarters: a longer cell stands for each of its quarters.

    Parameters
    ----------
    row, start_us, grain_s, value, noise_sd : arrays over cells
    is_total : bool array over cells
        Whether the value adds up over time (passages, vehicles): each quarter then has its share. Else (people
        present, speed) each has the value itself.
    timezone : str
        On whose clocks a quarter of the week is.
    """
    quarters = grain_s // QUARTER_S
    at = np.repeat(np.arange(len(row)), quarters)
    within = np.arange(len(at)) - np.repeat(np.cumsum(quarters) - quarters, quarters)
    share = np.where(is_total, quarters, 1)[at]
    return Samples(row[at], slots_of(start_us[at] + within * QUARTER_US, timezone), value[at] / share,
                   noise_sd[at] / share, grain_s[at])


def left_in(place: Ints, start_us: Ints, grain_s: Ints, out_place: Ints, out_from_us: Ints,
            out_until_us: Ints) -> Mask:
    """Which cells do not touch a window that is left out (an event, an open alert) at their place."""
    stays = np.ones(len(place), np.bool_)
    end_us = start_us + grain_s * 1_000_000
    for one, begins_us, ends_us in zip(out_place.tolist(), out_from_us.tolist(), out_until_us.tolist(), strict=True):
        stays &= (place != one) | (end_us <= begins_us) | (start_us >= ends_us)
    return stays


def count_tables(samples: Samples, rows: int) -> Tables:
    """Figures of counts (people, passages, vehicles); `rows` is how many rows there are.

    The variation between weeks is pooled over the slots of a row: eight weeks are too few for a slot of its own.
    """
    groups = _Groups(samples, rows)
    centre, noise = groups.medians(), samples.noise_sd**2
    kept = groups.within(centre, noise, np.full(rows, _FIRST_CV**2))
    variation = _variation(groups, kept, groups.means(kept), noise)
    kept = groups.within(groups.means(kept), noise, variation)
    mean = np.maximum(groups.means(kept), 0.0)
    variation = _variation(groups, kept, groups.means(kept), noise)
    days, grain_s = groups.days(kept), groups.coarsest()
    coarse = np.array([_GRAIN_CV.get(grain, 0.0) ** 2 for grain in (900, 3600, 21600)])
    by_slot = np.maximum(np.repeat(variation, SLOTS), coarse[np.searchsorted([900, 3600], grain_s, side="left")])
    unknown = (mean + by_slot * mean**2 + groups.mean_of(noise, kept)) / np.maximum(days, 1)
    sd = np.sqrt(by_slot * mean**2 + unknown)
    return _tables(mean, sd, _count_quantiles(mean, sd), days, grain_s, rows)


def value_tables(samples: Samples, rows: int) -> Tables:
    """Figures of values that are no counts (speeds): their own spread, leaning on the row's where days are few."""
    groups = _Groups(samples, rows)
    kept = np.ones(len(samples.value), np.bool_)
    mean, days = groups.means(kept), groups.days(kept)
    squares = groups.sums((samples.value - mean[groups.at]) ** 2, kept)
    row_of = np.repeat(np.arange(rows), SLOTS)
    spare = np.bincount(row_of, np.maximum(days - 1, 0), rows)
    pooled = np.bincount(row_of, np.nan_to_num(squares), rows) / np.maximum(spare, 1)
    variance = (_PRIOR_DAYS * pooled[row_of] + squares) / (_PRIOR_DAYS + np.maximum(days - 1, 0))
    sd = np.sqrt(variance * (1 + 1 / np.maximum(days, 1)))
    quantiles = (np.maximum(mean - _QUANTILE * sd, 0.0), mean, mean + _QUANTILE * sd)
    return _tables(mean, sd, quantiles, days, groups.coarsest(), rows)


class _Groups:
    """Samples by row and slot; arrays over all slots of all rows, flat."""

    def __init__(self, samples: Samples, rows: int) -> None:
        self._samples, self.rows, self.size = samples, rows, rows * SLOTS
        self.at = samples.row * SLOTS + samples.slot

    def sums(self, value: Floats, kept: Mask) -> Floats:
        return np.bincount(self.at[kept], value[kept], self.size).astype(np.float64)

    def days(self, kept: Mask) -> Ints:
        return np.bincount(self.at[kept], minlength=self.size).astype(np.int64)

    def mean_of(self, value: Floats, kept: Mask) -> Floats:
        return self.sums(value, kept) / np.maximum(self.days(kept), 1)

    def means(self, kept: Mask) -> Floats:
        return np.where(self.days(kept) > 0, self.mean_of(self._samples.value, kept), np.nan)

    def medians(self) -> Floats:
        order = np.lexsort((self._samples.value, self.at))
        value, count = self._samples.value[order], np.bincount(self.at, minlength=self.size)
        first = np.cumsum(count) - count
        found, has = np.full(self.size, np.nan), count > 0
        lower, upper = first[has] + (count[has] - 1) // 2, first[has] + count[has] // 2
        found[has] = (value[lower] + value[upper]) / 2
        return found

    def within(self, centre: Floats, noise: Floats, variation: Floats) -> Mask:
        """Samples that are no outliers (an event that nobody announced) around their slot's centre."""
        usual = np.maximum(centre[self.at], 0.0)
        expected = noise + usual + variation[self._samples.row] * usual**2
        off = self._samples.value - centre[self.at]
        return np.asarray(off**2 <= _OUTLIER_SDS**2 * np.maximum(expected, 1.0))

    def coarsest(self) -> Ints:
        found = np.zeros(self.size, np.int64)
        np.maximum.at(found, self.at, self._samples.grain_s)
        return found

    def row(self) -> Ints:
        return self._samples.row

    def off(self, mean: Floats) -> Floats:
        return np.asarray(self._samples.value - mean[self.at])


def _variation(groups: _Groups, kept: Mask, mean: Floats, noise: Floats) -> Floats:
    """The squared coefficient of variation between weeks of each row: scatter less counting less noise."""
    days = groups.days(kept)
    spare = days[groups.at] / np.maximum(days[groups.at] - 1, 1)
    usual = np.maximum(mean[groups.at], 0.0)
    judged = kept & (days[groups.at] > 1)
    left = np.where(judged, groups.off(mean) ** 2 * spare - noise - usual, 0.0)
    scale = np.where(judged, usual**2, 0.0)
    left_of = np.bincount(groups.row(), np.nan_to_num(left), groups.rows)
    scale_of = np.bincount(groups.row(), np.nan_to_num(scale), groups.rows)
    return np.maximum(left_of / np.maximum(scale_of, 1e-9), _LEAST_CV**2)


def _count_quantiles(mean: Floats, sd: Floats) -> tuple[Floats, Floats, Floats]:
    """Quantiles of the quarter's own figure, as of a Gamma of its mean and variance (Wilson and Hilferty)."""
    safe = np.maximum(mean, 1e-9)
    ninth = (safe + sd**2) / safe**2 / 9
    low, middle, high = (
        safe * np.maximum(1 - ninth + one * np.sqrt(ninth), 0.0) ** 3 for one in (-_QUANTILE, 0.0, _QUANTILE))
    return low, middle, np.maximum(high, middle)


def _tables(mean: Floats, sd: Floats, quantiles: tuple[Floats, Floats, Floats], days: Ints, grain_s: Ints,
            rows: int) -> Tables:
    known = (days >= LEAST_DAYS).reshape(rows, SLOTS)
    # A holiday that was not seen often enough is taken for a Sunday.
    source = np.broadcast_to(np.arange(SLOTS), (rows, SLOTS)).copy()
    of_holiday = source >= HOLIDAY * DAY_QUARTERS
    source[of_holiday & ~known] -= (HOLIDAY - SUNDAY) * DAY_QUARTERS
    known = np.take_along_axis(known, source, axis=1)

    def table(values: Floats) -> npt.NDArray[np.float32]:
        return rounded(np.where(known, np.take_along_axis(values.reshape(rows, SLOTS), source, axis=1), np.nan))

    def whole(values: Ints) -> Ints:
        return np.where(known, np.take_along_axis(values.reshape(rows, SLOTS), source, axis=1), 0)

    return Tables(table(mean), table(sd), table(quantiles[0]), table(quantiles[1]), table(quantiles[2]),
                  np.minimum(whole(days), 255).astype(np.uint8), whole(grain_s).astype(np.uint16))
