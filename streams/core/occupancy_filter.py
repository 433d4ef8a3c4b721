# SPDX-License-Identifier: Apache-2.0
"""The arithmetic of occupancy: a Kalman filter over all rows at once, and people that cannot be fewer than none.

A row is a zone or an area. Its state is [N, bias in, bias out, crowding in, crowding out]; the last four are in
standard deviations of what the city file says, so that they begin with mean 0 and variance 1. Arrays have the row
last. Only sums, products, quotients, roots and rounded tables are used: the same bits on every machine.
"""

import math
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]

STATES = 5
"""N and four parts of the gates' error."""
MOST_SURPRISE = 3.0
"""So many standard deviations off, the error model is wrong, not the world: N becomes that uncertain."""
FOLD_BELOW = 1.0
"""N is held to be at least 0 where its mean is below so many standard deviations. Higher would fold it again and
again on the same knowledge."""
_DAY_VARIANCE = 0.1
_MINUTE_VARIANCE = _DAY_VARIANCE / 1440
"""Biases wander: a tenth of their first variance in a day."""
_HELD = 0.95
_STEP, _LEFT, _RIGHT = 0.005, -6.0, MOST_SURPRISE
_TINY = 1e-12


def _tables() -> Floats:
    """Mean, deviation and narrowest interval [4, point] of a unit normal that is cut below each of a grid of points."""
    unit = NormalDist()
    grid = [_LEFT + _STEP * number for number in range(round((_RIGHT - _LEFT) / _STEP) + 1)]
    means, sds, lowers, uppers = [], [], [], []
    for cut in grid:
        above = 0.5 * math.erfc(cut / math.sqrt(2))
        ratio = unit.pdf(cut) / above
        means.append(round(ratio, 9))
        sds.append(round(math.sqrt(1 + cut * ratio - ratio * ratio), 9))
        # The narrowest interval: where 0 is among the likely values it begins there.
        half = unit.inv_cdf((1 + _HELD * above) / 2)
        lowers.append(round(max(-half, cut), 9))
        uppers.append(round(half if -half > cut else -unit.inv_cdf(above * (1 - _HELD)), 9))
    return np.array([means, sds, lowers, uppers])


# Rounded to nine digits, so that the last bit of a machine's own erfc does not matter.
_CUT = _tables()
_MEAN, _SD, _LOWER, _UPPER = range(4)
_LAST_STEP = _CUT.shape[1] - 2


def _cut_below(cut: Floats, *wanted: int) -> list[Floats]:
    """Some of `_tables` at points, straight between those of the grid; beyond its ends the value there."""
    steps = np.clip((cut - _LEFT) / _STEP, 0.0, _LAST_STEP + 1.0)
    at = np.minimum(steps.astype(np.intp), _LAST_STEP)
    part = steps - at
    found = []
    for one in wanted:
        left = _CUT[one].take(at)
        found.append(left + part * (_CUT[one].take(at + 1) - left))
    return found


def first_covariance(start_sd: Floats) -> Floats:
    """Covariance [5, 5, row] of a start from nothing: N within `start_sd`, the errors as the file says."""
    covariance = np.zeros((STATES, STATES, len(start_sd)))
    covariance[0, 0] = start_sd**2
    for state in range(1, STATES):
        covariance[state, state] = 1.0
    return covariance


def predict(mean: Floats, covariance: Floats, net: Floats, error: Floats, variance: Floats) -> None:
    """Let a minute pass, in place.

    Parameters
    ----------
    mean : float64 array [5, row]
    covariance : float64 array [5, 5, row]
    net : float64 array [row]
        People that came in less those that went out, as counted and corrected by the stated bias.
    error : float64 array [4, row]
        People more in the row for one standard deviation of each part of the error.
    variance : float64 array [row]
        What else may have happened, persons squared: chance, and what was not seen.
    """
    mean[0] += net + (error * mean[1:]).sum(axis=0)
    along = (covariance[1:, 1:] * error).sum(axis=1)
    covariance[0, 0] += (error * (2 * covariance[0, 1:] + along)).sum(axis=0) + variance
    covariance[0, 1:] += along
    covariance[1:, 0] = covariance[0, 1:]
    for state in range(1, STATES):
        covariance[state, state] += _MINUTE_VARIANCE


