# SPDX-License-Identifier: Apache-2.0
"""Counts and means over windows: exact integers, shared by time, independent of the order of arrival."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.reading import Metric
from streams.core.layout import Group, Layout, Rate
from streams.core.slots import EMPTY, LONG_AGO, Slots, is_full, picked

PARTS = 3600
"""A count is held in whole parts of 1/3600, exact for every hourly rate."""
LONGEST_SPAN = 2
"""A reading may cover at most so many of its sensor's intervals; longer ones are refused."""
LONGEST_GAP = 3
"""Running counts further apart than so many intervals say nothing of the time between them."""
ROLL_OVER_SHARE = 0.9
"""A counter that falls from above this share of its greatest count rolled over; from below it was reset."""

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def entry_value(group: Group, span_us: Ints, value: Floats) -> Floats:
    """The value as it is held in a slot.

    Counts per interval and running counts become parts of 1/3600, rates per hour as well (rate x seconds), all
    rounded half up, once; states and mean speeds stay as they are. NaN stays NaN.
    """
    if group.is_instant or group.role is Metric.SPEED:
        return value
    parts = value * (span_us / 1e6) if group.semantics is Rate.RATE else value * PARTS
    return np.asarray(np.floor(parts + 0.5))


def shared_until(parts: Ints, elapsed_us: Ints, span_us: Ints) -> Ints:
    """The share of `parts` that belongs to the first `elapsed_us` of an interval, rounded half up.

    Shares of adjoining pieces are differences of it, so they always add up to the whole. Exact while
    parts x span stays below 2**62: 3.6e8 parts (100,000 counts) over an hour are 1.3e18.
    """
    return (2 * parts * elapsed_us + span_us) // (2 * span_us)


@dataclass(frozen=True, slots=True)
class ChannelWindow:
    """What channels say about one window each; arrays over the channels asked for.

    Parameters
    ----------
    parts : int64 array
        Count in parts of 1/3600 (0 where nothing was reported).
    covered_us : int64 array
        Time of the window that readings with a value cover.
    mean : float64 array
        Mean over that time, for mean speeds; NaN without one.
    weight : float64 array
        What the sensor says stands behind the mean; NaN where it says nothing.
    """

    parts: Ints
    covered_us: Ints
    mean: Floats
    weight: Floats


def without(window: ChannelWindow, channel: npt.NDArray[np.bool_]) -> ChannelWindow:
    """As if the channels of the mask had reported nothing."""
    return ChannelWindow(
        np.where(channel, 0, window.parts), np.where(channel, 0, window.covered_us),
        np.where(channel, np.nan, window.mean), np.where(channel, np.nan, window.weight))


def channel_windows(layout: Layout, slots: Slots, channel: npt.NDArray[np.intp], start_us: Ints,
                    span_us: Ints) -> ChannelWindow:
    """Counts and means of channels over windows [start, start + span), one window a channel."""
    size = len(channel)
    found = ChannelWindow(np.zeros(size, np.int64), np.zeros(size, np.int64), np.full(size, np.nan),
                          np.full(size, np.nan))
    group_of = layout.channel_group[channel]
    for number in np.flatnonzero(np.bincount(group_of)).tolist():
        of_group = np.flatnonzero(group_of == number)
        for span in np.unique(span_us[of_group]).tolist():
            at = of_group[span_us[of_group] == span]
            group, first_us = layout.groups[number], start_us[at]
            part = _filled(slots, group, channel[at], first_us, span)
            if part is None:
                part = _shared(layout, slots, group, channel[at], first_us, span)
            found.parts[at], found.covered_us[at] = part.parts, part.covered_us
            found.mean[at], found.weight[at] = part.mean, part.weight
    return found


def _filled(slots: Slots, group: Group, channel: npt.NDArray[np.intp], start_us: Ints,
            span_us: int) -> ChannelWindow | None:
    """Counts of a window whose intervals each hold a reading that neither leaves the window nor meets another.

    By far the most common case, and a tenth of the work: nothing is shared. None where it is not so of all channels.
    """
    first_us, interval_us = int(start_us[0]), group.interval_us
    in_intervals = first_us % interval_us == 0 and span_us % interval_us == 0
    if group.semantics in (Rate.INSTANT, Rate.CUMULATIVE) or group.role is Metric.SPEED or not in_intervals or (
            np.count_nonzero(start_us != first_us)):
        return None
    intervals = span_us // interval_us
    parts, covered_us = np.zeros(len(channel)), np.zeros(len(channel), np.int64)
    until_us = np.full(len(channel), first_us + span_us, np.int64)
    for back, at in enumerate(slots.back_from(channel, until_us - interval_us, intervals + LONGEST_SPAN)):
        begin, length_us = picked(slots.begin, at), np.maximum(picked(slots.span_us, at), 1)
        if np.count_nonzero(begin + length_us > until_us):
            return None
        if back >= intervals:  # what lies before the window only must not reach into it
            continue
        value = picked(slots.value, at)
        begin_us = first_us + span_us - (back + 1) * interval_us
        if not is_full(begin, value, begin_us, interval_us) or not np.isnan(picked(slots.weight, at)).all():
            return None
        parts += value
        covered_us += length_us
        until_us = begin
    nothing = np.full(len(channel), np.nan)
    return ChannelWindow(parts.astype(np.int64), np.minimum(covered_us, span_us), nothing, nothing)


