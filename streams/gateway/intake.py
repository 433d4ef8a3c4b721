# SPDX-License-Identifier: Apache-2.0
"""What happens to a body, from whichever door: decode, admit, send, and tell what was refused."""

import asyncio
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count

from schemas.city import City
from schemas.errors import DrukteError, FatalError, RefusedError, TransientError
from schemas.feeds import native
from schemas.feeds.compression import GZIP_MAGIC, decompressed
from schemas.feeds.datex2 import RoadChannels, decode_measured
from schemas.feeds.decoded import Decoded
from schemas.letter import encode_letter, letter_headers
from schemas.log import Topic
from schemas.reading import Batch
from schemas.refusal import Reason, Refusal
from schemas.registry import Registry
from streams.clock import now_us
from streams.core.admission import admit
from streams.gateway.letters import letters_of, shortened
from streams.gateway.outlet import Outlet
from streams.gateway.producer import LogProducer
from streams.gateway.tally import Tally
from streams.settings import Settings

SECOND_US = 1_000_000
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
    city : City
    producer, outlet, tally
        Where it goes and where it is counted.

    Raises
    ------
    FatalError
        The city file gives a source a format that the gateway does not read.
    """

    def __init__(
        self, settings: Settings, city: City, producer: LogProducer, outlet: Outlet, tally: Tally
    ) -> None:
        self._settings = settings
        self._registry = Registry.of(city)
        self._producer = producer
        self._outlet = outlet
        self._tally = tally
        self._name = uuid.uuid4().hex
        self._letter_numbers = count()
        self._one_at_a_time = asyncio.Lock()
        self._limit_bytes = settings.gateway.decompressed_limit_bytes
        channels = RoadChannels.of(city.roads, city.ids)
        decoders: dict[str, Callable[[str, bytes], Decoded]] = {
            "native": self._decode_native,
            "datex2": lambda _, body: decode_measured(body, channels, limit_bytes=self._limit_bytes),
        }
        self._decoders: dict[str, Callable[[str, bytes], Decoded]] = {}
        for key, source in city.file.sources.items():
            if source.format not in decoders:
                raise FatalError(
                    f"sources.{key}.format: {source.format!r} is not read by the gateway; known: "
                    f"{', '.join(decoders)}"
                )
            self._decoders[key] = decoders[source.format]

    def knows(self, source: str) -> bool:
        """Whether the city file has such a source."""
        return source in self._decoders

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
        try:
            batch, refusals = await self._read(source, body)
        except RefusedError as refused:
            self._refuse_whole(source, len(body), refused)
            raise
        await self._outlet.send(source, batch)
        self._tally.requests += 1
        self.refuse(source, len(body), refusals)
        return Taken(len(batch), shortened(refusals))

    async def _read(self, source: str, body: bytes) -> tuple[Batch, list[Refusal]]:
        if len(body) <= INLINE_BYTES and not body.startswith(GZIP_MAGIC):
            return self._admitted(source, body)
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._admitted, source, body)

    def _decode_native(self, source: str, body: bytes) -> Decoded:
        return native.decode(b"".join(decompressed(body, self._limit_bytes)), self._registry, source)

    def read_messages(self, source: str, bodies: Sequence[bytes]) -> tuple[Batch, list[Refusal]]:
        """Decode and admit many native bodies at once, as of a topic with one reading a message.

        Each body that cannot be taken is a refusal of its own; nothing is sent or counted yet. May be called
        in any thread.
        """
        return self._admissible(native.decode_messages(bodies, self._registry, source))

    def _admitted(self, source: str, body: bytes) -> tuple[Batch, list[Refusal]]:
        return self._admissible(self._decoders[source](source, body))

    def _admissible(self, decoded: Decoded) -> tuple[Batch, list[Refusal]]:
        door = self._settings.gateway
        batch, refusals = admit(
            decoded.batch, self._registry, now_us(self._settings.clock),
            round(door.skew_s * SECOND_US), round(door.oldest_s * SECOND_US),
        )
        return batch, [*decoded.refusals, *refusals]

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
