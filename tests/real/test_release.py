# SPDX-License-Identifier: Apache-2.0
"""The release between a real broker and a real database: drawn once, whatever happens."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import msgspec
import psycopg
import pytest
from confluent_kafka import Producer
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from typer.testing import CliRunner

from schemas.errors import FatalError, RefusedError, TransientError
from schemas.ledger import FIRST_HASH, Intent, Released, encode_ledger
from schemas.log import Topic
from schemas.seal import Seal
from streams import storage
from streams.core.release import checked_grid
from streams.db_command import app
from streams.settings import KafkaSettings
from streams.writer import release_tables
from streams.writer.database import Database
from streams.writer.ledger_topic import LedgerTopic, Record
from streams.writer.release import Place, Release
from streams.writer.release_tables import Standing
from streams.writer.restored import Restored, reconcile
from tests.real.kafka_service import MakeTopics
from tests.real.timescale_service import Databases
from tests.services.process import wait_until
from tests.writer.seals import (
    HOUR_S,
    MIDNIGHT_US,
    QUARTER_S,
    SIX_HOURS_S,
    passages_seal,
    people_seal,
    vehicles_seal,
)

pytestmark = pytest.mark.real
PARTITIONS = 2
CELLS = "SELECT * FROM research.cell ORDER BY kind, place, vehicle_class, metric, start"
SUMS = {
    table: f"SELECT kind, place, metric, start, total, weight, covered_s, variance, n_cells FROM research.{table} "  # noqa: S608
           "ORDER BY kind, place, metric, start" for table in ("hour", "day")
}


class Deployment:
    """A database, the topics, and any number of writers' release steps between them."""

    def __init__(self, bootstrap: str, uri: str, databases: Databases) -> None:
        self.uri = uri
        self.kafka = KafkaSettings(bootstrap=bootstrap)
        self._databases = databases
        self._opened: list[Database] = []

    def _database(self, uri: str | None) -> Database:
        self._opened.append(Database(uri or self.uri))
        return self._opened[-1]

    def close(self) -> None:
        while self._opened:
            self._opened.pop().close()

    def start(self, uri: str | None = None) -> tuple[Release, Restored | None]:
        """A writer's start: compare, then mend the topic."""
        database, ledger = self._database(uri), LedgerTopic(self.kafka)
        restored = reconcile(database, ledger)
        release = Release(database, ledger)
        release.begin()
        return release, restored

    def writer(self, uri: str | None = None) -> Release:
        return self.start(uri)[0]

    def copy(self) -> str:
        """A copy of the database as it is: a backup."""
        self.close()
        name = conninfo_to_dict(self.uri)["dbname"]
        uri = self._databases.create()
        target = conninfo_to_dict(uri)["dbname"]

        def copied() -> bool:
            with psycopg.connect(self._databases.uri, autocommit=True) as session:
                try:
                    session.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(str(target))))
                    session.execute(
                        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,)
                    )
                    session.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(
                        sql.Identifier(str(target)), sql.Identifier(str(name))))
                except psycopg.errors.ObjectInUse:
                    return False  # TimescaleDB's scheduler sits in it for a moment
            return True

        wait_until(copied, 30.0, "the database is copied")
        return make_conninfo(self.uri, dbname=target)

    def query(self, statement: str, uri: str | None = None) -> list[tuple[Any, ...]]:
        with storage.connect(uri or self.uri) as session:
            return session.execute(statement.encode()).fetchall()

    def topic(self) -> list[Record]:
        ledger = LedgerTopic(self.kafka)
        return [record for piece in ledger.read(*ledger.limits()) for record in piece]

    def released(self) -> list[Released]:
        return [record for record in self.topic() if isinstance(record, Released)]

    def ledger(self, uri: str | None = None, partition: int = 0) -> list[Released]:
        with storage.connect(uri or self.uri) as session:
            return release_tables.ledger_rows(session, partition, 0, 1_000)

    def check_chain(self, uri: str | None = None, partition: int = 0) -> None:
        previous = FIRST_HASH
        for number, row in enumerate(self.ledger(uri, partition), start=1):
            assert (row.link, row.previous_hash, row.row_hash) == (number, previous, row.computed_hash())
            previous = row.row_hash


