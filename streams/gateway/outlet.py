# SPDX-License-Identifier: Apache-2.0
"""The way out: readings of several requests are joined into messages of `site-log`, silence becomes ticks."""

import asyncio
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count

import structlog

from schemas.context import RECORDS_A_MESSAGE, ContextRecord
from schemas.errors import TransientError
from schemas.log import Clock, Kind, LogMessage, Topic, encode_log
from schemas.reading import Batch
from streams.clock import now_us
from streams.gateway.packing import MESSAGE_READINGS, cut, split
from streams.gateway.producer import LogProducer
from streams.gateway.tally import Tally
from streams.gateway.versions import Numbered
from streams.settings import ClockSettings

LINGER_S = 0.03
"""How long a message waits for the readings of further requests."""
WAITING_READINGS = 1_000_000
"""Most readings that wait for the broker's acknowledgement; about 50 MB as columns."""
TICK_S = 1.0
"""A partition that has carried nothing for so long (wall time) gets a tick."""
TICK_LOG_S = 10.0
"""With the simulated clock no more log time than this may pass between two messages."""
TICK_SOURCE = "gateway"

log = structlog.get_logger(__name__)
_Key = tuple[int, str, int]
"""Partition, source and city version: what the readings of one message share."""


@dataclass(slots=True)
class _Open:
    """A message in the making."""

    delivered: asyncio.Future[None]
    batches: list[Batch] = field(default_factory=list)
    readings: int = 0


def tick_interval_s(clock: ClockSettings) -> float:
    """After how much silence (wall time) a partition gets a tick."""
    if clock.kind is Clock.SIMULATED:
        return min(TICK_S, TICK_LOG_S / clock.speed)
    return TICK_S


