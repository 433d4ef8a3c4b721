# SPDX-License-Identifier: Apache-2.0
import pyarrow as pa
import pytest

from schemas.alert import Cause, State, Transition, decode_transition
from schemas.errors import FatalError, RefusedError
from schemas.letter import decode_letter
from schemas.live import ROAD_SCHEMA, LiveTable, decode_rows
from schemas.log import Topic, event_type
from streams.core.effect import LiveRows
from streams.worker.effects import dead_letter, outgoing
from streams.worker.folds import Folds
from tests.cities import small_city

TRANSITION = Transition(
    alert_id="0123456789abcdef", seq=2, site="centrum", place="plein", rule="rood", severity="critical",
    measure="people", unit="persons", level_from=0, level_to=3, state_from=State.PENDING,
    state_to=State.FIRING, stale=False, window_start_us=0, window_end_us=60_000_000, people_low=400,
    people_high=404, percent_low=100.0, percent_high=101.0, coverage=1.0, profile="nl-evenement",
    city_version=1, cause=Cause.THRESHOLD, opened_at_us=1, at_us=2,
)


def test_a_fold_expects_the_offset_after_the_last_one() -> None:
    fold = Folds(small_city(), 4).begin(1, 17)
    assert (fold.next_offset, fold.untouched) == (17, True)
    fold.advance(17, 2)
    assert (fold.next_offset, fold.untouched) == (18, False)
    assert fold.unacknowledged.lowest == 17


def test_a_dropped_partition_begins_anew() -> None:
    folds = Folds(small_city(), 4)
    first = folds.begin(1, 0)
    first.advance(0, 0)
    folds.begin(3, 0)
    assert [fold.number for fold in folds.held()] == [1, 3]
    folds.drop(1)
    folds.drop(1)
    assert folds.get(1) is None
    again = folds.begin(1, 5)
    assert again.state is not first.state
    assert again.next_offset == 5


def test_more_partitions_than_the_deployment_has_are_fatal() -> None:
    with pytest.raises(FatalError, match=r"kafka\.partitions = 4"):
        Folds(small_city(), 4).begin(4, 0)


def test_a_transition_goes_to_alerts_keyed_by_site_with_its_own_identity() -> None:
    message = outgoing(TRANSITION, 1, 55, 0)
    assert (message.topic, message.key, message.partition) == (Topic.ALERTS, b"centrum", None)
    assert event_type(message.headers) == "alert.transition.v1"
    assert dict(message.headers)["ce_id"] == b"0123456789abcdef/2"
    assert decode_transition(message.value) == TRANSITION
    assert outgoing(TRANSITION, 2, 99, 5) == message


def test_rows_go_to_live_in_the_same_partition_with_their_place_in_the_log() -> None:
    rows = pa.RecordBatch.from_pylist([], schema=ROAD_SCHEMA)
    message = outgoing(LiveRows(LiveTable.ROAD, rows), 1, 55, 2)
    assert (message.topic, message.key, message.partition) == (Topic.LIVE, None, 1)
    assert event_type(message.headers) == "live.road_minute.v1"
    assert dict(message.headers)["ce_id"] == b"road_minute/1/55/2"
    assert decode_rows(LiveTable.ROAD, message.value).num_rows == 0


def test_a_dead_letter_says_where_and_nothing_of_what() -> None:
    message = dead_letter(RefusedError("malformed", "AA:BB:CC is bad"), ("site-log", 1, 55), 7, 99)
    assert message.topic is Topic.DEAD_LETTERS
    letter = decode_letter(message.value)
    assert (letter.reason, letter.where, letter.size, letter.at_us) == ("malformed", "site-log[1]@55", 7, 99)
    assert (letter.topic, letter.partition, letter.offset) == ("site-log", 1, 55)
    assert b"AA:BB" not in message.value
    assert b"AA:BB" not in b"".join(value for _, value in message.headers)
