# SPDX-License-Identifier: Apache-2.0
"""What becomes of readings: every part of the state that takes something from them, in one place."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.reading import Batch
from streams.core.arrival_groups import arrivals
from streams.core.arrivals import Arrivals
from streams.core.grains import Grains
from streams.core.health import Health
from streams.core.inside import Inside
from streams.core.layout import Layout
from streams.core.revisions import Revisions
from streams.core.sensor_days import SensorDays
from streams.core.slots import Put, Slots
from streams.core.states import States
from streams.core.windows import Windows

READING_COUNTERS = (
    "readings", "duplicates", "corrections", "overlaps", "late", "ahead", "unknown", "bad-span", "not-counted",
    "missed",
)
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Intake:
    """The parts of a partition that readings change.

    While no window closes, the outcome depends on the readings and their order alone and not on how they are
    divided into batches.
    """

    layout: Layout
    slots: Slots
    windows: Windows
    revisions: Revisions
    states: States
    health: Health
    sensor_days: SensorDays
    grains: Grains
    inside: Inside

    def take(self, batch: Batch, received_us: npt.NDArray[np.int64], now_us: int, is_recorded: bool,
             counters: Counter[str]) -> bool:
        """Put readings into their slots; `revisions` then knows which closed windows of roads they change.

        Parameters
        ----------
        batch : Batch
            Not empty.
        received_us : int64 array
            Log time at which each reading was received.
        now_us : int
        is_recorded : bool
            Whether the clock is the data's: a message may then be older than what it holds.
        counters : Counter of str
            Of `READING_COUNTERS`; counts on.

        Returns
        -------
        bool
            Whether a window that is over became complete.
        """
        complete = False
        for new in arrivals(self.layout, batch, received_us, counters):
            put = self._put(new, counters)
            complete |= self.windows.take(new, put, now_us, is_recorded)
        return complete

    def _put(self, new: Arrivals, counters: Counter[str]) -> Put:
        group, lateness = new.group, self.windows.lateness(new)
        if lateness is None:
            put, current = self.slots.put(new), new
        else:
            put, current = self._put_some(new, *lateness, counters), new.take(~lateness[1])
        if group.slow:
            self._enter(current, np.zeros(len(current), np.bool_), counters)
        self._count(new, put, counters)
        if not group.counted:
            self.inside.devices_counted(group, new.channel, new.end_us, new.held, self.health.usable)
        elif group.is_instant:
            self.states.sampled(current)
        self.health.heard(new)
        return put

    def _put_some(self, new: Arrivals, late: Mask, ahead: Mask, counters: Counter[str]) -> Put:
        """Put readings into their slots of which some come late or ahead of their time."""
        group, end_us = new.group, new.begin + new.span_us
        revising = late & ~ahead & self.revisions.reach(new.channel, new.begin)
        # Late ones whose quarter is still open for research are found in their slots at its end.
        is_open = new.begin >= self.grains.open_from(new.place)
        store = ~(late | ahead) | revising | (group.counted & late & ~ahead & is_open)
        counters["ahead"] += int(ahead.sum())
        put = self.slots.put(new, store)
        came = late & ~revising & ~put.duplicate
        counters["late"] += int(came.sum())
        self.inside.late(group, new.channel[came], new.held[came])
        self.sensor_days.late(new.channel[late & ~put.duplicate])
        known = late & ~ahead & self.grains.arrived(group, new.channel, new.begin)
        self.sensor_days.repeated(new.channel[known], end_us[known], new.received_us[known])
        changed = revising & ~put.duplicate
        self.revisions.note(new.channel[changed], new.begin[changed], end_us[changed])
        if group.counted:
            passed = late & ~ahead & ~is_open
            self._enter(new.take(passed), store[passed], counters)
        return put

    def _enter(self, new: Arrivals, stored: Mask, counters: Counter[str]) -> None:
        """Give readings that no slot keeps for their quarter's harvest to research at once."""
        taken = self.grains.enter(new.group, new.channel, new.begin, new.span_us, new.held, new.weight, stored)
        counters["missed"] += int(len(new) - taken.sum())
        self.sensor_days.missed(new.channel[~taken])

    def _count(self, new: Arrivals, put: Put, counters: Counter[str]) -> None:
        if not new.group.counted:
            counters["not-counted"] += len(new)
        if not put.is_all_new:
            counters["duplicates"] += int(put.duplicate.sum())
            counters["corrections"] += int(put.correction.sum())
            counters["overlaps"] += int(put.overlap.sum())
            self.sensor_days.corrected(new.channel[put.correction])
