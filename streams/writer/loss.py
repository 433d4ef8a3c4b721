# SPDX-License-Identifier: Apache-2.0
"""What aged out of a topic before the writer came to it, kept in `engine.loss`."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog

from streams import storage
from streams.backoff import retried

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_US = (datetime(2200, 1, 1, tzinfo=UTC) - _EPOCH) // timedelta(microseconds=1)
# Two writers may find the same loss, one of them more of it.
_STATEMENT = """
INSERT INTO engine.loss AS known (topic, partition, first_offset, next_offset, sent_after, sent_before)
SELECT %(topic)s, %(partition)s, %(first)s, %(following)s,
       (SELECT stamped_at FROM engine.writer_offset WHERE topic = %(topic)s AND partition = %(partition)s),
       %(before)s
ON CONFLICT (topic, partition, first_offset) DO UPDATE
SET next_offset = EXCLUDED.next_offset, sent_before = EXCLUDED.sent_before
WHERE known.next_offset < EXCLUDED.next_offset"""

# Only from the loss on: messages before it may be in hand and not be written yet.
_PASSED = """
UPDATE engine.writer_offset SET next_offset = %(following)s
WHERE topic = %(topic)s AND partition = %(partition)s AND next_offset BETWEEN %(first)s AND %(following)s"""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Loss:
    """A run of messages that nobody can read any more.

    Parameters
    ----------
    topic : str
    partition : int
    first, following : int
        Offset of the first one, and of the first message behind them.
    stamped_before_us : int
        Stamp of the first message behind them, microseconds since 1970, UTC; 0 or less where there is none.
    """

    topic: str
    partition: int
    first: int
    following: int
    stamped_before_us: int = 0

    @property
    def messages(self) -> int:
        """How many."""
        return self.following - self.first


class LossBook:
    """Tells of losses: in the log, in the database, in a counter.

    Parameters
    ----------
    record : callable
        Writes them; raises `TransientError` while the database is away.
    stop : threading.Event
        Ends the waiting for it.
    """

    def __init__(self, record: Callable[[Sequence[Loss]], None], stop: threading.Event) -> None:
        self._record = record
        self._stop = stop
        self.lost: Counter[str] = Counter()
        """Messages by topic, since the start."""

    def note(self, losses: Sequence[Loss]) -> None:
        """Tell of losses; waits until the database has them. Raises `StoppedError`."""
        for loss in losses:
            self.lost[loss.topic] += loss.messages
            log.error("lost", topic=loss.topic, partition=loss.partition, first=loss.first, next=loss.following,
                      messages=loss.messages, what="aged out before they were written; what they held stays absent")
        if losses:
            retried(partial(self._record, losses), self._stop)


def stamp(at_us: int) -> datetime | None:
    """A message's stamp as the database can hold it; None for one that says nothing."""
    return _EPOCH + timedelta(microseconds=at_us) if 0 < at_us < _LAST_US else None


def record(connection: storage.Connection, losses: Iterable[Loss]) -> None:
    """Write losses and go past those that are next, in one transaction; the same one again changes nothing.

    Raises psycopg's errors, and then nothing is written.
    """
    with connection.transaction():
        for loss in losses:
            place = {"topic": loss.topic, "partition": loss.partition, "first": loss.first, "following": loss.following}
            connection.execute(_STATEMENT, place | {"before": stamp(loss.stamped_before_us)})
            connection.execute(_PASSED, place)
