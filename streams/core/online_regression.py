# SPDX-License-Identifier: Apache-2.0
"""Linear regressions that learn as they go: one per pool and horizon, ridge towards a prior, the past fading.

A pool is the series that learn together (one site's zones, one site's roads). Sums run in a fixed order and the
small systems are solved here, not by a library of the machine: the same log gives the same bits.
"""

from itertools import pairwise

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


def faded(moment: Floats, product: Floats, kept: float, pool: Indices, features: Floats, target: Floats) -> None:
    """Take samples in, in place, after letting the former ones fade.

    Parameters
    ----------
    moment : float64 array, pools x horizons x features x features
    product : float64 array, pools x horizons x features
    kept : float
        The share that the former samples keep.
    pool : int array over series
    features : float64 array, series x horizons x features
    target : float64 array, series x horizons
        NaN where there is no sample.
    """
    has = ~np.isnan(target)
    order = np.argsort(pool, kind="stable")
    given = np.moveaxis(np.where(has[..., None], features, 0.0)[order], -1, 0)
    aimed = np.where(has, target, 0.0)[order]
    bounds = np.searchsorted(pool[order], np.arange(len(moment) + 1)).tolist()
    moment *= kept
    product *= kept
    # Pool by pool: each sum then has the order of its own series.
    for number, (first, end) in enumerate(pairwise(bounds)):
        by_feature = np.ascontiguousarray(given[:, first:end])
        product[number] += (by_feature * aimed[first:end]).sum(axis=1).T
        for at, feature in enumerate(by_feature):
            both = (by_feature[: at + 1] * feature).sum(axis=1)
            moment[number, :, at, : at + 1] += both.T
            moment[number, :, :at, at] += both[:at].T


def coefficients(moment: Floats, product: Floats, prior: Floats, strength: float) -> Floats:
    """The regressions' coefficients: pools x horizons x features.

    Parameters
    ----------
    moment, product : float64 arrays
        As `faded` keeps them.
    prior : float64 array, horizons x features
        What the coefficients are without samples.
    strength : float
        For how much summed square of a feature the prior stands.
    """
    left = moment + strength * np.eye(moment.shape[-1])
    return _solved(left, product + strength * prior)


def _solved(left: Floats, right: Floats) -> Floats:
    """Gaussian elimination, for all at once; the ridge keeps every pivot above 0."""
    left, right = left.copy(), right.copy()
    size = left.shape[-1]
    for at in range(size):
        share = left[..., at + 1 :, at] / left[..., at, at, None]
        left[..., at + 1 :, :] -= share[..., None] * left[..., at, None, :]
        right[..., at + 1 :] -= share * right[..., at, None]
    found = np.zeros_like(right)
    for at in range(size - 1, -1, -1):
        rest = right[..., at] - (left[..., at, at + 1 :] * found[..., at + 1 :]).sum(axis=-1)
        found[..., at] = rest / left[..., at, at]
    return found


def applied(coefficient: Floats, pool: Indices, features: Floats) -> Floats:
    """What the regressions say: series x horizons."""
    said: Floats = (coefficient[pool] * features).sum(axis=-1)
    return said