@pytest.fixture(params=[True, False], ids=["timescale", "plain"])
def deployment(
    request: pytest.FixtureRequest, databases: Databases, kafka_bootstrap: str, make_topics: MakeTopics
) -> Iterator[Deployment]:
    uri = databases.create()
    storage.migrate(uri, timescale=request.param)
    make_topics(Topic.SEALS, partitions=PARTITIONS)
    make_topics(Topic.LEDGER)
    made = Deployment(kafka_bootstrap, uri, databases)
    try:
        yield made
    finally:
        made.close()


timescale_only = pytest.mark.parametrize("deployment", [True], indirect=True, ids=["timescale"])
plain_only = pytest.mark.parametrize("deployment", [False], indirect=True, ids=["plain"])
AT = Place(0, 41)


def test_a_batch_is_published_with_noise_and_stands_in_both_ledgers(deployment: Deployment) -> None:
    writer = deployment.writer()
    exact = [90_000.0] * 400
    assert writer.release(people_seal([*exact, None]), AT) is Standing.NEW
    cells = deployment.query(
        "SELECT place, value, weight, status, sd, public_source, batch FROM research.cell ORDER BY place"
    )
    values = [cell[1] for cell in cells[:-1]]
    assert all(cell[3:6] == ("A", 4500.0, False) and cell[2] == 900.0 for cell in cells[:-1])
    assert cells[-1] == (401, None, 0.0, "O", None, False, people_seal([]).batch_key)
    assert all(value == int(value) for value in values)
    assert 0 not in [value - 90_000 for value in values[:5]] or len(set(values)) > 300  # noise, not the exact values
    assert abs(sum(values) / 400 - 90_000) < 6 * 4500 / 20
    [row] = deployment.ledger()
    assert (row.link, row.previous_hash, row.cells, row.sigma, row.sensitivity, row.rho, row.mechanism, row.metric) == (
        1, FIRST_HASH, 400, 4500.0, 900.0, 0.02, "discrete-gaussian", "person_seconds")
    intent, released = deployment.topic()
    assert isinstance(intent, Intent)
    assert (intent.batch_key, intent.partition) == (row.batch_key, 0)
    assert released == row
    assert deployment.query("SELECT next_offset FROM engine.writer_offset WHERE topic = 'seals'") == [(42,)]


def test_roads_are_exact_and_say_so(deployment: Deployment) -> None:
    writer = deployment.writer()
    writer.release(vehicles_seal(120.25, 48.5), AT)
    writer.release(vehicles_seal(60.0, 30.0, quarter=1), AT)
    found = deployment.query("SELECT metric, value, sd, public_source FROM research.cell ORDER BY metric, start")
    assert found == [("speed", 48.5, 0.0, True), ("speed", 30.0, 0.0, True), ("vehicles", 120.25, 0.0, True),
                     ("vehicles", 60.0, 0.0, True)]
    rows = [(row.mechanism, row.rho, row.metric) for row in deployment.ledger()]
    assert rows == [("none", 0.0, "vehicles,speed")] * 2
    [(total, weight)] = deployment.query("SELECT total, weight FROM research.hour WHERE metric = 'speed'")
    assert (total, weight) == (Decimal("48.5") * Decimal("120.25") + 30 * 60, Decimal("180.25"))


def test_passages_have_small_noise_and_may_fall_below_zero(deployment: Deployment) -> None:
    deployment.writer().release(passages_seal([(0.0, 0.0)] * 100), AT)
    values = [value for (value,) in deployment.query("SELECT value FROM research.cell WHERE sd = 5")]
    assert len(values) == 200
    assert min(values) < 0 < max(values)
    assert max(map(abs, values)) < 50


