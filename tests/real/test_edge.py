# SPDX-License-Identifier: Apache-2.0
"""The `edge` topic on a real broker: gateways that are killed, or join, in the middle lose nothing."""

import datetime as dt
import re
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
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
OLDEST_S = 5_000_000


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
oldest_s = {2 * OLDEST_S}
[gateway.edge]
topic = "{EDGE}"
source = "cameras"
group = "{GROUP}"
""")
    return path


def start(path: Path, name: str) -> Process:
    return Process([sys.executable, "-m", "streams.cli", "gateway", "--settings", path], path.parent / f"{name}.log")


class Feed:
    """Readings for every partition of the edge in turn, each with a time of its own."""

    def __init__(self, bootstrap: str) -> None:
        self.sent: list[list[int]] = [[] for _ in range(PARTITIONS)]
        """Their times by partition, in us, in the order of their offsets."""
        self._producer = Producer({
            "bootstrap.servers": bootstrap, "linger.ms": 20, "queue.buffering.max.messages": 2 * READINGS,
        })
        self._next = dt.datetime.now(dt.UTC).replace(microsecond=0) - dt.timedelta(seconds=OLDEST_S)
        self._ended = threading.Event()

    def produce(self, count: int) -> None:
        """So many more, acknowledged by the broker."""
        for number in range(count):
            at = self._next + dt.timedelta(seconds=number)
            body = {"sensor": "cam-plein", "metric": "people", "from": at, "to": at, "value": 1}
            self._producer.produce(EDGE, msgspec.json.encode(body), partition=number % PARTITIONS)
            self.sent[number % PARTITIONS].append(int(at.timestamp()) * 1_000_000)
        self._next += dt.timedelta(seconds=count)
        assert self._producer.flush(LIMIT_S) == 0

    @contextmanager
    def flowing(self) -> Iterator[None]:
        """Meanwhile some 10,000 readings a second come."""
        def run() -> None:
            while not self._ended.wait(0.1):
                self.produce(1_000)
        with ThreadPoolExecutor(1) as thread:
            running = thread.submit(run)
            try:
                yield
            finally:
                self._ended.set()
                running.result(LIMIT_S)

    def times(self) -> set[int]:
        """Of all readings."""
        return {at_us for times in self.sent for at_us in times}

    def first(self, offsets: list[int]) -> set[int]:
        """Times of the readings before these offsets."""
        return {at_us for times, offset in zip(self.sent, offsets, strict=True) for at_us in times[:offset]}


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
    feed, log = Feed(bootstrap), Log(bootstrap)
    feed.produce(READINGS)
    first, second = start(path, "first"), None
    try:
        wait_until(lambda: bool(log.look()), LIMIT_S, "the first readings are in the log")
        first.stop(signal.SIGKILL)
        # Offsets never run ahead of the log.
        expected = feed.first(committed(bootstrap))
        wait_until(lambda: expected <= log.look(), LIMIT_S, "what is committed is in the log")
        second = start(path, "second")
        wait_until(lambda: feed.times() <= log.look(), LIMIT_S, "all readings are in the log")
        assert log.begins == feed.times()
        wait_until(lambda: sum(committed(bootstrap)) == READINGS, LIMIT_S, "all is committed")
    finally:
        first.stop(signal.SIGKILL)
        if second is not None:
            second.stop()
        log.close()
    assert second.log_tail().count("gateway stopped") == 1


def test_gateways_that_share_the_topic_take_over_from_one_another(tmp_path: Path, bootstrap: str) -> None:
    feed, log = Feed(bootstrap), Log(bootstrap)
    with ExitStack() as stack:
        stack.callback(log.close)

        def joins(name: str) -> Process:
            folder = tmp_path / name
            folder.mkdir()
            gateway = start(settings(folder, bootstrap), name)
            stack.callback(gateway.stop, signal.SIGKILL)
            wait_until(lambda: "edge partitions" in gateway.log_tail(), LIMIT_S, f"{name} has its part")
            return gateway

        with feed.flowing():
            first = joins("first")
            second = joins("second")
            first.stop(signal.SIGKILL)
            expected = feed.first(committed(bootstrap))
            wait_until(lambda: expected <= log.look(), LIMIT_S, "what is committed is in the log")
            third = joins("third")
            wait_until(lambda: all(_held(one) for one in (second, third)), LIMIT_S, "both have a partition")
            second.stop()
            expected = feed.first(committed(bootstrap))
            wait_until(lambda: expected <= log.look(), LIMIT_S, "what is committed is in the log")
        sent = feed.times()
        wait_until(lambda: sent <= log.look(), LIMIT_S, "all readings are in the log")
        assert log.begins == sent
        ends = list(map(len, feed.sent))
        wait_until(lambda: committed(bootstrap) == ends, LIMIT_S, "all is committed")
    assert second.log_tail().count("gateway stopped") == 1


def _held(gateway: Process) -> list[int]:
    """Which partitions a gateway has, as it said last."""
    said = re.findall(r"edge partitions.*?partitions=\[([0-9, ]*)\]", gateway.log_tail())
    return [int(number) for number in said[-1].split(",") if number] if said else []