def _shared(layout: Layout, slots: Slots, group: Group, channel: npt.NDArray[np.intp], start_us: Ints,
            span_us: int) -> ChannelWindow:
    """Counts and means of channels of a group, whatever their readings cover."""
    is_running = group.semantics is Rate.CUMULATIVE
    before, after = (LONGEST_GAP + 1, LONGEST_GAP + 1) if is_running else (LONGEST_SPAN, 0)
    first_us = start_us - before * group.interval_us
    at = slots.gather(channel, first_us, before + span_us // group.interval_us + 2 + after)
    if is_running:
        read = _differences(layout, slots, channel, first_us, at)
    else:
        read = _Readings(slots.begin[at], np.maximum(slots.span_us[at], 1), slots.value[at], slots.weight[at])
    return _windows(read, start_us, span_us, is_mean=group.role is Metric.SPEED)


@dataclass(frozen=True, slots=True)
class _Readings:
    """Consecutive readings of channels in the order of time, channels x readings; NaN = nothing there."""

    begin: Ints
    span_us: Ints
    value: Floats
    weight: npt.NDArray[np.float32]


def _differences(layout: Layout, slots: Slots, channel: npt.NDArray[np.intp], first_us: Ints,
                 at: npt.NDArray[np.intp]) -> _Readings:
    """Running counts as counts of the intervals between them.

    A difference belongs to (earlier, later]. There is none for the first sample, after a reset (the count
    fell and does not roll over there), across a swap of the device and over a gap of more than three intervals:
    that time is missing.
    """
    begin, value = slots.begin[at], slots.value[at]
    interval = layout.channel_interval_us[channel][:, None]
    # A slot of the ring may still hold a sample of its last round.
    this_round = begin // interval == first_us[:, None] // interval + np.arange(at.shape[1])
    known = ~np.isnan(value) & this_round
    number = np.where(known, np.arange(at.shape[1]), -1)
    earlier = np.maximum.accumulate(number, axis=1)
    earlier = np.concatenate([np.full((len(at), 1), -1), earlier[:, :-1]], axis=1)
    row = np.arange(len(at))[:, None]
    begin_before, value_before = begin[row, earlier], value[row, earlier]
    span_us = np.where(known & (earlier >= 0), begin - begin_before, 0)
    difference = value - value_before
    rolls = layout.channel_rolls_over_at[channel][:, None] * PARTS
    swapped = layout.service.swapped_between(channel, begin_before, begin)
    rolled = (difference < 0) & np.isfinite(rolls) & (value_before > ROLL_OVER_SHARE * rolls)
    difference = np.where(rolled, difference + np.where(np.isfinite(rolls), rolls, 0.0), difference)
    good = (span_us > 0) & (span_us <= LONGEST_GAP * interval) & (difference >= 0) & ~swapped
    return _Readings(np.where(good, begin_before, EMPTY), np.maximum(span_us, 1),
                     np.where(good, difference, np.nan), np.full(at.shape, np.nan, np.float32))


def _windows(read: _Readings, start_us: Ints, span_us: int, *, is_mean: bool) -> ChannelWindow:
    begin, length, value = read.begin, read.span_us, read.value
    start, end = start_us[:, None], (start_us + span_us)[:, None]
    from_us = np.clip(start - begin, 0, length)
    until_us = np.clip(end - begin, 0, length)
    inside = (begin < end) & (begin + length > start)
    valid = inside & ~np.isnan(value)
    held = np.where(valid, value, 0.0)
    # What an earlier reading already covers is not counted again: suppliers of quarter hours publish minutely.
    ends = np.where(valid, begin + length, LONG_AGO)
    covered_until = np.maximum.accumulate(ends, axis=1)[:, :-1]
    from_us[:, 1:] = np.clip(covered_until - begin[:, 1:], from_us[:, 1:], until_us[:, 1:])
    covered = np.where(valid, until_us - from_us, 0)
    parts = np.where(valid, 0.0 if is_mean else held, 0.0).astype(np.int64)
    shared = shared_until(parts, until_us, length) - shared_until(parts, from_us, length)
    covered_sum = covered.sum(axis=1)
    time = np.maximum(covered_sum, 1)
    given = valid & ~np.isnan(read.weight)
    weight = np.where(given, read.weight, 0.0).astype(np.float64).sum(axis=1)
    return ChannelWindow(
        parts=np.where(valid, shared, 0).sum(axis=1),
        covered_us=np.minimum(covered_sum, span_us),
        mean=np.where((covered_sum > 0) & is_mean, (held * covered).sum(axis=1) / time, np.nan),
        weight=np.where(given.any(axis=1), weight, np.nan),
    )
