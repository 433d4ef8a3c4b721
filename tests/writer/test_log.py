# SPDX-License-Identifier: Apache-2.0
"""Where a partition is read from."""

from hypothesis import given
from hypothesis import strategies as st

from streams.writer.log import Start, starting_point

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
