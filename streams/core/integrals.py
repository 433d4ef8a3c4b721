# SPDX-License-Identifier: Apache-2.0
"""Person-time from samples: each stands until the next one, for three heartbeats at most."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.core.layout import Layout
from streams.core.slots import Slots, is_full

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
    # From the newest back: each sample stands until the one after it, and what a short ring lacks is the oldest.
    until_us = start_us + span_us
    round_us = until_us // interval * interval
    person_ms, covered_ms = np.zeros(len(channel)), np.zeros(len(channel), np.int64)
    is_regular = _is_one(interval) and _is_one(start_us) and int(np.minimum.reduce(hold)) >= 2 * int(interval[0])
    was_full = False
    for begin, value in slots.newest_first(channel, until_us, count):
        full = is_regular and is_full(begin, value, int(round_us[0]), int(interval[0]))
        if full and was_full and round_us[0] >= start_us[0]:  # nearly always: no sample ends by itself
            stood_ms = (until_us - begin) // MS_US
            person_ms += np.floor(value * stood_ms + 0.5)
            until_us = begin
        else:
            # A slot of the ring may still hold a sample of its last round.
            present = (begin >= round_us) & (begin < round_us + interval)
            stood_us = np.minimum(until_us, begin + hold) - np.maximum(begin, start_us)
            stood_ms = np.where(present & ~np.isnan(value), np.maximum(stood_us, 0) // MS_US, 0)
            person_ms += np.floor(np.where(stood_ms > 0, value, 0.0) * stood_ms + 0.5)
            until_us = np.where(present, np.minimum(begin, until_us), until_us)
        covered_ms += stood_ms
        round_us, was_full = round_us - interval, full
    found.person_ms[into], found.covered_ms[into] = person_ms.astype(np.int64), covered_ms


def _is_one(numbers: Ints) -> bool:
    """Whether an array is of one number, again and again."""
    return not np.count_nonzero(numbers != numbers[0])
