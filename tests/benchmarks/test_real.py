# SPDX-License-Identifier: Apache-2.0
"""On a real broker: the answers that the figures stand on are right."""

import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from confluent_kafka import Consumer, TopicPartition

from benchmarks import gateway, worker, workers
from benchmarks.profile import STAGES
from benchmarks.stage import Stage, produce, quick_producer
from schemas.log import Topic
from tests.conftest import ROOT
from tests.real.kafka_service import MakeTopics, _Topics
from tests.services.process import Process, wait_until

pytestmark = pytest.mark.real
PARTITIONS, SENSORS, WINDOW_MS, START_MS = 4, 200, 60_000, 1_772_362_800_000
LIMIT_S = 180.0
Windows = dict[tuple[str, int], tuple[int, int]]
"""Sum and number of readings, by sensor and start of the window in ms."""


@pytest.fixture
def stage(kafka_bootstrap: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    """A stage on the tests' broker, which has none of Drukte's topics before and after."""
    monkeypatch.chdir(ROOT)
    with Stage(lambda _: None, kafka_bootstrap) as made:
        yield made
    _Topics(kafka_bootstrap).delete([topic.value for topic in Topic])


def test_one_worker_and_two_give_the_same_answer(stage: Stage) -> None:
    figures = workers.run(stage, short=True)  # it raises where they differ
    said = next(figure for figure in figures if figure.unit == "effects")
    # 60 steps are ten minutes; the first is never closed and the last two not yet: rows in each of four partitions.
    assert said.value > 4 * 6


def test_worker_and_gateway_are_measured_to_their_last_message(stage: Stage) -> None:
    figures = worker.run(stage, short=True)
    staged = [figure for figure in figures if figure.unit == "us a message"]
    assert len(staged) == len(worker.cases(short=True)) * (len(STAGES) + 1)
    assert all(figure.value > 0 for figure in staged)
    assert all(figure.value > 0 for figure in gateway.run(stage, short=True))


def feed() -> tuple[list[tuple[int, bytes]], Windows]:
    """Partition and message, some late and some twice, and the right answer without the repeats."""
    rng = np.random.default_rng(3)
    phase = rng.integers(0, 10_000, SENSORS)
    sent: list[tuple[int, int, int, int]] = []
    due: dict[tuple[str, int], Counter[str]] = {}
    for sensor in range(SENSORS):
        for number in range(30):
            t = START_MS + 10_000 * number + int(phase[sensor])
            count = int(rng.poisson(3))
            window = due.setdefault((f"s-{sensor}", t - t % WINDOW_MS), Counter())
            window.update(sum=count, n=1)
            for _ in range(1 + (rng.random() < 0.05)):
                late = int(rng.integers(0, 5_000)) if rng.random() < 0.3 else 0
                sent.append((t + late, sensor, t, count))
        sent.append((START_MS + 420_000 + sensor, sensor, START_MS + 420_000 + int(phase[sensor]), 1))
    messages = [
        (sensor % PARTITIONS, b'{"sensor":"s-%d","t":%d,"count":%d}' % (sensor, t, count))
        for _, sensor, t, count in sorted(sent)
    ]
    return messages, {key: (window["sum"], window["n"]) for key, window in due.items()}


class Row(msgspec.Struct):
    sensor: str
    start: int
    sum: int
    n: int


def test_the_answer_on_the_peers_feed_is_right_without_the_repeats(
    stage: Stage, make_topics: MakeTopics, tmp_path: Path
) -> None:
    kafka_bootstrap = stage.bootstrap
    make_topics("bench-in", "bench-out", partitions=PARTITIONS)
    messages, wanted = feed()
    producer = quick_producer(kafka_bootstrap)
    for partition, value in messages:
        produce(producer, "bench-in", value, partition)
    assert producer.flush(30) == 0
    meter = tmp_path / "meter"
    given = {"bootstrap": kafka_bootstrap, "input": "bench-in", "output": "bench-out", "group": "bench-peer-test",
             "state-dir": tmp_path, "readings": len(messages), "meter": meter}
    engine = Process(
        [sys.executable, "-m", "benchmarks.peer_engine", *(f"--{name}={value}" for name, value in given.items())],
        tmp_path / "engine.log")
    consumer = Consumer({"bootstrap.servers": kafka_bootstrap, "group.id": "bench-check"})
    consumer.assign([TopicPartition("bench-out", number, 0) for number in range(PARTITIONS)])
    rows: list[Row] = []

    def complete() -> bool:
        rows.extend(msgspec.json.decode(one.value() or b"", type=Row) for one in consumer.consume(1_000, 0.2)
                    if one.error() is None)
        return len(rows) >= len(wanted)
    try:
        wait_until(complete, LIMIT_S, "every window is there")
    finally:
        consumer.close()
        engine.stop()
    assert {(row.sensor, row.start): (row.sum, row.n) for row in rows} == wanted
    assert len(rows) == len(wanted)
    assert [line.split()[0] for line in meter.read_text().splitlines()] == ["first", "last"]