def test_the_same_seal_again_changes_nothing(deployment: Deployment) -> None:
    writer, other = deployment.writer(), deployment.writer()
    seal = people_seal([100.0, None])
    writer.release(seal, AT)
    before = deployment.query(CELLS), deployment.query(SUMS["hour"]), deployment.topic()
    assert writer.release(seal, Place(0, 42)) is Standing.RELEASED
    assert other.release(seal, Place(0, 43)) is Standing.RELEASED
    assert deployment.writer().release(seal, Place(0, 44)) is Standing.RELEASED
    assert (deployment.query(CELLS), deployment.query(SUMS["hour"]), deployment.topic()) == before


def test_a_crash_after_the_intent_published_nothing_and_is_drawn_again(deployment: Deployment) -> None:
    seal = people_seal([100.0])
    deployment.writer().intend(seal, AT)
    writer, restored = deployment.start()
    assert restored is None
    assert writer.release(seal, AT) is Standing.NEW
    assert [type(record) for record in deployment.topic()] == [Intent, Intent, Released]
    assert len(deployment.ledger()) == 1


@plain_only
def test_a_crash_between_draw_and_commit_leaves_nothing(deployment: Deployment) -> None:
    writer, seal = deployment.writer(), people_seal([100.0])
    with storage.connect(deployment.uri) as session:
        session.execute("CREATE FUNCTION crash() RETURNS trigger LANGUAGE plpgsql AS "
                        "'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); RETURN NEW; END'")
        session.execute("CREATE TRIGGER crash BEFORE INSERT ON engine.writer_offset FOR EACH ROW "
                        "WHEN (NEW.topic = 'seals') EXECUTE FUNCTION crash()")
        with pytest.raises(TransientError):
            writer.release(seal, AT)
        session.execute("DROP TRIGGER crash ON engine.writer_offset")
    assert deployment.query(CELLS) == deployment.query(SUMS["day"]) == []
    assert deployment.ledger() == deployment.released() == []
    assert writer.release(seal, AT) is Standing.NEW
    assert deployment.released() == deployment.ledger()


def test_a_crash_after_the_commit_is_mended_at_the_next_start(deployment: Deployment) -> None:
    writer, seal = deployment.writer(), people_seal([100.0])
    writer.intend(seal, AT)
    writer.commit(seal, checked_grid(seal), AT)
    before = deployment.query(CELLS)
    assert deployment.released() == []
    later, restored = deployment.start()
    assert restored is None
    assert deployment.released() == deployment.ledger()
    assert later.release(seal, AT) is Standing.RELEASED
    assert deployment.query(CELLS) == before


def test_a_later_link_never_stands_in_the_topic_without_the_earlier(deployment: Deployment) -> None:
    first, second = deployment.writer(), deployment.writer()
    seal = people_seal([100.0])
    first.intend(seal, AT)
    first.commit(seal, checked_grid(seal), AT)  # and is killed
    second.release(people_seal([100.0], quarter=1), Place(0, 42))
    assert [row.link for row in deployment.released()] == [1, 2]


def test_two_writers_at_once_draw_each_batch_once(deployment: Deployment) -> None:
    seals = [people_seal([50.0 * n, None, 10.0], quarter=n, first_place=1 + 10 * (n % 3)) for n in range(12)]
    writers = [deployment.writer() for _ in range(2)]
    together = threading.Barrier(2)

    def run(writer: Release) -> list[Standing]:
        together.wait(30)
        return [writer.release(seal, Place(number % 2, number)) for number, seal in enumerate(seals)]

    with ThreadPoolExecutor(2) as threads:
        results = list(threads.map(run, writers))
    assert sum(result.count(Standing.NEW) for result in results) == len(seals)
    rows = [row for partition in range(2) for row in deployment.ledger(partition=partition)]
    assert sorted(row.batch_key for row in rows) == sorted(seal.batch_key for seal in seals)
    assert {row.row_hash for row in deployment.released()} == {row.row_hash for row in rows}
    for partition in range(2):
        deployment.check_chain(partition=partition)
    assert deployment.query("SELECT count(*) FROM research.cell") == [(36,)]


