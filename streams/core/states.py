# SPDX-License-Identifier: Apache-2.0
"""States between samples: how many people each zone's cameras count at a step of the 10 s grid."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.reading import Metric
from streams.core.arrivals import Arrivals
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
        self._zones = zones
        people = layout.channel_counted & (layout.channel_role == Metric.PEOPLE)
        numbers = np.flatnonzero(people)
        self._channels = as_slice(numbers)
        self._zone = layout.channel_place[numbers]
        self._view_m2 = layout.channel_view_m2[numbers]
        self._hold_us = layout.channel_hold_us[numbers]
        self._is_quick = layout.channel_interval_us[numbers] < STEP_US
        self._quick = numbers[self._is_quick]
        self._samples = int(STEP_US // layout.channel_interval_us[self._quick].min(initial=STEP_US)) + 2
        """Slots of a quick channel that a step reaches."""
        self.held_begin = np.full(len(people), EMPTY, np.int64)
        self.held_value = np.full(len(people), np.nan)
        self.fresh = np.zeros(len(people), np.bool_)

    def carry(self, old: "States", moves: Moves) -> None:
        """Hold the samples of channels that stay."""
        new, was = moves.channels()
        for name in self.STATE:
            getattr(self, name)[new] = getattr(old, name)[was]

    def sampled(self, new: Arrivals) -> None:
        """Take samples in; the newest by its own time is held, whatever the order of arrival."""
        channel, value = new.channel, new.held
        np.maximum.at(self.held_begin, channel, new.begin)
        newest = new.begin == self.held_begin.take(channel)
        if np.count_nonzero(newest) < len(newest):
            channel, value = channel[newest], value[newest]
        self.held_value[channel] = value
        self.fresh[channel] = True

    def at_step(self, step_us: int, slots: Slots, usable: npt.NDArray[np.bool_]) -> ZoneStates:
        """Zones at a step of the grid, as known now, from channels that are `usable`; forgets what was fresh."""
        channels = self._channels
        held = step_us - self.held_begin[channels] <= self._hold_us
        value = np.where(held, self.held_value[channels], np.nan)
        if len(self._quick):
            mean = _means_within(slots, self._quick, self._samples, step_us)
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


def _means_within(slots: Slots, channels: npt.NDArray[np.intp], samples: int, step_us: int) -> Floats:
    """Time-weighted mean of each channel from its first sample in [step - 10 s, step) on; NaN without one."""
    start_us = step_us - STEP_US
    until = np.full(len(channels), step_us, np.int64)
    weighted, time = np.zeros(len(until)), np.zeros(len(until), np.int64)
    for begin, value in slots.newest_first(channels, until, samples):  # each holds until the one after it
        held_us = until - begin
        if int(np.minimum.reduce(held_us)) > 0 and int(np.minimum.reduce(begin)) >= start_us and not math.isnan(
                np.minimum.reduce(value)):  # nearly always: every channel has a sample there
            weighted += value * held_us
            until = begin
        else:
            inside = (begin >= start_us) & (begin < until)
            held_us = np.where(inside & ~np.isnan(value), held_us, 0)
            weighted += np.where(held_us > 0, value, 0.0) * held_us
            until = np.where(inside, begin, until)
        time += held_us
    return np.where(time > 0, weighted / np.maximum(time, 1), np.nan)
