# SPDX-License-Identifier: Apache-2.0
"""How many devices a receiver counts for each person there: a ratio that wanders, learned and then used.

Each source has its own logarithm of devices per person, with a variance in two parts: `own`, which averages out from
count to count, and `common`, the error of the people that it was learned from, which does not. It learns when somebody
or a camera sees how many people there are, and says people while what is known of them is weaker than it. It never
learns from the estimate that it moves: else it would grow surer of itself with every count.
"""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from schemas.city import City, SensorStatus
from schemas.ids import IdKind
from schemas.reading import DEVICE_COUNTS
from streams.core.layout import MINUTE_US, Layout, PlaceKind
from streams.core.moves import Moves
from streams.core.occupancy_filter import MOST_SURPRISE

KEPT = 64
"""Minutes that a count may wait for its gates: as their own windows do."""
DRIFT_VARIANCE_PER_MIN = 0.08**2 / 60
"""The ratio may wander by 8 % in an hour: crowds differ in what they carry, and telephones in how they hide."""
COUNT_SD = 0.05
"""What one count errs beside chance: how long devices are remembered, radios that hear around a corner."""
UNKNOWN_VARIANCE = 100.0
"""Of a ratio of which nothing is known."""
KNOWN_BELOW_VARIANCE = 0.3**2
"""A ratio that is surer than this says people."""
FEWEST = 20.0
"""Of fewer people or devices no ratio is made."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Places = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class DeviceSources:
    """What counts devices in the zones of a partition; arrays over them, ascending by channel.

    Parameters
    ----------
    channel : int array
    zone : int array
        Each may have several.
    """

    channel: Places
    zone: Places

    @classmethod
    def of(cls, city: City, layout: Layout) -> Self:
        """Those of the city file that are not on trial."""
        numbers = city.ids[IdKind.SENSOR]
        active = [numbers[key] for key, one in city.file.sensors.items() if one.status is SensorStatus.ACTIVE]
        in_zone = layout.place_kind[layout.channel_place] == PlaceKind.ZONE
        channel = np.flatnonzero(
            np.isin(layout.channel_role, DEVICE_COUNTS) & in_zone & np.isin(layout.channel_sensor, active))
        return cls(channel, layout.channel_place[channel])


class DeviceRatio:
    """The ratio of every source, and how many people its newest counts say.

    Parameters
    ----------
    sources : DeviceSources
    zones : int
        Of the partition.

    Attributes
    ----------
    log_ratio, own, common : float64 arrays over sources
        Logarithm of devices per person, and the two parts of its variance.
    witness : float64 array [2, zone]
        People and their standard deviation as they were seen last since the minute before; NaN where nobody did.
    """

    STATE = ("log_ratio", "own", "common", "witness", "_counts")

    def __init__(self, sources: DeviceSources, zones: int) -> None:
        self._sources = sources
        many = len(sources.channel)
        self.log_ratio, self.common = np.zeros(many), np.zeros(many)
        self.own = np.full(many, UNKNOWN_VARIANCE)
        self.witness = np.full((2, zones), np.nan)
        self._counts = np.full((KEPT, many), np.nan)

    def carry(self, old: "DeviceRatio", moves: Moves) -> None:
        """Go on with the sources and zones that stay."""
        was = moves.channel[self._sources.channel]
        staying = np.flatnonzero(np.isin(was, old._sources.channel) & (was >= 0))
        then = np.searchsorted(old._sources.channel, was[staying])
        for name in ("log_ratio", "own", "common", "_counts"):
            getattr(self, name)[..., staying] = getattr(old, name)[..., then]
        zone, was_zone = moves.zones(self.witness.shape[1])
        self.witness[:, zone] = old.witness[:, was_zone]

    def counted(self, channel: Places, end_us: Ints, count: Floats, next_minute: int) -> None:
        """Take counts in, each for the minute in which it ended; those of other channels are left alone.

        Parameters
        ----------
        channel : int array
        end_us : int64 array
            Of a sample its time.
        count : float64 array
            Devices; NaN = the receiver has no value.
        next_minute : int
            Number from 1970 of the minute that is estimated next: what is older is too late.
        """
        at = np.searchsorted(self._sources.channel, channel)
        minute = (end_us - 1) // MINUTE_US
        known = np.append(self._sources.channel, -1)[at] == channel
        known &= (minute >= next_minute) & (minute < next_minute + KEPT)
        self._counts[minute[known] % KEPT, at[known]] = count[known]

    def witnessed(self, zone: Places, people: Floats, sd: Floats) -> None:
        """Note how many people were seen in zones, other than by their gates or their devices."""
        self.witness[0, zone], self.witness[1, zone] = people, sd

    def minute(self, minute: int, people: Floats, variance: Floats) -> tuple[Places, Floats, Floats]:
        """Let a minute pass: learn from what is known of the zones, and say what the devices know better.

        Parameters
        ----------
        minute : int
            Number from 1970; its counts are used up.
        people, variance : float64 arrays over zones
            As known without this minute's devices.

        Returns
        -------
        zone, people, sd : arrays
            Zones of which devices say more than is known, each once.
        """
        if not len(self.own):
            nothing = np.zeros(0)
            return np.zeros(0, np.intp), nothing, nothing
        count = self._counts[minute % KEPT].copy()
        self._counts[minute % KEPT] = np.nan
        self.own = np.minimum(self.own + DRIFT_VARIANCE_PER_MIN, UNKNOWN_VARIANCE)
        told = np.where(np.isnan(count), 0.0, count) >= FEWEST
        log_count = _rounded(np.log(np.where(told, count, 1.0)), 9)
        noise = COUNT_SD**2 + 1 / np.where(told, count, 1.0)
        self._learn(told, log_count, noise)
        self.witness[:] = np.nan
        return self._better(told, log_count, noise, people, variance)

    def _learn(self, told: Mask, log_count: Floats, noise: Floats) -> None:
        """Follow what counts and witnesses say together, by the gain that leaves the least variance.

        The people's error may be the same as the one learned from before, so these two are added as deviations and
        not as variances.
        """
        people, sd = self.witness[:, self._sources.zone]
        # Where nobody saw anything both comparisons are false.
        at = np.flatnonzero(told & (people >= FEWEST) & (sd**2 < KNOWN_BELOW_VARIANCE * people**2))
        here, error = people[at], sd[at] / people[at]
        off = log_count[at] - _rounded(np.log(here), 9) - self.log_ratio[at]
        held = np.sqrt(self.common[at])
        surprise = off**2 / MOST_SURPRISE**2 - noise[at] - (held + error) ** 2
        own = np.maximum(self.own[at], surprise)
        less = held - error
        gain = np.clip((own + held * less) / (own + noise[at] + less**2), 0.0, 1.0)
        self.log_ratio[at] += gain * off
        self.own[at] = (1 - gain) ** 2 * own + gain**2 * noise[at]
        self.common[at] = ((1 - gain) * held + gain * error) ** 2

    def _better(self, told: Mask, log_count: Floats, noise: Floats, people: Floats,
                variance: Floats) -> tuple[Places, Floats, Floats]:
        """The surest source of every zone, where it is surer than what is known."""
        total = self.own + self.common + noise
        at = np.flatnonzero(told & (total < KNOWN_BELOW_VARIANCE))
        # Sources of one zone err alike, so they are not added: the surest one speaks.
        at = at[np.lexsort((total[at], self._sources.zone[at]))]
        zone, first = np.unique(self._sources.zone[at], return_index=True)
        at = at[first]
        said = _rounded(np.exp(log_count[at] - self.log_ratio[at]), 6)
        sd = said * np.sqrt(total[at])
        surprise = (said - people[zone]) ** 2 / MOST_SURPRISE**2 - sd**2
        better = sd**2 < np.maximum(variance[zone], surprise)
        return zone[better], said[better], sd[better]


def _rounded(values: Floats, digits: int) -> Floats:
    """So that the last bit of a machine's own logarithm does not matter."""
    return np.asarray(np.round(values, digits), np.float64)
