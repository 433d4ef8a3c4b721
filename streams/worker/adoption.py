# SPDX-License-Identifier: Apache-2.0
"""Open alerts handed over at a cold start: read from `alerts`, appended to the log as a command.

A fold that begins without a snapshot knows nothing of the alerts that were open. What `alerts` says of them goes
through the log, so that every later fold knows it too. Plain blocking code for a thread of its own.
"""

import time
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Self, TypeVar, cast

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from schemas.alert import Transition, decode_transition
from schemas.city import City
from schemas.command import Adopt
from schemas.errors import RefusedError, TransientError
from schemas.ids import IdKind
from schemas.log import Kind, LogMessage, ReadHeaders, Topic, decode_log, encode_log, event_type
from streams.clock import now_us
from streams.core.alerting import FIRST_OPEN
from streams.core.layout import partition_of_site
from streams.core.log_time import LogTime
from streams.kafka_client import connection, offset_limits
from streams.settings import KafkaSettings, Settings
from streams.topics import MESSAGE_BYTES
from streams.worker.effects import SERVICE
from streams.worker.extent import Extent

LIMIT_S = 12.0
"""For all partitions, beside the reading of snapshots; both end below `streams.worker.offsets.SEEK_S`."""
POLL_MESSAGES = 500
POLL_S = 0.2
TRANSITION_TYPE = "alert.transition.v1"

log = structlog.get_logger(__name__)
T = TypeVar("T")


def open_alerts(told: Collection[Transition]) -> list[Transition]:
    """The last transition of every alert that is open after all of them, by alert id. Pure."""
    newest: dict[str, Transition] = {}
    for one in told:
        before = newest.get(one.alert_id)
        if before is None or one.seq > before.seq:
            newest[one.alert_id] = one
    return [one for _, one in sorted(newest.items()) if one.state_to in FIRST_OPEN]


class Adopter:
    """Appends what a cold start has to know of open alerts.

    Parameters
    ----------
    settings : Settings
    city : City
        Its ids say which site belongs to which partition.
    """

    def __init__(self, settings: Settings, city: City) -> None:
        self._settings = settings
        self._partition_of = {
            site: partition_of_site(number, settings.kafka.partitions) for site, number in city.ids[IdKind.SITE].items()
        }
        self._city_version = city.version

    def adopt(self, extents: Mapping[int, Extent]) -> dict[int, int]:
        """Append an adoption where one is needed; its offset by partition. Blocks, for `LIMIT_S` at most.

        None is needed where the log has its very beginning and every open alert stems from that log: the fold
        then says the same again. Elsewhere one is appended also when no alert is open: the fold holds its
        alerts back until it knows.

        Parameters
        ----------
        extents : mapping of int to Extent
            Of the partitions that begin without a snapshot.

        Raises
        ------
        TransientError
            `alerts` cannot be read, or the command is not acknowledged, within the limit.
        """
        if not extents:
            return {}
        with _Visit(self._settings.kafka) as visit:
            found = self._open_by_partition(visit.messages(Topic.ALERTS, visit.extents(Topic.ALERTS)))
            # A first start asks no further.
            asked = {number: extent for number, extent in extents.items() if extent.earliest or found.get(number)}
            first_us = visit.log_times_us({number: extent.head for number, extent in asked.items()}, min)
            last_us = visit.log_times_us({number: extent.tail for number, extent in asked.items()}, max)
            appended = {}
            for number, extent in sorted(asked.items()):
                alerts = found.get(number, [])
                if not extent.earliest and number in first_us and _stem_from(first_us[number], alerts):
                    continue
                # Of the age of the newest message: a command is no clock.
                at_us = last_us[number] if number in last_us else now_us(self._settings.clock)
                appended[number] = visit.append(number, self._adoption(number, extent, at_us, alerts))
                log.warning("open alerts are handed over", partition=number, offset=appended[number],
                            alerts=len(alerts), why="cold start: no alert is told before it")
        return appended

    def _open_by_partition(self, messages: Iterator[Message]) -> dict[int, list[Transition]]:
        told: dict[int, list[Transition]] = {}
        for message in messages:
            one = _transition(message)
            if one is not None and one.site in self._partition_of:
                told.setdefault(self._partition_of[one.site], []).append(one)
        return {number: alerts for number, some in told.items() if (alerts := open_alerts(some))}

    def _adoption(self, number: int, extent: Extent, at_us: int, alerts: list[Transition]) -> LogMessage:
        return LogMessage(
            Kind.COMMAND, at_us, self._settings.clock.kind, self._city_version, SERVICE,
            f"adopt/{number}/{extent.end}", command=Adopt(alerts=alerts),
        )


