# SPDX-License-Identifier: Apache-2.0
"""Where a partition is read from, and how far behind it is."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.log import Topic
from streams.writer.log import LogReader, Start, starting_point
from streams.writer.rows import Message
from tests.gateway.mock_broker import MockBroker
from tests.services.process import wait_until

LIMIT_S = 30.0

offsets = st.integers(0, 2**40)


@given(low=offsets, length=offsets)
def test_without_a_stored_offset_everything_is_read(low: int, length: int) -> None:
    assert starting_point(None, low, low + length) == Start(low, is_empty=length == 0)


@given(stored=offsets, low=offsets, length=offsets)
def test_nothing_is_passed_over_in_silence(stored: int, low: int, length: int) -> None:
    start = starting_point(stored, low, low + length)
    assert low <= start.offset <= low + length or start.offset == low
    if start.made_anew:
        assert stored > low + length
        assert start == Start(low, made_anew=True, is_empty=length == 0)
    else:
        assert start.offset == max(stored, low)
        assert start.lost == start.offset - stored


def test_messages_that_aged_out_are_counted() -> None:
    assert starting_point(10, 25, 40) == Start(25, lost=15)


def test_a_topic_that_ends_before_the_stored_offset_is_another_one() -> None:
    assert starting_point(10, 0, 9) == Start(0, made_anew=True)
    assert starting_point(10, 0, 10) == Start(10)


def test_the_lag_is_reckoned_once_a_second(broker: MockBroker) -> None:
    for _ in range(3):
        broker.producer.produce(Topic.LIVE, b"row", partition=0)
    broker.producer.flush(5)
    now_s = 100.0
    reader = LogReader(broker.kafka, (Topic.LIVE,), lambda: now_s)
    place = (str(Topic.LIVE), 0)
    try:
        reader.assign({place: Start(0)})
        taken: list[Message] = []

        def is_taken() -> bool:
            taken.extend(reader.poll(10, 0.1))
            return len(taken) == 3
        wait_until(is_taken, LIMIT_S, "all are polled")
        assert reader.lag({place: 1}) == {"live": 2}
        now_s += 0.9
        assert reader.lag({place: 3}) == {"live": 2}
        now_s += 0.2
        assert reader.lag({place: 3}) == {"live": 0}
    finally:
        reader.close()
