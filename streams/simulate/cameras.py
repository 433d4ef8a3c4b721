# SPDX-License-Identifier: Apache-2.0
"""What the cameras of a simulated crowd see: each its part of the zone, with its own error."""

import numpy as np
import numpy.typing as npt

from streams.simulate.sensor_errors import FULL_DENSITY_PER_M2, SensorError
from streams.simulate.shares import Shares

DRIFT_S = 600.0
"""An error of light or sight stays about so long: it does not jump from one picture to the next."""

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]


class Cameras:
    """Cameras by number, in the order in which they are given.

    Parameters
    ----------
    zone : intp array [camera]
        Index of the zone that it looks at.
    shares : Shares
        How the people of a zone stand in the views of its cameras.
    interval_s : float array [camera]
    errors : list of SensorError
    area_m2 : float array [zone]
    seed : int
    """

    def __init__(
        self, zone: Indices, shares: Shares, interval_s: Floats, errors: list[SensorError],
        area_m2: Floats, seed: int,
    ) -> None:
        self._zone = zone
        self._shares = shares
        self._area_m2 = area_m2
        self._random = np.random.default_rng([seed, 3])
        self._gain = 1 + np.array([error.bias for error in errors], np.float64)
        self._noise_sd = np.array([error.noise_sd for error in errors], np.float64)
        self._misses = np.array([error.crowding_misses for error in errors], np.float64)
        stuck_s = [np.inf if error.stuck_from_s is None else error.stuck_from_s for error in errors]
        self._stuck_from_s = np.array(stuck_s, np.float64)
        self._kept = np.exp(-interval_s / DRIFT_S)
        self._drift = self._random.standard_normal(len(errors))
        self._held = np.full(len(errors), np.nan)

    def values(self, people: npt.NDArray[np.int64], second: int, which: Indices) -> Floats:
        """What the cameras `which` report now.

        Parameters
        ----------
        people : int64 array [zone and more]
        second : int
            Seconds since the start.
        which : intp array
            Camera numbers, each once.

        Returns
        -------
        float array [which]
            Whole numbers of persons in view.
        """
        in_view = self._shares.split(people, self._random)[which]
        zone = self._zone[which]
        crowding = np.minimum(people[zone] / self._area_m2[zone] / FULL_DENSITY_PER_M2, 1.0)
        seen = self._random.binomial(in_view, 1 - self._misses[which] * crowding)
        kept = self._kept[which]
        fresh = np.sqrt(1 - kept**2) * self._random.standard_normal(len(which))
        self._drift[which] = kept * self._drift[which] + fresh
        factor = self._gain[which] + self._noise_sd[which] * self._drift[which]
        value = rounded(np.maximum(seen * factor, 0.0), self._random)
        return self._held_where_stuck(value, second, which)

    def _held_where_stuck(self, value: Floats, second: int, which: Indices) -> Floats:
        is_held = (second >= self._stuck_from_s[which]) & ~np.isnan(self._held[which])
        self._held[which] = np.where(is_held, self._held[which], value)
        return self._held[which]


def rounded(value: Floats, random: np.random.Generator) -> Floats:
    """Whole numbers with the mean of `value`: 3.2 becomes 4 once in five times; whole ones stay."""
    whole = np.floor(value)
    return whole + (random.random(len(value)) < value - whole)