def _stem_from(first_us: int, alerts: Collection[Transition]) -> bool:
    return all(one.opened_at_us >= first_us for one in alerts)


def _transition(message: Message) -> Transition | None:
    if event_type(_headers(message)) != TRANSITION_TYPE:
        return None
    try:
        return decode_transition(message.value() or b"")
    except RefusedError:
        return None  # its dead letter is the writer's


def _headers(message: Message) -> ReadHeaders:
    return cast("ReadHeaders | None", message.headers()) or ()


class _Visit:
    """One visit to the broker, with one limit for all of it."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._end_s = time.monotonic() + LIMIT_S
        self._where = kafka.bootstrap
        common = {**connection(kafka), "log_level": 2}
        self._consumer = Consumer(common | {
            "group.id": "drukte-adoption", "enable.auto.commit": False, "enable.partition.eof": True,
            "auto.offset.reset": "earliest", "fetch.wait.max.ms": 50,
        })
        self._producer = Producer(common | {
            "acks": "all", "message.timeout.ms": round(LIMIT_S * 1000), "message.max.bytes": MESSAGE_BYTES,
        })

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._consumer.close()

    def extents(self, topic: Topic) -> dict[int, Extent]:
        """What a topic holds now, by partition."""
        about = self._asked(lambda: self._consumer.list_topics(topic.value, timeout=self._left_s()))
        return {
            number: self._extent(TopicPartition(topic.value, number))
            for number in about.topics[topic.value].partitions
        }

    def _extent(self, place: TopicPartition) -> Extent:
        limits = self._asked(lambda: offset_limits(self._consumer, place, self._left_s()))
        if limits is None:
            raise TransientError(f"broker {self._where}: no answer about {place.topic}[{place.partition}]")
        return Extent(*limits)

    def log_times_us(self, stretches: Mapping[int, Extent], which: Callable[[int, int], int]) -> dict[int, int]:
        """The least or greatest log time (`which`: min or max) in stretches of the log that can be read."""
        found: dict[int, int] = {}
        for message in self.messages(Topic.SITE_LOG, stretches):
            try:
                decoded = decode_log(_headers(message), message.value())
            except RefusedError:
                continue
            time_us = LogTime().advanced(decoded, message.timestamp()[1] * 1000)
            number = cast("int", message.partition())
            found[number] = which(time_us, found.get(number, time_us))
        return found

    def append(self, number: int, message: LogMessage) -> int:
        """Append to the log; the offset."""
        headers, value = encode_log(message)
        done: list[tuple[KafkaError | None, int | None]] = []
        self._asked(lambda: self._producer.produce(
            Topic.SITE_LOG.value, value, partition=number, headers=list(headers),
            on_delivery=lambda error, sent: done.append((error, sent.offset())),
        ))
        self._producer.flush(self._left_s())
        if not done or done[0][0] is not None or done[0][1] is None:
            raise TransientError(f"{Topic.SITE_LOG}[{number}] at {self._where}: an adoption was not acknowledged")
        return done[0][1]

    def messages(self, topic: Topic, stretches: Mapping[int, Extent]) -> Iterator[Message]:
        """The messages of some partitions within these offsets; of one partition in their order."""
        ends = {number: extent.end for number, extent in stretches.items() if extent.end > extent.earliest}
        if not ends:
            return
        self._consumer.assign([TopicPartition(topic.value, number, stretches[number].earliest) for number in ends])
        while ends:
            # A call for many waits until it has them all; so one that waits, then what else is there.
            first = self._consumer.poll(min(POLL_S, self._left_s()))
            for message in [] if first is None else [first, *self._consumer.consume(POLL_MESSAGES, 0)]:
                error, number = message.error(), cast("int", message.partition())
                if error is None and number in ends:
                    offset = cast("int", message.offset())
                    if offset < ends[number]:
                        yield message
                    if offset >= ends[number] - 1:
                        del ends[number]
                elif error is not None and error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  its only name
                    ends.pop(number, None)
                elif error is not None and not error.retriable():
                    raise TransientError(f"topic {topic} at {self._where}: {error.str()}")

    def _asked(self, ask: Callable[[], T]) -> T:
        try:
            return ask()
        except KafkaException as error:
            raise TransientError(f"broker {self._where}: {error.args[0].str()}; is it running?") from None

    def _left_s(self) -> float:
        left_s = self._end_s - time.monotonic()
        if left_s <= 0:
            raise TransientError(f"broker {self._where}: open alerts not read within {LIMIT_S:g} s; is it overloaded?")
        return left_s
