# SPDX-License-Identifier: Apache-2.0
"""Drukte's own forecast: what is usual and planned, plus what the present deviation says of the next two hours.

How a deviation dies out, goes on growing or scales with the curve of the day is learnt as coefficients of the
features below. They start as a damped deviation, so a new city forecasts sensibly on its first day.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

LAGS = 4
"""Slots that an origin looks back on."""
MIDDLE_FEATURES = 10
SCALE_FEATURES = 6
SMALLEST = 10.0
"""People or vehicles below which ratios mean nothing."""
_DAMPING = 0.93
"""Of a deviation, a slot; before anything is learnt."""
_HIGHEST_GROWTH = 4.0


@dataclass(frozen=True, slots=True)
class Origin:
    """What is known when forecasts are made; float64 arrays, series x origins x `LAGS`.

    One origin for all horizons, or one for each.

    Parameters
    ----------
    value, expected, planned, net : arrays
        Slots 3, 2, 1 and 0 before the origin: middle of the band, usual plus planned, planned alone, net inflow. NaN
        where missing.
    """

    value: Floats
    expected: Floats
    planned: Floats
    net: Floats

    def deviations(self) -> Floats:
        """Value less expected; where an older one is missing, the newest stands in: no trend."""
        off = self.value - self.expected
        return np.where(np.isnan(off), off[..., -1:], off)

    def missing(self) -> npt.NDArray[np.bool_]:
        """Whether nothing can be said, series x origins: the newest slot is missing."""
        return np.isnan(self.value[..., -1] - self.expected[..., -1])


@dataclass(frozen=True, slots=True)
class Targets:
    """What is expected ahead; float64 arrays, series x horizons, or series x 1 for one slot.

    Parameters
    ----------
    expected, planned : arrays
        Usual plus planned, and planned alone.
    """

    expected: Floats
    planned: Floats


def size(origin: Origin, targets: Targets) -> Floats:
    """The number that a deviation is compared with: series x horizons."""
    now = np.maximum(origin.value[..., -1], origin.expected[..., -1])
    return np.maximum(np.maximum(now, targets.expected), SMALLEST)


def middle_features(origin: Origin, targets: Targets) -> Floats:
    """In shares of `size`: series x horizons x `MIDDLE_FEATURES`; NaN where nothing can be said."""
    off = origin.deviations()
    newest, expected, ahead = off[..., -1], origin.expected[..., -1], targets.expected
    growth = np.minimum(ahead / np.maximum(expected, SMALLEST), _HIGHEST_GROWTH) - 1.0
    step = origin.value[..., -1] - origin.value[..., -2]
    net = origin.net[..., -1]
    return _shares((
        newest, newest * growth, newest - off[..., -2], newest - off[..., 0], _or_none(net - step),
        _or_none(net - origin.net[..., -2]), ahead - expected, ahead, targets.planned,
        targets.planned - origin.planned[..., -1],
    ), origin, targets)


def scale_features(origin: Origin, targets: Targets) -> Floats:
    """For how large an error to expect, in shares of `size`: series x horizons x `SCALE_FEATURES`."""
    off = origin.deviations()
    newest, compared = off[..., -1], size(origin, targets)
    return _shares((
        np.sqrt(compared), compared, np.abs(newest), np.abs(newest - off[..., -2]),
        np.abs(targets.expected - origin.expected[..., -1]), np.maximum(targets.planned, origin.planned[..., -1]),
    ), origin, targets)


def _or_none(values: Floats) -> Floats:
    """A missing net inflow says nothing."""
    return np.where(np.isnan(values), 0.0, values)


def _shares(features: Sequence[Floats], origin: Origin, targets: Targets) -> Floats:
    compared = size(origin, targets)
    shares = np.empty((*compared.shape, len(features)))
    for at, feature in enumerate(features):
        shares[..., at] = feature
    return shares / compared[..., None]


def middle_prior(horizons: int) -> Floats:
    """A damped deviation, half of it growing with the curve: horizons x `MIDDLE_FEATURES`."""
    prior = np.zeros((horizons, MIDDLE_FEATURES))
    damped = 1.0
    for at in range(horizons):
        damped *= _DAMPING
        prior[at, 0], prior[at, 1] = damped, 0.5 * damped
    return prior


def scale_prior(horizons: int) -> Floats:
    """An error like that of counting, growing with the horizon: horizons x `SCALE_FEATURES`."""
    prior = np.zeros((horizons, SCALE_FEATURES))
    ahead = np.arange(1, horizons + 1)
    prior[:, 0], prior[:, 1], prior[:, 5] = 0.8, 0.01 * ahead, 0.01 * ahead
    return prior


def smallest_scale(targets: Targets) -> Floats:
    """Below it no error is expected to be: a part of what counting alone does."""
    return np.asarray(0.3 * np.sqrt(np.maximum(targets.expected, SMALLEST)) + 1.0)
