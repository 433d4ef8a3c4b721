# SPDX-License-Identifier: Apache-2.0
"""The writer between a real broker and a real database."""

import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.alert import Transition, encode_transition
from schemas.command import encode_outcome
from schemas.errors import FatalError
from schemas.live import SCHEMAS, LiveTable, encode_rows
from schemas.log import Headers, Topic
from schemas.note import encode_note
from schemas.refusal import Reason
from streams import storage
from streams.settings import DatabaseSettings, KafkaSettings, Settings
from streams.writer.run import Writer, run_writer
from tests.cities import small_city
from tests.real.kafka_service import MakeTopics
from tests.real.timescale_service import Databases
from tests.services.process import wait_until
from tests.writer.samples import (
    Row,
    alert_headers,
    batch,
    gate_row,
    live_headers,
    note,
    outcome,
    outcome_headers,
    road_row,
    transition,
    zone_row,
)

pytestmark = pytest.mark.real
LIMIT_S = 60.0
PARTITIONS = 2
LARGE = {"max.message.bytes": "8000000"}


class Running:
    """A writer in a thread of its own."""

    def __init__(self, settings: Settings) -> None:
        self.stop_asked = threading.Event()
        self.error: BaseException | None = None
        self.writer = Writer(settings, small_city(), self.stop_asked)
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.writer.run()
        except BaseException as error:  # noqa: BLE001  handed to the test
            self.error = error

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def stop(self) -> None:
        self.stop_asked.set()
        self._thread.join(LIMIT_S)
        assert not self._thread.is_alive()
        if self.error is not None:
            raise self.error


class Chain:
    """Topics, a migrated database and any number of writers between them."""

    def __init__(self, bootstrap: str, uri: str, *, mock: bool = False) -> None:
        self.uri = uri
        self.settings = Settings(
            city=Path("unused.toml"), kafka=KafkaSettings(bootstrap=bootstrap, mock=mock),
            database=DatabaseSettings(uri=uri),
        )
        self._producer = Producer({"bootstrap.servers": bootstrap, "message.max.bytes": 8_000_000})
        self._sent: dict[tuple[str, int], int] = {}
        self._running: list[Running] = []

    def start(self) -> Running:
        self._running.append(Running(self.settings))
        return self._running[-1]

    def stop_all(self) -> None:
        for running in self._running:
            running.stop_asked.set()
        while self._running:
            self._running.pop().stop()

    def send(self, topic: Topic, headers: Headers, value: bytes, partition: int = 0) -> None:
        done: list[int] = []

        def acknowledged(error: object, message: Any) -> None:
            assert error is None, error
            done.append(message.offset())

        self._producer.produce(
            topic, value, partition=partition, headers=list(headers), on_delivery=acknowledged
        )
        assert self._producer.flush(LIMIT_S) == 0
        self._sent[topic, partition] = done[0] + 1

    def rows(self, table: LiveTable, *rows: Row, partition: int = 0) -> None:
        self.send(Topic.LIVE, live_headers(table), encode_rows(batch(table, *rows)), partition)

    def transitions(self, *found: Transition) -> None:
        for one in found:
            self.send(Topic.ALERTS, alert_headers(), encode_transition(one))

    def wait_written(self) -> None:
        """Until the database holds the offset of everything that was sent."""
        def done() -> bool:
            assert all(running.alive for running in self._running), "a writer ended by itself"
            return self.offsets() == self._sent
        wait_until(done, LIMIT_S, "everything sent is written")

    def offsets(self) -> dict[tuple[str, int], int]:
        return {(topic, partition): following for topic, partition, following
                in self.query("SELECT topic, partition, next_offset FROM engine.writer_offset "
                           "WHERE topic NOT IN ('ledger', 'dead-letters')")}

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        with storage.connect(self.uri) as session:
            return session.execute(statement.encode()).fetchall()

    def execute(self, statement: str) -> None:
        with storage.connect(self.uri) as session:
            session.execute(statement.encode())

    def stored(self, table: LiveTable) -> list[Row]:
        names = SCHEMAS[table].names
        found = self.query(f"SELECT {', '.join(names)} FROM live.{table} ORDER BY 1, window_start")  # noqa: S608
        return [dict(zip(names, row, strict=True)) for row in found]


