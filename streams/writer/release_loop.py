# SPDX-License-Identifier: Apache-2.0
"""The writer's second line: `seals` to released cells, in a thread with a session and a consumer of its own.

A big draw or a database that is slow with cells holds up no live row and no alert: OpenDP draws outside Python's lock.
"""

import threading
from collections import Counter
from collections.abc import Iterator
from functools import partial

import structlog

from schemas.errors import RefusedError
from schemas.log import Topic
from schemas.seal import decode_seal
from streams import metrics
from streams.backoff import StoppedError, retried
from streams.metrics import Figure
from streams.settings import Settings
from streams.writer.database import Database
from streams.writer.dead_letters import DeadLetters
from streams.writer.ledger_topic import LedgerTopic
from streams.writer.log import LogReader
from streams.writer.loss import Loss, LossBook
from streams.writer.release import Place, Release
from streams.writer.release_tables import Standing
from streams.writer.restored import Restored, reconcile
from streams.writer.rows import Message

POLL_SEALS = 10
POLL_WITHIN_S = 0.2

log = structlog.get_logger(__name__)


class ReleaseLoop:
    """Releases until `stop` is set; what ends it otherwise is raised by `check`.

    Parameters
    ----------
    settings : Settings
    stop : threading.Event
    """

    def __init__(self, settings: Settings, stop: threading.Event) -> None:
        self._stop = stop
        self._database = Database(settings.database.uri)
        self._reader = LogReader(settings.kafka, (Topic.SEALS,))
        self._dead_letters = DeadLetters(settings.kafka)
        self._ledger = LedgerTopic(settings.kafka)
        self._release = Release(self._database, self._ledger)
        self._done: dict[tuple[str, int], int] = {}
        self._lag: Counter[str] = Counter()
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="release")
        self.losses = LossBook(self._database.record_losses, stop)
        """Seals that aged out before they were released: those cells are missing."""
        self.refused: Counter[str] = Counter()
        """Refused seals by reason, since the start."""
        self.standings: Counter[Standing] = Counter()
        """Seals by what their batch was, since the start."""
        self.restored: Restored | None = None
        """The restore that was found at the start."""

    def start(self) -> None:
        """Begin, in a thread."""
        self._thread.start()

    def join(self) -> None:
        """Wait for the end, after `stop` was set."""
        if self._thread.ident is not None:
            self._thread.join()

    def check(self) -> None:
        """Raise what ended the thread, if anything did."""
        if self._error is not None:
            raise self._error

    def figures(self) -> Iterator[Figure]:
        """The metrics of this moment."""
        yield Figure(metrics.RELEASED, self._release.released)
        yield Figure(metrics.RESTORES, int(self.restored is not None))
        for topic, behind in self._lag.items():
            yield Figure(metrics.LAG, behind, topic)

    def _run(self) -> None:
        try:
            self._begin()
            while not self._stop.is_set():
                # Here, and not when somebody scrapes: a consumer is asked by its own thread only.
                self._lag = self._reader.lag(self._done)
                messages = self._reader.poll(POLL_SEALS, POLL_WITHIN_S)
                self.losses.note(self._reader.take_losses())
                for message in messages:
                    self._take(message)
        except StoppedError:
            log.info("stopped while waiting")
        except BaseException as error:  # noqa: BLE001  # handed to the writer's own thread by `check`
            self._error = error
        finally:
            self._reader.close()
            self._database.close()

    def _begin(self) -> None:
        places = retried(lambda: self._reader.partitions(self._dead_letters.producer), self._stop)
        self.restored = retried(lambda: reconcile(self._database, self._ledger), self._stop)
        retried(self._release.begin, self._stop)
        stored = retried(self._database.offsets, self._stop)
        starts = retried(lambda: self._reader.starts(places, stored), self._stop)
        for (topic, partition), start in starts.items():
            if start.lost and start.is_empty:
                self.losses.note([Loss(topic, partition, start.offset - start.lost, start.offset)])
            if start.made_anew:
                was = stored[topic, partition]
                log.warning("topic was made anew", topic=topic, partition=partition, stored=was)
                retried(partial(self._database.rewind, topic, partition, was, start.offset), self._stop)
        self._done = {place: start.offset for place, start in starts.items()}
        self._reader.assign(starts)

    def _take(self, message: Message) -> None:
        place = Place(message.partition, message.offset)
        try:
            seal = decode_seal(message.headers, message.value)
            was = retried(lambda: self._release.release(seal, place), self._stop)
        except RefusedError as refused:
            self._refuse(message, refused)
            retried(lambda: self._release.skip(place), self._stop)
        else:
            self.standings[was] += 1
            if was is Standing.LOST:
                log.warning("batch stays missing", batch=seal.batch_key, what="a restore took its draw away")
        self._done[message.topic, message.partition] = message.offset + 1

    def _refuse(self, message: Message, refused: RefusedError) -> None:
        self.refused[refused.reason] += 1
        log.error(
            "refused", reason=refused.reason, error=str(refused), topic=message.topic, partition=message.partition,
            offset=message.offset, refused_since_start=self.refused.total(),
        )
        self._dead_letters.add(message, refused.reason)
        retried(self._dead_letters.flush, self._stop)
