# SPDX-License-Identifier: Apache-2.0
"""One deployment through its outages, in this order: poison, the database away, the broker away, all told to stop."""

import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from confluent_kafka import Producer

from schemas.live import LiveTable, encode_rows
from schemas.log import Kind, Topic, event_headers
from tests.chaos import oracle
from tests.chaos.away import database_away
from tests.chaos.deployment import PARTITIONS, PROGRAMS, Deployment
from tests.real.timescale_service import Databases
from tests.services.cache import kafka_dir
from tests.services.kafka import KafkaServer
from tests.services.missing import give_up
from tests.services.process import wait_until
from tests.writer.samples import alert_headers, batch, live_headers, zone_row

pytestmark = [pytest.mark.real, pytest.mark.usefixtures("deployment")]
LIMIT_S = 120.0
STOP_S = 30.0
POISONED = (Topic.SITE_LOG, Topic.LIVE, Topic.ALERTS, Topic.SEALS)


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory, databases: Databases) -> Iterator[Deployment]:
    """A deployment on a broker of its own, which may be killed."""
    if not kafka_dir().is_dir():
        give_up("Kafka")
    folder: Path = tmp_path_factory.mktemp("outages")
    (folder / "kafka").mkdir()
    kafka = KafkaServer(kafka_dir(), folder / "kafka")
    kafka.start()
    try:
        with Deployment(folder, kafka, databases.create()) as running:
            yield running
    finally:
        kafka.stop(signal.SIGKILL)


def poison(bootstrap: str) -> int:
    """Bytes that nobody can read, on each topic; how many messages."""
    producer = Producer({"bootstrap.servers": bootstrap, "message.max.bytes": 8_000_000, "linger.ms": 0})
    good = encode_rows(batch(LiveTable.ZONE, zone_row()))
    readings = event_headers(f"{Kind.READINGS}.v1", "urn:x", "1", "x")
    wrong: dict[Topic, list[tuple[list[tuple[str, bytes]], bytes]]] = {
        Topic.SITE_LOG: [(readings, good[:40]), ([*readings, ("ce_ingestedat", b"soon"), ("ce_clock", b"\xff")], good)],
        Topic.LIVE: [(live_headers(LiveTable.ZONE), good[:-30]), (live_headers(LiveTable.ROAD), good)],
        Topic.ALERTS: [(alert_headers(), b'{"alert_id": 1}'), (alert_headers(), good)],
        Topic.SEALS: [(event_headers("seal.v1", "urn:x", "1", "x"), good[:40])],
    }
    sent = 0
    numbers = random.Random(5)  # noqa: S311  # data of a test
    for topic in POISONED:
        huge = numbers.randbytes(900_000 if topic is Topic.ALERTS else 6_000_000)
        anything: list[tuple[list[tuple[str, bytes]], bytes]] = [([], numbers.randbytes(50)), ([], b""), ([], huge)]
        for number, (headers, value) in enumerate([*anything, *wrong[topic]]):
            producer.produce(topic.value, value, partition=number % PARTITIONS, headers=list(headers))
            sent += 1
    assert producer.flush(LIMIT_S) == 0
    return sent


def test_poison_changes_nothing_else(deployment: Deployment) -> None:
    deployment.wait_for_news("the event runs")
    poison(deployment.kafka.bootstrap)
    deployment.wait_for_news("it goes on behind the poison")
    before = deployment.rows_written_to()
    wait_until(lambda: deployment.rows_written_to() > before + PARTITIONS, LIMIT_S, "rows are written behind it")
    assert all(process.status is None for process in deployment.processes.values())


def test_without_the_database_alerts_and_wall_go_on(deployment: Deployment, databases: Databases) -> None:
    absence = database_away(deployment, databases, away_s=2.0)
    assert absence.told > 0
    assert absence.changes > 0
    before = deployment.rows_written_to()
    wait_until(lambda: deployment.rows_written_to() > before, LIMIT_S, "the writer goes on")


def test_a_broker_that_is_killed_and_comes_back_loses_nothing(deployment: Deployment) -> None:
    deployment.kafka.stop(signal.SIGKILL)
    try:
        wait_until(lambda: deployment.status("gateway", "/health") == 503, LIMIT_S, "the gateway says that it waits")
        tries = deployment.feed.tries_again
        wait_until(lambda: deployment.feed.tries_again > tries, LIMIT_S, "a post is answered 503")
    finally:
        deployment.kafka.start()
    wait_until(lambda: deployment.status("gateway", "/health") == 200, LIMIT_S, "the gateway is well again")
    deployment.wait_for_news("worker, deliver and wall go on")
    assert all(process.status is None for process in deployment.processes.values()), deployment.logs()
    truth = deployment.settle()
    assert oracle.lost(deployment.feed.acknowledged, truth.logged) == []
    assert not deployment.feed.troubles
    assert truth.refused == 5  # the poison of the log: one more empty, one more huge
    # It is over before there is enough to look ahead from.
    assert all(truth.rows[table] for table in oracle.TABLES if table != LiveTable.OUTLOOK)


@pytest.mark.parametrize("name", PROGRAMS[1:])
def test_each_process_ends_when_told_while_the_broker_is_away(deployment: Deployment, name: str) -> None:
    deployment.kafka.stop(signal.SIGKILL)
    process = deployment.processes[name]
    runs = process.status
    process.stop(signal.SIGTERM, STOP_S)
    assert (runs, process.status in (0, 1)) == (None, True), "it did not end in time"
