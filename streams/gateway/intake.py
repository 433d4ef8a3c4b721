# SPDX-License-Identifier: Apache-2.0
"""What happens to a body, from whichever door: decode, admit, send, and tell what was refused."""

import asyncio
import traceback
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count

import structlog

from schemas.city import CityFile, Source
from schemas.city_timeline import Timeline
from schemas.errors import DrukteError, FatalError, RefusedError, TransientError
from schemas.feeds import native
from schemas.feeds.compression import GZIP_MAGIC, decompressed
from schemas.feeds.datex2 import TimeMeaning, decode_measured
from schemas.feeds.decoded import Decoded
from schemas.feeds.decoded import Tally as Counts
from schemas.feeds.format import Context, Format
from schemas.feeds.formats import FORMATS
from schemas.feeds.observed import Observed, placed
from schemas.feeds.situations import FORMAT_KEY as SITUATIONS
from schemas.kept_body import KeptBody, kept_body, kept_headers
from schemas.letter import encode_letter, letter_headers
from schemas.log import Headers, Topic
from schemas.reading import Batch
from schemas.refusal import Reason, Refusal
from streams.clock import now_us
from streams.core.admission import admit
from streams.gateway.context import Router
from streams.gateway.letters import letters_of, shortened
from streams.gateway.outlet import Outlet
from streams.gateway.producer import LogProducer
from streams.gateway.tally import Tally
from streams.gateway.versions import Numbered, Prepared, Versions
from streams.settings import Settings

SECOND_US = 1_000_000
ROAD_PAST_US = 3_600 * SECOND_US
"""Publications are a few minutes late, of some suppliers a quarter hour."""
INLINE_BYTES = 65_536
"""Larger bodies are decoded in a thread, one at a time, so that ticks and other requests go on."""
TOGETHER_BYTES = 4_000_000
"""Small bodies that wait together are decoded together up to so much: some 40,000 readings."""
NATIVE, DATEX2 = "native", "datex2"
NO_CONTEXT: Context = {}
Decoder = Callable[[str, bytes, Timeline[Prepared], Context], Decoded]


