# SPDX-License-Identifier: Apache-2.0
"""When a writer stands still."""

from hypothesis import given
from hypothesis import strategies as st

from streams.writer.watchdog import Standstill

PLACE = ("live", 0)


def looks(*found: tuple[int, int]) -> list[bool]:
    """What each look says, given how far it is written and where the topic ends."""
    standstill = Standstill()
    return [standstill.seen({PLACE: written}, {PLACE: end}) for written, end in found]


def test_falling_behind_without_a_move_is_a_standstill() -> None:
    assert looks((5, 5), (5, 9), (5, 12)) == [False, True, True]


def test_waiting_messages_without_new_ones_are_none_yet() -> None:
    assert looks((5, 9), (5, 9), (5, 9)) == [False, False, False]


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50)), min_size=1))
def test_a_writer_that_moves_never_stands_still(steps: list[tuple[int, int]]) -> None:
    written, end, found = 0, 0, []
    for moved, came in steps:
        written += moved
        end = max(end, written) + came
        found.append((written, end))
    assert not any(looks(*found))


def test_after_somebody_was_away_it_begins_anew() -> None:
    standstill = Standstill()
    standstill.seen({PLACE: 5}, {PLACE: 5})
    standstill.reset()
    assert not standstill.seen({PLACE: 5}, {PLACE: 9})
    assert standstill.seen({PLACE: 5}, {PLACE: 10})
