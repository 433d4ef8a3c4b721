# SPDX-License-Identifier: Apache-2.0
"""The `edge` topic: readings of systems that already speak Kafka, one raw JSON reading a message.

At least once: an offset of `edge` is committed only when `site-log` has acknowledged every reading before it.
After a crash some readings come twice; the fold takes a reading once.
"""

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.errors import FatalError, TransientError
from schemas.refusal import Refusal
from streams.backoff import delay_s
from streams.gateway.intake import Intake
from streams.gateway.outlet import Outlet
from streams.gateway.versions import Numbered
from streams.kafka_client import connection, is_hopeless
from streams.settings import EdgeSettings, KafkaSettings

BATCH_MESSAGES = 10_000
READ_S = 0.2
"""How long a read waits for a first message."""
UNDER_WAY = 4
"""Most batches that wait for `site-log`; beyond it nothing is read."""
QUEUE_KIB = 16_384
"""Most memory for messages that were fetched and not read yet, in KiB."""
QUEUE_BACKOFF_MS = 10
LONGEST_DELAY_S = 10.0
STOP_S = 3.0
"""How long a stopping edge waits for `site-log`; what is not acknowledged then is read again later."""
SESSION_MS = 10_000
COMPLAINT_S = 10.0
LAG_S = 1.0
_NUMBERED = re.compile(r"message (\d+)")

log = structlog.get_logger(__name__)
T = TypeVar("T")


class EdgeReader:
    """The consumer of `edge`, one of its group. Its methods block, and one thread at a time calls them.

    Parameters
    ----------
    kafka : KafkaSettings
    edge : EdgeSettings
    """

    def __init__(self, kafka: KafkaSettings, edge: EdgeSettings) -> None:
        self._topic = edge.topic
        self._acknowledged: dict[int, int] = {}
        self._unsaved: set[int] = set()
        self._complained_s = -COMPLAINT_S
        self._looked_s = -LAG_S
        self.lag_messages: int | None = None
        """Messages of our partitions that are not acknowledged yet, as last seen; None while unknown."""
        self._consumer = Consumer({
            **connection(kafka),
            "client.id": "drukte-gateway",
            "group.id": edge.group,
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            # A gateway that was killed keeps its partitions for so long.
            "session.timeout.ms": SESSION_MS,
            "allow.auto.create.topics": kafka.mock,
            "queued.max.messages.kbytes": QUEUE_KIB,
            # A full queue is looked at again so soon; the library's own default lets the topic wait for a second.
            "fetch.queue.backoff.ms": QUEUE_BACKOFF_MS,
            "fetch.wait.max.ms": 100,
            "reconnect.backoff.max.ms": 2_000,
            "on_commit": self._committed,
            "log_level": 2,  # the next line tells it in our own log
            "error_cb": lambda error: self._complain(error.name()),
        })
        self._consumer.subscribe([self._topic], on_assign=self._assigned)

    def read(self) -> list[Message]:
        """What there is, at most `BATCH_MESSAGES`; waits `READ_S` for a first message.

        Raises
        ------
        FatalError
            The broker says what no waiting mends.
        """
        self._save()
        # A call for many waits until it has them all; so one that waits, then what else is there.
        polled = self._consumer.consume(1, READ_S)
        if polled:
            polled += self._consumer.consume(BATCH_MESSAGES - 1, 0)
        self._look()
        # Of each message only methods are called, in loops that run in C: there are hundreds of thousands a second.
        if not any(map(Message.error, polled)):
            return polled
        return [message for message in polled if self._is_sound(message)]

    def note(self, next_offsets: Mapping[int, int]) -> None:
        """Remember up to where `site-log` has everything, by partition; the next `read` commits it."""
        self._acknowledged.update(next_offsets)
        self._unsaved.update(next_offsets)

    def close(self) -> None:
        """Commit what is acknowledged and leave the group."""
        try:
            if offsets := self._due():
                self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            log.warning("edge offsets not committed", error=error.args[0].name(),
                        what="the next start reads some messages again, which is harmless")
        finally:
            self._consumer.close()

    def _save(self) -> None:
        if offsets := self._due():
            self._unsaved.clear()
            self._consumer.commit(offsets=offsets, asynchronous=True)

    def _due(self) -> list[TopicPartition]:
        if not self._unsaved:
            return []
        # A partition that moved to another gateway is its affair.
        ours = {place.partition for place in self._consumer.assignment()}
        return [
            TopicPartition(self._topic, number, self._acknowledged[number])
            for number in sorted(self._unsaved & ours)
        ]

    def _committed(self, error: KafkaError | None, places: list[TopicPartition]) -> None:
        failed = {place.partition for place in places if error is not None or place.error is not None}
        self._unsaved |= failed & self._acknowledged.keys()
        if failed:
            self._complain("commit failed" if error is None else error.name())

    def _assigned(self, _: Consumer, places: list[TopicPartition]) -> None:
        for place in places:
            self._acknowledged.pop(place.partition, None)
            self._unsaved.discard(place.partition)
        log.info("edge partitions", topic=self._topic, partitions=sorted(place.partition for place in places))

    def _is_sound(self, message: Message) -> bool:
        error = message.error()
        if error is None:
            return True
        if is_hopeless(error):
            raise FatalError(f"topic {self._topic}: {error.str()} ({error.name()}); see gateway.edge in drukte.toml")
        self._complain(error.name())
        return False

    def _complain(self, error: str) -> None:
        now_s = time.monotonic()
        if now_s - self._complained_s >= COMPLAINT_S:
            self._complained_s = now_s
            log.warning("edge trouble", topic=self._topic, error=error,
                        do="is the broker running, and the topic there? see gateway.edge")

    def _look(self) -> None:
        """Count what is behind us, from what the last fetches said: no call to the broker."""
        if time.monotonic() - self._looked_s < LAG_S:
            return
        self._looked_s = time.monotonic()
        lag = 0
        for place in self._consumer.position(self._consumer.assignment()):
            _, high = self._consumer.get_watermark_offsets(place, cached=True)
            done = self._acknowledged.get(place.partition, place.offset)
            if high >= 0 and done >= 0:
                lag += max(high - done, 0)
        self.lag_messages = lag


