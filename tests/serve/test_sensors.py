# SPDX-License-Identifier: Apache-2.0
"""Sensors on the page: the newest state stands in any order, tiles tell what fails, nothing looks calmer for it."""

import datetime as dt
import random

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from schemas.city import City, SensorStatus
from schemas.health import HealthTable, SensorState
from schemas.ids import IdKind
from schemas.live import LiveTable
from streams.serve.board import Board, Changed
from streams.serve.document import Document, Present, ZoneItem
from streams.serve.places import city_places
from streams.serve.sensors import NOTED_STATES, UNKNOWN_STATE, SensorItem
from streams.serve.wording import SENSOR_STATES
from streams.writer.rows import Message
from tests.cities import small_city
from tests.writer.health_samples import health_message, integrity, standing
from tests.writer.samples import MINUTE, NOON, Row, live_message, zone_row

CITY = small_city()
NUMBERS = CITY.ids[IdKind.SENSOR]
CAMERA, COUNTER = NUMBERS["cam-plein"], NUMBERS["teller-plein-straat"]
NOW = NOON + 10 * MINUTE
TOLD = st.lists(
    st.tuples(st.sampled_from([CAMERA, COUNTER]), st.sampled_from(SensorState), st.integers(0, 9)),
    min_size=1, max_size=12, unique_by=lambda told: (told[0], told[2]),
)


def states(*rows: Row) -> Message:
    return health_message(HealthTable.HEALTH, *rows)


def present(*messages: Message, city: City = CITY) -> Present:
    shown = Present("Klein", "Europe/Amsterdam", city_places(city))
    for message in messages:
        shown.board.take(message, Changed())
    return shown


def zone(shown: Present, key: str = "plein") -> ZoneItem:
    return next(one for one in shown.whole(NOW).zones if one.key == key)


def told(one: SensorItem) -> tuple[str, str, str, bool]:
    return one.key, one.noun, one.word, one.noted


def test_a_defective_camera_is_noted_with_its_begin_and_changes_nothing_else_of_its_zone() -> None:
    row = live_message(LiveTable.ZONE, zone_row(1, 9, 310, level=1))
    healthy, broken = zone(present(row)), zone(present(row, states(standing(CAMERA, SensorState.FAULTY, 5))))
    assert healthy.sensors == []
    (one,) = broken.sensors
    assert told(one) == ("cam-plein", "camera", "defect", True)
    assert (one.state, one.since) == ("faulty", NOON + 5 * MINUTE)
    assert msgspec.structs.replace(broken, sensors=[]) == healthy
    assert zone(present(row, states(standing(CAMERA, SensorState.FAULTY, 5))), "straat").sensors == []


def test_only_what_fails_is_noted_and_every_other_state_stands_in_the_details() -> None:
    noted = {
        state for state in SensorState for one in zone(present(states(standing(CAMERA, state)))).sensors if one.noted
    }
    assert noted == NOTED_STATES == {
        SensorState.SKEWED, SensorState.SILENT, SensorState.STUCK, SensorState.FAULTY
    }
    listed = {state for state in SensorState if zone(present(states(standing(CAMERA, state)))).sensors}
    assert listed == set(SensorState) - {SensorState.FRESH}


def test_a_gate_counter_stands_in_the_details_of_both_zones() -> None:
    shown = present(states(standing(COUNTER, SensorState.SILENT)))
    for key in ("plein", "straat"):
        assert [told(one) for one in zone(shown, key).sensors] == [("teller-plein-straat", "teller", "stil", False)]


def test_what_is_noted_stands_first_and_the_worst_of_it_before_all() -> None:
    camera = CITY.file.sensors["cam-plein"]
    trial = msgspec.structs.replace(camera, status=SensorStatus.TRIAL)
    city = small_city(sensors=CITY.file.sensors | {"tweede": camera, "proef": trial})
    numbers = city.ids[IdKind.SENSOR]
    shown = present(states(
        standing(COUNTER, SensorState.FAULTY), standing(CAMERA, SensorState.SILENT),
        standing(numbers["tweede"], SensorState.STUCK), standing(numbers["proef"], SensorState.FAULTY),
    ), city=city)
    assert [(one.key, one.noted) for one in zone(shown).sensors] == [
        ("tweede", True), ("cam-plein", True), ("proef", False), ("teller-plein-straat", False),
    ]


def test_a_sensor_that_sees_no_area_is_called_a_sensor() -> None:
    camera = CITY.file.sensors["cam-plein"]
    blind = {key: msgspec.structs.replace(one, view_area_m2=None) for key, one in camera.measures.items()}
    city = small_city(sensors=CITY.file.sensors | {"cam-plein": msgspec.structs.replace(camera, measures=blind)})
    (one,) = zone(present(states(standing(CAMERA, SensorState.STUCK)), city=city)).sensors
    assert one.noun == "sensor"


def test_a_state_of_a_newer_worker_is_not_taken_for_harmless() -> None:
    (one,) = zone(present(states({**standing(CAMERA, SensorState.FRESH), "state": 42}))).sensors
    assert (one.word, one.state, one.noted) == (UNKNOWN_STATE, "unknown", True)


def test_a_change_tells_the_zones_of_the_sensor_and_an_hourly_repeat_tells_nothing() -> None:
    shown, changed = present(), Changed()
    since = NOON + MINUTE
    shown.board.take(states(standing(CAMERA, SensorState.STUCK, 1)), changed)
    assert [one.key for one in shown.changed(changed, NOW).zones] == ["plein"]
    hourly = Changed()
    shown.board.take(states(standing(CAMERA, SensorState.STUCK, 60, since)), hourly)
    assert not hourly
    healed = Changed()
    shown.board.take(states(standing(CAMERA, SensorState.FRESH, 61)), healed)
    (item,) = shown.changed(healed, NOW).zones
    assert item.sensors == []


@given(TOLD, st.randoms(use_true_random=False))
def test_the_newest_state_stands_whatever_the_order_and_however_often(
    rows: list[tuple[int, SensorState, int]], dice: random.Random
) -> None:
    messages = [states(standing(*row)) for row in rows] * 2
    dice.shuffle(messages)
    board = Board()
    for message in messages:
        board.take(message, Changed())
    for sensor in {row[0] for row in rows}:
        newest = max((row for row in rows if row[0] == sensor), key=lambda row: row[2])
        assert (board.sensors[sensor].state, board.sensors[sensor].at) == (newest[1], NOON + newest[2] * MINUTE)


def test_sensors_of_roads_and_integrity_events_change_no_zone() -> None:
    shown, changed = present(), Changed()
    shown.board.take(states(standing(9_999, SensorState.SILENT)), changed)
    shown.board.take(health_message(HealthTable.INTEGRITY, integrity(CAMERA, "replay", 0, "sure")), changed)
    assert shown.changed(changed, NOW).zones == []
    assert zone(shown).sensors == []


def test_the_sensors_go_through_json() -> None:
    document = present(states(standing(CAMERA, SensorState.SKEWED, 0, NOON - dt.timedelta(days=2)))).whole(NOW)
    assert msgspec.json.decode(msgspec.json.encode(document), type=Document) == document


def test_every_state_has_a_word_of_its_own() -> None:
    assert set(SENSOR_STATES) == set(SensorState)
    assert len(set(SENSOR_STATES.values())) == len(SensorState)
