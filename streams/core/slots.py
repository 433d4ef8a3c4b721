# SPDX-License-Identifier: Apache-2.0
"""Slots: where a reading lies until its window closes, so that a repeat replaces and never adds.

Each channel has a ring with one slot for each of its intervals. The key of a reading is (sensor, metric,
begin): the same key again is a duplicate or a correction, and the last one wins.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from streams.core.arrivals import Arrivals
from streams.core.layout import Group, Layout, Rate
from streams.core.moves import Moves

EMPTY = np.iinfo(np.int64).min
"""The begin of a slot that holds nothing."""

LONG_AGO = -(1 << 62)
"""Before any reading; far enough from the smallest int64 to be subtracted from."""

MOST_NUMBERED = 8_192
"""Numbers at hand for the readings of a message; of a larger one they are made each time."""

Channels = npt.NDArray[np.intp]
Times = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]
Positions = slice | npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Put:
    """What became of readings, as masks over them.

    Parameters
    ----------
    filled : bool array
        It filled a slot that was empty.
    duplicate, correction : bool array
        Its key was there, with the same or another value.
    overlap : bool array
        Another reading of the same interval with another begin; one of the two stands (see `Slots.put`).
    is_all_new : bool
        All of them filled a slot that was empty.
    """

    filled: npt.NDArray[np.bool_]
    duplicate: npt.NDArray[np.bool_]
    correction: npt.NDArray[np.bool_]
    overlap: npt.NDArray[np.bool_]
    is_all_new: bool = False

    @classmethod
    def all_new(cls, readings: int) -> Self:
        """Each of so many readings filled a slot that was empty."""
        nothing = np.zeros(readings, np.bool_)
        return cls(~nothing, nothing, nothing, nothing, is_all_new=True)

    @classmethod
    def none_new(cls, readings: int) -> Self:
        """Nothing became of so many readings; masks to fill."""
        filled, duplicate, correction, overlap = np.zeros((4, readings), np.bool_)
        return cls(filled, duplicate, correction, overlap)


class Slots:
    """Rings of all channels of a partition in flat arrays.

    The channels of a group lie side by side, interval by interval: the readings of a message are nearly always
    of one interval, and so are neighbours in memory.

    Attributes
    ----------
    begin, span_us : int64 arrays
        Interval of the reading in each slot, microseconds; `EMPTY` where there is none.
    value : float64 array
        Counts as whole numbers of 1/3600 of a count (exact below 2**53), states and speeds as they are; NaN
        where the sensor reports that it has no value.
    weight : float32 array
    lengths : int64 array over channels
        How many slots each has.
    """

    STATE = ("begin", "span_us", "value", "weight")

    def __init__(self, layout: Layout) -> None:
        self._interval_us = layout.channel_interval_us
        lengths = np.array([group.slots for group in layout.groups], np.int64)
        channels = np.bincount(layout.channel_group, minlength=len(lengths))
        ends = np.cumsum(lengths * channels)
        size = int(ends[-1]) if len(ends) else 0
        self.lengths: Times = lengths[layout.channel_group]
        self._groups = list(zip((ends - lengths * channels).tolist(), lengths.tolist(), channels.tolist(), strict=True))
        """First slot, slots of a channel and channels of each group."""
        self._group = layout.channel_group
        self._stride: Times = channels[layout.channel_group]
        """From a slot of a channel to its next: how many channels its group has."""
        self._first_slot: Times = (ends - lengths * channels)[layout.channel_group]
        for group in range(len(lengths)):
            of_group = np.flatnonzero(layout.channel_group == group)
            self._first_slot[of_group] += np.arange(len(of_group))
        self.begin: Times = np.full(size, EMPTY, np.int64)
        self.span_us: Times = np.zeros(size, np.int64)
        self.value: Floats = np.full(size, np.nan)
        self.weight: npt.NDArray[np.float32] = np.full(size, np.nan, np.float32)
        self._mark = np.zeros(size, np.int32)
        self._numbers = np.arange(MOST_NUMBERED, dtype=np.int32)

    def carry(self, old: "Slots", moves: Moves) -> None:
        """Take over what lies in the slots of channels that stay."""
        new, was = moves.channels()
        channel = np.repeat(new, old.lengths[was])
        at = old.by_channel(was)
        held = old.begin[at] != EMPTY
        at, channel = at[held], channel[held]
        order = np.argsort(old.begin[at], kind="stable")  # where a ring is shorter now, the newest stand
        at, channel = at[order], channel[order]
        to = self.slot(channel, old.begin[at])
        for name in self.STATE:
            getattr(self, name)[to] = getattr(old, name)[at]

    def by_channel(self, channel: Channels | None = None) -> npt.NDArray[np.intp]:
        """Positions of all slots of channels (of all, by default), one channel after the other."""
        channel = np.arange(len(self.lengths)) if channel is None else channel
        count = self.lengths[channel]
        turn = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
        channel = np.repeat(channel, count)
        return np.asarray(self._first_slot[channel] + turn * self._stride[channel], np.intp)

    def slot(self, channel: Channels, begin: Times) -> npt.NDArray[np.intp]:
        """Where in the flat arrays a channel's reading with this begin lies; shapes broadcast."""
        turn = begin // self._interval_us[channel] % self.lengths[channel]
        return self._first_slot[channel] + turn * self._stride[channel]

    def newest_first(self, channel: Channels, newest_begin: Times, slots: int) -> Iterator[tuple[Times, Floats]]:
        """Begins and values of one slot of every channel after the other, back from the one of `newest_begin`.

        As `gather`, but one array over the channels at a time: neighbours in memory, whatever their number. They
        may be views of the slots.
        """
        for at in self.back_from(channel, newest_begin, slots):
            yield picked(self.begin, at), picked(self.value, at)

    def back_from(self, channel: Channels, newest_begin: Times, slots: int) -> Iterator[Positions]:
        """Positions of one slot of every channel after the other, as `newest_first`; for `picked`."""
        group = int(self._group[channel[0]]) if len(channel) else 0
        numbers = newest_begin // self._interval_us[channel]
        if self._is_whole_group(group, channel) and not np.count_nonzero(numbers != numbers[0]):
            for number in range(int(numbers[0]), int(numbers[0]) - slots, -1):
                yield self.of_interval(group, number)
            return
        stride, first = self._stride[channel], self._first_slot[channel]
        ring = self.lengths[channel] * stride
        place = first + numbers % self.lengths[channel] * stride
        for _ in range(slots):
            yield place
            place = place - stride
            place = np.where(place < first, place + ring, place)

    def _is_whole_group(self, group: int, channel: Channels) -> bool:
        """Whether these channels, ascending, are all that a group has."""
        return bool(self._groups) and len(channel) == self._groups[group][2] and not np.count_nonzero(
            self._group[channel] != group)

    def put(self, new: Arrivals, store: Mask | None = None) -> Put:
        """Store readings of one group; where `store` is false only say what they would have been.

        Of two readings of one interval with different begins, the earlier stands for counts of intervals (the
        later one overlaps it) and the later for states and running counts, whatever the order of arrival.
        """
        group = new.group
        is_one_interval = new.first_us // group.interval_us == new.last_us // group.interval_us
        slot = self._slots_of_group(new, is_one_interval)
        # Of one interval, each channel has one slot: fewer places to mark, which lie close together.
        meant = new.channel if is_one_interval else slot
        numbers = self._numbers[: len(slot)] if len(slot) <= len(self._numbers) else np.arange(len(slot))
        self._mark[meant] = numbers
        if not np.count_nonzero(self._mark.take(meant) != numbers):  # no slot is meant twice
            return self._put_distinct(new, slot, store)
        done = Put.none_new(len(slot))
        rest = np.arange(len(slot))
        while len(rest):  # as often as the most repeated slot
            self._mark[slot[rest][::-1]] = rest[::-1]
            now = rest[self._mark[slot[rest]] == rest]
            part = self._put_distinct(new.take(now), slot[now], None if store is None else store[now])
            for name in ("filled", "duplicate", "correction", "overlap"):
                getattr(done, name)[now] = getattr(part, name)
            rest = np.setdiff1d(rest, now, assume_unique=True)
        return done

    def _slots_of_group(self, new: Arrivals, is_one_interval: bool) -> npt.NDArray[np.intp]:
        """As `slot`, with plain numbers where they will do: readings of a message are mostly of one interval."""
        group = new.group
        stride, first_slot = int(self._stride[new.channel[0]]), self._first_slot.take(new.channel)
        if is_one_interval:
            return np.add(first_slot, new.first_us // group.interval_us % group.slots * stride, out=first_slot)
        return first_slot + new.begin // group.interval_us % group.slots * stride

    def _put_distinct(self, new: Arrivals, slot: npt.NDArray[np.intp], store: Mask | None) -> Put:
        group, begin, value = new.group, new.begin, new.held
        old_begin = self.begin.take(slot)
        # Nothing of this interval is there yet: by far the most common case.
        if store is None and int(np.maximum.reduce(old_begin)) + group.interval_us <= new.first_us:
            self._write(group, slot, begin, new.span_us, value, new.weight)
            return Put.all_new(len(slot))
        stored = np.ones(len(slot), np.bool_) if store is None else store
        old_value = self.value[slot]
        same_key = old_begin == begin
        same_value = (old_value == value) | (np.isnan(old_value) & np.isnan(value))
        duplicate = same_key & same_value & (self.span_us[slot] == new.span_us)
        overlap = ~same_key & (old_begin // group.interval_us == begin // group.interval_us)
        newest_stands = group.semantics in (Rate.INSTANT, Rate.CUMULATIVE)
        write = stored & ~duplicate & (~overlap | ((begin > old_begin) == newest_stands))
        self._write(group, slot[write], begin[write], new.span_us[write], value[write], new.weight[write])
        return Put(filled=stored & ~same_key & ~overlap, duplicate=duplicate,
                   correction=same_key & ~duplicate, overlap=overlap)

    def _write(self, group: Group, slot: npt.NDArray[np.intp], begin: Times, span_us: Times, value: Floats,
               weight: npt.NDArray[np.float32]) -> None:
        self.begin[slot], self.value[slot] = begin, value
        if not group.is_instant:  # a sample has neither
            self.span_us[slot], self.weight[slot] = span_us, weight

    def of_interval(self, group: int, interval: int) -> slice:
        """Where the readings of all channels of a group lie for its interval of this number from 1970."""
        first, slots, channels = self._groups[group]
        start = first + interval % slots * channels
        return slice(start, start + channels)

    def gather(self, channel: Channels, first_begin: Times, slots: int) -> npt.NDArray[np.intp]:
        """Positions of `slots` consecutive slots from the one of `first_begin`; shape channels x slots."""
        steps = np.arange(slots, dtype=np.int64)
        begins = first_begin[:, None] + steps * self._interval_us[channel][:, None]
        return self.slot(channel[:, None], begins)


def picked(held: npt.NDArray[Any], at: Positions) -> npt.NDArray[Any]:
    """What an array over the slots has at positions: a view of it, or taken."""
    return held[at] if isinstance(at, slice) else held.take(at)


def is_full(begin: Times, value: Floats, begin_us: int, interval_us: int) -> bool:
    """Whether each of these readings, at least one, lies in the interval that begins at `begin_us` and has a value."""
    return (
        int(np.minimum.reduce(begin)) >= begin_us and int(np.maximum.reduce(begin)) < begin_us + interval_us
        and not math.isnan(np.minimum.reduce(value))
    )
