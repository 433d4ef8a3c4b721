# SPDX-License-Identifier: Apache-2.0
"""What aged out before it was dealt with: as the workers' dead letters and the writer's table tell it."""

import time

from confluent_kafka import Consumer, KafkaError, TopicPartition

from schemas.errors import RefusedError, TransientError
from schemas.letter import Letter, decode_letter
from schemas.log import Topic
from schemas.refusal import Reason
from streams import storage
from streams.kafka_client import connection
from streams.settings import KafkaSettings

LETTERS = 5_000
"""So many of the newest dead letters are looked at."""
SHOWN = 5
_LOSSES = """
SELECT topic, partition, messages, sent_after, sent_before FROM engine.loss
WHERE noticed_at > now() - interval '7 days' ORDER BY noticed_at DESC, topic, partition"""


def of_the_log(kafka: KafkaSettings, limit_s: float) -> list[str]:
    """What the workers told of messages that were gone, a text each, newest first; `SHOWN` at most.

    Raises
    ------
    TransientError
        The dead letters cannot be read within the limit.
    """
    told: dict[str, Letter] = {}
    for letter in _letters(kafka, limit_s):
        if letter.reason == Reason.LOST:
            told[letter.where] = letter  # a worker that fell before its next snapshot tells it again
    newest = sorted(told.values(), key=lambda letter: letter.at_us, reverse=True)
    return [f"{letter.where}: {letter.count} messages {letter.detail}" for letter in newest[:SHOWN]]


def _letters(kafka: KafkaSettings, limit_s: float) -> list[Letter]:
    end_s = time.monotonic() + limit_s
    consumer = Consumer({
        **connection(kafka), "client.id": "drukte-doctor", "group.id": "drukte-doctor",
        "enable.auto.commit": False, "enable.partition.eof": True, "fetch.wait.max.ms": 50, "log_level": 2,
        "error_cb": lambda _: None,
    })
    try:
        limits = {
            number: consumer.get_watermark_offsets(TopicPartition(Topic.DEAD_LETTERS.value, number), timeout=limit_s)
            for number in consumer.list_topics(Topic.DEAD_LETTERS.value, timeout=limit_s)
            .topics[Topic.DEAD_LETTERS.value].partitions
        }
        unread = {number for number, (low, high) in limits.items() if high > low}
        consumer.assign([
            TopicPartition(Topic.DEAD_LETTERS.value, number, max(limits[number][0], limits[number][1] - LETTERS))
            for number in sorted(unread)
        ])
        found = []
        while unread:
            if time.monotonic() > end_s:
                raise TransientError(f"topic {Topic.DEAD_LETTERS}: not read within {limit_s:g} s")
            first = consumer.poll(0.2)
            for message in [] if first is None else [first, *consumer.consume(LETTERS, 0)]:
                error = message.error()
                if error is None:
                    found += _decoded(message.value())
                elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # the only name it has
                    unread.discard(message.partition() or 0)
        return found
    finally:
        consumer.close()


def _decoded(value: bytes | None) -> list[Letter]:
    try:
        return [decode_letter(value or b"")]
    except RefusedError:
        return []  # somebody else's


def of_the_topics(connection: storage.Connection) -> list[str]:
    """What the writer found gone in the last seven days, a text each, newest first; `SHOWN` at most."""
    return [
        f"{topic}[{partition}]: {messages} messages sent {_between(after, before)} aged out before they were written"
        for topic, partition, messages, after, before in connection.execute(_LOSSES).fetchmany(SHOWN)
    ]


def _between(after: object, before: object) -> str:
    said = f"after {after:%Y-%m-%d %H:%M} " if after is not None else ""
    return said + (f"before {before:%Y-%m-%d %H:%M}" if before is not None else "at a time that nobody knows")
