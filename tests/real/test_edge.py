# SPDX-License-Identifier: Apache-2.0
"""The `edge` topic on a real broker: a gateway that is killed in the middle loses nothing."""

import datetime as dt
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from schemas.ids import HEADER
from schemas.log import Headers, Kind, Topic, decode_log
from streams.city_files import assign_ids
from tests.cities import SMALL_TOML
from tests.real.kafka_service import MakeTopics, _Topics
from tests.services.process import Process, free_port, wait_until

pytestmark = pytest.mark.real
EDGE, GROUP, PARTITIONS, READINGS = "sensoren", "test-real-edge", 2, 100_000
LIMIT_S = 60.0


@pytest.fixture
def bootstrap(kafka_bootstrap: str, make_topics: MakeTopics) -> Iterator[str]:
    """A broker with the edge topic and none of Drukte's own."""
    ours = _Topics(kafka_bootstrap)
    ours.delete([topic.value for topic in Topic])
    make_topics(EDGE, partitions=PARTITIONS)
    yield kafka_bootstrap
    ours.delete([topic.value for topic in Topic])


def settings(folder: Path, bootstrap: str) -> Path:
    city = folder / "klein.toml"
    city.write_text(SMALL_TOML)
    city.with_suffix(".ids").write_text(HEADER)
    assign_ids(city)
    path = folder / "drukte.toml"
    path.write_text(f"""\
city = "klein.toml"
[kafka]
bootstrap = "{bootstrap}"
partitions = 3
[gateway]
port = {free_port()}
oldest_s = 1e7
[gateway.edge]
topic = "{EDGE}"
source = "cameras"
group = "{GROUP}"
""")
    return path


def start(path: Path, name: str) -> Process:
    return Process([sys.executable, "-m", "streams.cli", "gateway", "--settings", path], path.parent / f"{name}.log")


def produce(bootstrap: str) -> list[set[int]]:
    """Readings in every partition of the edge, each with a time of its own; their times by partition, in us."""
    producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 20, "queue.buffering.max.messages": 2 * READINGS})
    begin = dt.datetime.now(dt.UTC).replace(microsecond=0) - dt.timedelta(seconds=READINGS)
    sent: list[set[int]] = [set() for _ in range(PARTITIONS)]
    for number in range(READINGS):
        at = begin + dt.timedelta(seconds=number)
        body = {"sensor": "cam-plein", "metric": "people", "from": at, "to": at, "value": 1}
        producer.produce(EDGE, msgspec.json.encode(body), partition=number % PARTITIONS)
        sent[number % PARTITIONS].add(int(at.timestamp()) * 1_000_000)
    assert producer.flush(LIMIT_S) == 0
    return sent


class Log:
    """What `site-log` holds, read on at every look."""

    def __init__(self, bootstrap: str) -> None:
        self.begins: set[int] = set()
        self._consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test-log", "log_level": 2})
        self._consumer.assign([TopicPartition(Topic.SITE_LOG.value, number, 0) for number in range(3)])

    def look(self) -> set[int]:
        for message in self._consumer.consume(1000, 0.2):
            if message.error() is None:
                self.begins |= _begins(message)
        return self.begins

    def close(self) -> None:
        self._consumer.close()


def _begins(message: Message) -> set[int]:
    headers: Headers = message.headers()  # type: ignore[assignment]  # ours are a list
    decoded = decode_log(headers, message.value())
    return set(decoded.batch.begin.tolist()) if decoded.kind is Kind.READINGS and decoded.batch is not None else set()


def committed(bootstrap: str) -> list[int]:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": GROUP, "log_level": 2})
    try:
        found = consumer.committed([TopicPartition(EDGE, number) for number in range(PARTITIONS)], timeout=LIMIT_S)
    finally:
        consumer.close()
    return [max(place.offset, 0) for place in found]


def test_a_killed_gateway_loses_nothing(tmp_path: Path, bootstrap: str) -> None:
    path = settings(tmp_path, bootstrap)
    sent = produce(bootstrap)
    log = Log(bootstrap)
    first, second = start(path, "first"), None
    try:
        wait_until(lambda: bool(log.look()), LIMIT_S, "the first readings are in the log")
        first.stop(signal.SIGKILL)
        saved = committed(bootstrap)
        expected = {
            begin for times, offset in zip(sent, saved, strict=True) for begin in sorted(times)[:offset]
        }
        # Offsets never run ahead of the log.
        wait_until(lambda: expected <= log.look(), LIMIT_S, "what is committed is in the log")
        second = start(path, "second")
        wait_until(lambda: set.union(*sent) <= log.look(), LIMIT_S, "all readings are in the log")
        assert log.begins == set.union(*sent)
        wait_until(lambda: sum(committed(bootstrap)) == READINGS, LIMIT_S, "all is committed")
    finally:
        first.stop(signal.SIGKILL)
        if second is not None:
            second.stop()
        log.close()
    assert second.log_tail().count("gateway stopped") == 1
