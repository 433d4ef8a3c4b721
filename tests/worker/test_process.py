# SPDX-License-Identifier: Apache-2.0
"""The worker as a process, on a broker in memory."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from confluent_kafka import Consumer, Message, TopicPartition

from schemas.alert import State, decode_transition
from schemas.ids import IdKind
from schemas.letter import decode_letter
from schemas.live import LiveTable, decode_rows
from schemas.log import Clock, Kind, LogMessage, Topic, encode_log, event_type
from schemas.reading import Batch, Metric
from schemas.snapshot import LATEST_KEY, decode_head
from streams.core.layout import partition_of_site
from streams.settings import WorkerSettings
from streams.topics import MOCK_PARTITIONS
from tests.cities import small_city
from tests.conftest import ROOT
from tests.gateway.mock_broker import MockBroker, headers
from tests.services.process import leashed
from tests.worker.process import (
    FAILING_FOLD,
    FULL_BUFFER,
    HELD_ALERTS,
    HIDDEN,
    LOST_MESSAGE,
    NO_SNAPSHOTS,
    STUCK,
    Order,
)

CITY = small_city()
PARTITION = partition_of_site(CITY.ids[IdKind.SITE]["centrum"], MOCK_PARTITIONS)
BEGIN_US = 1_780_000_020_000_000
STEP_US = 10_000_000
STOP_S = 30.0


@contextmanager
def _worker(
    broker: MockBroker, *wishes: str, snapshot_s: float = 3_600.0, instance: str = "test-worker",
    folder: Path | None = None,
) -> Iterator[subprocess.Popen[str]]:
    worker = WorkerSettings(snapshot_s=snapshot_s)
    order = Order(kafka=broker.kafka, worker=worker, instance=instance, wishes=list(wishes))
    process = subprocess.Popen(
        leashed(order.command()), cwd=folder or ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env=None if folder is None else {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(folder)},
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _write_readings(broker: MockBroker, steps: range, poison_at: int = -1, people: float = 50.0) -> None:
    for step in steps:
        at_us = BEGIN_US + step * STEP_US
        batch = Batch.of(
            sensor=CITY.ids[IdKind.SENSOR]["cam-plein"], metric=Metric.PEOPLE, begin=at_us, value=people
        )
        message = LogMessage(
            Kind.READINGS, at_us, Clock.SIMULATED, CITY.version, "cameras", f"test/{step}", batch
        )
        encoded_headers, value = encode_log(message)
        if step == poison_at:
            broker.producer.produce(Topic.SITE_LOG.value, b"poison", partition=PARTITION,
                                    headers=list(encoded_headers))
        broker.producer.produce(
            Topic.SITE_LOG.value, value, partition=PARTITION, headers=list(encoded_headers)
        )
    broker.producer.flush(5)


def _identity(message: Message) -> tuple[bytes, bytes]:
    return dict(headers(message))["ce_id"], message.value() or b""


def test_readings_become_live_rows_and_a_killed_worker_says_the_same_again(
    broker: MockBroker, tmp_path: Path,
) -> None:
    _write_readings(broker, range(30), poison_at=10)
    with _worker(broker, folder=tmp_path) as process:
        first = broker.read(Topic.LIVE, lambda found: _zone_rows(found) >= 4)
        letters = broker.read(Topic.DEAD_LETTERS, lambda found: len(found) >= 1)
        process.kill()
    assert not list(tmp_path.iterdir()), "a killed worker left something behind"
    assert {one.partition() for one in first} == {PARTITION}
    letter = decode_letter(letters[0].value() or b"")
    assert (letter.reason, letter.where, letter.size) == ("malformed", f"site-log[{PARTITION}]@10", 6)
    _write_readings(broker, range(30, 37))
    with _worker(broker):
        both = broker.read(Topic.LIVE, lambda found: _zone_rows(found) >= 2 * 4 + 1)
    again = [_identity(one) for one in both[len(first):]]
    assert again[:len(first)] == [_identity(one) for one in first]


def test_a_fold_that_lags_behind_what_is_read_loses_and_repeats_nothing(broker: MockBroker) -> None:
    for step in range(30):
        _write_readings(broker, range(step, step + 1))
    with _worker(broker, FULL_BUFFER):
        lagging = broker.read(Topic.LIVE, lambda found: _zone_rows(found) >= 4)
    with _worker(broker):
        both = broker.read(Topic.LIVE, lambda found: _zone_rows(found) >= 2 * 4)
    assert [_identity(one) for one in both[len(lagging):]] == [_identity(one) for one in lagging]


def test_a_stopped_worker_leaves_a_snapshot_and_the_next_one_goes_on_there(broker: MockBroker) -> None:
    _write_readings(broker, range(30))
    with _worker(broker) as process:
        broker.read(Topic.LIVE, lambda found: _zone_rows(found) >= 4)
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=STOP_S)
        assert process.returncode == 0, said
    kept = broker.read(Topic.SNAPSHOTS, lambda found: any(one.key() == LATEST_KEY for one in found))[-1]
    head = decode_head(headers(kept))
    assert (kept.partition(), head.partition) == (PARTITION, PARTITION)
    # It may be stopped with the last few messages unread: how far it came is what its snapshot says.
    assert 24 < head.next_offset <= 30
    _write_readings(broker, range(30, 43))
    with _worker(broker) as process:
        said_of = [_identity(one) for one in broker.read(Topic.LIVE, lambda found: _zone_rows(found) >= 6)]
        process.send_signal(signal.SIGTERM)
        said, _ = process.communicate(timeout=STOP_S)
    assert re.search(rf"goes on at its snapshot.*offset={head.next_offset}\b", said), said
    assert len(said_of) == len(set(said_of))


def test_no_snapshot_is_ahead_of_an_effect_that_the_broker_does_not_have(broker: MockBroker) -> None:
    _write_readings(broker, range(12), people=399.0)
    with _worker(broker, HELD_ALERTS, snapshot_s=0.2) as process:
        # It folds on after the transition that is never acknowledged, for many rounds of snapshots.
        broker.read(Topic.LIVE, lambda found: _zone_rows(found) >= 1)
        for step in range(12, 36, 6):
            _write_readings(broker, range(step, step + 6), people=399.0)
            broker.read(Topic.LIVE, lambda found, step=step: _zone_rows(found) >= step // 6)  # type: ignore[misc]
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=STOP_S)
    with _worker(broker) as process:
        alerts = broker.read(Topic.ALERTS, lambda found: len(found) >= 1)
        transition = decode_transition(alerts[0].value() or b"")
        assert (transition.place, transition.state_to) == ("plein", State.FIRING)


def _zone_rows(found: list[Message]) -> int:
    rows = [
        decode_rows(LiveTable.ZONE, one.value() or b"") for one in found
        if event_type(headers(one)) == "live.zone_minute.v1"
    ]
    number = CITY.ids[IdKind.ZONE]["plein"]
    return sum(zone.as_py() == number for batch in rows for zone in batch.column("zone"))


def test_a_bug_and_a_missing_message_end_the_process_and_show_no_value() -> None:
    brokers = MockBroker(), MockBroker()
    for broker in brokers:
        _write_readings(broker, range(3))
    with _worker(brokers[0], FAILING_FOLD) as buggy, _worker(brokers[1], LOST_MESSAGE) as losing:
        of_the_bug, _ = buggy.communicate(timeout=60)
        of_the_loss, _ = losing.communicate(timeout=60)
        assert (buggy.returncode, losing.returncode) == (1, 1)
    assert f"site-log[{PARTITION}]@0: ValueError at" in of_the_bug
    assert HIDDEN not in of_the_bug
    assert "messages are missing" in of_the_loss


def test_a_worker_that_stands_before_waiting_messages_ends(broker: MockBroker) -> None:
    _write_readings(broker, range(3))
    with _worker(broker, STUCK) as process:
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 1
    assert f"site-log[{PARTITION}] has stood at 0 of 3" in said
    assert "the consumer is stuck" in said


def test_without_an_answer_about_snapshots_it_ends_and_folds_nothing(broker: MockBroker) -> None:
    _write_readings(broker, range(30))
    with _worker(broker, NO_SNAPSHOTS) as process:
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 1
    assert "topic snapshots does not answer" in said
    place = TopicPartition(Topic.LIVE.value, PARTITION)
    reader = Consumer({"bootstrap.servers": broker.kafka.bootstrap, "group.id": "test"})
    assert reader.get_watermark_offsets(place, timeout=5) == (0, 0)
    reader.close()


def test_a_signal_ends_it_also_when_the_broker_is_gone(broker: MockBroker) -> None:
    _write_readings(broker, range(20))
    with _worker(broker) as process:
        broker.read(Topic.LIVE, lambda found: len(found) >= 1)
        broker.close()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=STOP_S + 10)
        assert process.returncode is not None