def condition(mean: Floats, covariance: Floats, rows: Rows, people: Floats, variance: Floats) -> None:
    """Give N of some rows another mean and variance, in place; the errors follow as far as they hang on N."""
    own = covariance[:, :, rows]
    before = np.maximum(own[0, 0], _TINY)
    gain = own[:, 0] / before
    mean[:, rows] += gain * (people - mean[0, rows])
    covariance[:, :, rows] = own + gain[:, None] * gain[None, :] * (variance - own[0, 0])
    mean[0, rows] = people
    covariance[0, 0, rows] = variance


def measure(mean: Floats, covariance: Floats, rows: Rows, people: Floats, sd: Floats, *, repeats: bool) -> Floats:
    """Correct N of some rows by a measurement, in place.

    Parameters
    ----------
    rows : int array
        Each row once.
    people, sd : float64 arrays over `rows`
        What was measured, and its standard deviation.
    repeats : bool
        Its error is the same each time (a camera's): it replaces what is less sure and never adds up.

    Returns
    -------
    float64 array [5, rows]
        How far each state followed the difference from what was expected.
    """
    variance = sd**2
    widen(covariance, rows, (people - mean[0, rows]) ** 2, variance)
    prior = covariance[0, 0, rows]
    along = covariance[:, 0, rows] / np.maximum(prior, _TINY)
    if repeats:
        better = variance < prior
        condition(mean, covariance, rows[better], people[better], variance[better])
        return np.asarray(along * better)
    share = prior / np.maximum(prior + variance, _TINY)
    condition(mean, covariance, rows, mean[0, rows] + share * (people - mean[0, rows]), prior * (1 - share))
    return np.asarray(along * share)


def widen(covariance: Floats, rows: Rows, distance_squared: Floats, variance: Floats) -> None:
    """Make N so uncertain, in place, that a distance is at most `MOST_SURPRISE` standard deviations."""
    needed = distance_squared / MOST_SURPRISE**2 - variance
    covariance[0, 0, rows] = np.maximum(covariance[0, 0, rows], needed)


def below_zero(mean: Floats, covariance: Floats) -> Rows:
    """Rows whose state holds that fewer than nobody is not unlikely."""
    below: Rows = np.flatnonzero(mean[0] * np.abs(mean[0]) < FOLD_BELOW**2 * covariance[0, 0] - _TINY)
    return below


def hold_positive(mean: Floats, covariance: Floats, rows: Rows) -> None:
    """Let the state of some rows know that nobody is less than nobody, in place: the moments of the cut normal."""
    widen(covariance, rows, np.minimum(mean[0, rows], 0.0) ** 2, np.zeros(len(rows)))
    sd = np.sqrt(covariance[0, 0, rows])
    cut = -mean[0, rows] / np.maximum(sd, _TINY)
    middle, spread = _cut_below(cut, _MEAN, _SD)
    people = mean[0, rows] + sd * middle
    condition(mean, covariance, rows, np.maximum(people, 0.0), (sd * spread) ** 2)


def bounds(mean: Floats, variance: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean, lower and upper bound of N at 95 %, each at least 0, of a normal that is cut at 0.

    The narrowest bounds: what lies at the cut itself, as nobody does at night, is then within them.

    Parameters
    ----------
    mean, variance : float64 arrays [row]
    """
    sd = np.sqrt(variance)
    cut = -mean / np.maximum(sd, _TINY)
    of_mean, of_lower, of_upper = _cut_below(cut, _MEAN, _LOWER, _UPPER)
    middle = np.maximum(mean + sd * of_mean, 0.0)
    lower = np.maximum(mean + sd * of_lower, 0.0)
    upper = np.maximum(mean + sd * of_upper, lower)
    return np.clip(middle, lower, upper), lower, upper