log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a body: readings in the log, and what was refused (never a payload).

    `records` are context records that were read, whether or not they lie near a site.
    """

    readings: int
    refused: list[Refusal]
    records: int = 0


class Intake:
    """The one path of all bodies into the log.

    Parameters
    ----------
    settings : Settings
    versions : Versions
        A reading is judged, and numbered, by the city version in force at its own time.
    producer, outlet, tally
        Where it goes and where it is counted.
    keeps_bodies : bool
        Whether refused bodies in which no person can be are kept for a day. A redo keeps none: what it hands in is
        kept already.

    Raises
    ------
    FatalError
        A city file gives a source a format that the gateway does not read.
    """

    def __init__(
        self, settings: Settings, versions: Versions, producer: LogProducer, outlet: Outlet, tally: Tally,
        *, keeps_bodies: bool = True,
    ) -> None:
        self._settings = settings
        self._versions = versions
        self._producer = producer
        self._outlet = outlet
        self._tally = tally
        self._name = uuid.uuid4().hex
        self._letter_numbers = count()
        self._one_at_a_time = asyncio.Lock()
        self._limit_bytes = settings.gateway.decompressed_limit_bytes
        self._keeps_bodies = keeps_bodies
        self._router = Router(settings.kafka.partitions, self._limit_bytes)
        self._decoders: dict[str, Decoder] = {
            **dict.fromkeys(FORMATS, self._decode_vendor), NATIVE: self._decode_native, DATEX2: self._decode_roads,
        }
        for one in versions.timeline.entries:
            self._check_formats(one.city.file)

    def _check_formats(self, file: CityFile) -> None:
        for key, source in file.sources.items():
            if source.format not in self._decoders:
                raise FatalError(
                    f"sources.{key}.format: {source.format!r} is not read by the gateway; known: "
                    f"{', '.join(self._decoders)}"
                )

    def knows(self, source: str) -> bool:
        """Whether a city version that readings may still belong to has such a source."""
        return self._format(source, self._relevant()) is not None

    def _relevant(self) -> Timeline[Prepared]:
        """The versions that were or are in force at the time of a reading that may be taken now."""
        door, clock_us = self._settings.gateway, now_us(self._settings.clock)
        return self._versions.timeline.between(
            clock_us - round(door.oldest_s * SECOND_US), clock_us + round(door.skew_s * SECOND_US))

    def _source(self, source: str, timeline: Timeline[Prepared]) -> Source | None:
        present = timeline.at(now_us(self._settings.clock))
        for one in (present, *reversed(timeline.entries)):
            if source in one.city.file.sources:
                return one.city.file.sources[source]
        return None

    def _format(self, source: str, timeline: Timeline[Prepared]) -> str | None:
        found = self._source(source, timeline)
        return None if found is None else found.format

    async def take(self, source: str, body: bytes, context: Context = NO_CONTEXT) -> Taken:
        """Take in one body; returns when its readings are in the log.

        Parameters
        ----------
        source : str
            A source of the city file.
        body : bytes
            As it came, gzipped or not: the content tells.
        context : Context
            What came beside it: the topic of a message, the name of a file.

        Raises
        ------
        RefusedError
            The body as a whole; it is counted and in the dead letters already.
        TransientError
            The broker is away; nothing is counted, the sender should try again.
        """
        await self._versions.until_ready()
        if self._format(source, self._relevant()) == SITUATIONS:
            return await self._take_context(source, body)
        try:
            numbered, refusals = await self._read(source, body, context)
        except RefusedError as refused:
            self._refuse_whole(source, len(body), refused)
            raise
        await self._outlet.send(source, numbered)
        self._tally.requests += 1
        self.refuse(source, len(body), refusals, self._kept(source, body, refusals, context))
        return Taken(sum(len(one.batch) for one in numbered), shortened(refusals))

    async def take_flawless(self, source: str, bodies: Sequence[bytes]) -> bool:
        """Take in many small bodies of native JSON at once, far cheaper than one by one.

        Returns
        -------
        bool
            False where nothing was done, since the source has another format or something is to be refused: then
            take each by itself.

        Raises
        ------
        TransientError
            As `take`.
        """
        await self._versions.until_ready()
        size = sum(map(len, bodies))
        if self._format(source, self._relevant()) != NATIVE or size > TOGETHER_BYTES:
            return False
        if size <= INLINE_BYTES:
            numbered, refusals = self.read_messages(source, bodies)
        else:
            async with self._one_at_a_time:
                numbered, refusals = await asyncio.to_thread(self.read_messages, source, bodies)
        if refusals:
            return False
        await self._outlet.send(source, numbered)
        self._tally.requests += len(bodies)
        return True

    async def _take_context(self, source: str, body: bytes) -> Taken:
        present = self._versions.timeline.at(now_us(self._settings.clock)).city
        try:
            routed = await self._router.route(source, body, present)
        except RefusedError as refused:
            self._refuse_whole(source, len(body), refused)
            raise
        await self._outlet.send_context(source, present.version, routed.by_partition)
        self._tally.requests += 1
        self.refuse(source, len(body), routed.refused)
        return Taken(0, shortened(routed.refused), routed.records)

    async def _read(self, source: str, body: bytes, context: Context) -> tuple[list[Numbered], list[Refusal]]:
        if len(body) <= INLINE_BYTES and not body.startswith(GZIP_MAGIC):
            return self._admitted(source, body, context)
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._admitted, source, body, context)

    def _decode_native(self, source: str, body: bytes, timeline: Timeline[Prepared], _: Context) -> Decoded:
        registries = timeline.mapped(lambda one: one.registry)
        return native.decode(b"".join(decompressed(body, self._limit_bytes)), registries, source)

    def _decode_vendor(self, source: str, body: bytes, timeline: Timeline[Prepared], context: Context) -> Decoded:
        spoken = self._source(source, timeline)
        if spoken is None:
            raise RefusedError(Reason.WRONG_SOURCE, f"no city version has source {source!r} now")
        beside = {"received_us": str(now_us(self._settings.clock)), **context}
        plain = b"".join(decompressed(body, self._limit_bytes))
        observed = _observed(FORMATS[spoken.format], plain, spoken, beside)
        return placed(observed, timeline.mapped(lambda one: one.registry), source)

    def _decode_roads(self, source: str, body: bytes, timeline: Timeline[Prepared], _: Context) -> Decoded:
        """A publication by the versions in force at the times of its readings; mostly that is one."""
        clock_us = now_us(self._settings.clock)
        present = timeline.at(clock_us)
        spoken = self._source(source, timeline)
        means = TimeMeaning.START if spoken is None else TimeMeaning(spoken.time_means)
        told = self._publication(body, present, means)
        if len(timeline) == 1:
            return told
        # Roads that the present version has given up show only when the version before it is asked.
        near = timeline.between(clock_us - ROAD_PAST_US, clock_us).entries
        wanted = {*near, *(one for one, _ in timeline.split(told.batch.begin))}
        decoded = {one: told if one is present else self._publication(body, one, means) for one in wanted}
        batches = [
            decoded[one].batch.take(at)
            for one in timeline.entries if one in wanted
            for entry, at in timeline.split(decoded[one].batch.begin) if entry is one
        ]
        judge = present if told.published_us is None else timeline.at(told.published_us)
        return replace(decoded.get(judge, told), batch=Batch.concatenated(batches) if batches else Batch.empty())

    def _publication(self, body: bytes, version: Prepared, means: TimeMeaning) -> Decoded:
        return decode_measured(body, version.channels, means, limit_bytes=self._limit_bytes)

    def read_messages(self, source: str, bodies: Sequence[bytes]) -> tuple[list[Numbered], list[Refusal]]:
        """Decode and admit many bodies at once, as of a topic with one reading a message.

        Each body that cannot be taken is a refusal of its own; nothing is sent or counted yet. May be called
        in any thread.
        """
        timeline = self._relevant()
        if self._format(source, timeline) != NATIVE:
            return self._admissible(Decoded.concatenated(
                self._message(number, source, body, timeline) for number, body in enumerate(bodies)), timeline)
        registries = timeline.mapped(lambda one: one.registry)
        return self._admissible(native.decode_messages(bodies, registries, source), timeline)

    def _message(self, number: int, source: str, body: bytes, timeline: Timeline[Prepared]) -> Decoded:
        place = f"message {number}"
        try:
            decoded = self._decoder(source, timeline)(source, body, timeline, NO_CONTEXT)
        except RefusedError as error:
            whole = Refusal(reason=Reason(error.reason), where=place, detail=str(error))
            return Decoded(Batch.empty(), [whole], {Counts.REFUSED_VALUES.value: 1})
        return replace(decoded, refusals=[
            Refusal(reason=one.reason, where=f"{place} {one.where}", detail=one.detail, count=one.count)
            for one in decoded.refusals
        ])

    def _decoder(self, source: str, timeline: Timeline[Prepared]) -> Decoder:
        return self._decoders[self._format(source, timeline) or NATIVE]

    def _admitted(self, source: str, body: bytes, context: Context) -> tuple[list[Numbered], list[Refusal]]:
        timeline = self._relevant()
        return self._admissible(self._decoder(source, timeline)(source, body, timeline, context), timeline)

    def _admissible(self, decoded: Decoded, timeline: Timeline[Prepared]) -> tuple[list[Numbered], list[Refusal]]:
        door, clock_us = self._settings.gateway, now_us(self._settings.clock)
        skew_us, oldest_us = round(door.skew_s * SECOND_US), round(door.oldest_s * SECOND_US)
        numbered: list[Numbered] = []
        refusals = list(decoded.refusals)
        for version, at in timeline.split(decoded.batch.begin):
            mine = decoded.batch if len(at) == len(decoded.batch) else decoded.batch.take(at)
            batch, refused = admit(mine, version.registry, clock_us, skew_us, oldest_us)
            numbered.append(Numbered(version.city.version, version.partition_of_sensor, batch))
            refusals += refused
        return numbered, refusals

    def _refuse_whole(self, source: str, size: int, refused: RefusedError) -> None:
        self.refuse(source, size, [whole_refusal(refused)])

    def _kept(self, source: str, body: bytes, refusals: list[Refusal], context: Context) -> KeptBody | None:
        spoken = self._format(source, self._relevant())
        strict = spoken == NATIVE or (spoken in FORMATS and FORMATS[spoken].strict)
        # A compressed body could not be looked through for what may name a person.
        if not self._keeps_bodies or not strict or body.startswith(GZIP_MAGIC):
            return None
        return kept_body(source, body, context, [one.reason for one in refusals])

    def turn_away(self) -> None:
        """Count a request that showed no right to any source."""
        self._tally.turned_away += 1

    def refuse(self, source: str, size: int, refusals: list[Refusal], kept: KeptBody | None = None) -> None:
        """Count refusals and send their dead letters; `size` is the bytes of what held them, `kept` itself."""
        self._tally.refuse(source, refusals)
        if kept is not None:
            self._send(Topic.DEAD_LETTER_BODIES, kept.body, kept_headers(kept), kept.id)
        body_id = None if kept is None else kept.id
        for letter in letters_of(source, size, refusals, now_us(self._settings.clock), body_id):
            number = f"{self._name}/{next(self._letter_numbers)}"
            headers = letter_headers("urn:drukte:gateway", number, letter)
            self._send(Topic.DEAD_LETTERS, encode_letter(letter), headers, source)

    def _send(self, topic: Topic, value: bytes, headers: Headers, key: str) -> None:
        try:
            sent = self._producer.send(topic, value, headers, key=key.encode())
        except DrukteError:
            self._tally.letters_lost += 1
        else:
            sent.add_done_callback(self._letter_settled)

    def _letter_settled(self, sent: asyncio.Future[None]) -> None:
        if not sent.cancelled() and isinstance(sent.exception(), TransientError):
            self._tally.letters_lost += 1


def whole_refusal(refused: RefusedError) -> Refusal:
    """The refusal of a body as a whole."""
    return Refusal(reason=Reason(refused.reason), where="the whole body", detail=str(refused))


def _observed(spoken: Format, body: bytes, source: Source, context: Context) -> Observed:
    try:
        return spoken.decode(body, source, context)
    except RefusedError:
        raise
    except Exception as error:  # noqa: BLE001  # a bug of one decoder must not end the doors of all others
        # Its text may hold a piece of the payload: only its kind and place are told.
        frames = traceback.extract_tb(error.__traceback__)[-2:]
        log.error("decoder failed", format=spoken.key, error=type(error).__name__,
                  at=[f"{frame.filename}:{frame.lineno}" for frame in frames])
        raise RefusedError(
            Reason.MALFORMED, f"the decoder of {spoken.key!r} failed on it ({type(error).__name__}), which is a bug; "
            "the gateway's log tells where") from None
