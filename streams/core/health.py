# SPDX-License-Identifier: Apache-2.0
"""Sensor health: fresh, late, silent, stuck, jumped, skewed, faulty; judged on the minute, over all channels at once.

What a stuck or faulty channel says is left out of states, counts and cells: coverage falls, and nothing looks calm.
"""

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.city import City
from schemas.health import HEALTH_SCHEMA, UNUSABLE_FROM, HealthTable, SensorState
from schemas.ids import IdKind
from schemas.reading import Metric
from schemas.roads import NDW_SOURCE
from streams.core.arrivals import Arrivals
from streams.core.counts import PARTS
from streams.core.effect import HealthRows
from streams.core.layout import COUNTED_METRICS, MINUTE_US, SECOND_US, Layout, Rate
from streams.core.moves import Moves
from streams.core.sensor_days import SensorDays, Some
from streams.core.slots import LONG_AGO, Slots, is_full
from streams.core.states import as_slice
from streams.core.windows import SILENT_AFTER, Windows

HOUR_US = 60 * MINUTE_US
STUCK_READINGS = 60
STUCK_US = 10 * MINUTE_US
"""So many like readings over so long a time are no chance: a Poisson count of 10 stays the same 60 times with a
probability below 1e-50."""
FEW_PEOPLE = 10.0
STUCK_FEW_US = 6 * HOUR_US
"""Some people on a bench do stay the same for ten minutes: below `FEW_PEOPLE` in view it takes six hours."""
WALK_IN_PER_M_S = 2.0
"""Persons per metre of edge and second; measured specific flows end at about 1.3 to 1.9."""
DENSEST_PER_M2 = 10.0
"""Beyond any measured crowd."""
JUMP_SHOWN_US = 10 * MINUTE_US
AHEAD_US = 2 * SECOND_US
"""A device's clock may run ahead by so much; it is what a gateway's may."""
DELAY_STEP_US = 5 * SECOND_US
"""The estimate of a channel's delay moves by so much a minute at most: single readings do not move it."""

Places = npt.NDArray[np.intp]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