def _sums(deployment: Deployment, span_s: int) -> list[tuple[Any, ...]]:
    """The sums made anew from the published cells, in Python."""
    found: dict[tuple[Any, ...], list[Decimal]] = {}
    exact = "extract(epoch FROM start)::int8"
    for kind, place, metric, start_s, grain_s, value, weight, coverage, sd in deployment.query(
        f"SELECT kind, place, metric, {exact}, grain_s, value, weight, coverage, sd FROM research.cell "  # noqa: S608
        "WHERE value IS NOT NULL"
    ):
        if grain_s <= span_s:
            sums = found.setdefault((kind, place, metric, start_s - start_s % span_s), [Decimal(0)] * 5)
            parts = (_decimal(value) * (_decimal(weight) if metric == "speed" else 1), _decimal(weight),
                     _decimal(coverage) * grain_s, _decimal(sd) ** 2, Decimal(1))
            found[kind, place, metric, start_s - start_s % span_s] = [a + b for a, b in zip(sums, parts, strict=True)]
    return [(*key, *sums) for key, sums in sorted(found.items())]


def _decimal(number: float) -> Decimal:
    return Decimal(format(number, ".15g"))


GRID = st.lists(st.one_of(st.none(), st.integers(0, 10**9).map(float)), min_size=1, max_size=4)
BATCH = st.tuples(st.sampled_from([QUARTER_S, HOUR_S, SIX_HOURS_S]), st.integers(0, 95), GRID)


@plain_only
def test_hours_and_days_are_the_sums_of_what_is_published(deployment: Deployment) -> None:
    writer = deployment.writer()
    offset = iter(range(1_000_000))

    @settings(max_examples=12, deadline=None)
    @given(st.lists(BATCH, min_size=1, max_size=4))
    def holds(batches: list[tuple[int, int, list[float | None]]]) -> None:
        number = 0
        for grain_s, quarter, values in batches:
            number = next(offset)
            start_s = quarter * QUARTER_S // grain_s * grain_s
            seal = people_seal(values, start_s // QUARTER_S, grain_s=grain_s, site=f"site-{number % 3}",
                               first_place=1 + number * 2 if grain_s == QUARTER_S else 10_000 * number)
            try:
                writer.release(seal, Place(0, number))
            except RefusedError:
                continue  # it overlaps an earlier one
        writer.release(vehicles_seal(number + 0.1, 33.3, quarter=number % 96, site=f"road-{number}",
                                     start_us=MIDNIGHT_US + number * 900_000_000), Place(0, number))
        for table, span_s in (("hour", 3600), ("day", 86_400)):
            stored = [(kind, place, metric, round(start.timestamp()), *numbers)
                      for kind, place, metric, start, *numbers in deployment.query(SUMS[table])]
            assert stored == _sums(deployment, span_s)
    holds()
    assert deployment.query("SELECT count(*) > 0 FROM research.hour") == [(True,)]


def test_a_cell_of_six_hours_enters_the_day_only(deployment: Deployment) -> None:
    deployment.writer().release(people_seal([5_000.0], grain_s=SIX_HOURS_S), AT)
    assert deployment.query(SUMS["hour"]) == []
    assert deployment.query("SELECT n_cells, sd, coverage FROM research.day") == [(1, 108_000.0, 0.25)]


def test_a_later_part_fills_what_was_missing_and_nothing_else(deployment: Deployment) -> None:
    writer = deployment.writer()
    writer.release(people_seal([100.0, None]), AT)
    [first] = deployment.query("SELECT value FROM research.cell WHERE place = 1")
    with pytest.raises(RefusedError, match="published before"):
        writer.release(people_seal([100.0, 50.0], part=1), Place(0, 42))
    assert writer.release(people_seal([None, 50.0], part=2), Place(0, 43)) is Standing.NEW
    found = deployment.query("SELECT place, status, value IS NULL, batch FROM research.cell ORDER BY place")
    assert found == [(1, "A", False, people_seal([]).batch_key), (2, "A", False, people_seal([], part=2).batch_key)]
    assert deployment.query("SELECT value FROM research.cell WHERE place = 1") == [first]
    assert deployment.query("SELECT n_cells FROM research.hour ORDER BY place") == [(1,), (1,)]


