# SPDX-License-Identifier: Apache-2.0
"""What the demo reads from the database: the newest windows, alerts, and the report's counts."""

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import sql

from streams import storage
from streams.demo.database import embedded_database
from streams.demo.picture import read_picture
from streams.demo.report import DemoReport, PageReport, encode_report, read_database, read_page
from tests.services.process import free_port

BEGIN = dt.datetime(2026, 6, 1, 14, 0, tzinfo=dt.UTC)
MINUTE = dt.timedelta(minutes=1)
LEVELS = ["groen", "geel", "oranje", "rood"]


@pytest.fixture(scope="module")
def connection() -> Iterator[psycopg.Connection[Any]]:
    with embedded_database() as uri:
        storage.migrate(uri, timescale=False)
        with storage.connect(uri) as opened:
            _fill(opened)
            yield opened


def _fill(connection: psycopg.Connection[Any]) -> None:
    place = "INSERT INTO engine.place (kind, number, key, name, site, facility, level_names, city_version) "
    for number, key, facility in ((1, "plein", "standing"), (2, "straat", "walkway"), (3, "A12", "road")):
        levels = None if facility == "road" else LEVELS
        connection.execute(
            place + "VALUES ('zone', %s, %s, %s, 'centrum', %s, %s, 1)",
            (number, key, key.title(), facility, levels),
        )
    for minute, level in enumerate((0, 0, 2, None, 2, 1)):
        status = 2 if level is None else 0
        people = None if level is None else 100 * level
        connection.execute(
            "INSERT INTO live.zone_minute (zone, window_start, span_s, people_low, people_high, level, coverage,"
            " status) VALUES (1, %s, 60, %s, %s, %s, 1, %s)",
            (BEGIN + minute * MINUTE, people, people, level, status),
        )
    for vehicle_class in ("anyVehicle", "len<5.6"):
        connection.execute(
            "INSERT INTO live.road_minute VALUES (3, %s, %s, 60, 40, 61, 0.5, 0.5, 1, 0)", (vehicle_class, BEGIN)
        )
    for seq, (state, level) in enumerate((("firing", 2), ("firing", 3), ("resolved", 0)), start=1):
        _transition(connection, "one", seq, state, level, BEGIN + seq * 2 * MINUTE)
    _transition(connection, "two", 1, "firing", 2, BEGIN + 9 * MINUTE)


def _transition(
    connection: psycopg.Connection[Any], alert: str, seq: int, state: str, level: int, at: dt.datetime
) -> None:
    values = {
        "alert_id": alert, "seq": seq, "site": "centrum", "place": "plein", "rule": "oranje",
        "severity": "warning", "measure": "people", "unit": "persons", "level_from": 0, "level_to": level,
        "state_from": "normal", "state_to": state, "stale": False, "window_start": at, "window_end": at,
        "people_low": 300, "people_high": 304, "coverage": 1.0, "profile": "nl-evenement", "city_version": 1,
        "cause": "threshold", "opened_at": BEGIN + 2 * MINUTE if alert == "one" else at, "at": at,
    }
    connection.execute("DELETE FROM live.alert WHERE alert_id = %s", (alert,))
    for table in ("transition", "alert"):
        columns, marks = map(sql.Identifier, values), map(sql.Placeholder, values)
        query = sql.SQL("INSERT INTO live.{} ({}) VALUES ({})")
        comma = sql.SQL(", ")
        connection.execute(
            query.format(sql.Identifier(table), comma.join(columns), comma.join(marks)), values
        )


def test_the_picture_shows_the_newest_window_of_each_place(connection: psycopg.Connection[Any]) -> None:
    picture = read_picture(connection)
    plein, straat = picture.zones
    assert (plein.key, plein.level, plein.people_low, plein.window_end) == ("plein", 1, 100, BEGIN + 6 * MINUTE)
    assert plein.level_names == LEVELS
    assert (straat.key, straat.level, straat.window_end) == ("straat", None, None)
    assert [(road.key, road.vehicles, road.coverage) for road in picture.roads] == [("A12", 40.0, 0.5)]
    assert picture.newest == BEGIN + 6 * MINUTE
    assert picture.rows == {
        "zone_minute": 6, "gate_minute": 0, "road_minute": 2, "transition": 4, "alert": 2
    }


def test_the_picture_shows_open_alerts_first_and_how_high_they_were(connection: psycopg.Connection[Any]) -> None:
    opened, closed = read_picture(connection).alerts
    assert (opened.alert_id, opened.is_open, opened.worst) == ("two", True, 2)
    assert (closed.alert_id, closed.is_open, closed.worst, closed.changes) == ("one", False, 3, 3)
    assert closed.name == "Plein"


def test_the_report_counts_rows_statuses_levels_and_alerts(connection: psycopg.Connection[Any]) -> None:
    found = read_database(connection, BEGIN, 20.0)
    zones = found.tables["zone_minute"]
    assert (zones.rows, zones.places) == (6, 1)
    assert zones.windows_by_status == {"ok": 5, "partial": 0, "missing": 1}
    assert found.tables["road_minute"].windows_by_status == {"ok": 0, "partial": 2, "missing": 0}
    assert (found.tables["gate_minute"].rows, found.tables["gate_minute"].places) == (0, 0)
    # groen, groen, oranje, (missing), oranje, geel.
    assert found.level_changes == 2
    assert (found.transitions, found.alerts_opened, found.alerts_closed) == (4, 2, 1)
    first, second = found.alerts
    assert (first.opened_wall_s, first.closed_wall_s, first.worst_level) == (6.0, 18.0, 3)
    assert (second.opened_wall_s, second.closed_wall_s, second.state) == (27.0, None, "firing")


def test_the_report_is_json(connection: psycopg.Connection[Any]) -> None:
    report = DemoReport(
        city="Klein", roads="simulated", seed=1, speed=20.0, wall_s=60.0, simulated_s=1200.0, readings_sent=99,
        refused_by_reason={"late": 2}, database=read_database(connection, BEGIN, 20.0),
        page=PageReport(
            address="http://127.0.0.1:1/", stream="ok", zones_by_word={"groen": 2}, alerts_open=1, roads_seen=3
        ),
        deliveries=4, notes=[], failed=None,
    )
    document = json.loads(encode_report(report))
    assert document["readings_sent"] == 99
    assert document["page"]["zones_by_word"] == {"groen": 2}
    assert document["deliveries"] == 4
    assert document["database"]["alerts"][0]["closed_at"] == "2026-06-01T14:06:00Z"


def test_a_page_that_does_not_answer_is_no_page() -> None:
    assert read_page(f"http://127.0.0.1:{free_port()}/") is None
