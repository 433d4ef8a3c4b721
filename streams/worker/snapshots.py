# SPDX-License-Identifier: Apache-2.0
"""Reading `snapshots`: the newest of each partition first, all that are left only where those do not fit.

Plain blocking code for a thread of its own. A read ends at the topic's end or at its limit, never later.
"""

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.errors import RefusedError, TransientError
from schemas.log import ReadHeaders, Topic
from schemas.snapshot import SnapshotHead, decode_head
from streams.kafka_client import connection, offset_limits
from streams.settings import KafkaSettings

TAIL_MESSAGES = 8
"""A snapshot is followed by none but newer ones, so the newest one of any worker is among the last few."""
FETCH_WAIT_MS = 50
POLL_S = 0.5
POLL_MESSAGES = 16

Skip = Callable[[int, int, str], None]
"""Told of a message that is passed over: partition, offset in `snapshots`, reason."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A snapshot as it was found, not unpacked; `offset` is its own, in `snapshots`."""

    offset: int
    key: bytes
    head: SnapshotHead
    headers: ReadHeaders
    value: bytes


class SnapshotReader:
    """One visit to the topic.

    Parameters
    ----------
    kafka : KafkaSettings
    limit_s : float
        For the whole visit.
    skip : Skip

    Attributes
    ----------
    not_empty : set of int
        The partitions in which anything was found.
    """

    def __init__(self, kafka: KafkaSettings, limit_s: float, skip: Skip) -> None:
        self._limit_s = limit_s
        self._end_s = time.monotonic() + limit_s
        self._skip = skip
        self.not_empty: set[int] = set()
        self._where = kafka.bootstrap
        self._consumer = Consumer({
            **connection(kafka), "group.id": "drukte-snapshots", "enable.auto.commit": False,
            "enable.partition.eof": True, "auto.offset.reset": "earliest", "fetch.wait.max.ms": FETCH_WAIT_MS,
            "log_level": 2,
        })

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def newest(self, numbers: Collection[int]) -> dict[int, list[Candidate]]:
        """The last few snapshots of partitions, the one that reaches furthest first.

        Raises
        ------
        TransientError
            The topic cannot be read within the limit.
        """
        return self._read(numbers, TAIL_MESSAGES)

    def last_of_each_key(self, numbers: Collection[int]) -> dict[int, list[Candidate]]:
        """What compaction would leave, the one that reaches furthest first; raises as `newest` does."""
        return self._read(numbers, None)

    def _read(self, numbers: Collection[int], last: int | None) -> dict[int, list[Candidate]]:
        try:
            messages = self._messages(self._starts(numbers, last), by_key=last is None)
        except KafkaException as error:
            raise TransientError(f"{self._what()}: {error.args[0].str()}; is the broker running?") from None
        found: dict[int, list[Candidate]] = {number: [] for number in numbers}
        for message in messages:
            if (candidate := self._candidate(message)) is not None:
                found[cast("int", message.partition())].append(candidate)
        for candidates in found.values():
            candidates.sort(key=lambda candidate: (candidate.head.next_offset, candidate.offset), reverse=True)
        return found

    def _starts(self, numbers: Collection[int], last: int | None) -> dict[int, int]:
        starts = {}
        for number in numbers:
            place = TopicPartition(Topic.SNAPSHOTS.value, number)
            extent = offset_limits(self._consumer, place, self._left_s())
            if extent is None:
                raise TransientError(f"{self._what()}: no answer within {self._limit_s:g} s")
            low, high = extent
            if high > low:
                self.not_empty.add(number)
                starts[number] = low if last is None else max(low, high - last)
        return starts

    def _messages(self, starts: Mapping[int, int], *, by_key: bool) -> list[Message]:
        """All messages from `starts` to the ends; by key only the last of each, so that memory stays small."""
        self._consumer.assign([TopicPartition(Topic.SNAPSHOTS.value, *start) for start in starts.items()])
        unread = set(starts)
        kept: dict[tuple[int | None, object], Message] = {}
        while unread:
            # A call for many waits until it has them all; so one that waits, then what else is there.
            first = self._consumer.poll(min(POLL_S, self._left_s()))
            for message in [] if first is None else [first, *self._consumer.consume(POLL_MESSAGES, 0)]:
                error = message.error()
                if error is None:
                    kept[message.partition(), message.key() if by_key else message.offset()] = message
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # the only name it has
                    unread.discard(cast("int", message.partition()))
                elif not error.retriable():
                    raise KafkaException(error)
        return list(kept.values())

    def _candidate(self, message: Message) -> Candidate | None:
        partition, offset = cast("int", message.partition()), cast("int", message.offset())
        value = message.value()
        headers = cast("ReadHeaders | None", message.headers())
        if value is None:
            return None
        try:
            head = decode_head(headers)
        except RefusedError as error:
            self._skip(partition, offset, str(error))
            return None
        return Candidate(offset, message.key() or b"", head, headers or (), value)

    def _left_s(self) -> float:
        left_s = self._end_s - time.monotonic()
        if left_s <= 0:
            raise TransientError(f"{self._what()}: not read within {self._limit_s:g} s; is the broker overloaded?")
        return left_s

    def _what(self) -> str:
        return f"topic {Topic.SNAPSHOTS} at {self._where}"
