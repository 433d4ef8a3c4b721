# SPDX-License-Identifier: Apache-2.0
"""From messages to events: takes in what the broker has, tells those who watch what has changed."""

import asyncio
import datetime as dt
import time
import uuid
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from itertools import count
from typing import NoReturn, TypeVar

import msgspec
import structlog

from schemas.city import City
from schemas.errors import RefusedError, TransientError
from schemas.log import Clock
from streams import metrics
from streams.cities import Cities
from streams.clock import now_us
from streams.metrics import Figure
from streams.serve.board import Board, Changed
from streams.serve.document import Document, Present, Stream, ZoneItem
from streams.serve.emptying import TimeToEmpty, time_to_empty
from streams.serve.explain import AlertDetail, detail
from streams.serve.hub import Hub
from streams.serve.places import city_places
from streams.serve.surroundings import SiteMaps
from streams.serve.tail import Tail
from streams.settings import ClockSettings, KafkaSettings
from streams.writer.rows import Message

RETRY_S = 1.0
CITY_S = 2.0
"""How often topic `city` and the clock are looked at."""
CITY_READ_S = 2.0
RETRY = b"retry: 1000\n"
"""Tells a browser to come back a second after it was cut off."""
PULSE_S = 5.0
"""So often a watcher hears the time, and a comment that keeps proxies awake. A page that hears nothing for
several of them marks itself as cut off: it cannot see comments, and a dead line makes no sound."""

log = structlog.get_logger(__name__)
T = TypeVar("T")


