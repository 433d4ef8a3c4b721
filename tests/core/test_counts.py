# SPDX-License-Identifier: Apache-2.0
"""Sharing counts over windows."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.reading import Metric
from streams.core.counts import ChannelWindow, _filled, _shared, channel_windows, shared_until
from streams.core.layout import MINUTE_US, Rate, layout
from streams.core.slots import Slots
from tests.cities import small_city, small_roads

LAYOUT = layout(small_city(small_roads()), 1, 0)
COUNTS = [number for number, group in enumerate(LAYOUT.groups) if group.semantics is Rate.INTERVAL]
WINDOW_US = 28_000_000 * MINUTE_US
QUARTER_US = 15 * MINUTE_US


@given(st.integers(0, 10**8), st.integers(1, 3_600_000_000), st.lists(st.floats(0, 1), max_size=8))
def test_shares_add_up_whatever_the_cuts(parts: int, span_us: int, cuts: list[float]) -> None:
    edges = sorted({0, span_us, *(int(cut * span_us) for cut in cuts)})
    until = shared_until(np.array(parts), np.array(edges), np.array(span_us))
    assert int(np.diff(until).sum()) == parts
    assert (np.diff(until) >= 0).all()
    assert np.abs(until - parts * (np.array(edges) / span_us)).max() <= 0.5 + 1e-6


def disorderly(number: int, seed: int, disorder: float) -> Slots:
    """Slots of a group around the window; that share of its readings is absent, moved, longer, weighted or unknown."""
    rng, group, slots = np.random.default_rng(seed), LAYOUT.groups[number], Slots(LAYOUT)
    channel = np.flatnonzero(LAYOUT.channel_group == number)
    for interval in range(-4, QUARTER_US // group.interval_us + 3):
        begin = np.full(len(channel), WINDOW_US + interval * group.interval_us, np.int64)
        at = slots.slot(channel, begin)
        slots.begin[at], slots.span_us[at] = begin, group.interval_us
        slots.value[at] = np.floor(rng.uniform(0, 100_000, len(channel)))
        for what in range(6):
            struck = at[rng.random(len(at)) < disorder / 6]
            if what == 0:
                slots.begin[struck] -= slots.lengths[channel[0]] * group.interval_us  # of the ring's last round
            elif what == 1:
                slots.begin[struck] += rng.integers(0, group.interval_us, len(struck))
            elif what == 2:
                slots.span_us[struck] = rng.integers(1, 2 * group.interval_us, len(struck))
            elif what == 3:
                slots.weight[struck] = 3.0
            elif what == 4:
                slots.value[struck] = np.nan
            else:
                slots.begin[struck], slots.span_us[struck] = slots.begin[struck] + 7, group.interval_us // 2
    return slots


def same(one: ChannelWindow, other: ChannelWindow) -> bool:
    return all(getattr(one, name).tobytes() == getattr(other, name).tobytes()
               for name in ("parts", "covered_us", "mean", "weight"))


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(COUNTS), st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.02, 0.3]),
       st.sampled_from([MINUTE_US, QUARTER_US]), st.sampled_from([0, 0, 20_000_000]), st.booleans())
def test_the_short_way_counts_as_the_general_one(
    number: int, seed: int, disorder: float, span_us: int, moved_us: int, is_part: bool
) -> None:
    slots, group = disorderly(number, seed, disorder), LAYOUT.groups[number]
    channel = np.flatnonzero(LAYOUT.channel_group == number)[is_part:]
    start = np.full(len(channel), WINDOW_US + moved_us, np.int64)
    wanted = _shared(LAYOUT, slots, group, channel, start, span_us)
    assert same(channel_windows(LAYOUT, slots, channel, start, np.full(len(channel), span_us)), wanted)


def test_the_short_way_is_taken_where_every_reading_is_there() -> None:
    for number in COUNTS:
        slots, group = disorderly(number, 1, 0.0), LAYOUT.groups[number]
        channel = np.flatnonzero(LAYOUT.channel_group == number)
        start = np.full(len(channel), WINDOW_US, np.int64)
        found = _filled(slots, group, channel, start, MINUTE_US)
        assert (found is None) is (group.role is Metric.SPEED)
        slots.begin[slots.slot(channel[:1], start[:1])] += 1  # reaches beyond the window
        assert _filled(slots, group, channel, start, MINUTE_US) is None