@pytest.fixture(params=[True, False], ids=["timescale", "plain"])
def chain(
    request: pytest.FixtureRequest, databases: Databases, kafka_bootstrap: str, make_topics: MakeTopics
) -> Iterator[Chain]:
    uri = databases.create()
    storage.migrate(uri, timescale=request.param)
    make_topics(Topic.LIVE, Topic.ALERTS, Topic.DELIVERIES, partitions=PARTITIONS, settings=LARGE)
    make_topics(Topic.DEAD_LETTERS, Topic.ACCESS, Topic.NOTES)
    made = Chain(kafka_bootstrap, uri)
    try:
        yield made
    finally:
        made.stop_all()
        databases.drop(uri)


timescale_only = pytest.mark.parametrize("chain", [True], indirect=True, ids=["timescale"])


def _letters(bootstrap: str, number: int) -> list[dict[str, Any]]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test", "auto.offset.reset": "earliest"})
    consumer.assign([TopicPartition(Topic.DEAD_LETTERS, 0, 0)])
    found: list[dict[str, Any]] = []

    def all_there() -> bool:
        for message in consumer.consume(100, 0.2):
            assert message.error() is None
            found.append(msgspec.json.decode(message.value() or b""))
        return len(found) >= number
    try:
        wait_until(all_there, LIMIT_S, f"{number} dead letters")
    finally:
        consumer.close()
    return found


def test_rows_of_every_table_arrive_as_they_were_sent(chain: Chain) -> None:
    zones = [zone_row(1, percent_low=1.5, percent_high=2.5, trend=-1, level=3), zone_row(1, 1, None)]
    gates = [gate_row(1), gate_row(2, in_low=10, in_high=14, out_low=0, out_high=9, flow_low_per_m_min=1.25,
                                   flow_high_per_m_min=2.5, withheld=False)]
    roads = [road_row(7), road_row(8, vehicles=None, speed_km_h=None)]
    chain.rows(LiveTable.ZONE, *zones)
    chain.rows(LiveTable.GATE, *gates, partition=1)
    chain.start()
    chain.rows(LiveTable.ROAD, *roads, partition=1)
    chain.transitions(transition(percent_low=None, percent_high=None, people_low=None, people_high=None))
    chain.wait_written()
    assert chain.stored(LiveTable.ZONE) == zones
    assert chain.stored(LiveTable.GATE) == gates
    assert chain.stored(LiveTable.ROAD) == roads
    sent = transition()
    [row] = chain.query(
        "SELECT alert_id, seq, state_from, state_to, cause, people_low, percent_low, coverage, stale, "
        "round(extract(epoch FROM opened_at) * 1e6)::int8, round(extract(epoch FROM at) * 1e6)::int8 "
        "FROM live.transition"
    )
    assert row == (sent.alert_id, 1, "normal", "firing", "threshold", None, None, 0.5, False,
                   sent.opened_at_us, sent.at_us)
    joined = chain.query(
        "SELECT DISTINCT place.key FROM live.zone_minute JOIN engine.place "
        "ON place.kind = 'zone' AND place.number = zone_minute.zone"
    )
    assert joined == [("plein",)]


@timescale_only
def test_columns_that_are_null_throughout_stay_null(chain: Chain) -> None:
    chain.rows(LiveTable.ZONE, zone_row(1, 0, None), zone_row(1, 1, None))
    chain.rows(LiveTable.ROAD, road_row(vehicles=None, speed_km_h=None))
    chain.start()
    chain.wait_written()
    assert chain.stored(LiveTable.ZONE) == [zone_row(1, 0, None), zone_row(1, 1, None)]
    assert chain.stored(LiveTable.ROAD) == [road_row(vehicles=None, speed_km_h=None)]


