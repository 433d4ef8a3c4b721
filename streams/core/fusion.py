# SPDX-License-Identifier: Apache-2.0
"""One estimate of people inside from all that is known: who corrects it, and what devices may then learn from it."""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from streams.core.conservation import Swapped
from streams.core.device_ratio import DeviceRatio
from streams.core.layout import MINUTE_US
from streams.core.occupancy import REPEATING, Correction, Kind, Occupancy

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.intp]


class Fusion:
    """Corrections of an estimate; it has no state of its own.

    Parameters
    ----------
    occupancy : Occupancy
    devices : DeviceRatio
        Over the same zones.
    """

    def __init__(self, occupancy: Occupancy, devices: DeviceRatio) -> None:
        self._occupancy, self._devices = occupancy, devices

    def anchor(self, at_us: int, kind: Kind, zone: Places, people: Floats,
               sd: Floats) -> tuple[list[Correction], list[Swapped]]:
        """Correct zones by what is not their devices' word, which counts for less from now on; see `Occupancy`."""
        variance = self._occupancy.covariance[0, 0]
        before = np.maximum(variance[zone], 1e-9)
        done = self._occupancy.anchor(at_us, kind, zone, people, sd)
        left = variance[zone] / before
        # A camera that was surer took the place of what was known.
        self._devices.corrected(zone, people, np.where(left < 1, 0.0, 1.0) if kind in REPEATING else left)
        self.exchanged(done[1])
        return done

    def exchanged(self, found: Iterable[Swapped]) -> None:
        """Forget what devices learned from gates that were found to count the wrong way round."""
        rows = np.array([row for one in found for row in one.rows], np.intp)
        self._devices.forget(np.unique(rows[rows < len(self._devices.share)]))

    def by_devices(self, minute: int) -> list[Correction]:
        """Learn how many devices there are to a person, and correct the zones of which they know more.

        Parameters
        ----------
        minute : int
            Number from 1970; all else that is known of it was taken in.
        """
        zones = len(self._devices.share)
        mean, variance = self._occupancy.mean[0, :zones], self._occupancy.covariance[0, 0, :zones]
        zone, people, sd = self._devices.minute(minute, mean, variance, ~self._occupancy.watch.suspects()[:zones])
        if not len(zone):
            return []
        return self._occupancy.anchor((minute + 1) * MINUTE_US, Kind.DEVICES, zone, people, sd)[0]
