# SPDX-License-Identifier: Apache-2.0
"""Chances that a count lies within a band: a negative binomial count alone, and with a second one added to it.

Sums over the values of the band, by running sums of logarithms; no approximation up to `GRID` counted persons. A
larger count is taken in bins of equal width, with the same mean and variance.
"""

import numpy as np
import numpy.typing as npt

GRID = 512
_MOST_AT_ONCE = 128
"""Rows of a table at once: bounds memory to a few MB."""
_POISSON_SHAPE = 1e7

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def interval_chances(low: Ints, high: Ints, mean: Floats, shape: Floats, more_mean: Floats | None,
                     more_shape: Floats | None) -> tuple[Floats, Floats]:
    """Chance of low <= N <= high, and of low <= N + M <= high.

    Parameters
    ----------
    low, high : int64 arrays
        Both inclusive, from 0.
    mean, shape : float64 arrays
        Of N: its variance is mean + mean^2 / shape.
    more_mean, more_shape : float64 arrays, optional
        Of M; without them the second answer is 0.

    Returns
    -------
    alone, together : float64 arrays
    """
    alone, together = np.zeros(len(low)), np.zeros(len(low))
    # Rows of like size side by side, so that a table is no wider than its own rows need.
    order = np.argsort(high, kind="stable")
    for first in range(0, len(low), _MOST_AT_ONCE):
        at = order[first : first + _MOST_AT_ONCE]
        width = 1 + high[at] // GRID
        bounds = (low[at] // width - 1, high[at] // width)
        size = int(bounds[1].max()) + 1
        usual = masses(size, *_in_bins(mean[at], shape[at], width))
        running = np.cumsum(usual, axis=1)
        alone[at] = _between(running, bounds)
        if more_mean is not None and more_shape is not None:
            # The first count's bins have taken up the half bin; the second's must not do so again.
            more = masses(size, *_in_bins(more_mean[at], more_shape[at], width, lowered=False))
            together[at] = _sum_up_to(running, more, bounds[1]) - _sum_up_to(running, more, bounds[0])
    return np.maximum(alone, 0.0), np.maximum(together, 0.0)


def masses(size: int, mean: Floats, shape: Floats) -> Floats:
    """Chances of 0 to size - 1, a row for each count."""
    steps = np.arange(1, size)
    log_ratio = np.log((shape[:, None] + steps - 1) / steps) + np.log(mean / (mean + shape))[:, None]
    logs = np.concatenate([(-shape * np.log1p(mean / shape))[:, None], log_ratio], axis=1)
    return np.asarray(np.exp(np.cumsum(logs, axis=1)))


def _in_bins(mean: Floats, shape: Floats, width: Ints, *, lowered: bool = True) -> tuple[Floats, Floats]:
    """Mean and shape of the number of a count's bin."""
    variance = (mean + mean**2 / shape) / width**2
    binned = np.maximum((mean - (width - 1) / 2 * lowered) / width, mean / width * 0.1)
    spare = variance - binned
    fitted = np.where(spare > 0, binned**2 / np.where(spare > 0, spare, 1.0), _POISSON_SHAPE)
    return binned, np.where(width == 1, shape, np.minimum(fitted, _POISSON_SHAPE))


def _between(running: Floats, bounds: tuple[Ints, Ints]) -> Floats:
    rows = np.arange(len(running))
    below = np.where(bounds[0] >= 0, running[rows, np.maximum(bounds[0], 0)], 0.0)
    return np.asarray(running[rows, bounds[1]] - below)


def _sum_up_to(running: Floats, more: Floats, bound: Ints) -> Floats:
    """Chance that both counts together are at most `bound`: over what the second one may be."""
    rest = bound[:, None] - np.arange(more.shape[1])
    chance = np.take_along_axis(running, np.maximum(rest, 0), axis=1)
    return np.asarray(np.where(rest >= 0, chance * more, 0.0).sum(axis=1))