def test_what_comes_again_changes_nothing_and_a_road_only_rises(chain: Chain) -> None:
    chain.start()
    chain.rows(LiveTable.ZONE, zone_row(people_low=10))
    chain.rows(LiveTable.GATE, gate_row(withheld=True))
    chain.rows(LiveTable.ROAD, road_row(vehicles=2.0, revision=2))
    chain.transitions(transition(seq=2, level_to=3), transition(seq=3, level_to=1))
    chain.wait_written()
    # In later flushes: an older revision, other values for people, and the same transition said otherwise.
    chain.rows(LiveTable.ZONE, zone_row(people_low=40))
    chain.rows(LiveTable.GATE, gate_row(withheld=False))
    chain.rows(LiveTable.ROAD, road_row(vehicles=1.0, revision=1))
    chain.transitions(transition(seq=3, level_to=2), transition(seq=1, level_to=2))
    chain.wait_written()
    assert chain.stored(LiveTable.ZONE) == [zone_row(people_low=10)]
    assert chain.stored(LiveTable.GATE) == [gate_row(withheld=True)]
    assert chain.stored(LiveTable.ROAD) == [road_row(vehicles=2.0, revision=2)]
    assert chain.query("SELECT seq, level_to FROM live.transition ORDER BY seq") == [(1, 2), (2, 3), (3, 1)]
    assert chain.query("SELECT seq, level_to FROM live.alert") == [(3, 1)]
    chain.rows(LiveTable.ROAD, road_row(vehicles=5.0, revision=3))
    chain.transitions(transition(seq=4, level_to=0))
    chain.wait_written()
    assert chain.stored(LiveTable.ROAD) == [road_row(vehicles=5.0, revision=3)]
    assert chain.query("SELECT seq, level_to FROM live.alert") == [(4, 0)]


def test_rows_and_offsets_move_together_or_not_at_all(chain: Chain) -> None:
    # The offset is the last statement of the transaction: refusing it there is a crash between the two.
    chain.execute(
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'disk full' USING ERRCODE = '53100'; END $$"
    )
    chain.execute("CREATE SEQUENCE tries")
    chain.execute(
        "CREATE FUNCTION count_try() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN PERFORM nextval('tries'); RETURN NEW; END $$"
    )
    chain.execute("CREATE TRIGGER counted BEFORE INSERT ON live.zone_minute "
                  "FOR EACH ROW EXECUTE FUNCTION count_try()")
    chain.execute("CREATE TRIGGER refused BEFORE INSERT ON engine.writer_offset "
                  "FOR EACH ROW EXECUTE FUNCTION refuse()")
    chain.start()
    chain.rows(LiveTable.ZONE, zone_row())
    chain.transitions(transition())
    wait_until(lambda: chain.query("SELECT last_value >= 2 FROM tries") == [(True,)], LIMIT_S, "two tries")
    assert chain.stored(LiveTable.ZONE) == []
    assert chain.query("SELECT count(*) FROM live.transition") == [(0,)]
    assert chain.offsets() == {}
    chain.execute("DROP TRIGGER refused ON engine.writer_offset")
    chain.wait_written()
    assert chain.stored(LiveTable.ZONE) == [zone_row()]
    assert chain.query("SELECT count(*) FROM live.transition") == [(1,)]


def test_a_new_writer_goes_on_where_the_last_one_was(chain: Chain) -> None:
    chain.start()
    chain.rows(LiveTable.ZONE, zone_row(minute=0))
    chain.wait_written()
    chain.stop_all()
    # Gone from the database, and still in the topic: read again, it would come back.
    chain.execute("DELETE FROM live.zone_minute")
    chain.rows(LiveTable.ZONE, zone_row(minute=1))
    chain.start()
    chain.wait_written()
    assert chain.stored(LiveTable.ZONE) == [zone_row(minute=1)]


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT], ids=["shutdown", "crash"])
def test_a_database_that_goes_away_and_comes_back_loses_nothing(
    chain: Chain, databases: Databases, how: signal.Signals
) -> None:
    running = chain.start()
    chain.rows(LiveTable.ZONE, *(zone_row(minute=minute) for minute in range(50)))
    chain.wait_written()
    databases.stop(how)
    try:
        for minute in range(50, 60):
            chain.rows(LiveTable.ZONE, zone_row(minute=minute))
            chain.rows(LiveTable.ROAD, road_row(minute=minute), partition=1)
        chain.transitions(transition())
    finally:
        databases.start()
    chain.wait_written()
    assert running.alive
    assert chain.stored(LiveTable.ZONE) == [zone_row(minute=minute) for minute in range(60)]
    assert chain.stored(LiveTable.ROAD) == [road_row(minute=minute) for minute in range(50, 60)]
    assert chain.query("SELECT count(*) FROM live.alert") == [(1,)]