@dataclass(slots=True)
class _Taken:
    """Messages that were read together."""

    numbered: list[Numbered]
    refusals: list[Refusal]
    messages: int
    size_bytes: int
    next_offsets: dict[int, int]
    sending: asyncio.Task[None] = field(init=False)


class Edge:
    """The way from the topic to the log, bound to the event loop that it is made in.

    Decoding runs in a thread of its own while earlier batches wait for their acknowledgement. When one of
    them fails, all that are under way are sent again in their order, so that the last word on a reading
    stays the last.

    Parameters
    ----------
    kafka : KafkaSettings
    edge : EdgeSettings
    intake, outlet
        Where readings are judged, and where they go.
    """

    def __init__(self, kafka: KafkaSettings, edge: EdgeSettings, intake: Intake, outlet: Outlet) -> None:
        self._source = edge.source
        self._topic = edge.topic
        self._intake = intake
        self._outlet = outlet
        self._reader = EdgeReader(kafka, edge)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="edge")
        self._under_way: deque[_Taken] = deque()
        self._tries = 0
        self.messages = 0
        """Messages taken in since the start: their readings are in the log, or refused."""

    @property
    def waiting_batches(self) -> int:
        """How many batches wait for `site-log`."""
        return len(self._under_way)

    @property
    def lag_messages(self) -> int | None:
        """Messages of the topic that are not in the log yet, or None while unknown."""
        return self._reader.lag_messages

    async def run(self, stopping: asyncio.Event) -> None:
        """Take readings in until `stopping` is set; then wait for what is under way, and leave the group.

        Raises
        ------
        FatalError
            The broker says what no waiting mends.
        """
        try:
            while not stopping.is_set():
                await self._settle(stopping, UNDER_WAY - 1)
                taken = await self._in_thread(self._read)
                if taken is not None and not stopping.is_set():
                    self._under_way.append(taken)
                    self._send(taken)
            await self._drain()
        finally:
            for taken in self._under_way:
                if not taken.sending.cancel():
                    _notice(taken.sending)
            self._under_way.clear()
            await asyncio.shield(self._in_thread(self._reader.close))
            self._thread.shutdown(wait=False)

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)

    def _read(self) -> _Taken | None:
        messages = self._reader.read()
        if not messages:
            return None
        bodies = [body or b"" for body in map(Message.value, messages)]
        numbered, refusals = self._intake.read_messages(self._source, bodies)
        # In offset order within a partition: the last one of each counts.
        last = dict(zip(map(Message.partition, messages), map(Message.offset, messages), strict=True))
        next_offsets = {partition or 0: (offset or 0) + 1 for partition, offset in last.items()}
        return _Taken(
            numbered, [_placed(one, messages) for one in refusals], len(messages), sum(map(len, bodies)), next_offsets
        )

    def _send(self, taken: _Taken) -> None:
        taken.sending = asyncio.create_task(self._outlet.send(self._source, taken.numbered))

    async def _settle(self, stopping: asyncio.Event, most: int) -> None:
        """Note what is acknowledged, oldest first, until at most `most` batches are under way."""
        while self._under_way:
            oldest = self._under_way[0]
            if not oldest.sending.done():
                if len(self._under_way) <= most:
                    return
                if not await _done_before(oldest.sending, stopping):
                    return
            error = oldest.sending.exception()
            if isinstance(error, TransientError):
                await self._send_again(error, stopping)
                if stopping.is_set():
                    return
            elif error is not None:
                raise error
            else:
                self._acknowledge(self._under_way.popleft())

    def _acknowledge(self, taken: _Taken) -> None:
        self._tries = 0
        self.messages += taken.messages
        self._intake.refuse(self._source, taken.size_bytes, taken.refusals)
        self._reader.note(taken.next_offsets)

    async def _send_again(self, error: TransientError, stopping: asyncio.Event) -> None:
        self._tries += 1
        log.warning("edge waits", topic=self._topic, reason=str(error), tries=self._tries)
        for taken in self._under_way:
            if not await _done_before(taken.sending, stopping):
                return
        try:
            async with asyncio.timeout(delay_s(self._tries, LONGEST_DELAY_S)):
                await stopping.wait()
        except TimeoutError:
            for taken in self._under_way:
                _notice(taken.sending)
                self._send(taken)

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(STOP_S):
                await self._settle(asyncio.Event(), 0)
        except TimeoutError:
            log.warning("edge stopped before the log had everything", topic=self._topic,
                        what="the next start reads it again")


async def _done_before(task: asyncio.Task[None], stopping: asyncio.Event) -> bool:
    """Wait for the task, or until `stopping`; whether the task is done."""
    stop = asyncio.ensure_future(stopping.wait())
    try:
        await asyncio.wait({task, stop}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        stop.cancel()
    return task.done()


def _notice(task: asyncio.Task[None]) -> None:
    """Look at a failure whose readings are sent again, or are read again by the next start."""
    if not task.cancelled():
        task.exception()


def _placed(refusal: Refusal, messages: list[Message]) -> Refusal:
    """The refusal with topic, partition and offset instead of the number within what was read together."""
    found = _NUMBERED.match(refusal.where)
    if found is None:
        return refusal
    message = messages[int(found[1])]
    place = f"{message.topic()}[{message.partition()}]@{message.offset()}{refusal.where[found.end():]}"
    return Refusal(reason=refusal.reason, where=place, detail=refusal.detail, count=refusal.count)
