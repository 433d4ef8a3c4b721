# SPDX-License-Identifier: Apache-2.0
"""Readings sorted out: whose they are, and which cannot be taken at all."""

from collections import Counter
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from schemas.reading import Batch
from streams.core.arrivals import Arrivals
from streams.core.counts import LONGEST_SPAN, entry_value
from streams.core.layout import Layout

MILLI_US = 1_000

Places = npt.NDArray[np.intp]
Ints = npt.NDArray[np.int64]


def arrivals(layout: Layout, batch: Batch, received_us: Ints, counters: Counter[str]) -> Iterator[Arrivals]:
    """The readings of a batch that belong to channels of the layout, group by group.

    Parameters
    ----------
    layout : Layout
    batch : Batch
        Not empty.
    received_us : int64 array
        Log time at which each reading was received.
    counters : Counter of str
        Told of those that are `unknown` here, and of those that cover too long a time (`bad-span`).
    """
    counters["readings"] += len(batch)
    channel = layout.channels_of(batch.sensor, batch.metric)
    if int(np.minimum.reduce(channel)) < 0:
        known = channel >= 0
        counters["unknown"] += int(len(batch) - known.sum())
        channel, batch, received_us = channel[known], batch.take(known), received_us[known]
        if not len(batch):
            return
    number = layout.channel_group.take(channel)
    if not np.count_nonzero(number != number[0]):  # nearly always: a message is of one group
        yield from _of_group(layout, int(number[0]), channel, batch, received_us, counters)
        return
    for group in np.unique(number).tolist():
        mine = np.flatnonzero(number == group)
        yield from _of_group(layout, group, channel[mine], batch.take(mine), received_us[mine], counters)


def _of_group(layout: Layout, number: int, channel: Places, batch: Batch, received_us: Ints,
              counters: Counter[str]) -> Iterator[Arrivals]:
    group = layout.groups[number]
    span_ms, longest_us = batch.span_ms, LONGEST_SPAN * group.interval_us
    if int(np.maximum.reduce(span_ms)) * MILLI_US > longest_us:
        fits = span_ms.astype(np.int64) * MILLI_US <= longest_us
        counters["bad-span"] += int(len(fits) - fits.sum())
        channel, batch, received_us = channel[fits], batch.take(fits), received_us[fits]
        if not len(batch):
            return
        span_ms = batch.span_ms
    span_us = span_ms.astype(np.int64) * MILLI_US
    yield Arrivals(
        group, channel, layout.channel_place.take(channel), batch.begin, span_us,
        entry_value(group, span_us, batch.value), batch.weight, received_us,
        int(np.minimum.reduce(batch.begin)), int(np.maximum.reduce(batch.begin)))
