# SPDX-License-Identifier: Apache-2.0
"""The writer: polls, merges, flushes; waits when the database or the broker is away."""

import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

import structlog

from schemas.city import City
from schemas.errors import RefusedError, TransientError
from streams import metrics
from streams.metrics import Figure
from streams.settings import Settings
from streams.writer.database import Database
from streams.writer.dead_letters import DeadLetters
from streams.writer.log import LogReader
from streams.writer.rows import Message, RowBuffer

POLL_MESSAGES = 500
POLL_WITHIN_S = 0.2
FLUSH_ROWS = 20_000
FIRST_DELAY_S = 0.2
LONGEST_DELAY_S = 10.0

log = structlog.get_logger(__name__)
T = TypeVar("T")


class StoppedError(Exception):
    """The writer was asked to stop while it waited."""


def delays_s() -> Iterator[float]:
    """Seconds to wait before each next try: doubling, with jitter so that writers come back apart."""
    delay_s = FIRST_DELAY_S
    while True:
        yield delay_s * random.uniform(0.5, 1.0)  # noqa: S311  no secret
        delay_s = min(2 * delay_s, LONGEST_DELAY_S)


class Writer:
    """One process's way from Kafka to the database.

    While the database is away nothing is polled: what is held is one poll's messages, their rows and the
    consumer's own bounded queue.

    Parameters
    ----------
    settings : Settings
    city : City
        Gives `engine.place` its rows.
    stop : threading.Event
        Set it to end `run`.
    """

    def __init__(self, settings: Settings, city: City, stop: threading.Event) -> None:
        self._city = city
        self._stop = stop
        self._metrics = settings.metrics
        self._database = Database(settings.database.uri)
        self._reader = LogReader(settings.kafka)
        self._dead_letters = DeadLetters(settings.kafka)
        self.refused: Counter[str] = Counter()
        """Refused messages by reason, since the start."""
        self.messages = 0
        """Messages that are written, since the start."""
        self._written: dict[tuple[str, int], int] = {}
        self._written_s: float | None = None

    def figures(self) -> Iterator[Figure]:
        """The metrics of this moment."""
        yield from metrics.age_figures(self._written_s)
        yield Figure(metrics.MESSAGES, self.messages)
        yield Figure(metrics.DATABASE_AWAY, self._database.is_away)
        for topic, behind in self._reader.lag(self._written).items():
            yield Figure(metrics.LAG, behind, topic)
        yield from metrics.refused_figures(self.refused)

    def run(self) -> None:
        """Write until `stop` is set; raises `FatalError`."""
        with metrics.metrics_endpoint(self._metrics, metrics.Process.WRITER, self.figures):
            self._run()

    def _run(self) -> None:
        try:
            self._begin()
            while not self._stop.is_set():
                self._take(self._reader.poll(POLL_MESSAGES, POLL_WITHIN_S))
        except StoppedError:
            log.info("stopped while waiting")
        finally:
            self._reader.close()
            self._database.close()

    def _retried(self, action: Callable[[], T]) -> T:
        for tries, delay_s in enumerate(delays_s(), start=1):
            try:
                done = action()
            except TransientError as error:
                log.warning("waiting", error=str(error), tries=tries, delay_s=round(delay_s, 2))
                if self._stop.wait(delay_s):
                    raise StoppedError from None
            else:
                if tries > 1:
                    log.info("going on", tries=tries)
                return done
        raise AssertionError  # delays never end

    def _begin(self) -> None:
        if not self._retried(lambda: self._database.write_city(self._city)):
            log.error(
                "city version has two contents", version=self._city.version,
                what="raise `version` in the city file with every change",
            )
        stored = self._retried(self._database.offsets)
        places = self._retried(lambda: self._reader.partitions(self._dead_letters.producer))
        starts = self._retried(lambda: self._reader.starts(places, stored))
        for (topic, partition), start in starts.items():
            if start.lost:
                log.error("lost", topic=topic, partition=partition, messages=start.lost,
                           what="messages aged out before they were written")
            if start.made_anew:
                was = stored[topic, partition]
                log.warning("topic was made anew", topic=topic, partition=partition, stored=was)
                self._retried(partial(self._database.rewind, topic, partition, was, start.offset))
        self._written = {place: start.offset for place, start in starts.items()}
        self._reader.assign(starts)
        log.info("writing", partitions=len(starts), city_version=self._city.version)

    def _take(self, messages: Sequence[Message]) -> None:
        buffer, held = RowBuffer(), list[Message]()
        for message in messages:
            try:
                buffer.add(message)
            except RefusedError as refused:
                self._refuse(message, refused.reason)
                buffer.skip(message)
            held.append(message)
            if len(buffer) >= FLUSH_ROWS:
                self._flush(buffer, held)
                buffer, held = RowBuffer(), []
        if held:
            self._flush(buffer, held)

    def _refuse(self, message: Message, reason: str) -> None:
        self.refused[reason] += 1
        log.warning(
            "refused", reason=reason, topic=message.topic, partition=message.partition,
            offset=message.offset, size_bytes=len(message.value), refused_since_start=self.refused.total(),
        )
        self._dead_letters.add(message, reason)

    def _flush(self, buffer: RowBuffer, held: Sequence[Message]) -> None:
        self._retried(self._dead_letters.flush)
        try:
            self._write(buffer)
        except RefusedError:
            self._flush_one_by_one(held)
        self.messages += len(held)

    def _write(self, buffer: RowBuffer) -> None:
        self._retried(partial(self._database.write, buffer))
        self._written |= buffer.next_offsets
        self._written_s = time.monotonic()

    def _flush_one_by_one(self, held: Sequence[Message]) -> None:
        """Find the message that the database refuses and write all others."""
        for message in held:
            alone = RowBuffer()
            try:
                alone.add(message)
            except RefusedError:
                alone.skip(message)  # its dead letter is out
            try:
                self._write(alone)
            except RefusedError as refused:
                self._refuse(message, refused.reason)
                self._retried(self._dead_letters.flush)
                passed = RowBuffer()
                passed.skip(message)
                self._write(passed)


def run_writer(settings: Settings, city: City, stop: threading.Event | None = None) -> None:
    """Copy `live`, `alerts` and `deliveries` into the database until `stop` is set.

    The database must have its tables (`streams.storage.migrate`). Any number of writers may run at once.

    Parameters
    ----------
    settings : Settings
    city : City
    stop : threading.Event, optional
        Without one SIGTERM and SIGINT stop the writer; it must then run in the main thread.

    Raises
    ------
    FatalError
        No waiting mends it: no tables, no rights, or a bug. The process should end with a non-zero status.
    """
    if stop is None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, partial(_set, stop))
    Writer(settings, city, stop).run()


def _set(stop: threading.Event, *_: object) -> None:
    stop.set()
