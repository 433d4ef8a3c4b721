# SPDX-License-Identifier: Apache-2.0
"""The next two hours of every zone, road and site: once a quarter hour, with an interval that learns.

People come in as bands (an interval, never a count) and as `baseline` figures; the forecast can tell nothing
that the published rows did not. Roads come in exact: low = high.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.core.calibration import Calibrated
from streams.core.forecast_series import Series
from streams.core.moves import Moves
from streams.core.online_regression import applied, coefficients, faded
from streams.core.own_forecast import (
    LAGS,
    MIDDLE_FEATURES,
    SCALE_FEATURES,
    Origin,
    Targets,
    middle_features,
    middle_prior,
    scale_features,
    scale_prior,
    size,
    smallest_scale,
)

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]

HORIZONS = 8
"""Quarters ahead: 15 to 120 minutes."""
KEPT_QUARTERS = 12
_MEMORY_SLOTS = 6720.0
"""Ten weeks of quarters: after so long a sample weighs 1/e."""
_PRIOR_STRENGTH = 3.0
_LARGEST_ERROR = 3.0
"""In sizes; beyond it a sample says no more, and no interval reaches further."""


@dataclass(frozen=True, slots=True)
class QuarterSeen:
    """The slot that has just ended; float64 arrays over series, NaN where missing.

    Parameters
    ----------
    low, high : arrays
        Edges of the band of the slot's maximum (people), or the count twice (roads).
    net_low, net_high : arrays
        Edges of what came in less what went out by the gates; NaN where there are none or they are withheld.
    """

    low: Floats
    high: Floats
    net_low: Floats
    net_high: Floats


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is usual and what is planned; float64 arrays, series x (1 + horizons), the slot just ended first.

    Parameters
    ----------
    usual : array
        Baseline's mean of the weekday and time; NaN where there is none: then the last slots' mean stands in.
    planned : array
        People that plans of events add; 0 without one.
    """

    usual: Floats
    planned: Floats


