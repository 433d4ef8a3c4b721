# SPDX-License-Identifier: Apache-2.0
"""The writer with seals: beside the live tier, as processes that are killed, and on the demo's stand-in for Kafka."""

import random
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer
from typer.testing import CliRunner

from schemas.errors import FatalError
from schemas.ids import HEADER
from schemas.ledger import FIRST_HASH, Released
from schemas.live import LiveTable, encode_rows
from schemas.log import Headers, Topic
from schemas.seal import Seal, encode_seal
from streams import metrics, storage
from streams.city_files import assign_ids
from streams.db_command import app
from streams.settings import DatabaseSettings, KafkaSettings, Settings
from streams.writer.ledger_topic import LedgerTopic
from streams.writer.release_tables import ledger_rows
from streams.writer.run import Writer
from tests.cities import SMALL_TOML, small_city
from tests.gateway.mock_broker import MockBroker
from tests.real.kafka_service import MakeTopics
from tests.services.process import Process, wait_until
from tests.writer.samples import batch, live_headers, zone_row
from tests.writer.seals import passages_seal, people_seal

pytestmark = pytest.mark.real
LIMIT_S = 90.0
PARTITIONS = 2
SEALS = 96


class Sender:
    """Writes to topics and waits for the broker's word."""

    def __init__(self, bootstrap: str) -> None:
        self._producer = Producer({"bootstrap.servers": bootstrap})

    def send(self, topic: Topic, headers: Headers, value: bytes, partition: int = 0) -> None:
        self._producer.produce(topic, value, partition=partition, headers=list(headers))

    def seals(self, *seals: Seal, partition: int = 0) -> None:
        for seal in seals:
            self.send(Topic.SEALS, *encode_seal("urn:test", seal), partition)
        assert self._producer.flush(30) == 0


class Running:
    """A writer in a thread."""

    def __init__(self, settings: Settings) -> None:
        self.stop_asked = threading.Event()
        self.error: Exception | None = None
        self.writer = Writer(settings, small_city(), self.stop_asked)
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        try:
            self.writer.run()
        except Exception as error:  # noqa: BLE001  handed to the test
            self.error = error

    def figures(self) -> dict[tuple[str, str], float]:
        return {(figure.metric.name, figure.label): figure.value for figure in self.writer.figures()}

    def stop(self) -> None:
        self.stop_asked.set()
        self.thread.join(LIMIT_S)
        assert not self.thread.is_alive()


def _offset(uri: str, topic: Topic, partition: int = 0) -> int:
    with storage.connect(uri) as session:
        row = session.execute(
            "SELECT next_offset FROM engine.writer_offset WHERE topic = %s AND partition = %s", (topic, partition)
        ).fetchone()
    return 0 if row is None else int(row[0])


def _count(uri: str, table: str) -> int:
    with storage.connect(uri) as session:
        [(counted,)] = session.execute(f"SELECT count(*) FROM {table}".encode()).fetchall()  # noqa: S608
    return int(counted)


def _settings(kafka: KafkaSettings, uri: str) -> Settings:
    return Settings(city=Path("unused.toml"), kafka=kafka, database=DatabaseSettings(uri=uri))


@pytest.fixture
def database(fresh_database: str) -> str:
    return fresh_database


@pytest.fixture
def topics(kafka_bootstrap: str, make_topics: MakeTopics) -> Iterator[str]:
    large = {"max.message.bytes": "8000000"}
    make_topics(Topic.LIVE, Topic.ALERTS, Topic.DELIVERIES, Topic.SEALS, partitions=PARTITIONS, settings=large)
    make_topics(Topic.LEDGER, Topic.DEAD_LETTERS, Topic.ACCESS, Topic.NOTES, Topic.CITY)
    yield kafka_bootstrap  # noqa: PT022  the topics go after the test


def test_seals_live_rows_and_refused_seals_beside_each_other(database: str) -> None:
    broker = MockBroker()
    sender = Sender(broker.kafka.bootstrap)
    running = Running(_settings(broker.kafka, database))
    try:
        sender.send(Topic.LIVE, live_headers(LiveTable.ZONE), encode_rows(batch(LiveTable.ZONE, zone_row())))
        sender.seals(passages_seal([(4.0, 3.0)]), people_seal([1.5]), people_seal([7.0]), partition=3)
        wait_until(lambda: _offset(database, Topic.SEALS, 3) == 3 and _count(database, "live.zone_minute") == 1,
                   LIMIT_S, "everything is written")
        figures = running.figures()
        assert figures[metrics.RELEASED.name, ""] == 2
        assert figures[metrics.RESTORES.name, ""] == 0
        assert figures[metrics.REFUSED.name, "bad-value"] == 1
        assert _count(database, "research.cell") == 3
        [letter] = broker.read(Topic.DEAD_LETTERS, lambda found: len(found) == 1)
        assert b"seals" in (letter.value() or b"")
        assert b"1.5" not in (letter.value() or b"")
    finally:
        running.stop()
    assert running.error is None


