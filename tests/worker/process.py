# SPDX-License-Identifier: Apache-2.0
"""A worker as a process of its own: `python -m tests.worker.process SETTINGS_JSON [WISH]`."""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from schemas.city import City
from schemas.errors import TransientError
from schemas.log import LogMessage, Topic
from streams.core.effect import Effect
from streams.core.step import Partition
from streams.settings import KafkaSettings, Settings, WorkerSettings
from streams.worker import app
from streams.worker.app import FoldingWorker
from streams.worker.effects import Outgoing
from streams.worker.extent import Extent
from streams.worker.folds import Fold, Restored
from streams.worker.restore import Restorer
from streams.worker.run import run_worker
from tests.cities import small_city
from tests.worker.sites import SITES, city_of_sites

FAILING_FOLD = "failing-fold"
"""The fold has a bug."""
HIDDEN = "4711 persons"
"""What no log may show."""
LOST_MESSAGE = "lost-message"
"""Something between the broker and the fold loses a message."""
HELD_ALERTS = "held-alerts"
"""The broker gets no transition and says nothing."""

STUCK = "stuck"
"""The consumer gets messages no further than to itself."""

FULL_BUFFER = "full-buffer"
"""Each fetch brings little, and the fold begins when as much is read ahead as may be."""

NO_SNAPSHOTS = "no-snapshots"
"""Nobody can say whether there are snapshots."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What the process is to be."""

    kafka: KafkaSettings
    worker: WorkerSettings = WorkerSettings()
    instance: str = "test-worker"
    city_version: int = 1
    several_sites: bool = False
    running_counts: bool = False
    wishes: list[str] = []

    def city(self) -> City:
        """The city that it folds."""
        if self.several_sites:
            return city_of_sites(SITES, running_counts=self.running_counts)
        return small_city(version=self.city_version)

    def command(self) -> list[str]:
        """The command line."""
        return [sys.executable, "-m", "tests.worker.process", msgspec.json.encode(self).decode()]


def main(order: Order) -> int:
    """Run until a signal; the exit code."""
    if FAILING_FOLD in order.wishes:
        Partition.step = _failing_step  # type: ignore[method-assign,assignment]  # that is the bug
    if LOST_MESSAGE in order.wishes:
        Fold.advance = _late_advance  # type: ignore[method-assign,assignment]  # the next one will seem to be missing
    if HELD_ALERTS in order.wishes:
        FoldingWorker._send = _send_no_alert  # type: ignore[method-assign,assignment]  # the silent broker
    if STUCK in order.wishes:
        FoldingWorker._take = _take_nothing  # type: ignore[method-assign,assignment]  # the flow that stopped
        app.WATCH_S = 0.5
    if FULL_BUFFER in order.wishes:
        app.MESSAGE_BYTES = 1  # type: ignore[attr-defined]  # imported there
        FoldingWorker.fold = _fold_when_full  # type: ignore[method-assign,assignment]  # the slow fold
    if NO_SNAPSHOTS in order.wishes:
        Restorer.restore = _unreadable  # type: ignore[method-assign,assignment]  # the topic is mute
    settings = Settings(city=Path("unused.toml"), kafka=order.kafka, worker=order.worker)
    return run_worker(settings, order.city(), order.instance)


def _failing_step(partition: Partition, message: LogMessage, append_us: int) -> list[Effect]:
    del partition, message, append_us
    raise ValueError(HIDDEN)


def _late_advance(fold: Fold, offset: int, effects: int) -> None:
    del effects
    fold.next_offset = offset
    fold.untouched = False


def _unreadable(restorer: Restorer, extents: Mapping[int, Extent]) -> dict[int, Restored]:
    del restorer, extents
    raise TransientError("topic snapshots does not answer")


async def _take_nothing(worker: FoldingWorker, record: Any, generation: int) -> None:
    del worker, record, generation


_fold: Any = FoldingWorker.fold


async def _fold_when_full(worker: FoldingWorker, stream: Any) -> None:
    while not stream.channel.queue.full():  # noqa: ASYNC110  # the queue has no event to wait for
        await asyncio.sleep(0.01)
    await _fold(worker, stream)


_send: Any = FoldingWorker._send


async def _send_no_alert(worker: FoldingWorker, letter: Outgoing, fold: Fold, offset: int) -> None:
    if letter.topic is not Topic.ALERTS:
        await _send(worker, letter, fold, offset)
    await asyncio.sleep(0)


if __name__ == "__main__":
    sys.exit(main(msgspec.json.decode(sys.argv[1], type=Order)))