@pytest.mark.parametrize("second", [
    lambda: people_seal([7.0], quarter=0, grain_s=HOUR_S),
    lambda: people_seal([7.0], quarter=0, zone_map="ffffffff"),
    lambda: people_seal([7.0], quarter=0, grain_s=SIX_HOURS_S),
], ids=["coarser", "another-map", "six-hours"])
@timescale_only
def test_no_cell_overlaps_a_published_one(deployment: Deployment, second: Callable[[], Seal]) -> None:
    writer = deployment.writer()
    writer.release(people_seal([100.0], quarter=3), AT)
    writer.release(people_seal([100.0], quarter=0), AT)
    before = deployment.query(CELLS), deployment.query(SUMS["day"]), deployment.ledger()
    with pytest.raises(RefusedError):
        writer.release(second(), Place(0, 42))
    assert (deployment.query(CELLS), deployment.query(SUMS["day"]), deployment.ledger()) == before


def test_a_hand_cannot_change_what_is_published(deployment: Deployment) -> None:
    deployment.writer().release(people_seal([100.0]), AT)
    for statement in ("UPDATE research.cell SET value = 0", "DELETE FROM research.cell",
                      "UPDATE privacy.ledger SET rho = 0", "DELETE FROM privacy.ledger"):
        with pytest.raises(psycopg.errors.IntegrityError):
            deployment.query(statement)


def test_after_a_restore_nothing_is_drawn_again(deployment: Deployment) -> None:
    kept, lost, begun, new = (people_seal([100.0, 30.0, None], quarter=number) for number in range(4))
    writer = deployment.writer()
    writer.release(kept, AT)
    before = deployment.query(CELLS)
    backup = deployment.copy()
    writer = deployment.writer()
    writer.release(lost, Place(0, 42))
    writer.intend(begun, Place(0, 43))
    ledger = deployment.ledger()

    restored_writer, restored = deployment.start(backup)
    assert restored == Restored(rows=1, lost=2)
    assert deployment.ledger(backup) == ledger
    assert restored_writer.release(kept, AT) is Standing.RELEASED
    assert restored_writer.release(lost, Place(0, 42)) is Standing.LOST
    assert restored_writer.release(begun, Place(0, 43)) is Standing.LOST
    assert restored_writer.release(people_seal([None, None, 9.0], quarter=1, part=1), Place(0, 44)) is Standing.LOST
    assert restored_writer.release(new, Place(0, 45)) is Standing.NEW
    cells = deployment.query(CELLS, backup)
    assert [cell for cell in cells if cell[13] == kept.batch_key] == before
    missing = [cell for cell in cells if cell[13] in (lost.batch_key, begun.batch_key)]
    assert len(missing) == 6
    assert {(cell[6], cell[9]) for cell in missing} == {(None, "O")}
    deployment.check_chain(backup)
    assert [row.link for row in deployment.ledger(backup)] == [1, 2, 3]
    assert {row.row_hash for row in deployment.released()} == {row.row_hash for row in deployment.ledger(backup)}
    assert deployment.start(backup)[1] is None
    assert deployment.query("SELECT cause, lost_batches FROM privacy.restore", backup) == [("found", 2)]


@timescale_only
def test_an_empty_database_beside_a_full_topic_is_a_restore(deployment: Deployment, databases: Databases) -> None:
    seal = people_seal([100.0])
    deployment.writer().release(seal, AT)
    fresh = databases.create()
    storage.migrate(fresh)
    writer, restored = deployment.start(fresh)
    assert restored == Restored(rows=1, lost=1)
    assert writer.release(seal, AT) is Standing.LOST
    assert deployment.ledger(fresh) == deployment.ledger()


