# SPDX-License-Identifier: Apache-2.0
"""Reading topics `dead-letters` and `dead-letter-bodies`: what was refused, and what of it was kept or redone."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from schemas.errors import FatalError, RefusedError, TransientError
from schemas.kept_body import BodyKind, KeptBody, decode_kept, kept_kind
from schemas.letter import Letter, decode_letter
from schemas.log import ReadHeaders, Topic
from streams.kafka_client import check_admitted, connection
from streams.settings import KafkaSettings

LIMIT_S = 30.0
ANSWER_S = 5.0
"""How long the broker may take to say which partitions there are."""


@dataclass(frozen=True, slots=True)
class Found:
    """A letter and where it stands: `id` is partition and offset, and stays the same."""

    id: str
    letter: Letter


@dataclass(slots=True)
class Bodies:
    """What topic `dead-letter-bodies` holds now.

    Parameters
    ----------
    kept : dict of str to KeptBody
        By id.
    redone : set of str
        Ids of those that were taken in since they were last kept.
    """

    kept: dict[str, KeptBody] = field(default_factory=dict)
    redone: set[str] = field(default_factory=set)


def read_letters(kafka: KafkaSettings, limit_s: float = LIMIT_S) -> list[Found]:
    """All letters that the topic still holds, newest first; those of an unknown form are passed over.

    Raises
    ------
    TransientError
        The broker is away, or the topic cannot be read within `limit_s`.
    """
    found = []
    for message in _messages(kafka, Topic.DEAD_LETTERS, limit_s):
        try:
            letter = decode_letter(message.value() or b"")
        except RefusedError:
            continue
        found.append(Found(f"{message.partition()}-{message.offset()}", letter))
    return sorted(found, key=lambda one: one.letter.at_us, reverse=True)


def read_bodies(kafka: KafkaSettings, limit_s: float = LIMIT_S) -> Bodies:
    """All bodies that are kept now; raises as `read_letters`."""
    bodies = Bodies()
    for message in _messages(kafka, Topic.DEAD_LETTER_BODIES, limit_s):
        key = message.key()
        headers = cast("ReadHeaders | None", message.headers())
        kind = kept_kind(headers)
        if kind is BodyKind.REDONE:
            bodies.redone.add((key or b"").decode())
        elif kind is BodyKind.BODY:
            one = decode_kept(key, headers, message.value())
            bodies.kept[one.id] = one
            # Sent and refused again after it was redone: once more to be dealt with.
            bodies.redone.discard(one.id)
    return bodies


def _messages(kafka: KafkaSettings, topic: Topic, limit_s: float) -> Iterator[Message]:
    end_s = time.monotonic() + limit_s
    check_admitted(kafka)
    consumer = Consumer({
        **connection(kafka), "client.id": "drukte-dead-letters", "group.id": "drukte-dead-letters",
        "enable.auto.commit": False, "enable.partition.eof": True, "auto.offset.reset": "earliest",
        "fetch.wait.max.ms": 50, "log_level": 2, "error_cb": lambda _: None,
    })
    try:
        partitions = _partitions(kafka, consumer, topic)
        consumer.assign([TopicPartition(topic.value, number, 0) for number in partitions])
        unread = set(partitions)
        while unread:
            if time.monotonic() > end_s:
                raise TransientError(f"topic {topic}: not read within {limit_s:g} s")
            for message in consumer.consume(1_000, 0.2):
                if _is_end(message):
                    unread.discard(message.partition())
                else:
                    yield message
    except KafkaException as error:
        raise _away(kafka, topic, error) from None
    finally:
        consumer.close()


def _partitions(kafka: KafkaSettings, consumer: Consumer, topic: Topic) -> list[int]:
    try:
        about = consumer.list_topics(topic.value, timeout=ANSWER_S).topics[topic.value]
    except KafkaException as error:
        raise _away(kafka, topic, error) from None
    if about.error is not None:
        raise _unreadable(topic.value, about.error)
    return list(about.partitions)


def _away(kafka: KafkaSettings, topic: Topic, error: KafkaException) -> TransientError:
    return TransientError(f"topic {topic}: broker {kafka.bootstrap} does not answer ({error.args[0].str()}); is it "
                          "running? see kafka.bootstrap in drukte.toml")


def _is_end(message: Message) -> bool:
    error = message.error()
    if error is None:
        return False
    if error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # the library has no other name for it
        return True
    raise _unreadable(message.topic() or "", error)


def _unreadable(topic: str, error: KafkaError) -> FatalError | TransientError:
    if error.fatal() or error.code() == KafkaError.UNKNOWN_TOPIC_OR_PART:
        return FatalError(f"topic {topic}: {error.str()}; start a gateway once, which makes the topics")
    return TransientError(f"topic {topic}: {error.str()}")
