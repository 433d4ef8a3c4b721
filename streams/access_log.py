# SPDX-License-Identifier: Apache-2.0
"""The access log: a look is on topic `access` before anything is shown, and read again from `privacy.access`."""

import datetime as dt
import uuid
from collections.abc import Sequence
from typing import Any

import msgspec
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.access import Access, Looked, encode_access
from schemas.errors import FatalError, TransientError
from schemas.log import Topic
from streams.clock import wall_us
from streams.kafka_client import connection
from streams.settings import KafkaSettings
from streams.storage import Connection

DELIVERY_S = 10.0
_READ = """
SELECT at, who, looked, subject FROM privacy.access
WHERE at >= %(since)s AND (%(who)s::text IS NULL OR who = %(who)s) ORDER BY at DESC, subject LIMIT %(most)s"""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """A look as it is shown."""

    at: dt.datetime
    who: str
    looked: str
    subject: str


def note_access(kafka: KafkaSettings, who: str, looked: Looked, subjects: Sequence[str]) -> None:
    """Put a look at each subject on topic `access`; returns when the broker has all. Call it before showing anything.

    Raises
    ------
    TransientError
        The broker did not acknowledge them; nothing may be shown.
    FatalError
        The topic is not there.
    """
    failed: list[KafkaError] = []

    def settle(error: KafkaError | None, _: Message) -> None:
        if error is not None:
            failed.append(error)

    settings: dict[str, Any] = {
        **connection(kafka), "client.id": "drukte-access", "acks": "all", "log_level": 2,
        "message.timeout.ms": round(DELIVERY_S * 1000), "error_cb": lambda _: None,
    }
    producer = Producer(settings)
    at_us = wall_us()
    try:
        for subject in subjects:
            headers, value = encode_access(
                Access(id=uuid.uuid4().hex, at_us=at_us, who=who, looked=looked, subject=subject))
            producer.produce(Topic.ACCESS.value, value, key=who.encode(), headers=list(headers), on_delivery=settle)
        left = producer.flush(DELIVERY_S + 2)
    except (KafkaException, BufferError) as error:
        raise TransientError(_not_shown(str(error))) from None
    if any(error.code() in (KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC)  # noqa: SLF001  # public name
           for error in failed):
        raise FatalError(_not_shown("the topic is not there; start a gateway once, which makes the topics"))
    if failed or left:
        raise TransientError(_not_shown("the broker did not take it; is it running?"))


def _not_shown(why: str) -> str:
    return f"nothing is shown without its line in the access log: topic {Topic.ACCESS}: {why}"


def read_access(connection: Connection, since: dt.datetime, who: str | None, most: int) -> list[Seen]:
    """The newest looks since a time, newest first; raises psycopg's errors."""
    found = connection.execute(_READ, {"since": since, "who": who, "most": most})
    return [Seen(at=at, who=name, looked=looked, subject=subject) for at, name, looked, subject in found]
