# SPDX-License-Identifier: Apache-2.0
"""A log that lost its beginning: a snapshot from before it goes on, and without one the open alerts are adopted."""

import re
import signal
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest
from confluent_kafka import Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.alert import Cause, State, Transition, decode_transition
from schemas.command import Adopt
from schemas.ids import IdKind
from schemas.letter import decode_letter
from schemas.live import LiveTable, Status, decode_rows
from schemas.log import Clock, Kind, LogMessage, ReadHeaders, Topic, decode_log, encode_log, event_type
from schemas.reading import Batch, Metric
from schemas.refusal import Reason
from streams.core.layout import partition_of_site
from streams.core.step import Partition
from streams.doctor import Grade, examine
from streams.settings import KafkaSettings, WorkerSettings
from streams.topics import topic_plans
from streams.worker.effects import in_messages, outgoing
from tests.conftest import ROOT
from tests.real.kafka_service import MakeTopics
from tests.real.test_restart import PARTITIONS, Identity, Listener
from tests.services.process import Process, wait_until
from tests.test_doctor import nowhere_uri, written
from tests.worker.process import Order
from tests.worker.sites import BEGIN_US, SITES, STEP_US, city_of_sites

pytestmark = pytest.mark.real
LIMIT_S = 45.0
CITY = city_of_sites(SITES, running_counts=True)
PER_MINUTE = 30
"""Passages that each running counter counts."""