def test_a_declared_restore_ends_the_writer_and_shows_in_the_next_ones_figures(database: str) -> None:
    broker = MockBroker()
    sender, settings = Sender(broker.kafka.bootstrap), _settings(broker.kafka, database)
    first = Running(settings)
    sender.seals(people_seal([7.0]))
    wait_until(lambda: _offset(database, Topic.SEALS) == 1, LIMIT_S, "the first batch is released")
    assert CliRunner().invoke(app, ["restore", "--uri", database]).exit_code == 0
    sender.seals(people_seal([7.0], quarter=1))
    first.thread.join(LIMIT_S)
    assert isinstance(first.error, FatalError)
    second = Running(settings)
    try:
        wait_until(lambda: _offset(database, Topic.SEALS) == 2, LIMIT_S, "the second batch is dealt with")
        assert second.figures()[metrics.RESTORES.name, ""] == 1
    finally:
        second.stop()
    # The first writer had told its intent for the second batch, so it is missing.
    with storage.connect(database) as session:
        found = session.execute("SELECT status FROM research.cell ORDER BY start").fetchall()
    assert found == [("A",), ("O",)]


class Crew:
    """Writers as processes of their own."""

    def __init__(self, folder: Path, bootstrap: str, uri: str) -> None:
        city = folder / "klein.toml"
        city.write_text(SMALL_TOML)
        city.with_suffix(".ids").write_text(HEADER)
        assign_ids(city)
        self._settings = folder / "drukte.toml"
        self._settings.write_text(f"""\
city = "klein.toml"
[kafka]
bootstrap = "{bootstrap}"
partitions = {PARTITIONS}
[database]
uri = "{uri}"
""")
        self._folder = folder
        self.members: list[Process] = []

    def start(self) -> None:
        command: list[str | Path] = [sys.executable, "-m", "streams.cli", "writer", "--settings", self._settings]
        self.members.append(Process(command, self._folder / f"writer-{len(self.members)}.log"))

    def kill_oldest(self) -> None:
        self.members.pop(0).stop(signal.SIGKILL)

    def stop(self) -> None:
        while self.members:
            self.members.pop().stop()


def _cells(uri: str) -> dict[object, object]:
    with storage.connect(uri) as session:
        return {row[:5]: row for row in session.execute("SELECT * FROM research.cell").fetchall()}


def test_writers_that_are_killed_release_every_batch_once(topics: str, database: str, tmp_path: Path) -> None:
    seals = [people_seal([float(n), None, 40.0], quarter=n % 96, first_place=1 + 3 * (n // 96), site=f"site-{n // 96}")
             for n in range(SEALS)]
    sender = Sender(topics)
    for number, seal in enumerate(seals):
        sender.seals(seal, partition=number % PARTITIONS)
    draw = random.Random(7)  # noqa: S311  which moments are hit, no secret
    crew, seen = Crew(tmp_path, topics, database), dict[object, object]()
    try:
        crew.start()
        crew.start()
        for share in (0.1, 0.35, 0.6):
            wanted = int(SEALS * share) + draw.randrange(20)
            wait_until(lambda wanted=wanted: _count(database, "privacy.ledger") >= wanted,  # type: ignore[misc]
                       LIMIT_S, f"{wanted} batches are released")
            crew.kill_oldest()
            now = _cells(database)
            assert {key: now[key] for key in seen} == seen
            seen = now
            crew.start()
        wait_until(lambda: all(_offset(database, Topic.SEALS, n) == SEALS // PARTITIONS for n in range(PARTITIONS)),
                   LIMIT_S, "every seal is dealt with")
    finally:
        crew.stop()
    cells = _cells(database)
    assert {key: cells[key] for key in seen} == seen
    assert len(cells) == 3 * SEALS
    # Who was killed after its commit left a row that the next start appends.
    crew.start()
    topic = LedgerTopic(KafkaSettings(bootstrap=topics))

    def released() -> dict[str, set[Released]]:
        found: dict[str, set[Released]] = {}
        for piece in topic.read(*topic.limits()):
            for record in piece:
                if isinstance(record, Released):
                    found.setdefault(record.batch_key, set()).add(record)
        return found

    try:
        wait_until(lambda: len(released()) == SEALS, LIMIT_S, "the topic has every row")
    finally:
        crew.stop()
    with storage.connect(database) as session:
        chains = [ledger_rows(session, partition, 0, SEALS) for partition in range(PARTITIONS)]
        assert session.execute("SELECT * FROM privacy.restore").fetchall() == []
    for chain in chains:
        assert [row.link for row in chain] == list(range(1, len(chain) + 1))
        assert [row.previous_hash for row in chain] == [FIRST_HASH, *(row.row_hash for row in chain[:-1])]
    assert released() == {row.batch_key: {row} for chain in chains for row in chain}
    assert {row.batch_key for chain in chains for row in chain} == {seal.batch_key for seal in seals}
    with storage.connect(database) as session:
        found = session.execute(
            "SELECT h.total = c.total AND h.n_cells = c.n FROM research.hour AS h JOIN (SELECT place, "
            "date_trunc('hour', start) AS start, sum(value::numeric) AS total, count(*) AS n FROM research.cell "
            "WHERE value IS NOT NULL GROUP BY 1, 2) AS c USING (place, start)"
        ).fetchall()
    assert len(found) == _count(database, "research.hour") == 2 * SEALS // 4
    assert set(found) == {(True,)}
