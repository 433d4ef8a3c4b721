# SPDX-License-Identifier: Apache-2.0
"""Migrations, editions and retention on TimescaleDB and on plain PostgreSQL."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from types import NoneType
from typing import get_args

import msgspec
import psycopg
import pytest
from typer.testing import CliRunner

from schemas.alert import Transition
from schemas.errors import FatalError, TransientError
from schemas.live import SCHEMAS, LiveTable
from schemas.log import Topic
from streams import storage
from streams.db_command import app
from streams.storage import Edition
from streams.writer.database import Database, write_buffer
from streams.writer.rows import RowBuffer
from tests.cities import small_city
from tests.real.timescale_service import Databases
from tests.writer.samples import (
    alert_message,
    gate_row,
    live_message,
    road_row,
    transition,
    zone_row,
)

pytestmark = pytest.mark.real
BOTH = pytest.mark.parametrize("migrated", [True, False], indirect=True, ids=["timescale", "plain"])
EVERY_MINUTE_TABLE = "SELECT (SELECT count(*) FROM live.zone_minute), (SELECT count(*) FROM live.gate_minute), " \
    "(SELECT count(*) FROM live.road_minute)"


@pytest.fixture(scope="module")
def migrated(request: pytest.FixtureRequest, databases: Databases) -> str:
    uri = databases.create()
    storage.migrate(uri, timescale=request.param)
    return uri


@pytest.fixture
def session(migrated: str) -> Iterator[storage.Connection]:
    """A session whose work is undone."""
    with storage.connect(migrated) as connection, connection.transaction(force_rollback=True):
        yield connection


@BOTH
def test_the_edition_decides_what_the_tables_are(migrated: str) -> None:
    with storage.connect(migrated) as session:
        if not storage.has_timescale(session):
            assert storage.edition(session) is Edition.PLAIN
            return
        assert storage.edition(session) in {Edition.APACHE, Edition.COMMUNITY}
        chunked = session.execute(
            "SELECT hypertable_name, time_interval FROM timescaledb_information.dimensions "
            "WHERE hypertable_schema = 'live'"
        ).fetchall()
    assert sorted(chunked) == [(name, timedelta(hours=6)) for name in sorted(LiveTable)]


def test_both_kinds_of_database_were_really_tested(databases: Databases) -> None:
    kinds = set()
    for timescale in (True, False):
        uri = databases.create()
        storage.migrate(uri, timescale=timescale)
        with storage.connect(uri) as session:
            kinds.add(storage.has_timescale(session))
    assert kinds == {True, False}


def _columns(session: storage.Connection, table: str) -> dict[str, bool]:
    found = session.execute(
        "SELECT column_name, is_nullable = 'YES' FROM information_schema.columns "
        "WHERE table_schema = 'live' AND table_name = %s", (table,)
    ).fetchall()
    return dict(found)


@BOTH
def test_columns_and_their_nulls_are_those_of_the_schemas(session: storage.Connection) -> None:
    for table in LiveTable:
        assert _columns(session, table) == {column.name: column.nullable for column in SCHEMAS[table]}
    wanted = {one.name.removesuffix("_us"): NoneType in get_args(one.type)
              for one in msgspec.structs.fields(Transition)}
    assert {name for name, optional in wanted.items() if optional} >= {"people_low", "trend", "limit"}
    assert _columns(session, "transition") == wanted
    assert _columns(session, "alert") == wanted


def test_a_second_migration_does_nothing_and_two_at_once_do_it_once(databases: Databases) -> None:
    uri = databases.create()
    with ThreadPoolExecutor(2) as pool:
        first, second = pool.map(storage.migrate, [uri, uri])
    assert sorted([first, second]) == [[], storage.migration_status(uri).applied]
    assert storage.migrate(uri) == []
    assert storage.migration_status(uri).pending == []


def test_a_killed_migration_does_not_lock_the_next_one_out(empty_database: str) -> None:
    storage.migration_status(empty_database)
    with storage.connect(empty_database) as session:
        session.execute("INSERT INTO yoyo_lock (locked, ctime, pid) VALUES (1, now(), 1)")
    assert storage.migrate(empty_database)


def test_a_migration_that_fails_says_so_and_leaves_nothing(empty_database: str) -> None:
    with storage.connect(empty_database) as session:
        session.execute("CREATE SCHEMA engine")
    with pytest.raises(FatalError, match="engine"):
        storage.migrate(empty_database)
    with storage.connect(empty_database) as session:
        found = session.execute("SELECT to_regnamespace('live')").fetchone()
        assert found == (None,)
        session.execute("DROP SCHEMA engine")
    assert storage.migrate(empty_database)


def test_time_bucket_of_plain_postgresql_equals_the_real_one(databases: Databases) -> None:
    answers = []
    for timescale in (True, False):
        uri = databases.create()
        storage.migrate(uri, timescale=timescale)
        with storage.connect(uri) as session:
            # Every 50 minutes over both clock changes of a year.
            answers.append(session.execute(
                "SELECT step, at, time_bucket(step, at), time_bucket(step, at, 'Europe/Amsterdam') "
                "FROM generate_series(timestamptz '2024-03-01', '2024-11-10', '50 minutes') AS at, "
                "unnest('{10 s,1 min,15 min,1 h,6 h,1 day,7 days}'::interval[]) AS step ORDER BY step, at"
            ).fetchall())
    assert len(answers[0]) > 50_000
    assert answers[0] == answers[1]


@BOTH
def test_retention_drops_old_windows_and_keeps_new_ones(migrated: str) -> None:
    now = datetime.now(UTC).replace(microsecond=0)
    buffer = RowBuffer()
    for age_hours in (200, 100, 1):
        start = now - timedelta(hours=age_hours)
        buffer.add(live_message(LiveTable.ZONE, zone_row(window_start=start)))
        buffer.add(live_message(LiveTable.GATE, gate_row(window_start=start)))
        buffer.add(live_message(LiveTable.ROAD, road_row(window_start=start)))
    with storage.connect(migrated) as session:
        write_buffer(session, buffer)
        assert storage.drop_live_older_than(session, 72) == 6
        assert session.execute(EVERY_MINUTE_TABLE).fetchone() == (1, 1, 1)
        assert storage.drop_live_older_than(session, 72) == 0


@BOTH
def test_alerts_are_kept_for_their_own_time(session: storage.Connection) -> None:
    long_ago_us = round((datetime.now(UTC) - timedelta(days=731)).timestamp()) * 1_000_000
    last_year_us = round((datetime.now(UTC) - timedelta(days=300)).timestamp()) * 1_000_000
    buffer = RowBuffer()
    buffer.add(alert_message(transition("old", at_us=long_ago_us)))
    buffer.add(alert_message(transition("new", at_us=last_year_us)))
    write_buffer(session, buffer)
    assert storage.drop_alerts_older_than(session, 730) == 2
    assert session.execute("SELECT alert_id FROM live.transition").fetchall() == [("new",)]
    assert session.execute("SELECT alert_id FROM live.alert").fetchall() == [("new",)]


@BOTH
def test_the_reader_sees_rows_and_places_and_can_change_nothing(session: storage.Connection) -> None:
    session.execute("SET ROLE drukte_reader")
    for statement in (b"TABLE live.zone_minute", b"TABLE live.gate_minute", b"TABLE live.road_minute",
                      b"TABLE live.transition", b"TABLE live.alert", b"TABLE engine.place",
                      b"TABLE engine.city_version"):
        session.execute(statement)
    for statement in (b"TABLE engine.writer_offset", b"DELETE FROM live.zone_minute",
                      b"UPDATE engine.place SET name = ''"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege), session.transaction():
            session.execute(statement)


@BOTH
def test_the_writer_role_is_enough_for_the_writer(migrated: str) -> None:
    login = "drukte_test_login"
    with storage.connect(migrated) as session:
        session.execute(f"DROP ROLE IF EXISTS {login}".encode())
        session.execute(f"CREATE ROLE {login} LOGIN IN ROLE drukte_writer".encode())
    buffer = RowBuffer()
    buffer.add(live_message(LiveTable.ZONE, zone_row(zone=99)))
    buffer.add(live_message(LiveTable.ROAD, road_row(zone=99)))
    buffer.add(alert_message(transition("role")))
    database = Database(psycopg.conninfo.make_conninfo(migrated, user=login))
    try:
        assert database.write_city(small_city())
        database.write(buffer)
        assert database.offsets()[Topic.LIVE, 0] == 1
        database.rewind(Topic.LIVE, 0, 1, 0)
        assert database.offsets()[Topic.LIVE, 0] == 0
    finally:
        database.close()
        with storage.connect(migrated) as session:
            session.execute(f"DROP ROLE {login}".encode())


@BOTH
def test_a_city_fills_places_and_a_newer_version_renames_them(migrated: str) -> None:
    database = Database(migrated)
    newer = small_city(version=5, name="Groter")
    renamed = msgspec.structs.replace(newer.file.zones["plein"], name="Grote plein")
    newer = small_city(version=5, zones={**newer.file.zones, "plein": renamed})
    try:
        assert database.write_city(small_city(version=4))
        assert database.write_city(newer)
        assert database.write_city(small_city(version=4))
        # The same number with other content is told, and both are on record.
        assert not database.write_city(small_city(version=5, name="Anders"))
        with storage.connect(migrated) as session:
            plein = session.execute(
                "SELECT site, facility, capacity, level_names, city_version FROM engine.place "
                "WHERE kind = 'zone' AND key = 'plein'"
            ).fetchall()
            versions = session.execute("SELECT version FROM engine.city_version WHERE version >= 4").fetchall()
    finally:
        database.close()
    assert plein == [("centrum", "standing", 400, ["groen", "geel", "oranje", "rood"], 5)]
    assert sorted(versions) == [(4,), (5,), (5,)]


def test_the_command_migrates_shows_and_drops(empty_database: str) -> None:
    runner = CliRunner()
    before = runner.invoke(app, ["status", "--uri", empty_database])
    assert before.exit_code == 1
    assert "missing 0001.live" in before.output
    undone = runner.invoke(app, ["retention", "--uri", empty_database])
    assert undone.exit_code == 1
    assert "drukte db migrate" in undone.output
    done = runner.invoke(app, ["migrate", "--uri", empty_database])
    assert (done.exit_code, done.output.splitlines()[0]) == (0, "applied 0001.live")
    assert runner.invoke(app, ["migrate", "--uri", empty_database]).output == "nothing to do\n"
    after = runner.invoke(app, ["status", "--uri", empty_database])
    assert after.exit_code == 0
    assert "edition: TimescaleDB" in after.output
    assert runner.invoke(app, ["retention", "--uri", empty_database]).exit_code == 0


def test_a_database_that_is_away_is_transient_and_an_address_that_is_none_is_fatal() -> None:
    with pytest.raises(TransientError) as away:
        storage.connect("postgresql://drukte:verysecret@127.0.0.1:1/drukte")
    with pytest.raises(FatalError) as wrong:
        storage.connect("postgresql://drukte:verysecret@[")
    assert "verysecret" not in f"{away.value} {wrong.value}"
