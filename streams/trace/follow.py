# SPDX-License-Identifier: Apache-2.0
"""The edge of a trace: `live` of one partition and `dead-letters`, from some time ago on, without a consumer group."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog
from confluent_kafka import OFFSET_END, Consumer, KafkaError, KafkaException, TopicPartition

from schemas.city import City
from schemas.errors import FatalError, TransientError
from schemas.log import Clock, Topic
from streams.cities import Cities
from streams.clock import now_us, wall_us
from streams.kafka_client import check_admitted, connection, told_apart
from streams.settings import ClockSettings, Settings
from streams.trace.events import Event, event
from streams.trace.following import Following
from streams.trace.subject import Head, Subject, find_subject
from streams.writer.rows import Message

CLIENT = "drukte-trace"
HEALTH_BACK_US = 65 * 60_000_000
"""A sensor's state is told when it changes and once an hour: so far back the present one stands on `live`."""
ANSWER_LIMIT_S = 5.0
CATCH_UP_LIMIT_S = 60.0
SILENCE_S = 5.0
"""After so long without a message the broker is asked whether it is there."""
POLL_MESSAGES = 500
POLL_WITHIN_S = 0.2
QUEUE_LIMIT_KIB = 16_384

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Wish:
    """What is asked for.

    Parameters
    ----------
    sensor : str
        Key in the city file.
    since_us : int
        How far back, in log time.
    for_s : float, optional
        How long to follow; for ever without it.
    """

    sensor: str
    since_us: int
    for_s: float | None = None


def trace(
    settings: Settings, city: City, wish: Wish, note_access: Callable[[Subject], None],
    show: Callable[[Head | Event], None], stop: threading.Event,
) -> None:
    """Follow one sensor until `stop` or for as long as was wished.

    Parameters
    ----------
    settings : Settings
    city : City
        Of the settings; what topic `city` holds is looked up.
    wish : Wish
    note_access : callable
        Told once, before anything is shown.
    show : callable
        Told the head first, then every event.
    stop : threading.Event

    Raises
    ------
    FatalError
        No such sensor, or a clock to which there is no now.
    TransientError
        The broker does not answer at the start.
    """
    end_s = None if wish.for_s is None else time.monotonic() + wish.for_s
    present_us = now_us(settings.clock)
    check_admitted(settings.kafka)
    subject = _found(settings, city, wish.sensor, present_us)
    note_access(subject)
    show(subject.head)
    from_us = present_us - wish.since_us
    following = Following(subject, from_us, _speed(settings.clock))
    reader = _Reader(settings, subject, min(from_us, present_us - HEALTH_BACK_US))
    try:
        _show_all(show, reader.past(following, stop))
        while not stop.is_set() and (end_s is None or time.monotonic() < end_s):
            _show_all(show, reader.next(following))
    finally:
        reader.close()


def _found(settings: Settings, city: City, key: str, present_us: int) -> Subject:
    cities = Cities(city, settings.kafka)
    try:
        cities.refresh(ANSWER_LIMIT_S)
        return find_subject(cities.timeline(), present_us, key, settings.kafka.partitions)
    finally:
        cities.close()


def _show_all(show: Callable[[Head | Event], None], events: Sequence[Event]) -> None:
    for one in events:
        show(one)


def _speed(clock: ClockSettings) -> float:
    return clock.speed if clock.kind is Clock.SIMULATED else 1.0


def _log_us(clock: ClockSettings, at_us: int) -> int:
    """A time of the wall clock as log time."""
    if clock.kind is Clock.WALL:
        return at_us
    return clock.start_us + round((at_us - clock.wall_start_us) * clock.speed)


