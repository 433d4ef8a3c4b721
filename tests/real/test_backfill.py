# SPDX-License-Identifier: Apache-2.0
"""The back-fill into a real database and a real ledger topic: nothing twice, nothing of the live tier."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from schemas.city import City, Grain
from schemas.city_timeline import Timeline
from schemas.errors import DrukteError, TransientError
from schemas.ledger import FIRST_HASH, Released
from schemas.log import Topic
from schemas.seal import Seal
from streams import storage
from streams.backfill import Report
from streams.backfill_command import Order, run_backfill
from streams.core.release import checked_grid
from streams.settings import DatabaseSettings, KafkaSettings, Settings
from streams.writer import release_bulk, release_tables, release_together
from streams.writer.database import Database
from streams.writer.ledger_topic import LedgerTopic
from streams.writer.release import Release
from streams.writer.release_together import BulkRelease, Outcome, Together
from streams.writer.restored import reconcile
from tests.cities import small_city, small_file
from tests.real.kafka_service import MakeTopics
from tests.real.timescale_service import Databases
from tests.writer.seals import people_seal, vehicles_seal

pytestmark = pytest.mark.real
NOW_US = 1_790_000_000_000_000
ORDER = "ORDER BY kind, place, metric, start"
CELLS = f"SELECT kind, place, metric, start, value, weight, coverage, status, sd, batch FROM research.cell {ORDER}"  # noqa: S608
HOURS = f"SELECT kind, place, metric, start, total, weight, covered_s, variance, n_cells FROM research.hour {ORDER}"  # noqa: S608
DAYS = HOURS.replace("research.hour", "research.day")


def city() -> City:
    """The small city with gates by the quarter and zones by six hours."""
    gates = {key: msgspec.structs.replace(gate, grain=Grain.QUARTER) for key, gate in small_file().gates.items()}
    return small_city(gates=gates)


@dataclass
class Archive:
    """A deployment and a folder of files."""

    settings: Settings
    folder: Path

    def write(self, name: str, sensor: str, hours: range, metrics: tuple[str, ...] = ("in", "out")) -> Path:
        """Counts of every minute of some hours of 2026-01-02."""
        path = self.folder / f"{name}.ndjson"
        with path.open("w") as file:
            for minute in range(hours.start * 60, hours.stop * 60):
                ends = [f"2026-01-02T{at // 60:02}:{at % 60:02}:00Z" for at in (minute, minute + 1)]
                for metric in metrics:
                    file.write(f'{{"sensor":"{sensor}","metric":"{metric}","from":"{ends[0]}","to":"{ends[1]}",'
                               f'"value":{minute % 50}}}\n')
        return path

    def backfill(self, *paths: Path, dry_run: bool = False, with_ends: bool = False, now_us: int = NOW_US) -> Report:
        order = Order({"counters": list(paths)}, None, dry_run, with_ends, now_us)
        return run_backfill(self.settings, Timeline.of(city()), order)

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with storage.connect(self.settings.database.uri) as session:
            return session.execute(statement.encode()).fetchall()

    def everything(self) -> list[Any]:
        ledger = LedgerTopic(self.settings.kafka)
        return [self.query(CELLS), self.query(HOURS), self.query(DAYS),
                [record for piece in ledger.read(*ledger.limits()) for record in piece]]

    def chains(self) -> None:
        """Every chain is whole, and the topic holds the same rows."""
        ledger = LedgerTopic(self.settings.kafka)
        told = [one for piece in ledger.read(*ledger.limits()) for one in piece if isinstance(one, Released)]
        with storage.connect(self.settings.database.uri) as session:
            for partition in release_tables.links(session):
                previous, rows = FIRST_HASH, release_tables.ledger_rows(session, partition, 0, 10_000)
                for number, row in enumerate(rows, start=1):
                    assert (row.link, row.previous_hash, row.row_hash) == (number, previous, row.computed_hash())
                    previous = row.row_hash
                assert [one for one in told if one.partition == partition] == rows


def made(uri: str, bootstrap: str, folder: Path) -> Archive:
    return Archive(Settings(
        city=Path("unused.toml"), database=DatabaseSettings(uri=uri), kafka=KafkaSettings(bootstrap=bootstrap)), folder)


@pytest.fixture(params=[True, False], ids=["timescale", "plain"])
def archive(request: pytest.FixtureRequest, databases: Databases, kafka_bootstrap: str, make_topics: MakeTopics,
            tmp_path: Path) -> Archive:
    uri = databases.create()
    storage.migrate(uri, timescale=request.param)
    make_topics(Topic.LEDGER)
    return made(uri, kafka_bootstrap, tmp_path)


timescale_only = pytest.mark.parametrize("archive", [True], indirect=True, ids=["timescale"])


def test_a_second_run_changes_nothing(archive: Archive) -> None:
    path = archive.write("day", "teller-plein-straat", range(6, 9))
    planned = archive.backfill(path, dry_run=True)
    assert archive.everything() == [[], [], [], []]
    report = archive.backfill(path)
    assert report.together.batches == {Outcome.RELEASED: 12}
    assert planned.together == report.together
    assert report.together.cells == 24
    before = archive.everything()
    assert len(before[0]) == 48  # a dense grid: the other gate is missing
    assert [row[7] for row in before[0]].count("O") == 24
    assert [row[8] for row in before[1]] == [4] * 6
    again = archive.backfill(path)
    assert again.together.batches == {Outcome.KNOWN: 12}
    assert archive.everything() == before
    for table in ("zone_minute", "gate_minute", "road_minute", "alert", "transition", "sighting"):
        assert archive.query(f"SELECT count(*) FROM live.{table}") == [(0,)]  # noqa: S608
    assert archive.query("SELECT count(*) FROM engine.writer_offset WHERE topic = 'seals'") == [(0,)]
    archive.chains()


@timescale_only
def test_what_was_missing_comes_later_as_a_part_of_its_own(archive: Archive) -> None:
    first = archive.write("first", "teller-plein-straat", range(6, 8))
    second = archive.write("second", "teller-straat-uit", range(6, 8))
    archive.backfill(first)
    before = {row[:4]: row for row in archive.query(CELLS)}
    report = archive.backfill(first, second)
    assert report.together.batches == {Outcome.LATER_PART: 8}
    after = {row[:4]: row for row in archive.query(CELLS)}
    known = {key for key, row in before.items() if row[7] == "A"}
    assert len(known) == 16
    assert {key: after[key] for key in known} == {key: before[key] for key in known}
    assert all(row[7] == "A" for row in after.values())
    assert {row[9].rpartition("/")[2] for key, row in after.items() if key not in known} == {"1"}
    assert archive.backfill(first, second).together.batches == {Outcome.KNOWN: 8}
    archive.chains()


@timescale_only
def test_a_run_that_was_cut_off_goes_on(archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    path = archive.write("day", "teller-plein-straat", range(6, 9))
    monkeypatch.setattr("streams.backfill.CELLS_AT_ONCE", 8)
    whole = BulkRelease.release
    calls = []

    def cut(self: BulkRelease, seals: list[Seal], partition: int) -> Together:
        calls.append(len(seals))
        if len(calls) == 3:
            raise TransientError("the database is away")
        return whole(self, seals, partition)

    monkeypatch.setattr(BulkRelease, "release", cut)
    with pytest.raises(TransientError):
        archive.backfill(path)
    assert archive.query("SELECT count(*) FROM privacy.ledger") == [(4,)]
    monkeypatch.setattr(BulkRelease, "release", whole)
    assert archive.backfill(path).together.batches == {Outcome.KNOWN: 4, Outcome.RELEASED: 8}
    assert archive.query("SELECT count(*) FROM privacy.ledger") == [(12,)]
    archive.chains()


@timescale_only
def test_grains_that_the_files_hold_in_part_wait_for_the_rest(archive: Archive) -> None:
    path = archive.write("part", "teller-plein-straat", range(6, 7))
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[20:-20]))  # 06:10 to 06:50
    assert archive.backfill(path, dry_run=True).incomplete == 2
    report = archive.backfill(path)
    assert (report.incomplete, report.together.batches[Outcome.RELEASED]) == (2, 2)
    path.write_text("".join(lines))
    assert archive.backfill(path).together.batches == {Outcome.KNOWN: 2, Outcome.RELEASED: 2}


@timescale_only
def test_the_last_day_is_left_to_the_log(archive: Archive) -> None:
    path = archive.write("recent", "teller-plein-straat", range(6, 8))
    report = archive.backfill(path, now_us=1_767_423_600_000_000)  # 2026-01-03T07:00Z
    assert (report.together.batches, report.recent) == ({Outcome.RELEASED: 4}, 4)


def test_a_release_that_fails_between_two_pieces_publishes_nothing(
        archive: Archive, monkeypatch: pytest.MonkeyPatch) -> None:
    seals = [people_seal([float(quarter), 7.0], quarter=quarter) for quarter in range(6)]
    database, ledger = Database(archive.settings.database.uri), LedgerTopic(archive.settings.kafka)
    release = Release(database, ledger)
    release.begin()
    insert, pieces = release_bulk.insert_cells, list[int]()

    def cut(connection: storage.Connection, drawn: list[release_bulk.Drawn], there: release_bulk.Existing) -> None:
        pieces.append(len(drawn))
        if len(pieces) == 3:
            raise TransientError("the database went away")
        insert(connection, drawn, there)
    monkeypatch.setattr(release_together, "PIECE_CELLS", 3)
    monkeypatch.setattr(release_bulk, "insert_cells", cut)
    with pytest.raises(TransientError):
        BulkRelease(database, ledger, release).release(seals, 3)
    assert pieces == [2, 2, 2]
    assert [archive.query(statement) for statement in (CELLS, HOURS, DAYS)] == [[], [], []]
    monkeypatch.setattr(release_bulk, "insert_cells", insert)
    assert BulkRelease(database, ledger, release).release(seals, 3).batches == {Outcome.RELEASED: 6}
    database.close()
    archive.chains()


def test_many_at_once_are_as_one_by_one(
        archive: Archive, databases: Databases, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of public values every table comes out bit for bit the same; of people all but the draws does."""
    monkeypatch.setattr(release_together, "PIECE_CELLS", 5)  # an hour and a day lie in several
    seals = [vehicles_seal(100.25 + quarter / 3, 48.125 + quarter / 7, quarter=quarter) for quarter in range(40)]
    seals += [people_seal([float(quarter), None, 7.0], quarter=quarter) for quarter in range(5)]
    other = made(databases.create(), archive.settings.kafka.bootstrap, archive.folder)
    storage.migrate(other.settings.database.uri)
    database, ledger = Database(archive.settings.database.uri), LedgerTopic(archive.settings.kafka)
    release = Release(database, ledger)
    release.begin()
    together = BulkRelease(database, ledger, release).release(seals, 3)
    database.close()
    assert together.batches == {Outcome.RELEASED: 45}
    single = Database(other.settings.database.uri)
    with single.session() as session:
        for seal in seals:
            grid = checked_grid(seal)
            with session.transaction():
                release_tables.insert_cells(session, seal, grid, grid.exact if seal.group == "vehicles" else np.where(
                    grid.known, 1.0, np.nan))
    single.close()
    for statement in (CELLS, HOURS, DAYS):
        ours, theirs = archive.query(statement), other.query(statement)
        assert [row for row in ours if row[0] == "road"] == [row for row in theirs if row[0] == "road"]
        without = 4  # value or total: drawn
        assert [row[:without] + row[5:] for row in ours] == [row[:without] + row[5:] for row in theirs]
    archive.chains()