def test_a_declared_restore_stops_a_running_writer_and_loses_what_was_begun(deployment: Deployment) -> None:
    writer, seal = deployment.writer(), people_seal([100.0])
    writer.intend(seal, AT)
    told = CliRunner().invoke(app, ["restore", "--uri", deployment.uri, "--json"])
    again = CliRunner().invoke(app, ["restore", "--uri", deployment.uri])
    assert (told.exit_code, again.exit_code) == (0, 0)
    assert msgspec.json.decode(told.stdout) == {"restore": 1, "published_batches": 0}
    assert "never drawn again" in again.stdout
    with pytest.raises(FatalError, match="starts anew"):
        writer.release(people_seal([5.0], quarter=1), AT)
    later, restored = deployment.start()
    assert restored == Restored(rows=0, lost=2)  # the stopped one had told its intent
    assert later.release(seal, AT) is Standing.LOST
    assert deployment.query("SELECT cause, handled_at IS NOT NULL FROM privacy.restore") == [("declared", True)]


@timescale_only
def test_a_writer_notices_a_database_that_goes_back_behind_it(deployment: Deployment) -> None:
    writer = deployment.writer()
    writer.release(people_seal([100.0]), AT)
    with storage.connect(deployment.uri) as session:
        session.execute("UPDATE privacy.chain SET link = 0, row_hash = %s", (FIRST_HASH,))
    with pytest.raises(FatalError, match="put back"):
        writer.release(people_seal([100.0], quarter=1), AT)


@timescale_only
def test_a_topic_that_was_made_anew_gets_its_rows_again(deployment: Deployment, make_topics: MakeTopics) -> None:
    writer = deployment.writer()
    for quarter in range(3):
        writer.release(people_seal([1.0], quarter=quarter), Place(0, quarter))
    deployment.writer()
    make_topics(Topic.LEDGER)
    _, restored = deployment.start()
    assert restored is None
    assert deployment.released() == deployment.ledger()


@timescale_only
def test_a_forged_or_foreign_record_stops_the_release(deployment: Deployment) -> None:
    deployment.writer().release(people_seal([1.0]), AT)
    [row] = deployment.ledger()
    forged = msgspec.structs.replace(row, rho=0.0)
    headers, value = encode_ledger("urn:test", forged)
    producer = Producer({"bootstrap.servers": deployment.kafka.bootstrap})
    producer.produce(Topic.LEDGER, value, partition=0, headers=list(headers))
    assert producer.flush(30) == 0
    with pytest.raises(FatalError, match="not what its hash says"):
        deployment.start()


@timescale_only
def test_two_rows_for_one_batch_contradict_each_other(deployment: Deployment) -> None:
    deployment.writer().release(people_seal([1.0]), AT)
    [row] = deployment.ledger()
    LedgerTopic(deployment.kafka).append([msgspec.structs.replace(row, cells=7).sealed()])
    with pytest.raises(FatalError, match="two rows"):
        deployment.start()


ROLE_STATEMENTS = {
    "drukte_research": ("research.cell", "research.hour", "research.day", "engine.place"),
    "drukte_officer": ("privacy.ledger", "privacy.restore", "privacy.lost_batch", "privacy.chain"),
}


@timescale_only
def test_roles_read_their_own_schema_only(deployment: Deployment) -> None:
    with storage.connect(deployment.uri) as session:
        for role, tables in ROLE_STATEMENTS.items():
            session.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))
            for owner, owned in ROLE_STATEMENTS.items():
                for table in owned:
                    statement = sql.SQL("SELECT * FROM {}").format(sql.Identifier(*table.split(".")))
                    if owner == role:
                        session.execute(statement)
                    else:
                        with pytest.raises(psycopg.errors.InsufficientPrivilege):
                            session.execute(statement)
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier(*tables[0].split("."))))
            session.execute("RESET ROLE")


@timescale_only
def test_the_writer_role_is_enough(deployment: Deployment) -> None:
    with storage.connect(deployment.uri) as session:
        session.execute(f"ALTER DATABASE {session.info.dbname} SET role = drukte_writer".encode())
    backup = deployment.copy()
    deployment.writer().release(people_seal([100.0]), AT)
    with storage.connect(deployment.uri) as session:
        session.execute("RESET ROLE")
    with storage.connect(backup) as session:
        session.execute(f"ALTER DATABASE {session.info.dbname} SET role = drukte_writer".encode())
    writer, restored = deployment.start(backup)
    assert restored == Restored(rows=1, lost=1)
    assert writer.release(people_seal([100.0]), AT) is Standing.LOST


