# SPDX-License-Identifier: Apache-2.0
"""Reading `live`, `alerts`, `deliveries` and `seals`: every partition, from the offsets that the database holds."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

import structlog
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka import Message as KafkaMessage

from schemas.errors import FatalError, TransientError
from schemas.log import Topic
from streams.kafka_client import connection, told_apart
from streams.settings import KafkaSettings
from streams.writer.loss import Loss
from streams.writer.rows import TOPICS, Message

GROUP = "drukte-writer"
METADATA_LIMIT_S = 10.0
QUEUE_LIMIT_KIB = 16_384
LAG_S = 1.0
"""The lag is reckoned at most so often: it is looked at by scrapes, and asked for at every poll."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Start:
    """From which offset a partition is read.

    Parameters
    ----------
    offset : int
    lost : int
        Messages that aged out of the topic before they were written.
    made_anew : bool
        The topic ends before the stored offset: it is not the topic that was read before.
    is_empty : bool
        No message is there now.
    """

    offset: int
    lost: int = 0
    made_anew: bool = False
    is_empty: bool = False


def starting_point(stored: int | None, low: int, high: int) -> Start:
    """Where to begin, given the stored offset and the first and next offsets of the partition. Pure."""
    if stored is None:
        return Start(low, is_empty=low == high)
    if stored > high:
        return Start(low, made_anew=True, is_empty=low == high)
    return Start(max(stored, low), lost=max(low - stored, 0), is_empty=low == high)


class LogReader:
    """A consumer without a group: partitions are assigned by hand, nothing is committed to Kafka.

    Parameters
    ----------
    settings : KafkaSettings
    topics : sequence of Topic
        What is read.
    monotonic_s : callable
    """

    def __init__(
        self, settings: KafkaSettings, topics: Sequence[Topic] = TOPICS,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._topics = topics
        self._settings = settings
        self._consumer = Consumer({
            **connection(settings),
            "client.id": GROUP,
            "group.id": GROUP,  # the library asks for one; it is never joined
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 100,
            "queued.max.messages.kbytes": QUEUE_LIMIT_KIB,
            "max.poll.interval.ms": 86_400_000,  # while the database is away nobody polls
            "log_level": 2,  # the next line tells it in our own log
            "error_cb": lambda error: log.warning("kafka", error=error.name()),
        })
        self._expected: dict[tuple[str, int], int] = {}
        self._losses: list[Loss] = []
        self._monotonic_s = monotonic_s
        self._lag: Counter[str] = Counter()
        self._lag_s: float | None = None

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def partitions(self, creator: Producer) -> list[tuple[str, int]]:
        """All (topic, partition); raises `TransientError` while a topic is not there.

        The mock cluster makes a topic when a producer asks about it, and knows no other way.
        """
        found: list[tuple[str, int]] = []
        for topic in self._topics:
            client = creator if self._settings.mock else self._consumer
            try:
                about = client.list_topics(topic, timeout=METADATA_LIMIT_S).topics[topic]
            except KafkaException as error:
                raise told_apart(self._settings, error.args[0]) from None
            if about.error is not None:
                raise TransientError(f"topic {topic}: {about.error.name()}; is it made yet?")
            found += [(str(topic), partition) for partition in about.partitions]
        return sorted(found)

    def starts(
        self, places: Iterable[tuple[str, int]], stored: Mapping[tuple[str, int], int]
    ) -> dict[tuple[str, int], Start]:
        """Where to begin, by (topic, partition); raises `TransientError`."""
        found = {}
        for topic, partition in places:
            low, high = self._limits(topic, partition)
            found[topic, partition] = starting_point(stored.get((topic, partition)), low, high)
        return found

    def _limits(self, topic: str, partition: int) -> tuple[int, int]:
        """The first offset and the next one to be appended, asked of the broker now."""
        try:
            at = TopicPartition(topic, partition)
            limits = self._consumer.get_watermark_offsets(at, timeout=METADATA_LIMIT_S)
        except KafkaException as error:
            raise told_apart(self._settings, error.args[0]) from None
        if limits is None:
            raise TransientError(f"{topic}[{partition}]: no answer about its offsets")
        return limits

    def assign(self, starts: Mapping[tuple[str, int], Start]) -> None:
        """Read from there on."""
        # What is lost already shows at the first message behind it, whose stamp bounds it. Where none is there, the
        # caller has told it.
        self._expected = {
            place: start.offset - (0 if start.is_empty else start.lost) for place, start in starts.items()
        }
        self._consumer.assign([
            TopicPartition(topic, partition, start.offset) for (topic, partition), start in starts.items()
        ])

    def take_losses(self) -> list[Loss]:
        """What was found gone since the last call."""
        found, self._losses = self._losses, []
        return found

    def ends(self) -> dict[tuple[str, int], int]:
        """The next offset to be appended to each partition that is read, asked of the broker now.

        Raises
        ------
        TransientError
            It does not answer.
        """
        return {place: self._limits(*place)[1] for place in list(self._expected)}

    def lag(self, done: Mapping[tuple[str, int], int]) -> Counter[str]:
        """Messages from the offsets `done` to the ends, by topic, as the last fetches told; asks nobody.

        Within `LAG_S` of the last reckoning it gives that one again.
        """
        now_s = self._monotonic_s()
        if self._lag_s is not None and now_s - self._lag_s < LAG_S:
            return self._lag
        self._lag_s = now_s
        behind: Counter[str] = Counter()
        for (topic, partition), following in dict(done).items():
            _, high = self._consumer.get_watermark_offsets(TopicPartition(topic, partition), cached=True)
            if high >= 0:
                behind[topic] += max(high - following, 0)
        self._lag = behind
        return behind

    def poll(self, most: int, within_s: float) -> list[Message]:
        """Up to `most` messages, after `within_s` at the latest.

        Raises
        ------
        FatalError
            The broker says what no waiting mends.
        """
        taken = []
        for polled in self._consumer.consume(most, within_s):
            error = polled.error()
            if error is not None:
                told = told_apart(self._settings, error)
                if isinstance(told, FatalError):
                    raise told
                log.warning("kafka", error=error.name())
                continue
            taken.append(self._plain(polled))
        return taken

    def _plain(self, polled: KafkaMessage) -> Message:
        message = Message.of(polled)
        place = (message.topic, message.partition)
        if message.offset > self._expected.get(place, 0):
            self._losses.append(Loss(*place, self._expected[place], message.offset, message.at_us))
        self._expected[place] = message.offset + 1
        return message
