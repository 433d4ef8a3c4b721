# SPDX-License-Identifier: Apache-2.0
"""One estimate of people inside from all that is known: who corrects it, and what devices may then learn from it."""

import numpy as np
import numpy.typing as npt

from streams.core.conservation import Swapped
from streams.core.device_ratio import DeviceRatio
from streams.core.layout import MINUTE_US
from streams.core.occupancy import Correction, Kind, Occupancy

WITNESSES = frozenset({Kind.AREA_SENSOR, Kind.SIGHTING, Kind.SET_OCCUPANCY})
"""Who saw the people themselves: from these alone devices learn. Gates are none: one that counts the wrong way round
would be learned as a ratio, and then confirmed by it."""

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
        """Correct zones by what is not their devices' word, as `Occupancy.anchor` does."""
        if kind in WITNESSES:
            self._devices.witnessed(zone, people, sd)
        return self._occupancy.anchor(at_us, kind, zone, people, sd)

    def by_devices(self, minute: int) -> list[Correction]:
        """Learn how many devices there are to a person, and correct the zones of which they know more.

        Parameters
        ----------
        minute : int
            Number from 1970; all else that is known of it was taken in.
        """
        zones = self._devices.witness.shape[1]
        mean, variance = self._occupancy.mean[0, :zones], self._occupancy.covariance[0, 0, :zones]
        zone, people, sd = self._devices.minute(minute, mean, variance)
        if not len(zone):
            return []
        return self._occupancy.anchor((minute + 1) * MINUTE_US, Kind.DEVICES, zone, people, sd)[0]
