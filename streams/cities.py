# SPDX-License-Identifier: Apache-2.0
"""The city versions that a process knows: the file it was given and what topic `city` holds."""

import dataclasses
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, cast

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka import Message as KafkaMessage

from schemas.city import City
from schemas.city_change import CityChange
from schemas.city_publication import same_content
from schemas.city_timeline import Timeline
from schemas.city_version import ALWAYS_US, CityVersion, decode_city
from schemas.errors import DrukteError, FatalError, RefusedError, TransientError
from schemas.log import Clock, Kind, LogMessage, ReadHeaders, Topic
from streams.clock import now_us
from streams.core.log_time import LogTime
from streams.core.step import Partition
from streams.kafka_client import LEADERLESS, NOT_THERE, connection, offset_limits
from streams.settings import ClockSettings, KafkaSettings

CITY_PARTITION: Final = 0
READ_S = 10.0
"""For one visit to the topic."""
RESOLVE_S = 10.0
"""So long a version of the log is looked for in the topic: it is written there first."""
RETRY_S = 0.2
FETCH_S = 0.1
FETCH_WAIT_MS = 50

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Known:
    """A version and from when it holds."""

    change: CityChange
    city: City


class CityTopic:
    """Reads topic `city` from its beginning, then what is new. Blocks; one thread at a time.

    Parameters
    ----------
    kafka : KafkaSettings
    """

    def __init__(self, kafka: KafkaSettings) -> None:
        self._bootstrap = kafka.bootstrap
        self._next_offset = 0
        self._consumer = Consumer({
            **connection(kafka), "group.id": "drukte-city", "client.id": "drukte-city",
            "enable.auto.commit": False, "auto.offset.reset": "earliest", "fetch.wait.max.ms": FETCH_WAIT_MS,
            "log_level": 2,
        })

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()

    def new_versions(self, limit_s: float = READ_S) -> list[CityVersion]:
        """The versions that were published since the last call; none where the topic is not made yet.

        Raises
        ------
        TransientError
            The broker does not answer within the limit.
        FatalError
            A message that this program cannot read.
        """
        end_s = time.monotonic() + limit_s
        place = TopicPartition(Topic.CITY.value, CITY_PARTITION)
        try:
            extent = offset_limits(self._consumer, place, limit_s, passing=LEADERLESS)
        except KafkaException as error:
            if error.args[0].code() in NOT_THERE:
                return []
            raise self._away(error.args[0].str()) from None
        if extent is None:
            raise self._away(f"no answer within {limit_s:g} s")
        return list(self._read_to(extent[1], end_s)) if extent[1] > self._next_offset else []

    def _read_to(self, end: int, end_s: float) -> Iterator[CityVersion]:
        self._consumer.assign([TopicPartition(Topic.CITY.value, CITY_PARTITION, self._next_offset)])
        try:
            while self._next_offset < end:
                if time.monotonic() > end_s:
                    raise self._away("not read to its end in time")
                for message in self._consumer.consume(100, FETCH_S):
                    if message.error() is None:
                        yield _decoded(message)
                        self._next_offset = cast("int", message.offset()) + 1
        finally:
            self._consumer.unassign()

    def _away(self, what: str) -> TransientError:
        return TransientError(f"topic {Topic.CITY} at {self._bootstrap}: {what}; is the broker running?")


def _decoded(message: KafkaMessage) -> CityVersion:
    try:
        return decode_city(cast("ReadHeaders | None", message.headers()), message.value())
    except RefusedError as error:
        raise FatalError(f"{Topic.CITY}[{CITY_PARTITION}]@{message.offset()}: {error}") from None


