# SPDX-License-Identifier: Apache-2.0
"""Workers that are killed, frozen and woken again say exactly what one undisturbed fold says."""

import os
import random
import re
import secrets
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from schemas.log import Headers, LogMessage, ReadHeaders, Topic, decode_log, encode_log
from schemas.snapshot import LATEST_KEY, decode_head
from streams.core.step import Partition
from streams.settings import KafkaSettings, WorkerSettings
from streams.topics import topic_plans
from streams.worker.effects import outgoing
from tests.conftest import ROOT
from tests.real.kafka_service import MakeTopics
from tests.services.process import Process, wait_until
from tests.worker.process import Order
from tests.worker.sites import SITES, city_of_sites, feed

pytestmark = pytest.mark.real
PARTITIONS = 3
KILLS = 4
PACE_S = 0.014
"""Between two messages, so that kills fall between snapshots, effects and acknowledgements."""
LIMIT_S = 90.0
CITY = city_of_sites(SITES)
GOES_ON = re.compile(r"goes on at its snapshot.*\boffset=(\d+) partition=(\d+)")

Identity = tuple[str, bytes]


class Listener:
    """Every message of some topics, from their beginnings."""

    def __init__(self, bootstrap: str, *topics: Topic, partitions: int = PARTITIONS) -> None:
        self._consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test-restart",
                                   "enable.auto.commit": False, "fetch.wait.max.ms": 50})
        self._consumer.assign([
            TopicPartition(topic.value, number, 0) for topic in topics for number in range(partitions)
        ])
        self.messages: list[Message] = []

    def listen(self) -> list[Message]:
        """All messages so far."""
        found = self._consumer.consume(1_000, timeout=0.05)
        assert all(one.error() is None for one in found)
        self.messages += found
        return self.messages

    def said(self) -> dict[Identity, bytes]:
        """Every effect so far; two with one identity have to be the same."""
        effects: dict[Identity, bytes] = {}
        for one in self.listen():
            identity = (str(one.topic()), dict(headers(one))["ce_id"])
            value = one.value() or b""
            assert effects.setdefault(identity, value) == value, identity
        return effects

    def close(self) -> None:
        self._consumer.close()


class Feeder(threading.Thread):
    """Writes messages to the log, one by one."""

    def __init__(self, bootstrap: str, messages: Sequence[tuple[int, LogMessage]]) -> None:
        super().__init__()
        self._producer = Producer({"bootstrap.servers": bootstrap, "linger.ms": 1})
        self._messages = messages
        self._stopping = threading.Event()

    def run(self) -> None:
        for number, message in self._messages:
            encoded_headers, value = encode_log(message)
            self._producer.produce(
                Topic.SITE_LOG.value, value, partition=number, headers=list(encoded_headers)
            )
            self._producer.poll(0)
            if self._stopping.wait(PACE_S):
                break
        self._producer.flush(10)

    def stop(self) -> None:
        """End it."""
        self._stopping.set()
        self.join()


