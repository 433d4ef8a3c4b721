# SPDX-License-Identifier: Apache-2.0
"""The short ways of the fold give what the general ways give: state and effects, bit for bit."""

from collections.abc import Callable, Iterable
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.ids import IdKind
from schemas.log import Clock, Kind, LogMessage
from schemas.reading import METRIC_LIMIT, Batch, Metric
from streams.core.arrivals import Arrivals
from streams.core.effect import Effect, LiveRows
from streams.core.layout import Layout, layout
from streams.core.slots import Slots
from streams.core.snapshot import dump
from streams.core.step import Partition
from tests.cities import small_city
from tests.core.play import at_us

CITY = small_city()
LAYOUT = layout(CITY, 1, 0)
CHANNELS = [
    ("cam-plein", Metric.PEOPLE, 0), ("cam-straat", Metric.PEOPLE, 0),
    *((sensor, metric, 60) for sensor in ("teller-plein-straat", "teller-straat-uit")
      for metric in (Metric.IN, Metric.OUT)),
]
MINUTES = 3
Reading = tuple[int, int, int]
"""Channel, begin in seconds within its minute (from 60 before it: late; to far ahead), value."""
CAMERA_BEGINS = st.one_of(st.sampled_from([0, 10, 20, 30, 40, 50]), st.integers(-90, 59), st.just(3000))
COUNTER_BEGINS = st.sampled_from([0, -60, -120, 3000])
"""A counter's clock is aligned or is not: how far its readings reach over decides how long a window waits."""
READINGS = st.lists(st.one_of(
    st.tuples(st.integers(0, 1), CAMERA_BEGINS, st.integers(0, 300)),
    st.tuples(st.integers(2, len(CHANNELS) - 1), COUNTER_BEGINS, st.integers(0, 300))), max_size=8)
EVENTS = st.lists(READINGS, min_size=MINUTES, max_size=MINUTES)


def batch(minute: int, readings: Iterable[Reading]) -> Batch:
    numbers = CITY.ids[IdKind.SENSOR]
    parts = []
    for channel, begin_s, value in readings:
        sensor, metric, span_s = CHANNELS[channel]
        parts.append(Batch.of(sensor=numbers[sensor], metric=metric, begin=at_us(60 * minute + begin_s),
                              span_ms=span_s * 1000, value=value))
    return Batch.concatenated(parts)


def folded(event: list[list[Reading]], messages: Callable[[list[Reading]], list[list[Reading]]]) -> tuple[
        bytes, list[str]]:
    """State at the end and all effects; a minute's readings are sent within it, as the messages that are made."""
    partition = Partition(CITY, 1, 0)
    effects: list[Effect] = []

    def step(second: float, readings: Batch | None = None) -> None:
        kind = Kind.TICK if readings is None else Kind.READINGS
        message = LogMessage(kind, at_us(second), Clock.SIMULATED, 1, "test", "1", readings)
        effects.extend(partition.step(message, at_us(second)))

    step(0)
    for minute, readings in enumerate(event):
        step(60 * minute + 55)  # time passes before, whatever the messages are
        for part in messages(readings):
            step(60 * minute + 55, batch(minute, part))
    step(60 * MINUTES + 90)
    # Which rows share an effect depends on the messages: a place may close between two of them.
    said: list[str] = []
    for effect in effects:
        rows = effect.rows.to_pylist() if isinstance(effect, LiveRows) else [effect]
        said += [repr((effect.table, row)) if isinstance(effect, LiveRows) else repr(row) for row in rows]
    said.sort()
    return dump(partition, 1, 0), said


@settings(max_examples=15, deadline=None)
@given(EVENTS)
def test_one_message_or_one_a_reading_is_the_same(event: list[list[Reading]]) -> None:
    assert folded(event, lambda minute: [minute]) == folded(event, lambda minute: [[one] for one in minute])


