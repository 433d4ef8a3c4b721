# SPDX-License-Identifier: Apache-2.0
"""States between samples: how many people each zone's cameras count at a step of the 10 s grid."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.reading import Metric
from streams.core.layout import Layout
from streams.core.log_time import STEP_US
from streams.core.moves import Moves
from streams.core.slots import EMPTY, Slots

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ZoneStates:
    """Zones at one step; arrays over the zone places.

    Parameters
    ----------
    counted : float64 array
        Persons counted by all sensors that have a value; 0 where none has.
    view_m2 : float64 array
        Area seen by those sensors; 0 = the zone has no value.
    fresh : bool array
        Whether a sample arrived since the step before.
    """

    counted: Floats
    view_m2: Floats
    fresh: npt.NDArray[np.bool_]


class States:
    """The newest sample of every people channel, held for 3 heartbeats at most.

    A step's value is the newest sample known; of a sensor that samples more often than the grid, the
    time-weighted mean from its first sample within the step on.
    """

    STATE = ("held_begin", "held_value", "fresh")

    def __init__(self, layout: Layout, zones: int) -> None:
        self._layout = layout
        self._zones = zones
        people = layout.channel_counted & (layout.channel_role == Metric.PEOPLE)
        numbers = np.flatnonzero(people)
        self._channels = as_slice(numbers)
        self._zone = layout.channel_place[numbers]
        self._view_m2 = layout.channel_view_m2[numbers]
        self._hold_us = layout.channel_hold_us[numbers]
        self._is_quick = layout.channel_interval_us[numbers] < STEP_US
        self._quick = numbers[self._is_quick]
        self.held_begin = np.full(len(people), EMPTY, np.int64)
        self.held_value = np.full(len(people), np.nan)
        self.fresh = np.zeros(len(people), np.bool_)

    def carry(self, old: "States", moves: Moves) -> None:
        """Hold the samples of channels that stay."""
        new, was = moves.channels()
        for name in self.STATE:
            getattr(self, name)[new] = getattr(old, name)[was]

    def sampled(self, channel: npt.NDArray[np.intp], begin: npt.NDArray[np.int64], value: Floats) -> None:
        """Take samples in; the newest by its own time is held, whatever the order of arrival."""
        np.maximum.at(self.held_begin, channel, begin)
        newest = begin == self.held_begin.take(channel)
        if not newest.all():
            channel, value = channel[newest], value[newest]
        self.held_value[channel] = value
        self.fresh[channel] = True

    def at_step(self, step_us: int, slots: Slots, usable: npt.NDArray[np.bool_]) -> ZoneStates:
        """Zones at a step of the grid, as known now, from channels that are `usable`; forgets what was fresh."""
        channels = self._channels
        held = step_us - self.held_begin[channels] <= self._hold_us
        value = np.where(held, self.held_value[channels], np.nan)
        if len(self._quick):
            mean = _means_within(self._layout, slots, self._quick, step_us)
            value[self._is_quick] = np.where(np.isnan(mean), value[self._is_quick], mean)
        present = ~np.isnan(value) & usable[channels]
        zone = self._zone
        # Absent ones add nothing; sums of whole counts are exact in any order.
        counted = np.bincount(zone, np.where(present, value, 0.0), self._zones).astype(np.float64)
        view = np.bincount(zone, np.where(present, self._view_m2, 0.0), self._zones).astype(np.float64)
        fresh = np.zeros(self._zones, np.bool_)
        fresh[zone[present & self.fresh[channels]]] = True
        self.fresh[channels] = False
        return ZoneStates(counted, view, fresh)


def as_slice(numbers: npt.NDArray[np.intp]) -> npt.NDArray[np.intp] | slice:
    """Ascending numbers as a slice where they are without a gap: parts of arrays are then views, not copies."""
    if len(numbers) and numbers[-1] - numbers[0] == len(numbers) - 1:
        return slice(int(numbers[0]), int(numbers[-1]) + 1)
    return numbers


def _means_within(layout: Layout, slots: Slots, channels: npt.NDArray[np.intp], step_us: int) -> Floats:
    """Time-weighted mean of each channel from its first sample in [step - 10 s, step) on; NaN without one."""
    start_us = step_us - STEP_US
    count = int(STEP_US // layout.channel_interval_us[channels].min()) + 2
    at = slots.gather(channels, np.full(len(channels), start_us, np.int64), count)
    begin, value = slots.begin[at], slots.value[at]
    until = np.full(len(channels), step_us, np.int64)
    weighted, time = np.zeros(len(channels)), np.zeros(len(channels))
    for sample in range(count - 1, -1, -1):  # from the newest back: each holds until the one after it
        inside = (begin[:, sample] >= start_us) & (begin[:, sample] < until)
        held_us = np.where(inside, until - begin[:, sample], 0)
        has_value = inside & ~np.isnan(value[:, sample])
        weighted += np.where(has_value, held_us * np.nan_to_num(value[:, sample]), 0.0)
        time += np.where(has_value, held_us, 0)
        until = np.where(inside, begin[:, sample], until)
    return np.where(time > 0, weighted / np.maximum(time, 1), np.nan)