class Workers:
    """Worker processes and their logs."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self._kafka = KafkaSettings(bootstrap=bootstrap, partitions=PARTITIONS)
        self._folder = folder
        self._running: list[Process] = []

    def start(self, instance: str) -> Process:
        """Start a worker under a name of the group."""
        order = Order(kafka=self._kafka, worker=WorkerSettings(snapshot_s=0.3, session_s=6), instance=instance,
                      several_sites=True)
        process = Process(order.command(), self._folder / f"{instance}-{len(self._running)}.log")
        self._running.append(process)
        return process

    def stop(self) -> None:
        """End all of them."""
        for process in self._running:
            process.stop(signal.SIGKILL)

    def logs(self) -> str:
        """The ends of all logs."""
        return "\n".join(f"--- {process.log.name}\n{process.log_tail()}" for process in self._running)


def headers(message: Message) -> Headers:
    return cast("Headers", message.headers())


def undisturbed(messages: Sequence[Message]) -> dict[Identity, bytes]:
    """What one fold in this process says about the same log."""
    states = [Partition(CITY, PARTITIONS, number) for number in range(PARTITIONS)]
    effects: dict[Identity, bytes] = {}
    for one in messages:
        number, offset = cast("int", one.partition()), cast("int", one.offset())
        decoded = decode_log(cast("ReadHeaders", one.headers()), one.value())
        for position, effect in enumerate(states[number].step(decoded, one.timestamp()[1] * 1000)):
            letter = outgoing(effect, number, offset, position)
            effects[letter.topic.value, dict(letter.headers)["ce_id"]] = letter.value
    return effects


def offsets_of_snapshots(messages: Sequence[Message]) -> set[tuple[int, int]]:
    return {
        (cast("int", one.partition()), decode_head(headers(one)).next_offset)
        for one in messages if one.key() == LATEST_KEY
    }


def begins(process: Process) -> dict[int, int]:
    """By partition, at which snapshot a worker went on."""
    text = process.log.read_text()
    assert "cold start" not in text
    return {int(number): int(offset) for offset, number in GOES_ON.findall(text)}


@pytest.fixture
def topics(kafka_bootstrap: str, make_topics: MakeTopics) -> str:
    for plan in topic_plans(PARTITIONS):
        make_topics(plan.topic.value, partitions=plan.partitions, settings=plan.config)
    return kafka_bootstrap


@pytest.fixture
def workers(topics: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Workers]:
    monkeypatch.chdir(ROOT)
    running = Workers(topics, tmp_path)
    yield running
    running.stop()


def test_killed_and_frozen_workers_say_what_one_undisturbed_fold_says(topics: str, workers: Workers) -> None:
    seed = secrets.randbelow(1_000_000)
    print(f"seed {seed}")  # noqa: T201  # to play a failure again
    messages = list(feed(CITY, SITES, PARTITIONS, 300, seed))
    log, effects = Listener(topics, Topic.SITE_LOG), Listener(topics, Topic.LIVE, Topic.ALERTS)
    snapshots = Listener(topics, Topic.SNAPSHOTS)
    feeders: list[Feeder] = []
    try:
        fed = _fed(topics, feeders, messages[:1_500])
        _kill_at_random(workers, effects, snapshots, random.Random(seed))  # noqa: S311
        one = workers.start("one")
        fed.join()
        _wait_for_all(log, effects, 1_500)
        two = workers.start("two")
        wait_until(lambda: bool(begins(two)), LIMIT_S, "the second worker has a partition")
        assert len(begins(two)) < PARTITIONS
        os.kill(one.pid, signal.SIGSTOP)
        _fed(topics, feeders, messages[1_500:1_800]).join()
        _wait_for_all(log, effects, 1_800)
        assert len(begins(two)) == PARTITIONS
        os.kill(one.pid, signal.SIGCONT)
        _fed(topics, feeders, messages[1_800:]).join()
        _wait_for_all(log, effects, len(messages))
        assert {topic for topic, _ in effects.said()} == {Topic.LIVE, Topic.ALERTS}
        assert set(begins(one).items()) <= offsets_of_snapshots(snapshots.listen())
    except BaseException as error:
        error.add_note(workers.logs())
        raise
    finally:
        for feeder in feeders:
            feeder.stop()
        for listener in (log, effects, snapshots):
            listener.close()


def _fed(bootstrap: str, feeders: list[Feeder], messages: Sequence[tuple[int, LogMessage]]) -> Feeder:
    feeders.append(Feeder(bootstrap, messages))
    feeders[-1].start()
    return feeders[-1]


def _kill_at_random(workers: Workers, effects: Listener, snapshots: Listener, rng: random.Random) -> None:
    for kill in range(KILLS):
        known, started_s = len(effects.said()), time.monotonic()
        worker = workers.start("one")
        wait_until(lambda known=known: len(effects.said()) > known, LIMIT_S, "a new effect")  # type: ignore[misc]
        print(f"start {kill} to first new effect: {time.monotonic() - started_s:.2f} s")  # noqa: T201
        enough = len(effects.said()) + rng.randint(0, 25)
        wait_until(lambda: len(effects.said()) >= enough, LIMIT_S, "more effects")  # noqa: B023
        wait_until(lambda: len({number for number, _ in offsets_of_snapshots(snapshots.listen())}) == PARTITIONS,
                   LIMIT_S, "each partition has a snapshot")
        worker.stop(signal.SIGKILL)
        begun = begins(worker)
        assert len(begun) == (PARTITIONS if kill else 0)
        assert set(begun.items()) <= offsets_of_snapshots(snapshots.listen())


def _wait_for_all(log: Listener, effects: Listener, messages: int) -> None:
    """Wait until every effect of the log was said; none that it does not give."""
    wait_until(lambda: len(log.listen()) == messages, LIMIT_S, "the log is written")
    expected = undisturbed(log.messages)
    wait_until(lambda: len(effects.said()) >= len(expected), LIMIT_S, f"{len(expected)} effects")
    said = effects.said()
    differing = sorted(one for one in said.keys() | expected.keys() if said.get(one) != expected.get(one))
    assert not differing, [(one, said.get(one), expected.get(one)) for one in differing[:3]]
