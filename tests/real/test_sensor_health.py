# SPDX-License-Identifier: Apache-2.0
"""What the database keeps of sensors: states, days, refusals counted once, integrity events, scorecard, purge."""

import datetime as dt
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest

from schemas.health import HEALTH_SCHEMAS, PURGED_TYPE, HealthTable, Purged, encode_purged
from schemas.ids import IdKind
from schemas.letter import Letter, encode_letter, letter_headers
from schemas.live import LiveTable, encode_rows
from schemas.log import ARROW, JSON, Topic, event_headers
from schemas.refusal import Reason
from streams import storage
from streams.scorecard import Score, integrity_events, scores
from streams.writer.database import Database
from streams.writer.rows import Message, RowBuffer
from tests.cities import small_city
from tests.real.timescale_service import Databases
from tests.writer.samples import NOON, batch, gate_row, inside_row, live_headers, zone_row

pytestmark = pytest.mark.real
CITY = small_city()
CAMERA = CITY.ids[IdKind.SENSOR]["cam-plein"]
NOW = dt.datetime.now(dt.UTC).replace(minute=0, second=0, microsecond=0)
NOW_US = round(NOW.timestamp() * 1_000_000)
DAY = NOW.replace(hour=0)


@pytest.fixture
def uri(databases: Databases) -> Iterator[str]:
    made = databases.create()
    storage.migrate(made)
    try:
        database = Database(made)
        database.write_city(CITY)
        database.close()
        yield made
    finally:
        databases.drop(made)


def rows(table: HealthTable, **columns: Any) -> Message:
    schema = HEALTH_SCHEMAS[table]
    made = pa.RecordBatch.from_pylist([columns], schema=schema)
    return Message(Topic.LIVE, 0, 0, event_headers(f"live.{table}.v1", "urn:drukte:worker", "1", ARROW),
                   encode_rows(made))


def letter(offset: int, reason: Reason, where: str = "cam-plein", count: int = 1) -> Message:
    one = Letter(reason=reason, where=where, detail="", count=count, source="cameras", size=9, at_us=NOW_US)
    return Message(Topic.DEAD_LETTERS, 0, offset, letter_headers("urn:drukte:gateway", "1", one), encode_letter(one))


def write(uri: str, *messages: Message) -> None:
    buffer = RowBuffer()
    for message in messages:
        buffer.add(message)
    database = Database(uri)
    database.write(buffer)
    database.close()


def asked(uri: str, query: Any) -> list[tuple[Any, ...]]:
    with storage.connect(uri) as session:
        return session.execute(query).fetchall()


def test_states_and_days_are_kept_once_and_make_a_scorecard(uri: str) -> None:
    state = rows(HealthTable.HEALTH, sensor=CAMERA, at=NOW, state=7, since=NOW)
    day = {"late_share": 0.25, "corrected_share": 0.0, "missed_share": 0.0, "unusable_share": 0.0}
    full = rows(HealthTable.DAY, sensor=CAMERA, day=DAY, available_share=1.0, uptime_share=0.5, **day)
    half = rows(HealthTable.DAY, sensor=CAMERA + 1, day=DAY, available_share=0.5, uptime_share=None, **day)
    for _ in range(2):
        write(uri, state, full, half)
    assert asked(uri, "SELECT sensor, at, state, since FROM live.sensor_health") == [(CAMERA, NOW, 7, NOW)]
    write(uri, letter(0, Reason.BAD_SPAN, count=4), letter(1, Reason.MALFORMED, where="$.name of somebody"))
    with storage.connect(uri) as session:
        found = scores(session, DAY.date())
    assert found == [Score(
        supplier="Voorbeeld BV", month=f"{NOW:%Y-%m}", sensors=2, available_share=0.75, uptime_share=0.5,
        late_share=0.25, corrected_share=0.0, missed_share=0.0, unusable_share=0.0, refused=5)]


def test_a_dead_letter_counts_once_however_often_it_is_written(uri: str) -> None:
    write(uri, letter(0, Reason.BAD_VALUE, count=3), letter(1, Reason.BAD_VALUE, count=2))
    write(uri, letter(1, Reason.BAD_VALUE, count=2), letter(2, Reason.BAD_VALUE))
    assert asked(uri, "SELECT source, reason, sensor, day, readings FROM engine.refusal_day") == [
        ("cameras", "bad-value", "cam-plein", NOW.date(), 6)]


def test_a_place_that_is_no_sensor_is_not_kept(uri: str) -> None:
    write(uri, letter(0, Reason.MALFORMED, where="$.mac of somebody"))
    assert asked(uri, "SELECT sensor FROM engine.refusal_day") == [("",)]


def test_integrity_events_are_told_when_they_are_likely(uri: str) -> None:
    write(uri, letter(0, Reason.BAD_SPAN, count=9))
    with storage.connect(uri) as session:
        assert integrity_events(session) == []
    write(uri, letter(1, Reason.BAD_SPAN), letter(2, Reason.WRONG_SOURCE, where="cam-straat", count=20))
    replayed = rows(HealthTable.INTEGRITY, sensor=CAMERA, kind="replay", until=NOW, readings=60, sure="likely",
                    **{"from": NOW - dt.timedelta(minutes=15)})
    write(uri, replayed)
    with storage.connect(uri) as session:
        told = integrity_events(session)
    assert [text.split(" from")[0] for text in told] == [
        "cam-plein: semantics", "cam-straat: wrong-source", "cam-plein: replay"]
    assert [text.endswith("(sure)") for text in told] == [False, True, False]


def outlook_row(kind: str, place: int) -> dict[str, Any]:
    return {"kind": kind, "place": place, "window_start": NOON, "span_s": 900, "ahead_min": 15, "low": 0, "middle": 10,
            "high": 20, "percent_reach": None}


def test_a_purge_takes_the_rows_of_its_place_and_no_others(uri: str) -> None:
    for table, row in ((LiveTable.ZONE, zone_row(1)), (LiveTable.ZONE, zone_row(2)), (LiveTable.GATE, gate_row(1)),
                       (LiveTable.INSIDE, inside_row(1)), (LiveTable.INSIDE, inside_row(2)),
                       (LiveTable.OUTLOOK, outlook_row("zone", 1)), (LiveTable.OUTLOOK, outlook_row("site", 1))):
        write(uri, Message(Topic.LIVE, 0, 0, live_headers(table), encode_rows(batch(table, row))))
    purged = Purged(sensor="cam-plein", kind="zone", place=1, at_us=NOW_US + 10**15)
    headers = event_headers(PURGED_TYPE, "urn:drukte:worker", "1", JSON)
    write(uri, Message(Topic.LIVE, 0, 5, headers, encode_purged(purged)))
    assert asked(uri, "SELECT zone FROM live.zone_minute") == [(2,)]
    assert asked(uri, "SELECT gate FROM live.gate_minute") == [(1,)]
    assert asked(uri, "SELECT zone FROM live.inside_minute") == [(2,)]
    assert asked(uri, "SELECT kind, place FROM live.outlook_quarter") == [("site", 1)]


def test_states_of_sensors_go_after_their_time(uri: str) -> None:
    old = NOW - dt.timedelta(hours=100)
    write(uri, rows(HealthTable.HEALTH, sensor=CAMERA, at=old, state=0, since=old),
          rows(HealthTable.HEALTH, sensor=CAMERA, at=NOW, state=0, since=old))
    with storage.connect(uri) as session:
        storage.drop_live_older_than(session, 72)
    assert asked(uri, "SELECT at FROM live.sensor_health") == [(NOW,)]
