# SPDX-License-Identifier: Apache-2.0
"""Which snapshot a partition goes on with; the topic is a real one, in memory."""

import dataclasses
from typing import Any

import pytest
from structlog.testing import capture_logs

from schemas.city import City
from schemas.errors import TransientError
from schemas.log import Headers, Topic
from schemas.snapshot import LATEST_KEY, SnapshotHead, encode_snapshot
from streams.cities import Cities
from streams.core.snapshot import STATE_VERSION, dump
from streams.core.step import Partition
from streams.topics import MOCK_PARTITIONS
from streams.worker.extent import Extent
from streams.worker.folds import Folds
from streams.worker.gaps import Gap
from streams.worker.restore import Restorer
from streams.worker.snapshots import TAIL_MESSAGES, SnapshotReader
from tests.cities import small_city
from tests.gateway.mock_broker import MockBroker, nowhere

CITY = small_city()
NUMBER = 1
WHOLE = Extent(0, 1_000)
Snapshot = tuple[Headers, bytes]


def snapshot(next_offset: int, city: City = CITY, **changes: Any) -> Snapshot:
    state = dump(Partition(city, MOCK_PARTITIONS, NUMBER), MOCK_PARTITIONS, NUMBER)
    head = SnapshotHead(NUMBER, next_offset, next_offset * 1_000_000, STATE_VERSION, city.version, city.sha256)
    return encode_snapshot("urn:test", dataclasses.replace(head, **changes), state)


def broken(found: Snapshot) -> Snapshot:
    headers, value = found
    return headers, value[:-1] + bytes([value[-1] ^ 1])


def write(broker: MockBroker, key: bytes, found: Snapshot | None, number: int = NUMBER) -> None:
    headers, value = found or ([], None)
    broker.producer.produce(Topic.SNAPSHOTS.value, value, key, partition=number, headers=list(headers))
    broker.producer.flush(5)


def restored_at(broker: MockBroker, extent: Extent = WHOLE) -> tuple[int | None, list[Any]]:
    """Offset at which the partition goes on (None: cold) and what the log says above `info`."""
    with capture_logs() as logs:
        restored = Restorer(broker.kafka, Cities(CITY)).restore({NUMBER: extent})
    loud = [entry for entry in logs if entry["log_level"] in {"warning", "error"}]
    return (restored[NUMBER].kept.next_offset if NUMBER in restored else None), loud


def test_the_furthest_of_the_newest_wins_and_nothing_is_loud(broker: MockBroker) -> None:
    for offset in (100, 300, 200):
        write(broker, LATEST_KEY, snapshot(offset))
    assert restored_at(broker) == (300, [])


def test_each_partition_has_its_own(broker: MockBroker) -> None:
    write(broker, LATEST_KEY, snapshot(100))
    with capture_logs() as logs:
        restored = Restorer(broker.kafka, Cities(CITY)).restore({NUMBER: WHOLE, 2: WHOLE})
    assert list(restored) == [NUMBER]
    assert [entry["log_level"] for entry in logs] == ["info", "info"]


@pytest.mark.parametrize(("bad", "named"), [
    (broken(snapshot(500)), "not those that were written"),
    (snapshot(500, state_version=STATE_VERSION + 1), f"state version {STATE_VERSION + 1}"),
    (snapshot(500, small_city(version=2)), "another city file"),
    (snapshot(500, partition=2), "of partition 2"),
    (snapshot(1_001), "ends at 1000"),
    (([("ce_type", b"nl.drukte.snapshot.v1")], b"x"), "lacks header"),
    (([], b"x"), r"no snapshot\.v1"),
], ids=["broken", "state", "city", "partition", "ahead", "headers", "foreign"])
def test_one_that_does_not_fit_is_passed_over_for_an_older_one_and_said(
    broker: MockBroker, bad: Snapshot, named: str
) -> None:
    write(broker, b"hour-03", snapshot(100))
    for _ in range(TAIL_MESSAGES):
        write(broker, LATEST_KEY, bad)
    offset, loud = restored_at(broker)
    assert offset == 100
    assert any(named.replace("\\", "") in entry["reason"] for entry in loud)
    assert {entry["log_level"] for entry in loud} == {"error"}


def test_an_emptied_hour_is_no_snapshot_and_none_that_fits_is_a_cold_start(broker: MockBroker) -> None:
    write(broker, b"hour-03", snapshot(100))
    write(broker, b"hour-03", None)
    for _ in range(TAIL_MESSAGES):
        write(broker, LATEST_KEY, broken(snapshot(500)))
    offset, loud = restored_at(broker)
    assert offset is None
    assert loud[-1]["event"] == "cold start"


def test_a_log_that_begins_later_than_the_snapshot_is_gone_on_with_and_said(broker: MockBroker) -> None:
    write(broker, LATEST_KEY, snapshot(100))
    assert restored_at(broker, Extent(100, 1_000)) == (100, [])
    offset, [loud] = restored_at(broker, Extent(150, 1_000))
    assert offset == 100
    assert (loud["log_level"], loud["first"], loud["next"], loud["messages"]) == ("error", 100, 150, 50)
    fold = Folds(CITY, MOCK_PARTITIONS).resume(
        NUMBER, Restorer(broker.kafka, Cities(CITY)).restore({NUMBER: Extent(150, 1_000)})[NUMBER])
    assert fold.next_offset == 150
    assert fold.gap == Gap(NUMBER, 100, 150, 100_000_000)
    fold.skip_to(170)  # the log was cut further before the first message came
    assert (fold.next_offset, fold.gap) == (170, Gap(NUMBER, 100, 170, 100_000_000))


def test_a_first_start_is_quiet_unless_the_begin_of_the_log_is_gone(broker: MockBroker) -> None:
    assert restored_at(broker) == (None, [])
    _, loud = restored_at(broker, Extent(7, 1_000))
    assert [(entry["event"], entry["offset"]) for entry in loud] == [("cold start", 7)]


def test_a_broker_that_does_not_answer_is_an_error_within_the_limit() -> None:
    reader = SnapshotReader(nowhere(), 0.3, lambda *_: None)
    with pytest.raises(TransientError, match="topic snapshots"):
        reader.newest([NUMBER])
    reader.close()
