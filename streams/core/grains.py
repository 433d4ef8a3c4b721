# SPDX-License-Identifier: Apache-2.0
"""Exact sums of the quarters that are not released yet: the only place where the fold keeps them.

A quarter is harvested from the slots when its last window closes: by then repeats and corrections are settled.
What comes later, until the seal, is one bit a slot: a repeat is dropped, a first arrival enters its quarter.
"""

import numpy as np
import numpy.typing as npt

from schemas.reading import Metric
from streams.core.counts import channel_windows, shared_until
from streams.core.grain_plan import QUARTER_US, CellRows
from streams.core.integrals import held_time
from streams.core.layout import Group, Layout, Rate
from streams.core.moves import Moves
from streams.core.rows import mean_speeds
from streams.core.slots import Slots

RING = 56
"""Quarters that are open at once: a grain's six hours before its seal, or an hour's twelve, and one to spare."""
MILLI = 1_000
UNUSED = -1

Places = npt.NDArray[np.intp]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


class Grains:
    """Accumulators by quarter and row.

    Attributes
    ----------
    value : int64 array, quarters x rows
        Person-ms, parts of 1/3600 of a count, or speed times vehicles in 1/1000.
    covered : int64 array
        Time reported with a value, in ms times the channel's weight.
    expected : int64 array
        What `covered` is where every sensor reported.
    vehicles : int64 array
        Behind mean speeds, in 1/1000; else 0.
    code : uint8 array
        Grain code; 0 where there is no cell to release.
    start_us, zone_map : int64 arrays over quarters
        Begin of each quarter, `UNUSED` where there is none, and the number of the map in force.
    """

    STATE = ("value", "covered", "expected", "vehicles", "code", "start_us", "zone_map", "_arrived", "_harvested")

    def __init__(self, layout: Layout, rows: CellRows, zone_map: int) -> None:
        self._layout, self.rows, self._map = layout, rows, zone_map
        size = len(rows.place)
        self.value = np.zeros((RING, size), np.int64)
        self.covered = np.zeros((RING, size), np.int64)
        self.expected = np.zeros((RING, size), np.int64)
        self.vehicles = np.zeros((RING, size), np.int64)
        self.code = np.zeros((RING, size), np.uint8)
        self.start_us = np.full(RING, UNUSED, np.int64)
        self.zone_map = np.zeros(RING, np.int64)
        self._bytes = (QUARTER_US // layout.channel_interval_us + 2 + 7) // 8
        self._offset = np.concatenate([[0], np.cumsum(self._bytes)]).astype(np.int64)
        self._arrived = np.zeros((RING, int(self._offset[-1])), np.uint8)
        self._harvested = np.zeros(len(layout.place_kind), np.int64)

    def start(self, open_start_us: Ints) -> None:
        """Begin with the quarters in which the places' first windows lie."""
        self._harvested = open_start_us // QUARTER_US * QUARTER_US

    def carry(self, old: "Grains", moves: Moves, open_start_us: Ints) -> None:
        """Go on with the quarters of the places and channels that stay; `open_start_us` is over all places."""
        self.start_us, self.zone_map = old.start_us.copy(), old.zone_map.copy()
        self._harvested = open_start_us // QUARTER_US * QUARTER_US
        new, was = moves.places()
        self._harvested[new] = old._harvested[was]
        rows = {key: row for row, key in enumerate(zip(old.rows.place.tolist(), old.rows.metric.tolist(), strict=True))}
        before = moves.place[self.rows.place].tolist()
        was_row = np.array([rows.get(key, -1) for key in zip(before, self.rows.metric.tolist(), strict=True)], np.intp)
        stays = np.flatnonzero(was_row >= 0)
        for kept in ("value", "covered", "expected", "vehicles", "code"):
            getattr(self, kept)[:, stays] = getattr(old, kept)[:, was_row[stays]]
        new, was = moves.channels()
        count = self._bytes[new]
        within = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
        to = np.repeat(self._offset[new], count) + within
        self._arrived[:, to] = old._arrived[:, np.repeat(old._offset[was], count) + within]

    def open_from(self, place: Places) -> Ints:
        """Begin of the earliest quarter of each place that is not harvested yet."""
        return self._harvested[place]

    def closed(self, place: Places, end_us: Ints, slots: Slots, usable: Mask) -> None:
        """Harvest the quarters that end with these places' closed windows (or within them, where rows are long).

        Channels that are not `usable` add nothing: their time is without coverage.
        """
        while True:
            due = self._harvested[place] + QUARTER_US <= end_us
            place, end_us = place[due], end_us[due]
            if not len(place):
                return
            for start_us in np.unique(self._harvested[place]).tolist():
                mine = place[self._harvested[place] == start_us]
                self._harvest(mine, start_us, slots, usable)
            self._harvested[place] += QUARTER_US

    def _at(self, start_us: int) -> int:
        """Position of a quarter in the ring; it is taken over from whatever was there."""
        at = start_us // QUARTER_US % RING
        if self.start_us[at] != start_us:
            self.forget(at)
            self.start_us[at], self.zone_map[at] = start_us, self._map
        return at

    def forget(self, at: int) -> None:
        """Empty a quarter."""
        for kept in (self.value, self.covered, self.expected, self.vehicles, self.code, self._arrived):
            kept[at] = 0
        self.start_us[at] = UNUSED

    def forget_rows_of(self, channel: Places) -> None:
        """Empty the open quarters of rows that only these channels feed; they will be sealed as missing."""
        row = self.rows.channel_row
        others = np.ones(len(row), np.bool_)
        others[channel] = False
        alone = np.setdiff1d(row[channel], row[others])
        alone = alone[alone >= 0]
        for kept in (self.value, self.covered, self.vehicles):
            kept[:, alone] = 0

    def _harvest(self, place: Places, start_us: int, slots: Slots, usable: Mask) -> None:
        at = self._at(start_us)
        position = np.full(len(self._layout.place_kind), -1, np.intp)
        position[place] = np.arange(len(place))
        row = np.flatnonzero(position[self.rows.place] >= 0)
        self.code[at, row] = self.rows.code_at(row, start_us)
        self.expected[at, row] = self.rows.expected[row] * (QUARTER_US // MILLI)
        fed = np.flatnonzero((self.rows.channel_row >= 0) & (position[self._layout.channel_place] >= 0)
                             & self._layout.channel_counted)
        used = fed[usable[fed]]
        instant = self._layout.channel_semantics[used] == Rate.INSTANT
        self._add_people(at, used[instant], start_us, slots)
        self._add_counts(at, used[~instant], start_us, slots)
        self._note_slots(at, fed, start_us, slots)

    def _add_people(self, at: int, channel: Places, start_us: int, slots: Slots) -> None:
        start = np.full(len(channel), start_us, np.int64)
        held = held_time(self._layout, slots, channel, start, QUARTER_US)
        self._add(at, channel, held.person_ms, held.covered_ms)

    def _add(self, at: int, channel: Places, value: Ints, covered_ms: Ints) -> None:
        row = self.rows.channel_row[channel]
        np.add.at(self.value[at], row, value)
        np.add.at(self.covered[at], row, covered_ms * self.rows.channel_weight[channel])

    def _add_counts(self, at: int, channel: Places, start_us: int, slots: Slots) -> None:
        start = np.full(len(channel), start_us, np.int64)
        found = channel_windows(self._layout, slots, channel, start, np.full(len(channel), QUARTER_US, np.int64))
        is_speed = self._layout.channel_role[channel] == Metric.SPEED
        self._add(at, channel, np.where(is_speed, 0, found.parts), found.covered_us // MILLI)
        row, mean, weight = mean_speeds(self._layout, channel, found, self.rows.channel_row)
        self._add_speeds(at, row, mean, weight)

    def _add_speeds(self, at: int, row: Places, mean: Floats, vehicles: Floats) -> None:
        np.add.at(self.value[at], row, np.floor(mean * vehicles * MILLI + 0.5).astype(np.int64))
        np.add.at(self.vehicles[at], row, np.floor(vehicles * MILLI + 0.5).astype(np.int64))

    def _note_slots(self, at: int, channel: Places, start_us: int, slots: Slots) -> None:
        """One bit for every slot of the quarter that held a reading."""
        interval = self._layout.channel_interval_us[channel]
        for length in np.unique(interval).tolist():
            mine = channel[interval == length]
            count = QUARTER_US // length + 2
            newest = np.full(len(mine), start_us + (count - 1) * length, np.int64)
            bits = np.zeros(len(mine), np.uint8)
            readings = slots.newest_first(mine, newest, count)
            for number, (begin, _) in zip(range(count - 1, -1, -1), readings, strict=True):
                round_us = (start_us // length + number) * length
                there = (begin >= max(round_us, start_us)) & (begin < min(round_us + length, start_us + QUARTER_US))
                bits |= there.view(np.uint8) << (number % 8)
                if number % 8 == 0:
                    self._arrived[at, self._offset[mine] + number // 8] |= bits
                    bits = np.zeros(len(mine), np.uint8)

    def enter(self, group: Group, channel: Places, begin: Ints, span_us: Ints, held: Floats,
              weight: npt.NDArray[np.float32], stored: Mask) -> Mask:
        """Let readings into quarters whose harvest they missed.

        Running counts cannot be taken: the samples beside them are gone. A state stands for one interval, and
        only for time that no other covers.

        Parameters
        ----------
        stored : bool array
            Those that lie in their slots as well: quarters that are not harvested yet will find them there.

        Returns
        -------
        bool array
            Whether each reading was taken in, or had been before; the others are lost to research.
        """
        first, known = self._arrivals(group, channel, begin)
        taken = known
        if group.semantics is Rate.CUMULATIVE or not first.any():
            return taken
        length = np.full(len(begin), group.interval_us, np.int64) if group.is_instant else span_us
        length = np.maximum(length, 1)
        start = begin // QUARTER_US * QUARTER_US
        until = begin + length
        harvested = self._harvested[self._layout.channel_place[channel]]
        until[stored] = np.minimum(until, harvested)[stored]
        while True:
            open_ = first & (start < until)
            if not open_.any():
                return taken
            for start_us in np.unique(start[open_]).tolist():
                mine = np.flatnonzero(open_ & (start == start_us))
                allowed = mine[self._may_enter(channel[mine], start_us)]
                if len(allowed):
                    self._enter(group, channel[allowed], begin[allowed], length[allowed], held[allowed],
                                weight[allowed], start_us)
                    taken[allowed] = True
            start = start + QUARTER_US

    def arrived(self, group: Group, channel: Places, begin: Ints) -> Mask:
        """Readings of quarters in the ring that had been there before, by their slots' bits."""
        start = begin // QUARTER_US * QUARTER_US
        at = start // QUARTER_US % RING
        kept = (self.start_us[at] == start) & (self.rows.channel_row[channel] >= 0)
        bit = begin // group.interval_us - start // group.interval_us
        byte = np.where(kept, self._offset[channel] + bit // 8, 0)
        known = np.zeros(len(begin), np.bool_)
        if kept.any():
            known = (self._arrived[at, byte] >> (bit % 8).astype(np.uint8)) & 1 > 0
        return np.asarray(kept & known)

    def _arrivals(self, group: Group, channel: Places, begin: Ints) -> tuple[Mask, Mask]:
        """Readings of open quarters whose slot's bit was not set (it is now), and those where it was."""
        first, known = np.zeros(len(begin), np.bool_), np.zeros(len(begin), np.bool_)
        start = begin // QUARTER_US * QUARTER_US
        for start_us in np.unique(start).tolist():
            mine = np.flatnonzero(start == start_us)
            mine = mine[self._may_enter(channel[mine], start_us)]
            if not len(mine):
                continue
            at = self._at(start_us)
            bit = begin[mine] // group.interval_us - start_us // group.interval_us
            key = self._offset[channel[mine]] * 8 + bit
            _, once = np.unique(key, return_index=True)
            byte, mask = key[once] // 8, (1 << (key[once] % 8)).astype(np.uint8)
            fresh = self._arrived[at, byte] & mask == 0
            np.bitwise_or.at(self._arrived[at], byte, mask)
            first[mine[once[fresh]]] = True
            known[mine] = ~first[mine]
        return first, known

    def _may_enter(self, channel: Places, start_us: int) -> Mask:
        """Whether a quarter is still open for the rows of channels: not sealed, and within the ring."""
        row = self.rows.channel_row[channel]
        ahead = start_us >= self._harvested[self._layout.channel_place[channel]]
        at = start_us // QUARTER_US % RING
        open_ = self.code[at, row] > 0 if self.start_us[at] == start_us else np.zeros(len(row), np.bool_)
        return np.asarray((row >= 0) & (ahead | open_))

    def _enter(self, group: Group, channel: Places, begin: Ints, length: Ints, held: Floats,
               weight: npt.NDArray[np.float32], start_us: int) -> None:
        at = self._at(start_us)
        row = self.rows.channel_row[channel]
        from_us = np.clip(start_us - begin, 0, length)
        until_us = np.clip(start_us + QUARTER_US - begin, 0, length)
        covered_ms = (until_us - from_us) // MILLI
        has_value = ~np.isnan(held) & (covered_ms > 0)
        if group.role is Metric.SPEED:
            stated = np.where(has_value & ~np.isnan(weight), weight, 0.0).astype(np.float64)
            self._add_speeds(at, row, np.where(has_value, held, 0.0), stated * (until_us - from_us) / length)
        if group.is_instant:
            mine = np.flatnonzero(has_value)
            self._enter_states(at, channel[mine], held[mine], covered_ms[mine])
            return
        if group.role is Metric.SPEED:
            value = np.zeros(len(row), np.int64)
        else:
            parts = np.where(has_value, held, 0.0).astype(np.int64)
            value = shared_until(parts, until_us, length) - shared_until(parts, from_us, length)
        self._add(at, channel[has_value], value[has_value], covered_ms[has_value])

    def _enter_states(self, at: int, channel: Places, held: Floats, covered_ms: Ints) -> None:
        """Add states one after the other, each only where its row has time left that no other covers."""
        value = np.floor(held * covered_ms + 0.5).astype(np.int64)
        while len(channel):
            row, first = np.unique(self.rows.channel_row[channel], return_index=True)
            covered = self.covered[at, row] + covered_ms[first] * self.rows.channel_weight[channel[first]]
            fits = first[covered <= self.rows.expected[row] * (QUARTER_US // MILLI)]
            self._add(at, channel[fits], value[fits], covered_ms[fits])
            channel, value, covered_ms = (np.delete(of, first) for of in (channel, value, covered_ms))