@timescale_only
@pytest.mark.parametrize(("changes", "text"), [
    ({"city": "elders"}, "the database of 'elders'"), ({"places": True}, "gate 1 is 'een-andere' in the database"),
])
def test_a_file_of_another_city_is_refused_before_anything_is_read(
    archive: Archive, changes: dict[str, Any], text: str
) -> None:
    path = archive.write("day", "teller-plein-straat", range(6, 8))
    database = Database(archive.settings.database.uri)
    database.write_city(city())
    with database.session() as session:
        if "city" in changes:
            session.execute("UPDATE engine.city_version SET city = 'elders'")
        else:
            session.execute("UPDATE engine.place SET key = 'een-andere' WHERE kind = 'gate' AND number = 1")
    database.close()
    with pytest.raises(DrukteError, match=text):
        archive.backfill(path)
    assert archive.query("SELECT count(*) FROM privacy.ledger") == [(0,)]


@timescale_only
def test_of_its_own_city_it_is_taken(archive: Archive) -> None:
    database = Database(archive.settings.database.uri)
    database.write_city(city())
    database.close()
    report = archive.backfill(archive.write("day", "teller-plein-straat", range(6, 8)))
    assert report.together.batches == {Outcome.RELEASED: 8}


@timescale_only
def test_a_lost_batch_stays_missing(archive: Archive) -> None:
    path = archive.write("day", "teller-plein-straat", range(6, 8))
    archive.backfill(path)
    with storage.connect(archive.settings.database.uri) as session:
        session.execute("TRUNCATE research.cell, research.hour, research.day, privacy.ledger, privacy.chain")
        storage.declare_restore(session)
    database, ledger = Database(archive.settings.database.uri), LedgerTopic(archive.settings.kafka)
    restored = reconcile(database, ledger)
    database.close()
    assert restored is not None
    assert restored.lost == 8
    report = archive.backfill(path)
    assert report.together.batches == {Outcome.LOST: 8}
    assert {row[7] for row in archive.query(CELLS)} == {"O"}
