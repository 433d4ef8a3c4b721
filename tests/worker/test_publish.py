# SPDX-License-Identifier: Apache-2.0
"""When a snapshot is sent, and when it is not."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from faust.exceptions import ProducerSendError
from structlog.testing import capture_logs

from schemas.city import City
from schemas.log import Clock, Headers, Kind, LogMessage, Topic
from schemas.snapshot import HOUR_US, LATEST_KEY, decode_head, decode_state, hour_key
from streams.core.snapshot import dump, load
from streams.topics import MOCK_PARTITIONS
from streams.worker import publish
from streams.worker.folds import Folds
from streams.worker.publish import Publisher
from tests.cities import small_city

CITY: City = small_city()
NUMBER = 1
BEGIN_US = 1_780_000_020_000_000


@dataclass
class _Producer:
    """Takes everything at once, unless it is told to fail."""

    sent: list[tuple[bytes, bytes | None, Headers | None]] = field(default_factory=list)
    fails: bool = False

    async def send(self, topic: str, key: bytes, value: bytes | None, partition: int, timestamp: None,
                   headers: Headers | None) -> asyncio.Future[None]:
        assert (topic, partition, timestamp) == (Topic.SNAPSHOTS, NUMBER, None)
        if self.fails:
            raise ProducerSendError("too large")
        self.sent.append((key, value, headers))
        taken = asyncio.get_running_loop().create_future()
        taken.set_result(None)
        return taken


@dataclass
class _App:
    producer: _Producer = field(default_factory=_Producer)
    crashed: bool = False


@dataclass
class _Scene:
    app: _App = field(default_factory=_App)
    folds: Folds = field(default_factory=lambda: Folds(CITY, MOCK_PARTITIONS))

    def __post_init__(self) -> None:
        self.publisher = Publisher(self.app, self.folds, MOCK_PARTITIONS)  # type: ignore[arg-type]  # a stand-in
        self.fold = self.folds.begin(NUMBER, 0)

    def step(self, at_us: int, effects: int = 0) -> None:
        self.fold.state.step(LogMessage(Kind.TICK, at_us, Clock.SIMULATED, 1, "test", "1"), at_us)
        self.fold.advance(self.fold.next_offset, effects)

    def written(self) -> list[bytes]:
        """The keys that got a value since the last look."""
        found = [key for key, value, _ in self.app.producer.sent if value is not None]
        self.app.producer.sent.clear()
        return found


def played(play: Callable[[_Scene], Coroutine[Any, Any, None]]) -> _Scene:
    async def run() -> _Scene:
        scene = _Scene()
        await play(scene)
        return scene

    return asyncio.run(run())


def test_a_snapshot_is_the_state_and_says_where_it_goes_on() -> None:
    async def play(scene: _Scene) -> None:
        scene.step(BEGIN_US)
        await scene.publisher.publish_due()

    scene = played(play)
    key, value, headers = scene.app.producer.sent[-1]
    assert (key, value is not None) == (LATEST_KEY, True)
    head = decode_head(headers)
    assert (head.partition, head.next_offset, head.log_time_us) == (NUMBER, 1, BEGIN_US)
    kept = decode_state(headers, value or b"")
    assert kept == dump(scene.fold.state, MOCK_PARTITIONS, NUMBER)
    assert load(kept, lambda _: CITY, MOCK_PARTITIONS, NUMBER).log_time_us == BEGIN_US


def test_each_log_hour_keeps_one_and_latest_is_sent_last() -> None:
    async def play(scene: _Scene) -> None:
        scene.step(BEGIN_US)
        await scene.publisher.publish_due()
        assert scene.app.producer.sent[0][1] is None  # nothing is known of what stood there
        assert scene.written() == [hour_key(BEGIN_US), LATEST_KEY]
        scene.step(BEGIN_US + 1_000_000)
        await scene.publisher.publish_due()
        assert scene.written() == [LATEST_KEY]
        scene.step(BEGIN_US + 2 * HOUR_US)
        await scene.publisher.publish_due()
        assert scene.app.producer.sent[0][:2] == (hour_key(BEGIN_US + HOUR_US), None)
        assert scene.written() == [hour_key(BEGIN_US + 2 * HOUR_US), LATEST_KEY]

    played(play)


def test_nothing_is_sent_of_a_partition_that_did_not_move_or_has_no_log_time() -> None:
    async def play(scene: _Scene) -> None:
        await scene.publisher.publish_due()
        scene.fold.advance(0, 0)  # a message that was refused
        await scene.publisher.publish_due()
        assert scene.written() == []
        scene.step(BEGIN_US)
        for _ in range(3):
            await scene.publisher.publish_due()
        assert scene.written().count(LATEST_KEY) == 1

    played(play)


async def _under_way(scene: _Scene) -> "asyncio.Task[None]":
    """A round that waits for an effect; it is folded further meanwhile."""
    scene.step(BEGIN_US, effects=1)
    publishing = asyncio.create_task(scene.publisher.publish_due())
    await asyncio.wait({publishing}, timeout=0.3)
    assert not publishing.done()
    assert scene.written() == []
    scene.step(BEGIN_US + 20_000_000, effects=1)
    return publishing


def test_it_waits_for_the_effects_below_its_cut_and_for_no_others() -> None:
    async def play(scene: _Scene) -> None:
        publishing = await _under_way(scene)
        scene.fold.unacknowledged.acknowledge(0)
        await publishing
        head = decode_head(scene.app.producer.sent[-1][2])
        assert (head.next_offset, head.log_time_us) == (1, BEGIN_US)

    played(play)


@pytest.mark.parametrize("end", ["crash", "revoked", "given-back"])
def test_nothing_is_sent_after_an_error_or_for_a_partition_that_was_taken_away(end: str) -> None:
    async def play(scene: _Scene) -> None:
        publishing = await _under_way(scene)
        scene.app.crashed = end == "crash"
        if end != "crash":
            scene.folds.drop(NUMBER)
        if end == "given-back":
            scene.folds.begin(NUMBER, 0)
        scene.fold.unacknowledged.acknowledge(0)
        await publishing
        assert scene.written() == []

    played(play)


def test_a_planned_stop_leaves_a_snapshot_and_an_error_none() -> None:
    async def play(scene: _Scene) -> None:
        scene.step(BEGIN_US)
        scene.app.crashed = True
        await scene.publisher.on_before_shutdown(scene.app)
        assert scene.written() == []
        scene.app.crashed = False
        await scene.publisher.on_before_shutdown(scene.app)
        assert LATEST_KEY in scene.written()

    played(play)


def test_a_stop_does_not_wait_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(publish, "STOP_S", 0.05)

    async def play(scene: _Scene) -> None:
        scene.step(BEGIN_US, effects=1)
        with capture_logs() as logs:
            await scene.publisher.on_before_shutdown(scene.app)
        assert [entry["event"] for entry in logs] == ["last snapshot left out"]

    assert played(play).written() == []


def test_one_that_cannot_be_sent_is_said_and_tried_again() -> None:
    async def play(scene: _Scene) -> None:
        scene.step(BEGIN_US)
        scene.app.producer.fails = True
        with capture_logs() as logs:
            await scene.publisher.publish_due()
        assert [(entry["log_level"], entry["reason"]) for entry in logs] == [("error", "ProducerSendError")]
        scene.app.producer.fails = False
        await scene.publisher.publish_due()
        assert LATEST_KEY in scene.written()

    played(play)
