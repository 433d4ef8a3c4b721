# SPDX-License-Identifier: Apache-2.0
"""The writer: polls, merges, flushes; waits when the database or the broker is away."""

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import TypeVar

import structlog

from schemas.city import City
from schemas.errors import RefusedError
from streams import metrics
from streams.backoff import StoppedError, retried
from streams.cities import Cities
from streams.kafka_client import check_admitted
from streams.metrics import Figure
from streams.settings import Settings
from streams.writer.cities import CityRows
from streams.writer.database import Database
from streams.writer.dead_letters import DeadLetters
from streams.writer.log import LogReader
from streams.writer.loss import Loss, LossBook
from streams.writer.release_loop import ReleaseLoop
from streams.writer.rows import Message, RowBuffer
from streams.writer.watchdog import WATCH_S, Watchdog

POLL_MESSAGES = 500
POLL_WITHIN_S = 0.2
FLUSH_ROWS = 20_000

log = structlog.get_logger(__name__)
T = TypeVar("T")


class Writer:
    """One process's way from Kafka to the database.

    While the database is away nothing is polled: what is held is one poll's messages, their rows and the
    consumer's own bounded queue.

    Parameters
    ----------
    settings : Settings
    city : City
        With the versions in topic `city` it gives `engine.place` its rows.
    stop : threading.Event
        Set it to end `run`.
    watch_s : float
        How often the watchdog looks.
    """

    def __init__(
        self, settings: Settings, city: City, stop: threading.Event, watch_s: float = WATCH_S
    ) -> None:
        self._stop = stop
        self._settings = settings
        self._database = Database(settings.database.uri)
        self._city_rows = CityRows(Cities(city, settings.kafka), self._database, settings.clock)
        self._reader = LogReader(settings.kafka)
        self._dead_letters = DeadLetters(settings.kafka)
        self._releases = ReleaseLoop(settings, stop)
        self.refused: Counter[str] = Counter()
        """Refused messages by reason, since the start."""
        self.messages = 0
        """Messages that are written, since the start."""
        self._written: dict[tuple[str, int], int] = {}
        self._written_s: float | None = None
        self._lag: Counter[str] = Counter()
        self._losses = LossBook(self._database.record_losses, stop)
        self._watchdog = Watchdog(
            lambda: self._written, self._reader.ends, self._database.ask, self._end_at_once, watch_s
        )

    def figures(self) -> Iterator[Figure]:
        """The metrics of this moment."""
        yield from metrics.age_figures(self._written_s)
        yield Figure(metrics.MESSAGES, self.messages)
        yield Figure(metrics.DATABASE_AWAY, self._database.is_away)
        yield Figure(metrics.BROKER_AWAY, self._city_rows.broker_is_away)
        for topic, behind in self._lag.items():
            yield Figure(metrics.LAG, behind, topic)
        yield from self._releases.figures()
        yield from metrics.refused_figures(self.refused + self._releases.refused)
        yield from metrics.lost_figures(self._losses.lost + self._releases.losses.lost)

    def run(self) -> None:
        """Write until `stop` is set; raises `FatalError`."""
        with metrics.metrics_endpoint(self._settings.metrics, metrics.Process.WRITER, self.figures):
            self._run()

    def _run(self) -> None:
        try:
            self._begin()
            self._watchdog.start()
            while not self._stop.is_set():
                self._releases.check()
                if self._city_rows.look():
                    self._retried(self._city_rows.write)
                # Here, and not when somebody scrapes: a consumer is asked by its own thread only.
                self._lag = self._reader.lag(self._written)
                self._take(self._reader.poll(POLL_MESSAGES, POLL_WITHIN_S))
        except StoppedError:
            log.info("stopped while waiting")
        finally:
            self._stop.set()
            self._releases.join()
            self._watchdog.stop()
            self._reader.close()
            self._database.close()
        self._releases.check()
        if self._watchdog.failure is not None:
            raise self._watchdog.failure

    def _end_at_once(self) -> None:
        self._stop.set()
        self._database.cancel()

    def _retried(self, action: Callable[[], T]) -> T:
        return retried(action, self._stop)

    def _begin(self) -> None:
        self._retried(self._read_first)
        # Not before: a broker that refuses us is named at once, without a second line that waits for it.
        self._releases.start()
        self._retried(self._city_rows.write)
        stored = self._retried(self._database.offsets)
        places = self._retried(lambda: self._reader.partitions(self._dead_letters.producer))
        starts = self._retried(lambda: self._reader.starts(places, stored))
        for (topic, partition), start in starts.items():
            if start.lost and start.is_empty:
                self._losses.note([Loss(topic, partition, start.offset - start.lost, start.offset)])
            if start.made_anew:
                was = stored[topic, partition]
                log.warning("topic was made anew", topic=topic, partition=partition, stored=was)
                self._retried(partial(self._database.rewind, topic, partition, was, start.offset))
        self._written = {place: start.offset for place, start in starts.items()}
        self._reader.assign(starts)
        log.info("writing", partitions=len(starts))

    def _read_first(self) -> None:
        # At every try: a broker that was away could not say yet that our account is wrong.
        check_admitted(self._settings.kafka)
        self._city_rows.read()

    def _take(self, messages: Sequence[Message]) -> None:
        self._losses.note(self._reader.take_losses())
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
    """Copy `live`, `alerts` and `deliveries` into the database, release `seals`, until `stop` is set.

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
