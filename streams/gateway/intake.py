# SPDX-License-Identifier: Apache-2.0
"""What happens to a body, from whichever door: decode, admit, send, and tell what was refused."""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count

from schemas.city import CityFile
from schemas.city_timeline import Timeline
from schemas.errors import DrukteError, FatalError, RefusedError, TransientError
from schemas.feeds import native
from schemas.feeds.compression import GZIP_MAGIC, decompressed
from schemas.feeds.datex2 import decode_measured
from schemas.feeds.decoded import Decoded
from schemas.letter import encode_letter, letter_headers
from schemas.log import Topic
from schemas.reading import Batch
from schemas.refusal import Reason, Refusal
from streams.clock import now_us
from streams.core.admission import admit
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


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a body: readings in the log, and what was refused (never a payload)."""

    readings: int
    refused: list[Refusal]


class Intake:
    """The one path of all bodies into the log.

    Parameters
    ----------
    settings : Settings
    versions : Versions
        A reading is judged, and numbered, by the city version in force at its own time.
    producer, outlet, tally
        Where it goes and where it is counted.

    Raises
    ------
    FatalError
        A city file gives a source a format that the gateway does not read.
    """

    def __init__(
        self, settings: Settings, versions: Versions, producer: LogProducer, outlet: Outlet, tally: Tally
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
        self._decoders: dict[str, Callable[[str, bytes, Timeline[Prepared]], Decoded]] = {
            "native": self._decode_native, "datex2": self._decode_roads,
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

    def _format(self, source: str, timeline: Timeline[Prepared]) -> str | None:
        present = timeline.at(now_us(self._settings.clock))
        for one in (present, *reversed(timeline.entries)):
            if source in one.city.file.sources:
                return one.city.file.sources[source].format
        return None

    async def take(self, source: str, body: bytes) -> Taken:
        """Take in one body; returns when its readings are in the log.

        Parameters
        ----------
        source : str
            A source of the city file.
        body : bytes
            As it came, gzipped or not: the content tells.

        Raises
        ------
        RefusedError
            The body as a whole; it is counted and in the dead letters already.
        TransientError
            The broker is away; nothing is counted, the sender should try again.
        """
        await self._versions.until_ready()
        try:
            numbered, refusals = await self._read(source, body)
        except RefusedError as refused:
            self._refuse_whole(source, len(body), refused)
            raise
        await self._outlet.send(source, numbered)
        self._tally.requests += 1
        self.refuse(source, len(body), refusals)
        return Taken(sum(len(one.batch) for one in numbered), shortened(refusals))

    async def _read(self, source: str, body: bytes) -> tuple[list[Numbered], list[Refusal]]:
        if len(body) <= INLINE_BYTES and not body.startswith(GZIP_MAGIC):
            return self._admitted(source, body)
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._admitted, source, body)

    def _decode_native(self, source: str, body: bytes, timeline: Timeline[Prepared]) -> Decoded:
        registries = timeline.mapped(lambda one: one.registry)
        return native.decode(b"".join(decompressed(body, self._limit_bytes)), registries, source)

    def _decode_roads(self, _: str, body: bytes, timeline: Timeline[Prepared]) -> Decoded:
        """A publication by the versions in force at the times of its readings; mostly that is one."""
        clock_us = now_us(self._settings.clock)
        present = timeline.at(clock_us)
        told = self._publication(body, present)
        if len(timeline) == 1:
            return told
        # Roads that the present version has given up show only when the version before it is asked.
        near = timeline.between(clock_us - ROAD_PAST_US, clock_us).entries
        wanted = {*near, *(one for one, _ in timeline.split(told.batch.begin))}
        decoded = {one: told if one is present else self._publication(body, one) for one in wanted}
        batches = [
            decoded[one].batch.take(at)
            for one in timeline.entries if one in wanted
            for entry, at in timeline.split(decoded[one].batch.begin) if entry is one
        ]
        judge = present if told.published_us is None else timeline.at(told.published_us)
        return replace(decoded.get(judge, told), batch=Batch.concatenated(batches) if batches else Batch.empty())

    def _publication(self, body: bytes, version: Prepared) -> Decoded:
        return decode_measured(body, version.channels, limit_bytes=self._limit_bytes)

    def read_messages(self, source: str, bodies: Sequence[bytes]) -> tuple[list[Numbered], list[Refusal]]:
        """Decode and admit many native bodies at once, as of a topic with one reading a message.

        Each body that cannot be taken is a refusal of its own; nothing is sent or counted yet. May be called
        in any thread.
        """
        timeline = self._relevant()
        registries = timeline.mapped(lambda one: one.registry)
        return self._admissible(native.decode_messages(bodies, registries, source), timeline)

    def _admitted(self, source: str, body: bytes) -> tuple[list[Numbered], list[Refusal]]:
        timeline = self._relevant()
        decode = self._decoders[self._format(source, timeline) or "native"]
        return self._admissible(decode(source, body, timeline), timeline)

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
        self.refuse(source, size, [
            Refusal(reason=Reason(refused.reason), where="the whole body", detail=str(refused))
        ])

    def refuse(self, source: str, size: int, refusals: list[Refusal]) -> None:
        """Count refusals and send their dead letters; `size` is the bytes of what held them."""
        self._tally.refuse(source, refusals)
        for letter in letters_of(source, size, refusals, now_us(self._settings.clock)):
            number = f"{self._name}/{next(self._letter_numbers)}"
            headers = letter_headers("urn:drukte:gateway", number)
            try:
                sent = self._producer.send(
                    Topic.DEAD_LETTERS, encode_letter(letter), headers, key=source.encode()
                )
            except DrukteError:
                self._tally.letters_lost += 1
            else:
                sent.add_done_callback(self._letter_settled)

    def _letter_settled(self, sent: asyncio.Future[None]) -> None:
        if not sent.cancelled() and isinstance(sent.exception(), TransientError):
            self._tally.letters_lost += 1
