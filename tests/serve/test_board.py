# SPDX-License-Identifier: Apache-2.0
"""Newest wins, repeats change nothing, order and repetition of messages do not matter."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.alert import State, Transition
from schemas.errors import RefusedError
from schemas.live import LiveTable
from streams.serve import board as board_module
from streams.serve.board import Board, Changed
from streams.writer.rows import Message
from tests.writer.samples import MINUTE, NOON, alert_message, gate_row, live_message, road_row, transition, zone_row

WINDOWS = st.lists(st.tuples(st.integers(1, 3), st.integers(0, 4)), min_size=1, max_size=12)


def taken(board: Board, *messages: Message) -> Changed:
    changed = Changed()
    for message in messages:
        board.take(message, changed)
    return changed


def life(alert_id: str = "00112233aabbccdd") -> list[Transition]:
    return [
        transition(alert_id, 1),
        transition(alert_id, 2, level_from=2, level_to=3, state_from=State.FIRING),
        transition(alert_id, 3, level_from=3, level_to=0, state_from=State.FIRING, state_to=State.RESOLVED),
    ]


def test_who_acknowledged_is_told_only_where_it_was_heard() -> None:
    opening = transition(seq=1)
    taken_up = transition(seq=2, state_from=State.FIRING, acknowledged=True, actor="centralist")
    assigned = transition(seq=3, state_from=State.FIRING, acknowledged=True, actor="leider", assigned="politie")
    whole, late = Board(), Board()
    taken(whole, *map(alert_message, (opening, taken_up, assigned)))
    taken(late, alert_message(assigned))
    assert whole.alerts[opening.alert_id].acknowledged_by == "centralist"
    assert late.alerts[opening.alert_id].acknowledged_by == ""


def test_the_newest_window_of_each_place_stands() -> None:
    board = Board()
    first = taken(board, live_message(LiveTable.ZONE, zone_row(1, 0, 10), zone_row(2, 0, 20)))
    assert first.places[LiveTable.ZONE] == {1, 2}
    second = taken(board, live_message(LiveTable.ZONE, zone_row(1, 1, 30)))
    assert second.places[LiveTable.ZONE] == {1}
    rows = board.rows[LiveTable.ZONE]
    assert {number: row["people_low"] for number, row in rows.items()} == {1: 30, 2: 20}
    assert rows[1]["window_start"] == NOON + MINUTE


def test_repeats_and_older_windows_change_nothing() -> None:
    board = Board()
    newer, older = live_message(LiveTable.ZONE, zone_row(1, 5)), live_message(LiveTable.ZONE, zone_row(1, 4))
    assert taken(board, newer)
    assert not taken(board, newer, older)


def test_a_row_about_people_is_said_once_and_a_road_row_is_revised() -> None:
    board = Board()
    taken(board, live_message(LiveTable.ZONE, zone_row(1, 0, 10)), live_message(LiveTable.ROAD, road_row(7, 0, 12.0)))
    again = taken(board, live_message(LiveTable.ZONE, zone_row(1, 0, 50)))
    assert not again
    assert board.rows[LiveTable.ZONE][1]["people_low"] == 10
    revised = taken(board, live_message(LiveTable.ROAD, road_row(7, 0, 15.0, revision=1)))
    assert revised.places[LiveTable.ROAD] == {7}
    assert board.rows[LiveTable.ROAD][7]["vehicles"] == 15.0
    assert not taken(board, live_message(LiveTable.ROAD, road_row(7, 0, 12.0)))


def test_only_all_vehicles_together_stand_for_a_road() -> None:
    board = Board()
    assert not taken(board, live_message(LiveTable.ROAD, road_row(7, 0, 3.0, vehicle_class="len<5.6")))


def test_a_later_missing_window_replaces_a_calm_one() -> None:
    board = Board()
    taken(board, live_message(LiveTable.ZONE, zone_row(1, 0, 10), zone_row(1, 1, None)))
    assert board.rows[LiveTable.ZONE][1]["level"] is None


def test_an_alert_goes_through_its_life() -> None:
    board = Board()
    for number, one in enumerate(life(), start=1):
        changed = taken(board, alert_message(one))
        assert changed.alerts == {one.alert_id}
        assert board.alerts[one.alert_id].is_open == (number < 3)
    alert = board.alerts["00112233aabbccdd"]
    assert (alert.worst, alert.last.seq, [one.level_to for one in alert.life]) == (3, 3, [2, 3, 0])


def test_a_repeated_life_does_not_open_the_alert_again() -> None:
    board = Board()
    taken(board, *map(alert_message, life()))
    changed = taken(board, *map(alert_message, life()))
    assert not changed
    assert not board.alerts["00112233aabbccdd"].is_open


@settings(max_examples=60, deadline=None)
@given(WINDOWS, st.randoms(use_true_random=False))
def test_the_end_does_not_depend_on_order_or_repeats(windows: list[tuple[int, int]], dice: random.Random) -> None:
    messages = [live_message(LiveTable.ZONE, zone_row(zone, minute, 10 + minute)) for zone, minute in windows]
    shuffled = messages * 2
    dice.shuffle(shuffled)
    one, other = Board(), Board()
    taken(one, *messages)
    taken(other, *shuffled)
    assert one.rows == other.rows
    assert all(
        row["window_start"] == NOON + max(minute for zone, minute in windows if zone == number) * MINUTE
        for number, row in one.rows[LiveTable.ZONE].items()
    )


def test_what_cannot_be_read_is_refused_and_changes_nothing() -> None:
    board = Board()
    message = live_message(LiveTable.GATE, gate_row())
    with pytest.raises(RefusedError):
        board.take(Message(message.topic, 0, 0, message.headers, b"no Arrow"), Changed())
    assert board == Board()


def test_closed_alerts_are_forgotten_the_oldest_first_and_open_ones_never(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(board_module, "CLOSED_KEPT", 20)
    board = Board()
    taken(board, alert_message(transition("f" * 16, 1, at_us=1)))
    for number in range(40):
        one = transition(f"{number:016x}", 1, state_to=State.RESOLVED, at_us=1_000_000 * (number + 1))
        taken(board, alert_message(one))
    assert len(board.alerts) <= 21
    assert "f" * 16 in board.alerts
    assert f"{39:016x}" in board.alerts
    assert f"{0:016x}" not in board.alerts