class Show:
    """The present, its sources and its watchers; belongs to one event loop.

    Parameters
    ----------
    kafka : KafkaSettings
    clock : ClockSettings
    city : City
        Of the settings; versions that are published take over by themselves.
    """

    def __init__(self, kafka: KafkaSettings, clock: ClockSettings, city: City) -> None:
        self._kafka = kafka
        self._clock = clock
        self._cities = Cities(city, kafka)
        self.city = city
        """The version in force."""
        self._name = uuid.uuid4().hex[:8]
        self._numbers = count(1)
        self._pulse_s = time.monotonic()
        self._present = Present(
            city=city.file.name, timezone=city.file.timezone, places=city_places(city),
            maps=SiteMaps.of(city.file), speed=clock.speed if clock.kind is Clock.SIMULATED else 1.0,
            city_sha256=city.sha256,
        )
        self.hub = Hub()
        self.messages = 0
        self.refused: Counter[str] = Counter()
        self._lag: Counter[str] = Counter()

    @property
    def stream(self) -> Stream:
        """How the service stands to the broker."""
        return self._present.stream

    def figures(self) -> Iterator[Figure]:
        """The metrics of this moment."""
        yield from metrics.clock_figures(self._clock)
        yield Figure(metrics.MESSAGES, self.messages)
        yield Figure(metrics.BROKER_AWAY, self.stream is Stream.AWAY)
        yield Figure(metrics.WAITING, len(self.hub), "watchers")
        yield Figure(metrics.WATCHERS_LET_GO, self.hub.let_go)
        for topic, behind in self._lag.items():
            yield Figure(metrics.LAG, behind, topic)
        yield from metrics.refused_figures(self.refused)

    def state(self) -> Document:
        """All that stands now."""
        return self._present.whole(self._now())

    def zone(self, key: str) -> ZoneItem | None:
        """One zone as it stands now; None where the city has no such one."""
        return self._present.zone(key, self._now())

    def time_to_empty(self, key: str, shut: Collection[str]) -> TimeToEmpty:
        """How long a zone of the city needs to empty with some gates shut."""
        return time_to_empty(self.city, self._present, key, shut, self._now())

    @property
    def board(self) -> Board:
        """What was read."""
        return self._present.board

    def alert(self, identity: str, *, with_notes: bool) -> AlertDetail | None:
        """All that is known of an alert; None where it is not known."""
        known = self.board.alerts.get(identity)
        if known is None:
            return None
        return detail(self._present, self.city, known, self._now(), with_notes=with_notes)

    def first_event(self) -> bytes:
        """The event that a new watcher begins with: the whole state, whatever it saw before."""
        return RETRY + self._event("state", self.state())

    async def follow(self) -> NoReturn:
        """Read for ever; cancel it to stop. Raises `FatalError`."""
        tail = Tail(self._kafka)
        try:
            await self._open(tail)
            while True:
                self._take(await _uncut(tail.poll), tail)
        finally:
            await asyncio.to_thread(tail.close)

    async def follow_city(self) -> NoReturn:
        """Let published versions take over, for ever; cancel it to stop. Raises `FatalError`."""
        while True:
            try:
                await _uncut(lambda: self._cities.refresh(CITY_READ_S))
            except TransientError as error:
                log.warning("city versions not read", reason=str(error))
            present = self._cities.present(self._clock)
            if present is not self.city:
                self._take_over(present)
            await asyncio.sleep(CITY_S)

    def _take_over(self, city: City) -> None:
        log.info("city version in force", version=city.version)
        self.city = city
        self._present.city, self._present.timezone = city.file.name, city.file.timezone
        self._present.city_sha256 = city.sha256
        self._present.places, self._present.maps = city_places(city), SiteMaps.of(city.file)
        self.hub.publish(self.first_event())

    async def _open(self, tail: Tail) -> None:
        while True:
            try:
                await _uncut(tail.open)
            except TransientError as error:
                log.warning("waiting for the broker", reason=str(error))
                self._turn(Stream.AWAY)
                self._pulse()
                await asyncio.sleep(RETRY_S)
            else:
                return

    def _take(self, messages: list[Message], tail: Tail) -> None:
        changed = Changed()
        for message in messages:
            self._take_one(message, changed)
        self._lag = tail.lag()
        stream = _standing(tail)
        if stream is not self.stream:
            self._turn(stream)
        elif changed and stream is not Stream.STARTING:
            # While it reads back nothing is told: old alerts would seem to open and close again.
            self.hub.publish(self._event("change", self._present.changed(changed, self._now())))
        self._pulse()

    def _take_one(self, message: Message, changed: Changed) -> None:
        self.messages += 1
        try:
            self._present.board.take(message, changed)
        except RefusedError as refused:
            self.refused[refused.reason] += 1
            log.warning(
                "refused", reason=refused.reason, topic=message.topic, partition=message.partition,
                offset=message.offset, size_bytes=len(message.value),
            )

    def _turn(self, stream: Stream) -> None:
        if self.stream is stream:
            return
        log.info("stream", was=self.stream.value, now=stream.value, messages=self.messages)
        self._present.stream = stream
        self.hub.publish(self.first_event())

    def _pulse(self) -> None:
        if time.monotonic() - self._pulse_s >= PULSE_S:
            self._pulse_s = time.monotonic()
            self.hub.publish(b": pulse\n" + self._event("clock", self._present.clock(self._now())))

    def _event(self, kind: str, document: Document) -> bytes:
        identity = f"{self._name}-{next(self._numbers)}".encode()
        return b"id: %s\nevent: %s\ndata: %s\n\n" % (identity, kind.encode(), msgspec.json.encode(document))

    def _now(self) -> dt.datetime:
        return dt.datetime.fromtimestamp(now_us(self._clock) / 1e6, dt.UTC)


def _standing(tail: Tail) -> Stream:
    if not tail.is_well:
        return Stream.AWAY
    return Stream.OK if tail.caught_up else Stream.STARTING


async def _uncut(call: Callable[[], T]) -> T:
    """Call it in a thread; also when cancelled the thread is waited for, so that nobody closes what it uses."""
    working = asyncio.ensure_future(asyncio.to_thread(call))
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await asyncio.gather(working, return_exceptions=True)
        raise
