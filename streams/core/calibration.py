# SPDX-License-Identifier: Apache-2.0
"""Quantiles around point forecasts, from how far earlier forecasts were off (conformal, horizon by horizon).

A residual is divided by the scale that was said with its forecast; the shares of these quotients are kept as a
histogram per pool, regime and horizon, the past fading. An actual is a band: half of it counts at each of its quarter
points, as if spread evenly (at its edges, intervals of busy places became too wide). Regime 1
is where a plan is at work; it borrows from regime 0 until it has seen enough of its own.
"""

import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]

QUANTILES = (0.05, 0.5, 0.95)
REGIMES = 2
_STEPS = 40
EDGES: Floats = np.array(sorted(
    sign * 0.05 * (1.13**step - 1) / 0.13 for step in range(_STEPS + 1) for sign in (-1, 1) if step or sign > 0))
"""Of the histogram, in scales: fine near 0, from -50 to 50."""
BINS = len(EDGES) - 1
_LARGEST_QUOTIENT = 10.0
"""A residual counts as so many scales at most. A forecast that begins anew says scales that are far too small: kept
whole, such a residual would be multiplied with the larger scales that it teaches."""
_PRIOR_SAMPLES = 30.0
_BORROWED_SAMPLES = 60.0
_SPREAD_STEP = 0.02
"""Share of a new residual in a series' own spread."""
SPREAD_LIMITS = (0.4, 4.0)
_MEAN_ABSOLUTE_TO_SD = math.sqrt(math.pi / 2)


def _prior() -> Floats:
    """Shares of the bins for normal residuals whose mean absolute value is one scale."""
    below = [0.5 * (1 + math.erf(edge / _MEAN_ABSOLUTE_TO_SD / math.sqrt(2))) for edge in EDGES.tolist()]
    return np.diff(np.array(below))


_PRIOR: Floats = _prior()