class Forecast(Calibrated):
    """State and forecasts of all series of a partition.

    Parameters
    ----------
    series : Series
    horizons : int
        Slots ahead, at most 8.
    """

    STATE = (*Calibrated.STATE, "low", "high", "net", "expected", "planned", "quantiles", "middle_moment",
             "middle_product", "scale_moment", "scale_product")
    OF_POOLS = ("histogram", "middle_moment", "middle_product", "scale_moment", "scale_product")
    """Those by pool; all others are by series."""

    def __init__(self, series: Series, horizons: int = HORIZONS) -> None:
        super().__init__(series.pool, horizons)
        self.series = series
        pools = len(series.pools)
        for name in ("low", "high", "net", "expected", "planned"):
            setattr(self, name, np.full((len(series), KEPT_QUARTERS), np.nan))
        self.quantiles = np.full((len(series), horizons, 3), np.nan)
        self.middle_moment = np.zeros((pools, horizons, MIDDLE_FEATURES, MIDDLE_FEATURES))
        self.middle_product = np.zeros((pools, horizons, MIDDLE_FEATURES))
        self.scale_moment = np.zeros((pools, horizons, SCALE_FEATURES, SCALE_FEATURES))
        self.scale_product = np.zeros((pools, horizons, SCALE_FEATURES))
        self._middle_prior, self._scale_prior = middle_prior(horizons), scale_prior(horizons)

    low: Floats
    high: Floats
    net: Floats
    expected: Floats
    planned: Floats

    def carry(self, old: "Forecast", moves: Moves) -> None:
        """Go on with the series and pools that stay."""
        series, pools = self.series.moved(old.series, moves), self.series.moved_pools(old.series)
        for name in self.STATE:
            new, was = pools if name in self.OF_POOLS else series
            getattr(self, name)[new] = getattr(old, name)[was]

    def at_quarter(self, seen: QuarterSeen, outlook: Outlook) -> None:
        """Learn from the slot that has just ended and look ahead; once for each slot, also for a missing one."""
        expected = self._expected(seen, outlook)
        for name, newest in (
            ("low", seen.low), ("high", seen.high), ("net", 0.5 * (seen.net_low + seen.net_high)),
            ("expected", expected[:, 0]), ("planned", outlook.planned[:, 0]),
        ):
            ring = getattr(self, name)
            setattr(self, name, np.concatenate([ring[:, 1:], newest[:, None]], axis=1))
        self._learn_regressions()
        self.learn(seen.low, seen.high)
        self.quantiles = self._ahead(Targets(expected[:, 1:], outlook.planned[:, 1:]))

    def forecast(self) -> Floats:
        """Quantiles 0.05, 0.5 and 0.95: series x horizons x 3; NaN = cannot say, the newest slot is missing."""
        return self.quantiles

    def _expected(self, seen: QuarterSeen, outlook: Outlook) -> Floats:
        values = np.concatenate([0.5 * (self.low + self.high), 0.5 * (seen.low + seen.high)[:, None]], axis=1)
        known = ~np.isnan(values)
        # A plan is added below: whom it brought already must not count twice.
        brought = np.concatenate([np.nan_to_num(self.planned), outlook.planned[:, :1]], axis=1)
        unplanned = np.where(known, np.maximum(values - brought, 0.0), 0.0)
        recent = unplanned.sum(axis=1) / np.maximum(known.sum(axis=1), 1)
        level = np.where(known.any(axis=1), recent, np.nan)[:, None]
        return np.asarray(np.where(np.isnan(outlook.usual), level, outlook.usual) + outlook.planned)

    def _origin(self, back: Indices) -> Origin:
        """What was known so many slots ago; one origin for each."""
        at = (KEPT_QUARTERS - LAGS - back)[:, None] + np.arange(LAGS)
        value = 0.5 * (self.low[:, at] + self.high[:, at])
        return Origin(value, self.expected[:, at], self.planned[:, at], self.net[:, at])

    def _learn_regressions(self) -> None:
        ahead = np.arange(self.horizons)
        now, origin = Targets(self.expected[:, -1:], self.planned[:, -1:]), self._origin(ahead + 1)
        off, compared = 0.5 * (self.low[:, -1:] + self.high[:, -1:]) - now.expected, size(origin, now)
        self._fade("middle", middle_features(origin, now), off / compared)
        # This slot's own forecast is not yet said: what was said h slots ago stands at h - 1.
        said = self.issued_middle[:, ahead, ahead] - now.expected
        self._fade("scale", scale_features(origin, now), np.abs(off - said) / compared)

    def _fade(self, name: str, features: Floats, target: Floats) -> None:
        usable = ~np.isnan(features).any(axis=-1)
        aimed = np.where(usable, np.clip(target, -_LARGEST_ERROR, _LARGEST_ERROR), np.nan)
        faded(getattr(self, f"{name}_moment"), getattr(self, f"{name}_product"), 1.0 - 1.0 / _MEMORY_SLOTS,
              self.pool, features, aimed)

    def _ahead(self, targets: Targets) -> Floats:
        origin = self._origin(np.zeros(1, np.intp))
        scale = coefficients(self.scale_moment, self.scale_product, self._scale_prior, _PRIOR_STRENGTH)
        compared = size(origin, targets)
        wide = applied(scale, self.pool, scale_features(origin, targets)) * compared
        planned = np.maximum(targets.planned, origin.planned[..., -1]) > 0
        middle = self._middle(origin, targets)
        farthest = _LARGEST_ERROR * compared
        lowest, highest = np.maximum(middle - farthest, 0.0)[..., None], (middle + farthest)[..., None]
        said = self.issue(middle, np.maximum(wide, smallest_scale(targets)), planned)
        return np.asarray(np.clip(said, lowest, highest))

    def _middle(self, origin: Origin, targets: Targets) -> Floats:
        """The point forecasts; NaN where nothing can be said."""
        middle = coefficients(self.middle_moment, self.middle_product, self._middle_prior, _PRIOR_STRENGTH)
        off = applied(middle, self.pool, middle_features(origin, targets)) * size(origin, targets)
        return np.maximum(targets.expected + off, 0.0)