def messages(steps: range, people: float = 350.0) -> Iterator[tuple[int, LogMessage]]:
    """Partition and message: an orange square on each site, running counters, and ticks."""
    for step in steps:
        at_us = BEGIN_US + step * STEP_US
        for n in range(SITES):
            batches = [
                Batch.of(sensor=CITY.ids[IdKind.SENSOR][f"{camera}-{n}"], metric=Metric.PEOPLE, begin=at_us,
                         value=value)
                for camera, value in (("cam-plein", people), ("cam-straat", 60.0))
            ]
            if step % 6 == 0:
                batches += [
                    Batch.of(sensor=CITY.ids[IdKind.SENSOR][f"teller-plein-straat-{n}"], metric=metric, begin=at_us,
                             value=float(PER_MINUTE * step // 6))
                    for metric in (Metric.IN, Metric.OUT)
                ]
            number = partition_of_site(CITY.ids[IdKind.SITE][f"site-{n}"], PARTITIONS)
            yield number, _message(Kind.READINGS, at_us, f"{n}/{step}", Batch.concatenated(batches))
        for number in range(PARTITIONS):
            yield number, _message(Kind.TICK, at_us + STEP_US // 2, f"tick/{number}/{step}")


def _message(kind: Kind, at_us: int, name: str, batch: Batch | None = None) -> LogMessage:
    return LogMessage(kind, at_us, Clock.SIMULATED, CITY.version, "test", f"test/{name}", batch)


class Stage:
    """A log, a worker now and then, and all that was said."""

    def __init__(self, bootstrap: str, folder: Path) -> None:
        self._bootstrap = bootstrap
        self._folder = folder
        self._producer = Producer({"bootstrap.servers": bootstrap})
        self._admin = AdminClient({"bootstrap.servers": bootstrap})
        self._running: list[Process] = []
        self.log = Listener(bootstrap, Topic.SITE_LOG)
        self.effects = Listener(bootstrap, Topic.LIVE, Topic.ALERTS)
        self.written = 0

    def write(self, some: Iterable[tuple[int, LogMessage]]) -> None:
        for number, message in some:
            headers, value = encode_log(message)
            self._producer.produce(Topic.SITE_LOG.value, value, partition=number, headers=list(headers))
            self.written += 1
        assert self._producer.flush(LIMIT_S) == 0
        wait_until(lambda: len(self.log.listen()) >= self.written, LIMIT_S, "the log is written")

    def begin_log_behind(self, count: int) -> None:
        """Delete the first messages of the log, so many as were written first."""
        ends = [TopicPartition(Topic.SITE_LOG.value, number, sum(one.partition() == number for one in
                self.log.messages[:count])) for number in range(PARTITIONS)]
        for done in self._admin.delete_records(ends).values():
            done.result()

    def start(self) -> Process:
        order = Order(kafka=KafkaSettings(bootstrap=self._bootstrap, partitions=PARTITIONS), several_sites=True,
                      worker=WorkerSettings(snapshot_s=0.3, session_s=6), running_counts=True)
        self._running.append(Process(order.command(), self._folder / f"worker-{len(self._running)}.log"))
        return self._running[-1]

    def wait_for(self, wanted: dict[Identity, bytes]) -> None:
        wait_until(lambda: self.effects.said().keys() >= wanted.keys(), LIMIT_S, f"{len(wanted)} effects")

    def transitions(self) -> list[Transition]:
        found = [one for one in self.effects.messages if one.topic() == Topic.ALERTS]
        return [decode_transition(one.value() or b"") for one in found]

    def close(self, error: BaseException | None = None) -> None:
        if error is not None:
            error.add_note("\n---\n".join(process.log_tail() for process in self._running))
        for process in self._running:
            process.stop(signal.SIGKILL)
        self.log.close()
        self.effects.close()


def folded(states: Sequence[Partition], log: Iterable[Message]) -> dict[Identity, bytes]:
    """What folds in this process say about messages of the log."""
    effects: dict[Identity, bytes] = {}
    for one in log:
        number, offset = cast("int", one.partition()), cast("int", one.offset())
        decoded = decode_log(cast("ReadHeaders", one.headers()), one.value())
        for position, effect in enumerate(in_messages(states[number].step(decoded, one.timestamp()[1] * 1000))):
            letter = outgoing(effect, number, offset, position)
            effects[letter.topic.value, dict(letter.headers)["ce_id"]] = letter.value
    return effects


def rows(effects: dict[Identity, bytes], table: LiveTable) -> list[dict[str, Any]]:
    name = f"{table}/".encode()
    return [row for (topic, identity), value in effects.items()
            if topic == Topic.LIVE and identity.startswith(name) for row in decode_rows(table, value).to_pylist()]


@pytest.fixture
def stage(
    kafka_bootstrap: str, make_topics: MakeTopics, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stage]:
    for plan in topic_plans(PARTITIONS):
        make_topics(plan.topic.value, partitions=plan.partitions, settings=plan.config)
    monkeypatch.chdir(ROOT)
    made = Stage(kafka_bootstrap, tmp_path)
    try:
        yield made
    except BaseException as error:
        made.close(error)
        raise
    made.close()


def test_a_snapshot_from_before_the_log_goes_on_and_the_hole_is_told(
    stage: Stage, kafka_bootstrap: str, tmp_path: Path
) -> None:
    states = [Partition(CITY, PARTITIONS, number) for number in range(PARTITIONS)]
    stage.write(messages(range(60)))
    before = stage.written
    wanted = folded(states, stage.log.messages)
    worker = stage.start()
    stage.wait_for(wanted)
    worker.stop(signal.SIGTERM)  # leaves a snapshot of the end
    opened = {one.alert_id for one in stage.transitions() if one.state_to is State.FIRING}
    assert len(opened) == SITES

    stage.write(messages(range(60, 120)))
    gone = stage.written
    stage.begin_log_behind(gone)
    stage.write(messages(range(120, 150)))
    stage.write(messages(range(150, 190), people=90.0))
    wanted |= folded(states, stage.log.messages[gone:])
    worker = stage.start()
    stage.wait_for(wanted)
    assert stage.effects.said() == wanted

    for place in ("plein", "straat"):
        zones = {CITY.ids[IdKind.ZONE][f"{place}-{n}"] for n in range(SITES)}
        told = [row for row in rows(wanted, LiveTable.ZONE) if row["zone"] in zones]
        missing = [row for row in told if row["status"] == Status.MISSING]
        assert len(missing) >= 8 * SITES
        assert {row["people_low"] for row in missing} == {None}
        starts = sorted({row["window_start"] for row in told})
        assert len(told) == len(starts) * SITES  # every window once, those in the hole too
    flows = {row["in_high"] for row in rows(wanted, LiveTable.GATE) if row["in_high"] is not None}
    assert flows <= {9, PER_MINUTE + 4}  # no counter made up for the hole in one minute
    assert PER_MINUTE + 4 in flows
    resolved = {one.alert_id for one in stage.transitions() if one.state_to is State.RESOLVED}
    assert resolved == opened
    assert Cause.ADOPT not in {one.cause for one in stage.transitions()}

    said = worker.log.read_text()
    assert len(re.findall(r"messages were lost", said)) == PARTITIONS
    assert "cold start" not in said
    letters = Listener(kafka_bootstrap, Topic.DEAD_LETTERS, partitions=1)
    try:
        wait_until(lambda: len(letters.listen()) == PARTITIONS, LIMIT_S, "a letter of each partition")
    finally:
        letters.close()
    found = [decode_letter(one.value() or b"") for one in letters.messages]
    assert {letter.reason for letter in found} == {Reason.LOST}
    assert sum(letter.count for letter in found) == gone - before
    lost = {one.check: one for one in examine(written(
        tmp_path, kafka_bootstrap, nowhere_uri(), kafka=f"partitions = {PARTITIONS}"))}["lost"]
    assert lost.grade is Grade.WARN
    assert "site-log[0]" in lost.says


def test_a_cold_start_adopts_the_open_alerts(stage: Stage, make_topics: MakeTopics) -> None:
    stage.write(messages(range(60)))
    worker = stage.start()
    stage.wait_for(folded([Partition(CITY, PARTITIONS, number) for number in range(PARTITIONS)], stage.log.messages))
    worker.stop(signal.SIGKILL)
    opened = {one.alert_id: one for one in stage.transitions()}
    assert {one.state_to for one in opened.values()} == {State.FIRING}

    # No snapshot is left, and of the log only what came an age later.
    [snapshots] = [plan for plan in topic_plans(PARTITIONS) if plan.topic is Topic.SNAPSHOTS]
    make_topics(Topic.SNAPSHOTS.value, partitions=PARTITIONS, settings=snapshots.config)
    gone = stage.written
    stage.begin_log_behind(gone)
    stage.write(messages(range(120, 150)))
    told = len(stage.transitions())
    stage.start()
    wait_until(lambda: len(stage.log.listen()) == stage.written + PARTITIONS, LIMIT_S, "an adoption in each partition")
    stage.written += PARTITIONS
    stage.write(messages(range(150, 190), people=90.0))
    cold = [Partition(CITY, PARTITIONS, number, awaiting_adoption=True) for number in range(PARTITIONS)]
    wanted = folded(cold, stage.log.messages[gone:])
    stage.wait_for(wanted)

    adoptions = [one for one in stage.log.messages if event_type(cast("ReadHeaders", one.headers())) == "command.v1"]
    handed = [decode_log(cast("ReadHeaders", one.headers()), one.value()).command for one in adoptions]
    assert sorted(one.partition() or 0 for one in adoptions) == list(range(PARTITIONS))
    assert all(isinstance(command, Adopt) for command in handed)
    last = {one.alert_id: one for command in handed if isinstance(command, Adopt) for one in command.alerts}
    assert last == opened
    new = stage.transitions()[told:]
    assert {one.alert_id for one in new} == set(opened)  # nobody is told of a second alert
    assert {one.alert_id for one in new if one.state_to is State.RESOLVED} == set(opened)
    assert all(one.seq > opened[one.alert_id].seq for one in new)
    assert {msgspec.json.encode(one) for one in new} == {
        value for (topic, _), value in wanted.items() if topic == Topic.ALERTS}
