# SPDX-License-Identifier: Apache-2.0
"""Recorded readings for the fold in process: what of them may be taken, when it was known, and as which messages.

Replay and back-fill both stand on this. Each reading goes by the city version that was in force at its own time, and
log time comes from the data.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from schemas.city import City
from schemas.city_change import CityChange
from schemas.city_timeline import Timeline
from schemas.feeds.datex2 import RoadChannels, decode_measured
from schemas.feeds.decoded import Decoded
from schemas.log import Clock, Kind, LogMessage
from schemas.reading import Batch
from schemas.refusal import Refusal
from schemas.registry import Registry
from streams.core.admission import admit
from streams.core.log_time import STEP_US
from streams.core.step import Partition

NO_LIMIT_US = np.iinfo(np.int64).max // 4
"""Recorded readings are never too old."""

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Piece:
    """Readings and when each was known (int64, microseconds since 1970, UTC)."""

    batch: Batch
    known_us: Ints

    def __len__(self) -> int:
        return len(self.known_us)

    def sorted(self) -> "Piece":
        """In the order of `known_us`; readings known at once keep theirs."""
        order = np.argsort(self.known_us, kind="stable")
        return Piece(self.batch.take(order), self.known_us[order])

    def part(self, first: int, end: int) -> "Piece":
        """The readings from `first` to before `end`."""
        return Piece(self.batch.take(np.arange(first, end)), self.known_us[first:end])

    @classmethod
    def joined(cls, pieces: list["Piece"]) -> "Piece":
        """All readings, in the order of the pieces."""
        if len(pieces) == 1:
            return pieces[0]
        known = [piece.known_us for piece in pieces]
        return cls(Batch.concatenated([piece.batch for piece in pieces]),
                   np.concatenate(known) if known else np.empty(0, np.int64))


def admitted(decoded: Decoded, registries: Timeline[Registry]) -> tuple[Piece, list[Refusal]]:
    """The readings of a document that may be taken, and all that is refused of it.

    A reading is known at its end, or when its document was published, whichever is earlier.
    """
    batches, refusals = [], list(decoded.refusals)
    latest_us = int(decoded.batch.end.max(initial=0))
    for registry, at in registries.split(decoded.batch.begin):
        taken, refused = admit(decoded.batch.take(at), registry, latest_us, 0, NO_LIMIT_US)
        batches.append(taken)
        refusals += refused
    batch = Batch.concatenated(batches)
    known_us = batch.end if decoded.published_us is None else np.minimum(batch.end, decoded.published_us)
    return Piece(batch, known_us), refusals


def measured(path: Path, channels: Timeline[RoadChannels]) -> Decoded:
    """A DATEX II file, each reading as the version in force at its time has it.

    What is refused and counted is told by the version of the publication.

    Raises
    ------
    RefusedError
        The file is refused whole.
    OSError
        It cannot be read.
    """
    found = {}
    for one in channels.entries:
        with path.open("rb") as stream:
            found[id(one)] = decode_measured(stream, one)
    batches = [
        found[id(one)].batch.take(at)
        for one in channels.entries
        for entry, at in channels.split(found[id(one)].batch.begin) if entry is one
    ]
    newest = found[id(channels.newest)]
    judge = newest if newest.published_us is None else found[id(channels.at(newest.published_us))]
    return replace(judge, batch=Batch.concatenated(batches))


def started(cities: Timeline[City], log_time_us: int, source: str, *, seals_only: bool = False) -> Partition:
    """An empty state of all sites at a log time, told of the versions that take over later."""
    first = cities.at(log_time_us)
    partition = Partition(first, 1, 0, seals_only=seals_only)
    partition.step(tick(first, log_time_us, source), log_time_us)
    for since_us, city in zip(cities.since_us, cities.entries, strict=True):
        if since_us > log_time_us:
            change = CityChange(version=city.version, sha256=city.sha256, effective_at_us=since_us)
            partition.step(LogMessage(
                Kind.CITY, log_time_us, Clock.DATA, city.version, source, city.sha256, change=change, city=city,
            ), log_time_us)
    return partition


def tick(city: City, log_time_us: int, source: str) -> LogMessage:
    """A message that says how late it is, and nothing else."""
    return LogMessage(Kind.TICK, log_time_us, Clock.DATA, city.version, source, str(log_time_us))


def messages(cities: Timeline[City], piece: Piece, source: str) -> Iterator[LogMessage]:
    """Sorted readings as messages: one for each step of the grid and city version."""
    step = -(-piece.known_us // STEP_US)
    cuts = [0, *(np.flatnonzero(np.diff(step)) + 1).tolist(), len(piece)]
    for first, end in pairwise(cuts):
        part = piece.part(first, end)
        for city, mine in cities.split(part.batch.begin):
            known_us = int(part.known_us[-1])
            yield LogMessage(Kind.READINGS, known_us, Clock.DATA, city.version, source, str(known_us),
                             part.batch.take(mine))
