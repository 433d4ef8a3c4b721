# SPDX-License-Identifier: Apache-2.0
"""Putting the state away: a snapshot of each partition that moved, never ahead of its effects.

Cut between two messages, in one synchronous block; compressed in a thread; sent once the broker has every
effect of the messages before the cut. A process that ends in an error sends none.
"""

import asyncio
from collections.abc import Awaitable, Iterable
from typing import Any

import faust
import structlog
from aiokafka.errors import KafkaError
from faust.exceptions import FaustError

from schemas.log import Headers, Topic
from schemas.snapshot import LATEST_KEY, SnapshotHead, encode_snapshot, hour_keys
from streams.core.snapshot import STATE_VERSION, dump
from streams.worker.effects import SOURCE
from streams.worker.folds import Fold, Folds, Kept

EFFECTS_S = 20.0
"""So long a snapshot waits for the effects before it; then the next round cuts a newer one."""
SEND_S = 20.0
STOP_S = 3.0
"""At a planned stop; below `streams.worker.run.STOP_S`, after which the process is ended."""

log = structlog.get_logger(__name__)


class Publisher:
    """Publishes the snapshots of a worker's partitions, one after the other.

    Parameters
    ----------
    app : faust.App
    folds : Folds
    partitions : int
        Of the deployment.
    """

    def __init__(self, app: faust.App, folds: Folds, partitions: int) -> None:
        self._app = app
        self._folds = folds
        self._partitions = partitions
        self._round = asyncio.Lock()

    async def publish_due(self) -> None:
        """Publish a snapshot of every partition that was folded further since its last one."""
        async with self._round:
            for fold in self._folds.held():
                if fold.kept is None or fold.next_offset > fold.kept.next_offset:
                    await self._publish(fold)

    async def on_before_shutdown(self, app: Any, /, *_: Any, **__: Any) -> None:
        """At a planned stop: as `publish_due`, for `STOP_S` at most; nothing after an error."""
        if app.crashed:
            return
        try:
            await asyncio.wait_for(self.publish_due(), STOP_S)
        except TimeoutError:
            log.warning("last snapshot left out", after_s=STOP_S,
                        do="was the broker slow? nothing is lost, the next start folds a little more")

    async def _publish(self, fold: Fold) -> None:
        if fold.untouched or fold.state.log_time_us < 0:
            return
        cut = Kept(fold.next_offset, fold.state.log_time_us)
        city = fold.state.city
        state = dump(fold.state, self._partitions, fold.number)
        head = SnapshotHead(
            fold.number, cut.next_offset, cut.log_time_us, STATE_VERSION, city.version, city.sha256
        )
        headers, value = await asyncio.to_thread(encode_snapshot, SOURCE, head, state)
        try:
            await asyncio.wait_for(fold.unacknowledged.clear_below(cut.next_offset), EFFECTS_S)
            if self._app.crashed or self._folds.get(fold.number) is not fold:
                return
            await asyncio.wait_for(self._send(fold, cut, headers, value), SEND_S)
        except (KafkaError, FaustError, TimeoutError) as error:
            log.error("snapshot left out", partition=fold.number, offset=cut.next_offset, size_bytes=len(value),
                      unacknowledged=fold.unacknowledged.lowest, reason=type(error).__name__,
                      do="the next round tries again; until then a restart folds more of the log")
            return
        fold.kept = cut

    async def _send(self, fold: Fold, cut: Kept, headers: Headers, value: bytes) -> None:
        key, emptied = hour_keys(cut.log_time_us, None if fold.kept is None else fold.kept.log_time_us)
        messages: list[tuple[bytes, bytes | None]] = [(old, None) for old in emptied]
        if key is not None:
            messages.append((key, value))
        await self._send_all(fold.number, messages, headers)
        # Last and alone: where it stands, the keys of the hours are in order up to its log time.
        await self._send_all(fold.number, [(LATEST_KEY, value)], headers)

    async def _send_all(
        self, number: int, messages: Iterable[tuple[bytes, bytes | None]], headers: Headers
    ) -> None:
        sent: list[Awaitable[Any]] = [
            await self._app.producer.send(
                Topic.SNAPSHOTS.value, key, value, number, None, headers if value is not None else None
            )
            for key, value in messages
        ]
        await asyncio.gather(*sent)