def test_two_writers_at_once_write_what_one_would(chain: Chain) -> None:
    chain.start()
    chain.start()
    for minute in range(40):
        # Roads in turn from below and from above, so that two unordered writers would block each other.
        zones = range(20) if minute % 2 else range(19, -1, -1)
        chain.rows(LiveTable.ROAD, *(road_row(zone, vehicles=minute, revision=minute) for zone in zones))
        chain.rows(LiveTable.ZONE, zone_row(minute=minute), partition=1)
        chain.transitions(transition(seq=minute))
    chain.wait_written()
    assert chain.stored(LiveTable.ROAD) == [road_row(zone, vehicles=39.0, revision=39) for zone in range(20)]
    assert chain.stored(LiveTable.ZONE) == [zone_row(minute=minute) for minute in range(40)]
    assert chain.query("SELECT seq FROM live.alert") == [(39,)]
    assert chain.query("SELECT count(*) FROM live.transition") == [(40,)]


def test_refused_messages_become_dead_letters_and_the_others_are_written(
    chain: Chain, kafka_bootstrap: str
) -> None:
    marker = "kenteken-12-ab-3"
    chain.rows(LiveTable.ZONE, zone_row(minute=0))
    chain.send(Topic.LIVE, live_headers(LiveTable.ZONE), marker.encode())
    # Well formed, and what no column can hold: only the database finds out.
    chain.rows(LiveTable.ROAD, road_row(vehicle_class=f"{marker}\x00"))
    chain.rows(LiveTable.ROAD, road_row(vehicles=3.0))
    chain.send(Topic.ALERTS, [("ce_type", b"nl.drukte.alert.transition.v9")], marker.encode())
    chain.transitions(transition("good"), transition("wide", level_to=2**20), transition("good", seq=2))
    running = chain.start()
    chain.wait_written()
    assert chain.stored(LiveTable.ZONE) == [zone_row(minute=0)]
    assert chain.stored(LiveTable.ROAD) == [road_row(vehicles=3.0)]
    assert chain.query("SELECT alert_id, seq FROM live.alert") == [("good", 2)]
    letters = _letters(kafka_bootstrap, 4)
    told = sorted((one["topic"], one["offset"], one["reason"]) for one in letters)
    assert told == [
        (Topic.ALERTS, 0, Reason.UNKNOWN_KIND), (Topic.ALERTS, 2, Reason.BAD_VALUE),
        (Topic.LIVE, 1, Reason.MALFORMED), (Topic.LIVE, 2, Reason.BAD_VALUE),
    ]
    assert marker not in repr(letters)
    sizes = {(one["topic"], one["offset"]): one["size"] for one in letters}
    assert sizes[Topic.LIVE, 1] == len(marker)
    assert running.writer.refused == {Reason.UNKNOWN_KIND: 1, Reason.BAD_VALUE: 2, Reason.MALFORMED: 1}


@timescale_only
def test_nothing_of_a_refused_message_is_logged(chain: Chain, capfd: pytest.CaptureFixture[str]) -> None:
    chain.rows(LiveTable.ROAD, road_row(vehicle_class="kenteken\x00"))
    chain.send(Topic.ALERTS, alert_headers(), b'{"kenteken": 1}')
    chain.start()
    chain.wait_written()
    chain.stop_all()
    out, err = capfd.readouterr()
    assert "refused" in out + err
    assert "kenteken" not in out + err


@timescale_only
def test_a_topic_that_was_made_anew_is_read_from_its_beginning(chain: Chain, make_topics: MakeTopics) -> None:
    for minute in range(5):
        chain.rows(LiveTable.ZONE, zone_row(minute=minute))
    chain.start()
    chain.wait_written()
    chain.stop_all()
    make_topics(Topic.LIVE, partitions=PARTITIONS, settings=LARGE)
    chain.rows(LiveTable.ZONE, zone_row(minute=10))
    chain.start()
    chain.wait_written()
    assert chain.stored(LiveTable.ZONE)[-1] == zone_row(minute=10)


