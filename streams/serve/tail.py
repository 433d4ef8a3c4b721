# SPDX-License-Identifier: Apache-2.0
"""The near end of `live`, `alerts` and `notes`: every partition, from far enough back to know the present, for ever.

Without a consumer group: each server reads all, and nothing is committed.
"""

import time
from collections import Counter
from collections.abc import Mapping

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from schemas.errors import FatalError, TransientError
from schemas.log import Topic
from streams.kafka_client import connection, told_apart
from streams.settings import KafkaSettings
from streams.writer.rows import Message

CLIENT = "drukte-serve"
BACK = {Topic.LIVE: 1_500, Topic.ALERTS: 5_000, Topic.NOTES: 1_000}
"""Messages of a partition that are read back at the start. Its sites close their windows at a few steps a minute, so
1,500 hold more than an hour, and so the state of every sensor, which is told hourly; an open alert is never so far
behind as 5,000 changes of its site."""
ANSWER_LIMIT_S = 3.0
PROBE_LIMIT_S = 2.0
SILENCE_S = 3.0
"""After so long without a message the broker is asked whether it is there."""
POLL_MESSAGES = 500
POLL_WITHIN_S = 0.2
QUEUE_LIMIT_KIB = 16_384

log = structlog.get_logger(__name__)


class Tail:
    """A reader of these topics. Its methods block, and are called by one thread at a time.

    Parameters
    ----------
    kafka : KafkaSettings
    client : str
        The reader's name at the broker.
    back : mapping of Topic to int, optional
        Topics to read, and how many messages of a partition back; else `BACK`.
    """

    def __init__(
        self, kafka: KafkaSettings, client: str = CLIENT, back: Mapping[Topic, int] | None = None
    ) -> None:
        self._kafka = kafka
        self._back = BACK if back is None else back
        self._behind: set[tuple[str, int]] = set()
        self._first: TopicPartition | None = None
        self._starts: dict[tuple[str, int], int] = {}
        self._heard_s = time.monotonic()
        self._consumer = Consumer({
            **connection(kafka),
            "client.id": client,
            "group.id": client,  # the library asks for one; it is never joined
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "enable.partition.eof": True,
            # Also for a topic that was made anew and is shorter than what was read.
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 100,
            "reconnect.backoff.max.ms": 2_000,
            "queued.max.messages.kbytes": QUEUE_LIMIT_KIB,
            "log_level": 2,  # the next line tells it in our own log
            "error_cb": lambda error: log.debug("kafka", error=error.name()),
        })
        self.is_well = False
        """Whether the broker answered when it was last listened to."""

    @property
    def caught_up(self) -> bool:
        """Whether every partition was read to its end once."""
        return self._first is not None and not self._behind

    def open(self) -> None:
        """Find the partitions and begin to read.

        Raises
        ------
        TransientError
            The broker does not answer, or has not all these topics yet.
        FatalError
            It does not let us in.
        """
        starts = [
            self._start(topic, partition) for topic in self._back for partition in self._partitions(topic)
        ]
        self._starts = {(start.topic, start.partition): start.offset for start in starts}
        self._consumer.assign(starts)
        self._behind = {(start.topic, start.partition) for start in starts}
        self._first = starts[0]
        self._hear()

    def poll(self) -> list[Message]:
        """What has come, within `POLL_WITHIN_S`; a broker that is away shows in `is_well`.

        Raises
        ------
        FatalError
            The broker says what no waiting mends.
        """
        taken = []
        for polled in self._consumer.consume(POLL_MESSAGES, POLL_WITHIN_S):
            error = polled.error()
            if error is None:
                taken.append(Message.of(polled))
                self._hear()
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  its public name
                self._behind.discard((polled.topic() or "", polled.partition() or 0))
            elif isinstance(told := told_apart(self._kafka, error), FatalError):
                raise told
        if time.monotonic() - self._heard_s > SILENCE_S:
            self._probe()
        return taken

    def lag(self) -> Counter[str]:
        """Messages to the ends, by topic, as the last fetches told; asks nobody."""
        behind: Counter[str] = Counter()
        for place in self._consumer.position(self._consumer.assignment()):
            _, high = self._consumer.get_watermark_offsets(place, cached=True)
            if high >= 0:
                # Before its first message a partition has no position yet.
                done = place.offset if place.offset >= 0 else self._starts[place.topic, place.partition]
                behind[place.topic] += max(high - done, 0)
        return behind

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def _hear(self) -> None:
        self._heard_s = time.monotonic()
        self.is_well = True

    def _probe(self) -> None:
        if self._first is None:
            return
        try:
            self._consumer.get_watermark_offsets(self._first, timeout=PROBE_LIMIT_S)
        except KafkaException:
            self.is_well = False
        else:
            self._hear()

    def _partitions(self, topic: Topic) -> list[int]:
        try:
            about = self._consumer.list_topics(topic.value, timeout=ANSWER_LIMIT_S).topics[topic.value]
        except KafkaException as error:
            raise told_apart(self._kafka, error.args[0]) from None
        if about.error is not None or not about.partitions:
            raise TransientError(f"broker {self._kafka.bootstrap}: topic {topic} is not there; is it made yet?")
        return sorted(about.partitions)

    def _start(self, topic: Topic, partition: int) -> TopicPartition:
        at = TopicPartition(topic.value, partition)
        try:
            limits = self._consumer.get_watermark_offsets(at, timeout=ANSWER_LIMIT_S)
        except KafkaException as error:
            raise told_apart(self._kafka, error.args[0]) from None
        if limits is None:
            raise TransientError(f"broker {self._kafka.bootstrap}: {topic}[{partition}]: no answer on its offsets")
        low, high = limits
        return TopicPartition(topic.value, partition, max(low, high - self._back[topic]))