@settings(max_examples=15, deadline=None)
@given(EVENTS, st.randoms(use_true_random=False), st.integers(1, 7))
def test_the_order_within_a_minute_does_not_matter(event: list[list[Reading]], random: Random,
                                                   size: int) -> None:
    # Of one key the last word counts: each key once.
    event = [list({reading[:2]: reading for reading in minute}.values()) for minute in event]

    def shuffled(minute: list[Reading]) -> list[list[Reading]]:
        mixed = minute.copy()
        random.shuffle(mixed)
        return [mixed[at : at + size] for at in range(0, len(mixed), size)]

    _, in_order = folded(event, lambda minute: [minute])
    _, in_disorder = folded(event, shuffled)
    assert in_disorder == in_order


@settings(max_examples=60, deadline=None)
@given(st.integers(0, len(LAYOUT.groups) - 1), st.data())
def test_many_slots_at_once_are_filled_as_one_by_one(number: int, data: st.DataObject) -> None:
    group, channels = LAYOUT.groups[number], np.flatnonzero(LAYOUT.channel_group == number)
    given_readings = data.draw(st.lists(st.tuples(
        st.sampled_from(channels.tolist()), st.integers(-2 * group.interval_us, 2 * group.ring_us),
        st.sampled_from([0.0, 1.0, np.nan]), st.booleans()), min_size=1, max_size=12))
    channel = np.array([one[0] for one in given_readings], np.intp)
    begin = np.array([one[1] for one in given_readings], np.int64)
    if data.draw(st.booleans()):  # all of one interval, as in most messages
        begin = np.full_like(begin, 3 * group.interval_us) + begin % group.interval_us
    value = np.array([one[2] for one in given_readings], np.float64)
    span = np.full_like(begin, 0 if group.is_instant else group.interval_us)
    weight = np.ones(len(begin), np.float32)
    store = None if data.draw(st.booleans()) else np.array([one[3] for one in given_readings], np.bool_)
    at_once, one_by_one = Slots(LAYOUT), Slots(LAYOUT)
    new = Arrivals(group, channel, LAYOUT.channel_place[channel], begin, span, value, weight, begin,
                   int(begin.min()), int(begin.max()))
    put = at_once.put(new, store)
    assert put.is_all_new <= put.filled.all()
    for at in range(len(channel)):
        one = np.array([at])
        single = one_by_one.put(new.take(one), None if store is None else store[one])
        for name in ("filled", "duplicate", "correction", "overlap"):
            assert getattr(put, name)[at] == getattr(single, name)[0]
    for name in Slots.STATE:
        assert getattr(at_once, name).tobytes() == getattr(one_by_one, name).tobytes()


def test_no_two_slots_of_the_rings_are_the_same_place() -> None:
    slots = Slots(LAYOUT)
    seen: list[int] = []
    for channel, number in enumerate(LAYOUT.channel_group):
        group = LAYOUT.groups[number]
        begins = np.arange(group.slots, dtype=np.int64) * group.interval_us
        seen += slots.slot(np.full(group.slots, channel, np.intp), begins).tolist()
    assert sorted(seen) == list(range(len(slots.begin)))


def looked_up(places: Layout, sensor: int, metric: int) -> int:
    known = 0 <= sensor < len(places.lookup) and metric < METRIC_LIMIT
    return int(places.lookup[sensor, metric]) if known else -1


@given(st.lists(st.tuples(st.one_of(st.integers(0, 6), st.integers(-(2**31), 2**31 - 1)), st.integers(0, 255)),
                max_size=8), st.booleans())
def test_channels_are_found_whatever_the_numbers(pairs: list[tuple[int, int]], one_metric: bool) -> None:
    if one_metric:
        pairs = [(sensor, pairs[0][1] % 3) for sensor, _ in pairs]
    sensor = np.array([pair[0] for pair in pairs], np.int32)
    metric = np.array([pair[1] for pair in pairs], np.uint8)
    assert LAYOUT.channels_of(sensor, metric).tolist() == [looked_up(LAYOUT, *pair) for pair in pairs]
