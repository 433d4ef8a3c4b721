# SPDX-License-Identifier: Apache-2.0
"""Stretches of topics, read without a group; and what the identities of effects say."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from schemas.errors import RefusedError, TransientError
from schemas.live import LiveTable, columns_lacking
from schemas.log import Topic, event_type
from streams.kafka_client import connection, headers_of
from streams.settings import KafkaSettings
from streams.writer.rows import LIVE_TYPES

SILENCE_S = 30.0
"""A broker that gives nothing for so long, though there is more, is away."""
FETCH = 1_000
FETCH_S = 0.1

LIVE_ID_PARTS = 4
Place = tuple[int, int]
"""Where in the log an effect comes from: offset of the message, position among its effects."""


class TopicReader:
    """Reads stretches of topics; belongs to no group and commits nothing."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._consumer = Consumer({
            **connection(kafka), "group.id": "drukte-verify", "client.id": "drukte-verify",
            "enable.auto.commit": False, "auto.offset.reset": "earliest", "log_level": 2,
        })

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def limits(self, topic: Topic, partition: int) -> tuple[int, int]:
        """The first offset and the next one to be written; raises `TransientError`."""
        try:
            found = self._consumer.get_watermark_offsets(TopicPartition(topic.value, partition), timeout=SILENCE_S)
        except KafkaException as error:
            raise TransientError(f"{topic}[{partition}]: {error.args[0].str()}; is the broker running?") from None
        if found is None:
            raise TransientError(f"{topic}[{partition}]: no answer about its offsets; is the broker running?")
        return found

    def offset_at(self, topic: Topic, partition: int, at_ms: int) -> int:
        """The first offset that is stamped `at_ms` (since 1970) or later; raises `TransientError`."""
        try:
            asked = [TopicPartition(topic.value, partition, max(at_ms, 0))]
            found = self._consumer.offsets_for_times(asked, timeout=SILENCE_S)[0]
        except KafkaException as error:
            raise TransientError(f"{topic}[{partition}]: {error.args[0].str()}; is the broker running?") from None
        return found.offset if found.offset >= 0 else self.limits(topic, partition)[1]

    def messages(self, topic: Topic, partition: int, start: int, end: int) -> Iterator[KafkaMessage]:
        """Messages from offset `start` to below `end`, in order.

        Raises
        ------
        TransientError
            The broker gives nothing for `SILENCE_S`.
        """
        if start >= end:
            return
        self._consumer.assign([TopicPartition(topic.value, partition, start)])
        following, heard_s = start, time.monotonic()
        while following < end:
            taken = self._consumer.consume(FETCH, FETCH_S)  # gives less than FETCH only after FETCH_S
            if taken:
                heard_s = time.monotonic()
            elif time.monotonic() - heard_s > SILENCE_S:
                raise TransientError(
                    f"{topic}[{partition}]: nothing from offset {following} on; is the broker running?")
            for message in taken:
                if message.error() is not None:
                    continue  # the library tries again by itself; what lasts ends in silence
                following = (message.offset() or 0) + 1
                if following <= end:
                    yield message


def event_id(message: KafkaMessage) -> list[str]:
    """The parts of a message's `ce_id`; empty where it has none."""
    for name, value in headers_of(message):
        if name == "ce_id" and value is not None:
            return value.decode(errors="replace").split("/")
    return []


@dataclass(slots=True)
class Told:
    """What messages of `live` say about those who told them.

    Parameters
    ----------
    newest : Place
        The newest place in the log that they come from; all before it was said before it.
    unknown : dict of LiveTable to dict of str to int
        Columns that a worker of a program of before did not know, and the newest offset of the log of which such a
        worker told.
    """

    newest: Place = (-1, -1)
    unknown: dict[LiveTable, dict[str, int]] = field(default_factory=dict)

    def add(self, place: Place, table: LiveTable | None = None, lacking: Iterable[str] = ()) -> None:
        """Take a message in, of a table or of none, and the columns that its rows lack."""
        self.newest = max(self.newest, place)
        if table is not None:
            offsets = self.unknown.setdefault(table, {})
            offsets.update({column: max(place[0], offsets.get(column, -1)) for column in lacking})


def told(messages: Iterable[KafkaMessage]) -> Told:
    """What messages of `live` say about those who told them."""
    found = Told()
    for message in messages:
        named = event_id(message)
        if len(named) == LIVE_ID_PARTS and named[2].isdigit() and named[3].isdigit():
            table = LIVE_TYPES.get(event_type(headers_of(message)))
            found.add((int(named[2]), int(named[3])), table, _lacking(table, message))
    return found


def _lacking(table: LiveTable | None, message: KafkaMessage) -> frozenset[str]:
    if table is None:
        return frozenset()
    try:
        return columns_lacking(table, message.value() or b"")
    except RefusedError:
        return frozenset()  # the writer refused it as well: its rows show as missing