@timescale_only
def test_a_database_that_is_put_back_under_the_writer_ends_it_and_the_next_one_fills_it_again(chain: Chain) -> None:
    running = chain.start()
    chain.rows(LiveTable.ZONE, zone_row(minute=0))
    chain.wait_written()
    chain.rows(LiveTable.ZONE, zone_row(minute=1))
    chain.wait_written()
    chain.execute("DELETE FROM live.zone_minute WHERE window_start = (SELECT max(window_start) FROM live.zone_minute)")
    chain.execute("UPDATE engine.writer_offset SET next_offset = next_offset - 1 WHERE topic = 'live'")
    chain.rows(LiveTable.ZONE, zone_row(minute=2))
    wait_until(lambda: not running.alive, LIMIT_S, "the writer ends")
    with pytest.raises(FatalError, match="put back under the running writer"):
        chain.stop_all()
    chain.start()
    chain.wait_written()
    assert chain.stored(LiveTable.ZONE) == [zone_row(minute=minute) for minute in range(3)]


@timescale_only
def test_a_large_message_and_many_rows_go_through(chain: Chain) -> None:
    rows = [road_row(zone, minute) for zone in range(3000) for minute in range(10)]
    for half in (rows[:15_000], rows[15_000:]):
        chain.rows(LiveTable.ROAD, *half)
    chain.start()
    chain.wait_written()
    assert chain.query("SELECT count(*) FROM live.road_minute") == [(30_000,)]


@timescale_only
def test_the_writer_waits_for_topics_that_are_not_there_yet(
    chain: Chain, make_topics: MakeTopics, capfd: pytest.CaptureFixture[str]
) -> None:
    admin = AdminClient({"bootstrap.servers": chain.settings.kafka.bootstrap})
    admin.delete_topics([Topic.ALERTS], operation_timeout=30)[Topic.ALERTS].result()
    shown: list[str] = []

    def waiting() -> bool:
        shown.append(capfd.readouterr().out)
        return "waiting" in "".join(shown)

    chain.start()
    wait_until(waiting, LIMIT_S, "the writer says that it waits")
    make_topics(Topic.ALERTS, partitions=PARTITIONS)
    chain.transitions(transition())
    chain.wait_written()
    assert chain.query("SELECT count(*) FROM live.alert") == [(1,)]


def test_without_tables_the_writer_ends_with_what_to_do(
    empty_database: str, kafka_bootstrap: str
) -> None:
    settings = Chain(kafka_bootstrap, empty_database).settings
    with pytest.raises(FatalError, match="drukte db migrate"):
        run_writer(settings, small_city(), threading.Event())


def test_it_stops_while_the_database_is_away(kafka_bootstrap: str) -> None:
    running = Running(Chain(kafka_bootstrap, "postgresql://drukte@127.0.0.1:1/drukte").settings)
    running.stop()


def test_the_mock_cluster_will_do(empty_database: str) -> None:
    storage.migrate(empty_database, timescale=False)
    owner = Producer({"test.mock.num.brokers": 1})
    [broker] = owner.list_topics(timeout=10).brokers.values()
    chain = Chain(f"{broker.host}:{broker.port}", empty_database, mock=True)
    chain.start()
    try:
        chain.rows(LiveTable.ZONE, zone_row(), partition=3)
        chain.transitions(transition())
        chain.wait_written()
        assert chain.stored(LiveTable.ZONE) == [zone_row()]
    finally:
        chain.stop_all()


def test_a_session_that_is_ended_by_the_administrator_is_opened_again(chain: Chain) -> None:
    chain.start()
    chain.rows(LiveTable.ZONE, zone_row(minute=0))
    chain.wait_written()
    ended = chain.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'drukte writer' AND datname = current_database()"
    )
    assert ended == [(True,)]
    chain.rows(LiveTable.ZONE, zone_row(minute=1))
    chain.wait_written()
    assert chain.stored(LiveTable.ZONE) == [zone_row(minute=0), zone_row(minute=1)]


def test_outcomes_and_notes_are_written_and_no_word_of_a_note_is_said(
    chain: Chain, capfd: pytest.CaptureFixture[str]
) -> None:
    chain.start()
    chain.send(Topic.ALERTS, outcome_headers("c-1", 3), encode_outcome(outcome("c-1")))
    chain.send(Topic.NOTES, *encode_note(note()))
    refused, _ = encode_note(note(id="n-2"))
    chain.send(Topic.NOTES, refused, b'{"text": "Jan"}')
    chain.wait_written()
    assert chain.query("SELECT command_id, partition, done FROM live.command_outcome") == [("c-1", 3, "done")]
    assert chain.query("SELECT id, text FROM live.note") == [("n-1", note().text)]
    assert "Jan" not in "".join(capfd.readouterr())
