# SPDX-License-Identifier: Apache-2.0
"""What ages out before the writer comes to it is put on record; a writer that stands still ends."""

import threading
from collections.abc import Iterator

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.errors import FatalError
from schemas.live import LiveTable
from schemas.log import Topic
from streams import losses, storage
from streams.metrics import LOST
from streams.writer.loss import Loss, record
from streams.writer.run import Writer
from tests.cities import small_city
from tests.real.kafka_service import MakeTopics
from tests.real.test_writer import LARGE, LIMIT_S, PARTITIONS, Chain
from tests.services.process import wait_until
from tests.writer.samples import transition, zone_row

pytestmark = pytest.mark.real


@pytest.fixture
def chain(fresh_database: str, kafka_bootstrap: str, make_topics: MakeTopics) -> Iterator[Chain]:
    make_topics(Topic.LIVE, Topic.ALERTS, Topic.DELIVERIES, Topic.SEALS, partitions=PARTITIONS, settings=LARGE)
    make_topics(Topic.DEAD_LETTERS, Topic.ACCESS, Topic.NOTES, Topic.LEDGER)
    made = Chain(kafka_bootstrap, fresh_database)
    try:
        yield made
    finally:
        made.stop_all()


def wait_written(chain: Chain) -> None:
    wait_until(lambda: chain.offsets().items() >= chain._sent.items(), LIMIT_S, "everything sent is written")


def delete_before(chain: Chain, topic: Topic, offset: int) -> None:
    client = AdminClient({"bootstrap.servers": chain.settings.kafka.bootstrap})
    for done in client.delete_records([TopicPartition(topic.value, 0, offset)]).values():
        done.result()


def test_rows_that_aged_out_are_on_record_with_the_times_between_which_they_lie(chain: Chain) -> None:
    chain.rows(LiveTable.ZONE, zone_row(minute=0))
    chain.transitions(transition())
    chain.start()
    wait_written(chain)
    chain.stop_all()
    for minute in range(1, 4):
        chain.rows(LiveTable.ZONE, zone_row(minute=minute))
    delete_before(chain, Topic.LIVE, 4)
    chain.rows(LiveTable.ZONE, zone_row(minute=9))
    chain.transitions(transition(seq=2), transition(seq=3))
    delete_before(chain, Topic.ALERTS, 3)  # nothing is left there
    running = chain.start()
    wait_written(chain)
    wait_until(lambda: len(chain.query("SELECT 1 FROM engine.loss")) == 2, LIMIT_S, "two losses are on record")
    found = chain.query("SELECT topic, partition, first_offset, next_offset, messages, sent_after < sent_before, "
                        "sent_before <= noticed_at FROM engine.loss ORDER BY topic")
    assert found == [("alerts", 0, 1, 3, 2, None, None), ("live", 0, 1, 4, 3, True, True)]
    assert chain.stored(LiveTable.ZONE) == [zone_row(minute=0), zone_row(minute=9)]
    figures = {figure.label: figure.value for figure in running.writer.figures() if figure.metric is LOST}
    assert figures == {"live": 3, "alerts": 2}
    with storage.connect(chain.uri) as session:
        told = losses.of_the_topics(session)
    assert len(told) == 2
    assert any("live[0]: 3 messages sent after" in text for text in told)

    chain.transitions(transition(seq=4))
    wait_written(chain)
    figures = {figure.label: figure.value for figure in running.writer.figures() if figure.metric is LOST}
    assert figures == {"live": 3, "alerts": 2}  # nor is it counted again by the first message behind it

    chain.stop_all()
    chain.rows(LiveTable.ZONE, zone_row(minute=10))
    chain.start()
    wait_written(chain)
    assert len(chain.query("SELECT 1 FROM engine.loss")) == 2  # nobody loses the same twice


@pytest.mark.parametrize(("written", "then"), [(10, 10), (12, 500), (400, 500), (600, 600)])
def test_a_loss_never_passes_over_messages_that_are_not_written_yet(
    fresh_database: str, written: int, then: int
) -> None:
    with storage.connect(fresh_database) as session:
        session.execute("INSERT INTO engine.writer_offset (topic, partition, next_offset) VALUES ('seals', 0, %s)",
                        (written,))
        record(session, [Loss(Topic.SEALS, 0, 12, 500)])  # 10 and 11 may be in hand when it is found
        assert session.execute("SELECT next_offset FROM engine.writer_offset").fetchall() == [(then,)]
        assert session.execute("SELECT first_offset, next_offset FROM engine.loss").fetchall() == [(12, 500)]


def test_a_writer_that_stands_still_though_all_answer_ends_with_an_error(chain: Chain) -> None:
    chain.rows(LiveTable.ZONE, zone_row(minute=0))
    failures: list[BaseException] = []
    stop = threading.Event()
    writer = Writer(chain.settings, small_city(), stop, watch_s=0.3)

    def run() -> None:
        try:
            writer.run()
        except FatalError as error:
            failures.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        wait_until(lambda: len(chain.stored(LiveTable.ZONE)) == 1, LIMIT_S, "the first row is written")
        with storage.connect(chain.uri) as session, session.transaction():
            session.execute("LOCK TABLE live.zone_minute IN ACCESS EXCLUSIVE MODE")
            sent = iter(range(1, 1_000))

            def ended() -> bool:
                chain.rows(LiveTable.ZONE, zone_row(minute=next(sent)))
                return not thread.is_alive()

            wait_until(ended, LIMIT_S, "the writer ends")
    finally:
        stop.set()
        thread.join(LIMIT_S)
    [failure] = failures
    assert "nothing was written" in str(failure)


def test_a_writer_that_is_behind_but_moves_is_left_alone(chain: Chain) -> None:
    stop = threading.Event()
    writer = Writer(chain.settings, small_city(), stop, watch_s=0.1)
    thread = threading.Thread(target=writer.run)
    thread.start()
    try:
        for minute in range(30):
            chain.rows(LiveTable.ZONE, zone_row(minute=minute))
        wait_until(lambda: len(chain.stored(LiveTable.ZONE)) == 30, LIMIT_S, "all is written")
        assert thread.is_alive()
    finally:
        stop.set()
        thread.join(LIMIT_S)