class _Reader:
    """Reads from a log time on; joins no group, commits nothing."""

    def __init__(self, settings: Settings, subject: Subject, back_to_us: int) -> None:
        self._kafka, self._clock = settings.kafka, settings.clock
        self._heard_s = time.monotonic()
        self._is_away = False
        self._consumer = Consumer({
            **connection(settings.kafka), "client.id": CLIENT,
            "group.id": CLIENT,  # the library asks for one; it is never joined
            "enable.auto.commit": False, "enable.auto.offset.store": False, "enable.partition.eof": True,
            "auto.offset.reset": "earliest", "fetch.wait.max.ms": 100, "reconnect.backoff.max.ms": 2_000,
            "queued.max.messages.kbytes": QUEUE_LIMIT_KIB, "log_level": 2,
            "error_cb": lambda error: log.debug("kafka", error=error.name()),
        })
        try:
            self._starts = self._found_starts(subject.partition, back_to_us)
        except BaseException:
            self._consumer.close()
            raise
        self._behind = {(start.topic, start.partition) for start in self._starts}
        self._consumer.assign(self._starts)

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def past(self, following: Following, stop: threading.Event) -> list[Event]:
        """Read all that is there now; what of it is to be told."""
        limit_s = time.monotonic() + CATCH_UP_LIMIT_S
        while self._behind and not stop.is_set():
            if time.monotonic() > limit_s:
                raise TransientError(f"broker {self._kafka.bootstrap}: the past was not read within "
                                     f"{CATCH_UP_LIMIT_S:g} s; ask for less with --since")
            self._poll(following)
        return [] if stop.is_set() else following.caught_up(now_us(self._clock))

    def next(self, following: Following) -> list[Event]:
        """What has come meanwhile, and what the passing of time adds."""
        found = self._poll(following)
        present_us = now_us(self._clock)
        if time.monotonic() - self._heard_s > SILENCE_S:
            found += self._asked(present_us)
        # A broker that is away explains all that does not come.
        return found if self._is_away else found + following.tick(present_us)

    def _poll(self, following: Following) -> list[Event]:
        found = []
        for polled in self._consumer.consume(POLL_MESSAGES, POLL_WITHIN_S):
            error = polled.error()
            if error is None:
                self._heard_s = time.monotonic()
                message = Message.of(polled)
                found += following.take(message, _log_us(self._clock, message.at_us))
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001  # the library has no other name for it
                self._behind.discard((polled.topic() or "", polled.partition() or 0))
            elif isinstance(told := told_apart(self._kafka, error), FatalError):
                raise told
        return found

    def _asked(self, present_us: int) -> list[Event]:
        """Ask whether the broker is there; an event when that has changed."""
        self._heard_s = time.monotonic()
        was_away = self._is_away
        try:
            self._consumer.get_watermark_offsets(self._starts[0], timeout=ANSWER_LIMIT_S)
        except KafkaException:
            self._is_away = True
        else:
            self._is_away = False
        if was_away == self._is_away:
            return []
        bootstrap = self._kafka.bootstrap
        return [event("why", present_us, f"broker {bootstrap} does not answer; is it running?") if self._is_away
                else event("well", present_us, f"broker {bootstrap} answers again")]

    def _found_starts(self, live_partition: int, back_to_us: int) -> list[TopicPartition]:
        letters = self._partitions(Topic.DEAD_LETTERS)
        if live_partition not in self._partitions(Topic.LIVE):
            raise FatalError(f"topic {Topic.LIVE} has no partition {live_partition}; is kafka.partitions right?")
        wall_ms = (wall_us() - round((now_us(self._clock) - back_to_us) / _speed(self._clock))) // 1000
        wanted = [TopicPartition(Topic.LIVE.value, live_partition, wall_ms)]
        wanted += [TopicPartition(Topic.DEAD_LETTERS.value, number, wall_ms) for number in letters]
        try:
            # The mock cluster finds no offset by time; it keeps little.
            found = [] if self._kafka.mock else self._consumer.offsets_for_times(wanted, timeout=ANSWER_LIMIT_S)
            return [self._start(at) for at in found] or [self._from_begin(at) for at in wanted]
        except KafkaException as error:
            raise told_apart(self._kafka, error.args[0]) from None

    def _start(self, at: TopicPartition) -> TopicPartition:
        if at.error is not None:
            raise KafkaException(at.error)
        if at.offset != OFFSET_END:
            return at
        _, high = self._consumer.get_watermark_offsets(at, timeout=ANSWER_LIMIT_S)
        return TopicPartition(at.topic, at.partition, high)

    def _from_begin(self, at: TopicPartition) -> TopicPartition:
        low, _ = self._consumer.get_watermark_offsets(at, timeout=ANSWER_LIMIT_S)
        return TopicPartition(at.topic, at.partition, low)

    def _partitions(self, topic: Topic) -> list[int]:
        try:
            about = self._consumer.list_topics(topic.value, timeout=ANSWER_LIMIT_S).topics[topic.value]
        except KafkaException as error:
            raise told_apart(self._kafka, error.args[0]) from None
        if about.error is not None or not about.partitions:
            raise TransientError(f"broker {self._kafka.bootstrap}: topic {topic} is not there; a starting gateway "
                                 "makes it")
        return sorted(about.partitions)
