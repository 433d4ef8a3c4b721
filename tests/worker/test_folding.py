# SPDX-License-Identifier: Apache-2.0
"""What a broker in memory cannot be made to do: cut its log, deliver stale messages, fall silent."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest
from faust.types import TP

from schemas.errors import FatalError
from schemas.log import Clock, Headers, Kind, LogMessage, Topic, encode_log
from streams.worker.app import FoldingWorker
from streams.worker.folds import Folds
from tests.cities import small_city

SITE_LOG = Topic.SITE_LOG.value
GENERATION = 7


@dataclass
class _Consumer:
    begins_at: int = 0
    ends_at: int = 0

    async def earliest_offsets(self, *partitions: TP) -> dict[TP, int]:
        return dict.fromkeys(partitions, self.begins_at)

    async def highwaters(self, *partitions: TP) -> dict[TP, int]:
        return dict.fromkeys(partitions, self.ends_at)


@dataclass
class _App:
    """As much of a Faust application as the worker uses."""

    consumer: _Consumer = field(default_factory=_Consumer)
    consumer_generation_id: int = GENERATION
    rebalancing: bool = False
    crashes: list[BaseException] = field(default_factory=list)

    async def crash(self, reason: BaseException) -> None:
        self.crashes.append(reason)


@dataclass
class _Record:
    offset: int
    headers: Headers
    value: bytes
    timestamp: int = 1_780_000_000_000
    topic: str = SITE_LOG
    partition: int = 1


@dataclass
class _Bundle:
    value: list[_Record]
    generation_id: int = GENERATION


@dataclass
class _Event:
    message: _Bundle


class _Stream:
    """Yields bundles one by one, then waits as a real stream does."""

    def __init__(self, *bundles: _Bundle) -> None:
        self._bundles = bundles

    async def noack_take(self, most: int, within: float) -> Any:
        del within
        assert most == 1
        for bundle in self._bundles:
            yield [_Event(bundle)]


def _records(*offsets: int) -> list[_Record]:
    headers, value = encode_log(LogMessage(Kind.TICK, 1_780_000_000_000_000, Clock.WALL, 1, "gateway", "x/1"))
    return [_Record(offset, headers, value) for offset in offsets]


def _folded(app: _App, *bundles: _Bundle, begin: int = 0) -> tuple[FoldingWorker, Folds]:
    folds = Folds(small_city(), 4)
    folds.begin(1, begin)
    worker = FoldingWorker(app, folds)  # type: ignore[arg-type]  # a stand-in

    async def fold() -> None:
        folding = asyncio.create_task(worker.fold(_Stream(*bundles)))
        while not folding.done() and not app.crashes:
            await asyncio.wait({folding}, timeout=0.01)
        folding.cancel()

    asyncio.run(fold())
    return worker, folds


def _next_offset(folds: Folds) -> int:
    fold = folds.get(1)
    assert fold is not None
    return fold.next_offset


def test_messages_are_folded_in_order_and_repeats_once() -> None:
    app = _App()
    worker, folds = _folded(app, _Bundle(_records(0, 1, 1)), _Bundle(_records(0, 2)))
    assert _next_offset(folds) == 3
    assert worker.counters["repeated"] == 2
    assert not app.crashes


def test_what_else_the_worker_has_to_do_gets_its_turn_within_a_batch() -> None:
    """A backlog that passes hours of log time a message would else let heartbeats and effects wait for its end."""
    records, empty = [], 2  # the city has no site in that partition
    for offset in range(12):
        tick = LogMessage(Kind.TICK, 1_780_000_000_000_000 + offset * 7_200_000_000, Clock.SIMULATED, 1, "gateway", "1")
        records.append(_Record(offset, *encode_log(tick), partition=empty))
    folds = Folds(small_city(), 4)
    folds.begin(empty, 0)
    worker = FoldingWorker(_App(), folds)  # type: ignore[arg-type]  # a stand-in
    seen: set[int] = set()

    async def look() -> None:
        while (fold := folds.get(empty)) is not None and fold.next_offset < len(records):
            seen.add(fold.next_offset)
            await asyncio.sleep(0)  # one round of the event loop is what is asked

    async def both() -> None:
        folding = asyncio.create_task(worker.fold(_Stream(_Bundle(records))))
        await look()
        await folding

    asyncio.run(both())
    assert seen - {0}


def test_messages_of_an_older_assignment_and_of_other_partitions_are_left_alone() -> None:
    app = _App()
    foreign = _records(40)
    foreign[0].partition = 3
    worker, folds = _folded(app, _Bundle(_records(9, 10), GENERATION - 1), _Bundle(foreign))
    assert _next_offset(folds) == 0
    assert worker.counters["stale"] == 3
    assert not app.crashes


def test_a_log_that_was_cut_meanwhile_may_begin_later() -> None:
    app = _App(_Consumer(begins_at=20))
    _, folds = _folded(app, _Bundle(_records(20, 21)), begin=5)
    assert _next_offset(folds) == 22
    assert not app.crashes


@pytest.mark.parametrize(("begins_at", "offsets"), [(5, [6]), (0, [5, 7]), (7, [5, 7])])
def test_any_other_hole_is_fatal(begins_at: int, offsets: list[int]) -> None:
    app = _App(_Consumer(begins_at=begins_at))
    _folded(app, _Bundle(_records(*offsets)), begin=5)
    crash, = app.crashes
    assert isinstance(crash, FatalError)
    assert "messages are missing" in str(crash)


def test_a_consumer_that_stands_still_before_waiting_messages_is_fatal() -> None:
    app = _App(_Consumer(ends_at=3))
    worker, _ = _folded(app, _Bundle(_records(0, 1)))
    asyncio.run(worker.watch())
    assert not app.crashes
    asyncio.run(worker.watch())
    assert "stuck" in str(app.crashes[0])


def test_a_consumer_without_waiting_messages_or_in_a_rebalance_is_well() -> None:
    app = _App(_Consumer(ends_at=2))
    worker, _ = _folded(app, _Bundle(_records(0, 1)))
    for _ in range(3):
        asyncio.run(worker.watch())
    app.consumer.ends_at = 3
    app.rebalancing = True
    for _ in range(3):
        asyncio.run(worker.watch())
    assert not app.crashes


def test_a_revoked_partition_is_forgotten() -> None:
    worker, folds = _folded(_App(), _Bundle(_records(0)))
    asyncio.run(worker.on_revoked(None, {TP(SITE_LOG, 1), TP(SITE_LOG, 2)}))
    assert folds.held() == []
