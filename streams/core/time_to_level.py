# SPDX-License-Identifier: Apache-2.0
"""Minutes until a level is reached, as a range from the quantiles of a forecast, or that it cannot be said."""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


class Reach(IntEnum):
    """What can be said about reaching a level."""

    CANNOT_SAY = 0
    """No forecast, no level, or only the upper edge reaches it: possible, but not when."""
    REACHED = 1
    """The upper edge of what is now is there already."""
    RANGE = 2
    """The forecast's middle reaches it: earliest and likely minutes hold."""
    NOT_AHEAD = 3
    """Not even the upper edge reaches it within the horizons."""


@dataclass(frozen=True, slots=True)
class MinutesTo:
    """When a level is reached; arrays over series.

    Parameters
    ----------
    reach : int8 array
        A `Reach`.
    earliest_min, likely_min, latest_min : float64 arrays
        When the upper edge, the middle and the lower edge reach it. All NaN unless `reach` is RANGE (or REACHED:
        0); `latest_min` is also NaN where the lower edge does not reach it within the horizons ("or not at all").
    """

    reach: npt.NDArray[np.int8]
    earliest_min: Floats
    likely_min: Floats
    latest_min: Floats


def minutes_to(now_low: Floats, now_high: Floats, quantiles: Floats, level: Floats, slot_min: float = 15.0
               ) -> MinutesTo:
    """When each series reaches its level.

    Parameters
    ----------
    now_low, now_high : float64 arrays over series
        Band of the slot that has just ended.
    quantiles : float64 array, series x horizons x 3
        As `Forecast.forecast` gives them.
    level : float64 array over series
        Where the next level begins; NaN = there is none.
    slot_min : float
        Minutes between horizons.

    Returns
    -------
    MinutesTo
    """
    now = np.stack([now_low, 0.5 * (now_low + now_high), now_high], axis=1)
    at = [_first_min(now[:, edge], quantiles[:, :, edge], level, slot_min) for edge in range(3)]
    latest, likely, earliest = at[0], at[1], at[2]
    known = ~np.isnan(quantiles).any(axis=(1, 2)) & ~np.isnan(level) & ~np.isnan(now_high)
    reached = known & (now_high >= level)
    ranged = known & ~reached & ~np.isnan(likely)
    not_ahead = known & ~reached & np.isnan(earliest)
    reach = np.select([reached, ranged, not_ahead], [Reach.REACHED, Reach.RANGE, Reach.NOT_AHEAD], Reach.CANNOT_SAY)
    shown = [np.where(reached, 0.0, np.where(ranged, minutes, np.nan)) for minutes in (earliest, likely, latest)]
    return MinutesTo(reach.astype(np.int8), *shown)


def _first_min(now: Floats, path: Floats, level: Floats, slot_min: float) -> Floats:
    """Minutes to the first crossing of a path, straight between its points; NaN without one."""
    whole = np.concatenate([now[:, None], path], axis=1)
    above = whole >= level[:, None]
    crosses = above[:, 1:] & ~above[:, :-1]
    at = np.argmax(crosses, axis=1)
    rows = np.arange(len(whole))
    before, after = whole[rows, at], whole[rows, at + 1]
    rise = np.where(crosses[rows, at], after - before, 1.0)
    minutes = slot_min * (at + (level - before) / rise)
    return np.where(above[:, 0], 0.0, np.where(crosses.any(axis=1), minutes, np.nan))