class Calibrated:
    """Forecasts of many series whose quantiles learn from their own errors.

    Parameters
    ----------
    pool : int array over series
        Which series learn together: 0, 1, ... without a gap.
    horizons : int
        Slots ahead.
    memory_slots : float
        After how many slots a sample weighs 1/e.
    """

    STATE: tuple[str, ...] = ("issued_middle", "issued_scale", "issued_regime", "histogram", "spread")

    def __init__(self, pool: Indices, horizons: int, memory_slots: float = 2688.0) -> None:
        series, pools = len(pool), int(pool.max(initial=-1)) + 1
        self.pool = pool
        self.horizons = horizons
        self._kept = 1.0 - 1.0 / memory_slots
        self.issued_middle = np.full((series, horizons, horizons), np.nan)
        """By series, slots since it was said (newest first) and horizon."""
        self.issued_scale = np.full((series, horizons, horizons), np.nan)
        self.issued_regime = np.zeros((series, horizons, horizons), np.int8)
        self.histogram = np.zeros((pools, REGIMES, horizons, BINS))
        self.spread = np.ones((series, horizons))

    def learn(self, low: Floats, high: Floats) -> None:
        """Hold the forecasts for the slot that has just ended against its band; NaN = it is missing."""
        ahead = np.arange(self.horizons)
        # What was said for this slot with horizon h was said h slots ago.
        middle, scale = self.issued_middle[:, ahead, ahead], self.issued_scale[:, ahead, ahead]
        regime = self.issued_regime[:, ahead, ahead]
        off_low, off_high = (low[:, None] - middle) / scale, (high[:, None] - middle) / scale
        has = ~np.isnan(off_low) & ~np.isnan(off_high)
        self.histogram *= self._kept
        width = off_high - off_low
        for off in (off_low + 0.25 * width, off_low + 0.75 * width):
            self._count(off, regime, has)
        size = np.where(has, np.abs(0.5 * (off_low + off_high)), 1.0)
        moved = self.spread + _SPREAD_STEP * self.spread * (np.minimum(size, 5.0) - 1.0)
        self.spread = np.where(has, np.clip(moved, *SPREAD_LIMITS), self.spread)

    def _count(self, off: Floats, regime: npt.NDArray[np.int8], has: Mask) -> None:
        series, horizon = np.nonzero(has)
        counted_off = np.clip(off[series, horizon], -_LARGEST_QUOTIENT, _LARGEST_QUOTIENT)
        at = np.searchsorted(EDGES, counted_off, "right") - 1
        cell = ((self.pool[series] * REGIMES + regime[series, horizon]) * self.horizons + horizon) * BINS + at
        # Whole numbers of halves: the sum has no order.
        counted = np.bincount(cell, minlength=self.histogram.size).reshape(self.histogram.shape)
        self.histogram += 0.5 * counted

    def issue(self, middle: Floats, scale: Floats, planned: Mask) -> Floats:
        """Say the forecasts of this slot; they are remembered for `learn`.

        Parameters
        ----------
        middle, scale : float64 arrays, series x horizons
            Point forecasts and for how large an error they are good; NaN where nothing can be said.
        planned : bool array, series x horizons
            Where a plan is at work.

        Returns
        -------
        float64 array, series x horizons x 3
            Quantiles 0.05, 0.5 and 0.95, rising, at least 0; NaN where `middle` is.
        """
        regime = planned.astype(np.int8)
        spread = scale * self.spread
        for name, said in (("issued_middle", middle), ("issued_scale", spread), ("issued_regime", regime)):
            kept = getattr(self, name)
            setattr(self, name, np.concatenate([said[:, None], kept[:, :-1]], axis=1))
        return np.asarray(np.maximum(middle[..., None] + spread[..., None] * self._quantiles(regime), 0.0))

    def probability_of(self, level: Floats, horizon: int = 0) -> Floats:
        """Probability that the value `horizon` + 1 slots after the newest forecast is at or above `level`.

        Parameters
        ----------
        level : float64 array over series
            In the unit of the series; NaN = there is no such level.
        horizon : int
            Position of the horizon; 0 = the next slot.

        Returns
        -------
        float64 array over series
            NaN where nothing was forecast or no level is given.
        """
        middle, spread = self.issued_middle[:, 0, horizon], self.issued_scale[:, 0, horizon]
        regime = self.issued_regime[:, 0, horizon]
        below = self._shares()[self.pool, regime, horizon]
        wanted = (level - middle) / spread
        known = ~np.isnan(wanted)
        at = np.clip(np.searchsorted(EDGES, np.where(known, wanted, 0.0), "right") - 1, 0, BINS - 1)
        inside = np.clip((wanted - EDGES[at]) / (EDGES[at + 1] - EDGES[at]), 0.0, 1.0)
        upper = np.take_along_axis(below, at[:, None] + 1, axis=1)[:, 0]
        lower = np.take_along_axis(below, at[:, None], axis=1)[:, 0]
        return np.where(known, 1.0 - (lower + inside * (upper - lower)), np.nan)

    def _shares(self) -> Floats:
        """Cumulated shares at the edges: pools x regimes x horizons x edges."""
        calm = self.histogram[:, 0] + _PRIOR_SAMPLES * _PRIOR
        borrowed = _BORROWED_SAMPLES * calm / calm.sum(axis=-1, keepdims=True)
        mixed = np.stack([calm, self.histogram[:, 1] + borrowed], axis=1)
        below = np.cumsum(mixed, axis=-1)
        whole = below[..., -1:]
        return np.concatenate([np.zeros_like(whole), below / whole], axis=-1)

    def _quantiles(self, regime: npt.NDArray[np.int8]) -> Floats:
        below = self._shares()
        found = np.empty((*below.shape[:-1], len(QUANTILES)))
        for number, wanted in enumerate(QUANTILES):
            at = (below[..., 1:] < wanted).sum(axis=-1)
            lower = np.take_along_axis(below, at[..., None], axis=-1)[..., 0]
            upper = np.take_along_axis(below, at[..., None] + 1, axis=-1)[..., 0]
            share = (wanted - lower) / np.maximum(upper - lower, 1e-12)
            found[..., number] = EDGES[at] + share * (EDGES[at + 1] - EDGES[at])
        return np.asarray(found[self.pool[:, None], regime, np.arange(self.horizons)])
