# SPDX-License-Identifier: Apache-2.0
"""Receivers that count devices: so many to a person, in a ratio that drifts through the day."""

import numpy as np

from benchmarks.truth.occupancy_ground import ZONES, Ints
from streams.core.device_ratio import DeviceRatio, DeviceSources
from streams.core.layout import MINUTE_US

RATIO_FROM, RATIO_TO = 0.3, 1.2
DRIFT_SD_PER_HOUR = 0.05
COUNT_SD = 0.04


class Receivers:
    """One in each zone of each day.

    Parameters
    ----------
    seeds : int
        Days.
    random : Generator
    hears : bool
        Else they count nothing: the same without them.

    Attributes
    ----------
    ratio : DeviceRatio
        What the fold makes of their counts.
    """

    TEXT = (f"{RATIO_FROM:g} to {RATIO_TO:g} devices for each person, each drawn apart, wandering by "
            f"{100 * DRIFT_SD_PER_HOUR:g} % in an hour, each count off by {100 * COUNT_SD:g} % and by chance")

    def __init__(self, seeds: int, random: np.random.Generator, *, hears: bool) -> None:
        many = seeds * ZONES
        self._random, self._hears = random, hears
        every = np.arange(many)
        self.ratio = DeviceRatio(DeviceSources(every, every), many)
        self._truth = np.log(random.uniform(RATIO_FROM, RATIO_TO, many)) if hears else np.zeros(many)

    def count(self, minute: int, people: Ints) -> None:
        """Count the devices of a minute, with people [seed, zone] there."""
        if not self._hears:
            return
        many = len(self._truth)
        self._truth += self._random.normal(0, DRIFT_SD_PER_HOUR / np.sqrt(60), many)
        off = self._random.normal(0, COUNT_SD, many)
        count = self._random.poisson(people.ravel() * np.exp(self._truth + off)).astype(np.float64)
        end_us = np.full(many, (minute + 1) * MINUTE_US)
        self.ratio.counted(np.arange(many), end_us, count, minute)
