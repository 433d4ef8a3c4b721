# SPDX-License-Identifier: Apache-2.0
"""Person-time from samples: each stands until the next one, for three heartbeats at most."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.core.layout import Layout
from streams.core.slots import EMPTY, Slots

MS_US = 1_000
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class HeldTime:
    """Of channels over one interval each; arrays over channels.

    Parameters
    ----------
    person_ms : int64 array
        Value times the time it stood, rounded half up once a sample: sums do not depend on their order.
    covered_ms : int64 array
        Time in which a value stood.
    """

    person_ms: Ints
    covered_ms: Ints


def held_time(layout: Layout, slots: Slots, channel: npt.NDArray[np.intp], start_us: Ints,
              span_us: int) -> HeldTime:
    """Integrate the samples of instant channels over [start, start + span), one start a channel."""
    found = HeldTime(np.zeros(len(channel), np.int64), np.zeros(len(channel), np.int64))
    interval, hold = layout.channel_interval_us[channel], layout.channel_hold_us[channel]
    length = np.array([group.slots for group in layout.groups], np.int64)[layout.channel_group[channel]]
    needed = np.minimum((span_us + hold) // interval + 2, length)
    for count in np.unique(needed).tolist():
        at = np.flatnonzero(needed == count)
        _integrate(slots, channel[at], interval[at], hold[at], start_us[at], span_us, count, found, at)
    return found


def _integrate(slots: Slots, channel: npt.NDArray[np.intp], interval: Ints, hold: Ints, start_us: Ints, span_us: int,
               count: int, found: HeldTime, into: npt.NDArray[np.intp]) -> None:
    # Counted back from the interval's end, so that what a short ring lacks is the oldest.
    first_us = start_us + span_us - (count - 1) * interval
    at = slots.gather(channel, first_us, count)
    begin, value = slots.begin[at], slots.value[at]
    # A slot of the ring may still hold a sample of its last round.
    round_of = first_us[:, None] // interval[:, None] + np.arange(count)
    present = (begin != EMPTY) & (begin // interval[:, None] == round_of)
    end = (start_us + span_us)[:, None]
    following = np.where(present, begin, np.iinfo(np.int64).max)
    following = np.minimum.accumulate(following[:, ::-1], axis=1)[:, ::-1]
    last = np.full((len(channel), 1), np.iinfo(np.int64).max)
    following = np.concatenate([following[:, 1:], last], axis=1)
    begin = np.where(present, begin, 0)
    until = np.minimum(np.minimum(following, begin + hold[:, None]), end)
    stood_ms = np.maximum(until - np.maximum(begin, start_us[:, None]), 0) // MS_US
    stood_ms = np.where(present & ~np.isnan(value), stood_ms, 0)
    people = np.where(stood_ms > 0, value, 0.0)
    found.person_ms[into] = np.floor(people * stood_ms + 0.5).astype(np.int64).sum(axis=1)
    found.covered_ms[into] = stood_ms.sum(axis=1)