class Outlet:
    """Packs, stamps and sends.

    `ingested_at` is read from the deployment's clock when a message is made and never goes back within a
    partition, also when the machine's clock is set back.

    Parameters
    ----------
    producer : LogProducer
    clock : ClockSettings
    tick_version : callable
        The city version that stands in ticks; nothing depends on it.
    partitions : int
    tally : Tally
    """

    def __init__(
        self, producer: LogProducer, clock: ClockSettings, tick_version: Callable[[], int], partitions: int,
        tally: Tally,
    ) -> None:
        self._producer = producer
        self._clock = clock
        self._tick_version = tick_version
        self._tally = tally
        self._loop = asyncio.get_running_loop()
        self._name = uuid.uuid4().hex
        self._numbers = count()
        self._open: dict[_Key, _Open] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting_readings = 0
        self._stamp_us = [0] * partitions
        self._carried_s = [time.monotonic()] * partitions
        self._undelivered = [0] * partitions
        self.acknowledged_s: float | None = None

    @property
    def waiting_readings(self) -> int:
        """Readings that wait for the broker."""
        return self._waiting_readings

    @property
    def log_time_us(self) -> int:
        """The newest stamp of a message, microseconds since 1970, UTC; 0 before the first."""
        return max(self._stamp_us)

    async def send(self, source: str, numbered: Sequence[Numbered]) -> None:
        """Send readings; returns when the broker has acknowledged every message that holds one of them.

        No message holds readings of two city versions.

        Raises
        ------
        TransientError
            The broker is away, or too many readings wait for it. Some may have been delivered all the same;
            sending them again is harmless.
        """
        readings = sum(len(one.batch) for one in numbered)
        if self._waiting_readings + readings > WAITING_READINGS:
            raise TransientError("too many readings wait for the broker")
        delivered = [
            self._join((partition, source, one.city_version), part)
            for one in numbered for partition, part in split(one.batch, one.partition_of_sensor)
        ]
        await _all_done(delivered)
        self._tally.readings += readings

    async def send_context(
        self, source: str, city_version: int, by_partition: Mapping[int, Sequence[ContextRecord]]
    ) -> None:
        """Send context records; returns when the broker has acknowledged them.

        Raises
        ------
        TransientError
            The broker is away; sending them again is harmless.
        """
        sent = []
        for partition, records in by_partition.items():
            for first in range(0, len(records), RECORDS_A_MESSAGE):
                piece = tuple(records[first : first + RECORDS_A_MESSAGE])
                message = replace(self._message(Kind.CONTEXT, partition, source, city_version), context=piece)
                sent.append(self._send_message(partition, message))
        await _all_done(sent)
        self._tally.messages += len(sent)

    async def tick_while_silent(self) -> None:
        """Send ticks for ever; cancel it to stop."""
        interval_s = tick_interval_s(self._clock)
        while True:
            now_s = time.monotonic()
            for partition, carried_s in enumerate(self._carried_s):
                # Behind an unacknowledged message a tick would only fill the queue.
                if now_s - carried_s >= interval_s and not self._undelivered[partition]:
                    self._send_tick(partition)
            due_s = min(self._carried_s) + interval_s - time.monotonic()
            await asyncio.sleep(min(max(due_s, interval_s / 20), interval_s))

    def flush(self) -> None:
        """Send all messages in the making now."""
        for key in list(self._open):
            self._close(key)

    def _join(self, key: "_Key", batch: Batch) -> asyncio.Future[None]:
        opened = self._open.get(key)
        if opened is None:
            opened = self._open[key] = _Open(self._loop.create_future())
            opened.delivered.add_done_callback(_noticed)
            self._loop.call_later(LINGER_S, self._close_this, key, opened)
        opened.batches.append(batch)
        opened.readings += len(batch)
        self._waiting_readings += len(batch)
        if opened.readings >= MESSAGE_READINGS:
            self._close(key)
        return opened.delivered

    def _close_this(self, key: "_Key", opened: _Open) -> None:
        if self._open.get(key) is opened:
            self._close(key)

    def _close(self, key: "_Key") -> None:
        # Tasks start in the order in which they were made: a partition's messages keep theirs.
        task = self._loop.create_task(self._deliver(*key, self._open.pop(key)))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _deliver(self, partition: int, source: str, version: int, opened: _Open) -> None:
        try:
            sent = [
                self._send_message(partition, self._message(Kind.READINGS, partition, source, version, batch))
                for batch in cut(opened.batches)
            ]
            opened.batches.clear()
            await _all_done(sent)
        except Exception as error:  # noqa: BLE001  # it belongs to those who wait for this message
            opened.delivered.set_exception(error)
        else:
            self._tally.messages += len(sent)
            opened.delivered.set_result(None)
        finally:
            self._waiting_readings -= opened.readings

    def _message(
        self, kind: Kind, partition: int, source: str, version: int, batch: Batch | None = None
    ) -> LogMessage:
        self._stamp_us[partition] = max(self._stamp_us[partition], now_us(self._clock))
        return LogMessage(
            kind, self._stamp_us[partition], self._clock.kind, version, source,
            f"{self._name}/{next(self._numbers)}", batch,
        )

    def _send_message(self, partition: int, message: LogMessage) -> asyncio.Future[None]:
        headers, value = encode_log(message)
        delivered = self._producer.send(Topic.SITE_LOG, value, headers, partition=partition)
        self._carried_s[partition] = time.monotonic()
        self._undelivered[partition] += 1
        delivered.add_done_callback(lambda done: self._settle_message(partition, done))
        return delivered

    def _settle_message(self, partition: int, delivered: asyncio.Future[None]) -> None:
        self._undelivered[partition] -= 1
        if not delivered.cancelled() and delivered.exception() is None:
            self.acknowledged_s = time.monotonic()

    def _send_tick(self, partition: int) -> None:
        try:
            tick = self._message(Kind.TICK, partition, TICK_SOURCE, self._tick_version())
            self._send_message(partition, tick)
        except TransientError as error:
            # The next round tries again; the health page shows the silence.
            log.debug("no tick", partition=partition, reason=str(error))
            self._carried_s[partition] = time.monotonic()
        else:
            self._tally.ticks += 1


async def _all_done(futures: list[asyncio.Future[None]]) -> None:
    """Wait for all, then raise the first failure, if any."""
    if futures:
        await asyncio.wait(futures)
    for future in futures:
        future.result()


def _noticed(future: asyncio.Future[None]) -> None:
    """Look at a failure that nobody waits for any more (the client has gone)."""
    if not future.cancelled():
        future.exception()