class Health:
    """What is known of every channel, and the state of every sensor.

    Parameters
    ----------
    city : City
    layout : Layout

    Attributes
    ----------
    state : int8 array over channels
        `SensorState` of each.
    sensor_state, sensor_since_us : arrays over `sensor`
        As told last.
    """

    STATE = ("state", "sensor_state", "sensor_since_us", "_stamp_us", "_delay_us", "_value", "_value_at_us",
             "_same_since_us", "_jumped_us", "_scanned")

    def __init__(self, city: City, layout: Layout) -> None:
        self._layout = layout
        channels = len(layout.channel_place)
        self.sensor, self._position = np.unique(layout.channel_sensor, return_inverse=True)
        self.state = np.full(channels, SensorState.UNHEARD, np.int8)
        self.sensor_state = np.full(len(self.sensor), SensorState.UNHEARD, np.int8)
        self.sensor_since_us = np.zeros(len(self.sensor), np.int64)
        self._stamp_us = np.full(channels, LONG_AGO, np.int64)
        """Latest end of the readings that came; `LONG_AGO` where none did."""
        self._delay_us = np.zeros(channels, np.int64)
        """Slow estimate of how long after their end readings come; negative where they are stamped ahead."""
        self._value = np.full(channels, np.nan)
        self._value_at_us = np.full(channels, LONG_AGO, np.int64)
        self._same_since_us = np.zeros(channels, np.int64)
        self._jumped_us = np.full(channels, LONG_AGO, np.int64)
        self._scanned = np.zeros(channels, np.int64)
        """Number of the interval of each channel that is looked at next; the same for all of a group."""
        self._groups = [
            as_slice(np.flatnonzero(layout.channel_group == number)) for number in range(len(layout.groups))
        ]
        self._patience_us = SILENT_AFTER * layout.channel_interval_us + layout.channel_delay_us
        self._patience_us[layout.channel_on_event] = np.maximum(
            self._patience_us, layout.channel_hold_us)[layout.channel_on_event]
        self._view_m2 = np.maximum(layout.channel_view_m2, 1.0)
        road = np.isin(layout.channel_role, (Metric.VEHICLES, Metric.SPEED))
        # A road's period may still run when it is published: its begin is what counts.
        self._road_period_us = np.where(road, layout.channel_interval_us, 0)
        self._counts = np.isin(layout.channel_role, COUNTED_METRICS)
        # A running count that stands still is calm.
        self._may_stick = self._counts & (layout.channel_semantics != Rate.CUMULATIVE)
        self._may_stick &= ~_of_recordings(city, layout)
        self._stuck_us = np.maximum(STUCK_US, (STUCK_READINGS - 1) * layout.channel_interval_us)
        self._gap_us = SILENT_AFTER * layout.channel_interval_us
        self._least_jump = np.array([
            self._possible(channels, np.full(len(self._view_m2[channels]), group.interval_us // 2)).min(initial=np.inf)
            for channels, group in zip(self._groups, layout.groups, strict=True)
        ])

    def start(self, now_us: int) -> None:
        """Begin to look at intervals that end after `now_us`."""
        self._scanned = now_us // self._layout.channel_interval_us
        self.sensor_since_us[:] = now_us

    def carry(self, old: "Health", moves: Moves) -> None:
        """Go on with the channels and sensors that stay."""
        self.start(moves.at_us)
        new, was = moves.channels()
        for name in ("state", "_stamp_us", "_delay_us", "_value", "_value_at_us", "_same_since_us", "_jumped_us"):
            getattr(self, name)[new] = getattr(old, name)[was]
        for channels in self._groups:
            kept = moves.channel[channels]
            kept = kept[kept >= 0]
            if len(kept):
                self._scanned[channels] = old._scanned[kept].max()
        known = np.isin(self.sensor, old.sensor)
        at = np.searchsorted(old.sensor, self.sensor[known])
        self.sensor_state[known], self.sensor_since_us[known] = old.sensor_state[at], old.sensor_since_us[at]

    @property
    def usable(self) -> Mask:
        """Channels whose readings may be used."""
        return np.asarray(self.state < UNUSABLE_FROM)

    def heard(self, new: Arrivals) -> None:
        """Note that readings came, whatever their order."""
        np.maximum.at(self._stamp_us, new.channel, new.end_us)

    def assume(self, now_us: int, windows: Windows, slots: Slots) -> None:
        """Take the present from what lies in the slots, without telling of it: for a state without health."""
        self.start(now_us)
        channel = np.repeat(np.arange(len(self.state)), slots.lengths)
        at = slots.by_channel()
        held = slots.begin[at] > LONG_AGO
        end_us = slots.begin[at] + slots.span_us[at]
        np.maximum.at(self._stamp_us, channel[held], end_us[held])
        self._judge(now_us, windows)
        self.sensor_state = self._by_sensor()

    def at_minute(self, now_us: int, windows: Windows, slots: Slots, days: SensorDays) -> list[HealthRows]:
        """Judge all channels; rows of the sensors whose state changed, or of all at a full hour.

        Parameters
        ----------
        now_us : int
            A full minute of log time.
        windows : Windows
            Knows when each channel was heard last.
        slots : Slots
        days : SensorDays
            Is told which readings came in time.
        """
        for number, channels in enumerate(self._groups):
            if self._layout.groups[number].on_event:
                heard = now_us - windows.last_heard[channels] <= self._patience_us[channels]
                days.expected(channels, heard & (self._stamp_us[channels] > LONG_AGO), ~self.usable[channels], now_us)
            else:
                self._scan(number, channels, now_us, slots, days)
        self._judge(now_us, windows)
        return self._told(now_us)

    def _scan(self, number: int, channels: Some, now_us: int, slots: Slots, days: SensorDays) -> None:
        """Look at the intervals of a group that nobody waits for any more, one after the other."""
        group = self._layout.groups[number]
        first = int(self._scanned[channels][0])
        until = (now_us - group.delay_us) // group.interval_us
        unusable = self.state[channels] >= UNUSABLE_FROM
        for interval in range(first, until):
            at, start_us = slots.of_interval(number, interval), interval * group.interval_us
            begin, value = slots.begin[at], slots.value[at]
            seen: Some = channels
            if is_full(begin, value, start_us, group.interval_us):  # nearly always
                days.expected(channels, np.True_, unusable, start_us)
            else:
                there = (begin >= start_us) & (begin < start_us + group.interval_us)
                days.expected(channels, there, unusable, start_us)
                known = there & ~np.isnan(value)
                if not known.any():
                    continue
                seen, begin, value = np.arange(len(self.state))[channels][known], begin[known], value[known]
            if group.role is Metric.UPTIME:
                days.uptime(seen, value / PARTS)
            if group.role is Metric.PEOPLE:
                self._see_jumps(seen, begin, value, self._least_jump[number])
            self._see(seen, begin, value)
        self._scanned[channels] = max(first, until)

    def _see(self, channel: Some, begin: Ints, value: Floats) -> None:
        same = self._value[channel] == value
        # One that is stuck stays so until it moves, whatever is missing in between.
        stuck = self.state[channel] == SensorState.STUCK
        same &= stuck | (begin - self._value_at_us[channel] <= self._gap_us[channel])
        if self._layout.service.has_swaps:
            before_us = self._value_at_us[channel]
            same &= ~self._layout.service.swapped_between(channel, before_us[:, None], begin[:, None])[:, 0]
        self._same_since_us[channel] = np.where(same, self._same_since_us[channel], begin)
        self._value[channel], self._value_at_us[channel] = value, begin

    def _see_jumps(self, channel: Some, begin: Ints, value: Floats, least: float) -> None:
        change = np.abs(value - self._value[channel])
        if not (change > least).any():  # nearly always; false without a value before
            return
        jumped = change > self._possible(channel, begin - self._value_at_us[channel])
        self._jumped_us[channel] = np.where(jumped, begin, self._jumped_us[channel])

    def _possible(self, channel: Some, elapsed_us: Ints) -> Floats:
        """By how many people a view may change: what walks over its edge (of a square), never more than it holds."""
        view_m2 = self._view_m2[channel]
        walk_in = WALK_IN_PER_M_S * 4.0 * np.sqrt(view_m2) * (elapsed_us / SECOND_US)
        return np.asarray(np.minimum(np.maximum(walk_in, 1.0), DENSEST_PER_M2 * view_m2))

    def _judge(self, now_us: int, windows: Windows) -> None:
        heard_us, layout = windows.last_heard, self._layout
        ever = self._stamp_us > LONG_AGO
        sample = np.where(ever, heard_us - self._stamp_us, 0)
        self._delay_us += np.clip(sample - self._delay_us, -DELAY_STEP_US, DELAY_STEP_US)
        late = self._delay_us > layout.channel_delay_us + self._road_period_us
        ahead = -self._delay_us > AHEAD_US + self._road_period_us
        few = (layout.channel_role == Metric.PEOPLE) & (self._value < FEW_PEOPLE)
        stuck = self._may_stick & (self._value > 0)
        stuck &= self._value_at_us - self._same_since_us >= np.where(few, STUCK_FEW_US, self._stuck_us)
        silent = now_us - heard_us > self._patience_us
        state = np.full(len(self.state), SensorState.FRESH, np.int8)
        for which, found in (
            (SensorState.LATE, late), (SensorState.SKEWED, ahead),
            (SensorState.JUMPED, now_us - self._jumped_us <= JUMP_SHOWN_US), (SensorState.STUCK, stuck),
            (SensorState.FAULTY, self._faulty(silent)), (SensorState.SILENT, silent),
            (SensorState.UNHEARD, ~ever), (SensorState.OUT_OF_SERVICE, layout.service.out(now_us)),
            # It may take its time to come back.
            (SensorState.OUT_OF_SERVICE, silent & layout.service.out(now_us, self._patience_us)),
        ):
            state[found] = which
        self.state = state

    def _faulty(self, silent: Mask) -> Mask:
        """Channels of a sensor whose own device says that it does not work."""
        role = self._layout.channel_role
        says = (role == Metric.DEVICE_STATE) & (self._value > 0)
        says |= (role == Metric.UPTIME) & (self._value == 0)
        bad = np.zeros(len(self.sensor), np.bool_)
        bad[self._position[says & ~silent]] = True
        return np.asarray(bad[self._position])

    def _by_sensor(self) -> npt.NDArray[np.int8]:
        """The worst state of each sensor's counting channels; of all its channels where none counts."""
        worst = np.full(len(self.sensor), -1, np.int8)
        np.maximum.at(worst, self._position[self._counts], self.state[self._counts])
        rest = worst[self._position] < 0
        np.maximum.at(worst, self._position[rest], self.state[rest])
        return worst

    def _told(self, now_us: int) -> list[HealthRows]:
        now = self._by_sensor()
        changed = now != self.sensor_state
        self.sensor_since_us[changed] = now_us
        self.sensor_state = now
        told = np.flatnonzero(changed | (now_us % HOUR_US == 0))
        if not len(told):
            return []
        at = np.full(len(told), now_us).astype("datetime64[us]")
        return [HealthRows(HealthTable.HEALTH, pa.RecordBatch.from_arrays([
            pa.array(self.sensor[told].astype(np.int32)), pa.array(at, HEALTH_SCHEMA.field("at").type),
            pa.array(now[told].astype(np.int16)),
            pa.array(self.sensor_since_us[told].astype("datetime64[us]"), HEALTH_SCHEMA.field("since").type),
        ], schema=HEALTH_SCHEMA))]


def _of_recordings(city: City, layout: Layout) -> Mask:
    """Channels of sources that play a recording again and again: unchanged values say nothing there."""
    sources, numbers = city.file.sources, city.ids[IdKind.SENSOR]
    played = [numbers[key] for key, sensor in city.file.sensors.items() if sources[sensor.source].is_recording]
    if NDW_SOURCE in sources and sources[NDW_SOURCE].is_recording:
        played += [numbers[str(key)] for key in set(city.roads.column("sensor"))]
    return np.isin(layout.channel_sensor, played)
