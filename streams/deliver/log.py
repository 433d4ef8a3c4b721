# SPDX-License-Identifier: Apache-2.0
"""Reading `alerts` and `deliveries`: from the beginning, first to the end of that moment, then on.

Both topics are small (changes, not values) and kept for 7 days: reading them whole is the way to know what
is open and what has been told. Nothing is committed and no group is joined.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from schemas.errors import FatalError, TransientError
from schemas.log import Headers, Topic
from streams.kafka_client import connection, plain_headers, told_apart
from streams.settings import KafkaSettings

CALL_S = 10.0
POLL_MESSAGES = 500
SILENCE_S = 30.0
"""A broker that says nothing for so long while a topic is not read to its end is away."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Read:
    """One message; `appended_us` is the broker's stamp, wall time, microseconds since 1970, UTC."""

    partition: int
    offset: int
    headers: Headers
    value: bytes
    appended_us: int


class TopicReader:
    """Reads one topic.

    Parameters
    ----------
    kafka : KafkaSettings
    topic : Topic
    """

    def __init__(self, kafka: KafkaSettings, topic: Topic) -> None:
        self._kafka = kafka
        self._topic = topic.value
        self._next: dict[int, int] = {}
        self._consumer = Consumer({
            **connection(kafka),
            "client.id": "drukte-deliver",
            "group.id": "drukte-deliver",  # the library asks for one; it is never joined
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 50,
            "log_level": 2,  # the next line tells it in our own log
            "error_cb": lambda error: log.warning("broker trouble", error=error.name()),
        })

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def read_to_end(self, stopped: Callable[[], bool]) -> Iterator[Read]:
        """All messages that are there now; afterwards `poll` goes on behind them. Ends early when `stopped`.

        Raises
        ------
        TransientError
            The broker is away or has no such topic.
        FatalError
            It lets us not in.
        """
        ends = self._assign()
        quiet_until_s = time.monotonic() + SILENCE_S
        while any(self._next[partition] < end for partition, end in ends.items()) and not stopped():
            found = self.poll(0.5)
            if found:
                quiet_until_s = time.monotonic() + SILENCE_S
            elif time.monotonic() > quiet_until_s:
                raise TransientError(f"topic {self._topic}: not read to its end; is the broker there?")
            yield from found
            self._move_to_positions()

    def _assign(self) -> dict[int, int]:
        try:
            about = self._consumer.list_topics(self._topic, timeout=CALL_S).topics[self._topic]
            if about.error is not None:
                raise TransientError(f"topic {self._topic}: {about.error.name()}; is it made yet?")
            places = [TopicPartition(self._topic, number) for number in about.partitions]
            limits = {
                place.partition: self._consumer.get_watermark_offsets(place, timeout=CALL_S) for place in places
            }
            if None in limits.values():
                raise TransientError(f"topic {self._topic}: no answer about its offsets")
            self._next = {partition: low for partition, (low, _) in limits.items()}
            self._consumer.assign([
                TopicPartition(self._topic, partition, low) for partition, low in self._next.items()
            ])
        except KafkaException as error:
            raise told_apart(self._kafka, error.args[0]) from None
        return {partition: high for partition, (_, high) in limits.items()}

    def _move_to_positions(self) -> None:
        # An end may lie behind offsets that hold no message (aged out, or a marker): only the position tells.
        for place in self._consumer.position([TopicPartition(self._topic, number) for number in self._next]):
            self._next[place.partition] = max(self._next[place.partition], place.offset)

    def poll(self, within_s: float) -> list[Read]:
        """The next messages, after `within_s` at the latest; raises `FatalError`."""
        taken = []
        # A call for many waits until it has them all; so one that waits, then what else is there.
        first = self._consumer.poll(within_s)
        for polled in [] if first is None else [first, *self._consumer.consume(POLL_MESSAGES, 0)]:
            error = polled.error()
            if error is None:
                taken.append(_plain(polled))
                continue
            told = told_apart(self._kafka, error)
            if isinstance(told, FatalError):
                raise told
            log.warning("broker trouble", error=error.name())
        for one in taken:
            self._next[one.partition] = one.offset + 1
        return taken


def _plain(polled: KafkaMessage) -> Read:
    return Read(
        partition=polled.partition() or 0, offset=polled.offset() or 0, headers=plain_headers(polled),
        value=polled.value() or b"", appended_us=polled.timestamp()[1] * 1000,
    )
