# SPDX-License-Identifier: Apache-2.0
"""Exact 95 % intervals of Poisson counts, over whole arrays."""

from functools import cache

import numpy as np
import numpy.typing as npt

CONFIDENCE = 0.95
Z = 1.959963984540054
"""The normal deviate of `CONFIDENCE`, two-sided."""
_TAIL = (1 - CONFIDENCE) / 2
EXACT_BELOW = 2_048.0
"""From here Wilson and Hilferty's formula stands alone: it is off by less than a thousandth of the half width."""
_NEWTON_ROUNDS = 5
_SHIFT = 8
"""Stirling's series is exact to the last digits from here up."""
_STIRLING = (1 / 12, -1 / 360, 1 / 1260, -1 / 1680, 1 / 1188)
_TABLED = int(EXACT_BELOW)
"""Whole counts below it are looked up: nearly all that a window holds, so that none of them has to be solved."""
_NO_MORE = 1e-18
_NOTHING = 0.05
"""Parts of a count up to here have a lower bound below 1e-30: 0."""

Floats = npt.NDArray[np.float64]


def poisson_interval(count: npt.ArrayLike) -> tuple[Floats, Floats]:
    """The means for which a count is not too rare: Garwood's exact interval, 2.5 % on each side.

    Parameters
    ----------
    count : array
        At least 0; parts of a count (readings shared over windows) count as they are. NaN stays NaN.

    Returns
    -------
    low, high : float64 arrays
        `low` is 0 for a count of 0.
    """
    given = np.asarray(count, np.float64)
    tabled = (given >= 0) & (given < _TABLED) & (given == np.floor(given))
    whole = np.where(tabled, given, 0.0).astype(np.intp)
    low, high = (np.where(tabled, edge[whole], np.nan) for edge in _table())
    solved = ~tabled & ~np.isnan(given)
    if solved.any():
        low[solved], high[solved] = _solved(given[solved])
    return low, high


@cache
def _table() -> tuple[Floats, Floats]:
    return _solved(np.arange(_TABLED, dtype=np.float64))


def _solved(given: Floats) -> tuple[Floats, Floats]:
    """As `poisson_interval`, each count by itself."""
    some = given > _NOTHING
    low = np.where(some, _gamma_quantile(np.where(some, given, 1.0), -Z, _TAIL), 0.0)
    return low, _gamma_quantile(given + 1, Z, 1 - _TAIL)


def _gamma_quantile(shape: Floats, deviate: float, share: float) -> Floats:
    """Where the gamma distribution of this shape reaches `share`, whose normal deviate is `deviate`."""
    root = 1 - 1 / (9 * shape) + deviate / (3 * np.sqrt(shape))
    first = np.maximum(shape * root**3, 1e-3 * shape)
    few = shape < EXACT_BELOW
    if not few.any():
        return np.asarray(first)
    small = np.where(few, shape, 1.0)
    log_gamma = _log_gamma(small)
    # Below a count of one nearly all lies at the series' first term.
    under_one = np.exp((np.log(share * small) + log_gamma) / small)
    guess = np.where(few, np.where(small < 1, under_one, first), 1.0)
    for _ in range(_NEWTON_ROUNDS):
        log_density = (small - 1) * np.log(guess) - guess - log_gamma
        # In the logarithm of the quantile, which is nearly straight also for a count of one.
        step = (_gamma_share(small, guess, log_gamma) - share) / (np.exp(log_density) * guess)
        guess = guess * np.exp(-np.clip(step, -1.0, 1.0))
    return np.where(few, guess, first)


def _gamma_share(shape: Floats, value: Floats, log_gamma: Floats) -> Floats:
    """The regularised lower incomplete gamma function, by its series of positive terms."""
    term = np.ones_like(value)
    total = np.ones_like(value)
    divisor = shape.copy()
    while True:
        divisor = divisor + 1
        term = term * (value / divisor)
        total = total + term
        # Further terms change nothing: the answer does not hang on what else is in the array.
        if (term <= _NO_MORE * total).all():
            break
    return np.asarray(np.exp(shape * np.log(value) - value - log_gamma - np.log(shape)) * total)


def _log_gamma(value: Floats) -> Floats:
    shifted = value + _SHIFT
    series = np.zeros_like(value)
    for at, factor in enumerate(_STIRLING):
        series = series + factor / shifted ** (2 * at + 1)
    stirling = (shifted - 0.5) * np.log(shifted) - shifted + 0.5 * np.log(2 * np.pi) + series
    product = np.ones_like(value)
    for step in range(_SHIFT):
        product = product * (value + step)
    return np.asarray(stirling - np.log(product))