class Cities:
    """All versions that are known here, oldest first. May be asked in any thread.

    Parameters
    ----------
    given : City
        Of the city file in the settings.
    kafka : KafkaSettings, optional
        Without it nothing but the given version is known.
    """

    def __init__(self, given: City, kafka: KafkaSettings | None = None) -> None:
        self._given = given
        self._kafka = kafka
        self._lock = threading.Lock()
        self._topic: CityTopic | None = None
        self._published: dict[int, Known] = {}
        self._known: tuple[Known, ...] = (Known(_always(given), given),)

    @property
    def known(self) -> tuple[Known, ...]:
        """The versions, ascending, with from when they hold."""
        return self._known

    @property
    def newest(self) -> City:
        """The newest version, in force or not."""
        return self._known[-1].city

    def timeline(self) -> Timeline[City]:
        """Which version is in force when."""
        known = self._known
        return Timeline(tuple(one.change.effective_at_us for one in known), tuple(one.city for one in known))

    def at(self, at_us: int) -> City:
        """The version in force at a moment, microseconds since 1970, UTC."""
        return self.timeline().at(at_us)

    def present(self, clock: ClockSettings) -> City:
        """The version in force now, on the deployment's clock; the newest one where that is the data's."""
        return self.newest if clock.kind is Clock.DATA else self.at(now_us(clock))

    def by_sha256(self, sha256: str) -> City:
        """The version with this name; raises `KeyError` where it is not known."""
        for one in self._known:
            if one.city.sha256 == sha256:
                return one.city
        raise KeyError(sha256)

    def close(self) -> None:
        """Leave the broker; `refresh` comes back to it."""
        with self._lock:
            if self._topic is not None:
                self._topic.close()
                self._topic = None
                self._published.clear()

    def refresh(self, limit_s: float = READ_S) -> bool:
        """Read what was published since the last time; whether that is anything. Blocks.

        Raises
        ------
        TransientError
            The broker does not answer.
        FatalError
            A version that this program cannot use, or one of ours that was never published.
        """
        if self._kafka is None:
            return False
        with self._lock:
            if self._topic is None:
                self._topic = CityTopic(self._kafka)
            for version in self._topic.new_versions(limit_s):
                self._take(version)
            before, self._known = self._known, self._joined()
            return before != self._known

    def resolved(self, message: LogMessage) -> LogMessage:
        """A message of the log with the content of the version that it puts into force; others as they are.

        Raises
        ------
        FatalError
            The topic does not hold that version.
        """
        if message.change is None:
            return message
        return dataclasses.replace(message, city=self._found(message.change))

    def _found(self, change: CityChange) -> City:
        end_s = time.monotonic() + RESOLVE_S
        while True:
            try:
                return self.by_sha256(change.sha256)
            except KeyError:
                pass
            try:
                self.refresh()
            except TransientError as error:
                log.warning("city version looked for", version=change.version, reason=str(error))
            if change.sha256 in {one.city.sha256 for one in self._known}:
                continue
            if time.monotonic() > end_s:
                raise FatalError(
                    f"the log puts city version {change.version} (sha256 {change.sha256[:12]}...) into force, but "
                    f"topic {Topic.CITY} does not hold it; publish the same file again with `drukte city publish`"
                ) from None
            time.sleep(RETRY_S)

    def _take(self, version: CityVersion) -> None:
        change = version.change
        known = self._published.get(change.version)
        if known is None:
            try:
                self._published[change.version] = Known(change, version.city())
            except DrukteError as error:
                raise FatalError(
                    f"topic {Topic.CITY}: version {change.version} cannot be used by this program: {error}") from None
        elif known.change != change:
            log.error("city version published twice", version=change.version,
                      what="the first one stands; raise `version` and publish again")

    def _joined(self) -> tuple[Known, ...]:
        published = [self._published[version] for version in sorted(self._published)]
        if any(same_content(one.change, self._given) for one in published):
            return tuple(published)
        if published and self._given.version >= published[0].change.version:
            raise FatalError(
                f"the city file of the settings (version {self._given.version}, sha256 {self._given.sha256[:12]}...) "
                f"was never published; topic {Topic.CITY} holds versions "
                f"{', '.join(str(one.change.version) for one in published)}: publish it with `drukte city publish`, or "
                "name a published one in drukte.toml"
            )
        return (Known(_always(self._given), self._given), *published)


def _always(city: City) -> CityChange:
    return CityChange(version=city.version, sha256=city.sha256, effective_at_us=ALWAYS_US)


def first_state(
    cities: Cities, message: LogMessage, append_us: int, partitions: int, number: int, *,
    awaiting_adoption: bool = False,
) -> Partition:
    """The empty state that takes `message` as its first: of the version in force then, and told of later ones.

    What puts a later version into force may stand in a part of the log that is gone. Telling it again is harmless.
    """
    log_time_us = LogTime().advanced(message, append_us)
    state = Partition(cities.at(log_time_us), partitions, number, awaiting_adoption=awaiting_adoption)
    for one in cities.known:
        if one.change.effective_at_us > log_time_us:
            state.step(LogMessage(
                Kind.CITY, message.ingested_at_us, message.clock, one.change.version, "cities", one.change.sha256,
                change=one.change, city=one.city,
            ), append_us)
    return state
