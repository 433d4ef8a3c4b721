# SPDX-License-Identifier: Apache-2.0
"""Files for the back-fill: which they are, how they are decoded, and what of them may be taken."""

import gzip
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

from schemas.city import City
from schemas.city_timeline import Timeline
from schemas.errors import DrukteError, RefusedError
from schemas.feeds import native
from schemas.feeds.compression import GZIP_MAGIC, decompressed
from schemas.feeds.datex2 import RoadChannels
from schemas.feeds.decoded import Decoded
from schemas.feeds.formats import FORMATS
from schemas.feeds.observed import placed
from schemas.refusal import Reason
from schemas.registry import Registry
from streams.recorded import Piece, admitted, measured

NATIVE, DATEX2 = "native", "datex2"
LINES_BYTES = 8_000_000
"""NDJSON is decoded in pieces of about so much."""
WHOLE_BYTES = 1_000_000_000
"""The largest file, unpacked, of a format that is read whole."""

Decode = Callable[[Path], Iterator[Decoded]]


@dataclass(slots=True)
class Taken:
    """What the files held."""

    files: int = 0
    readings: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    refused_files: dict[str, str] = field(default_factory=dict)


def listed(paths: Iterable[Path]) -> list[Path]:
    """Files, and all files below folders, by name; each once. Raises `DrukteError` where there is none."""
    found: dict[Path, None] = {}
    for path in paths:
        inside = (one for one in sorted(path.rglob("*")) if one.is_file() and not one.name.startswith("."))
        found.update(dict.fromkeys(inside if path.is_dir() else [path]))
    if not found:
        raise DrukteError("no file to read: the folders are empty")
    return list(found)


def decoder(cities: Timeline[City], source: str, feed: str | None) -> Decode:
    """How a source's files are decoded.

    Parameters
    ----------
    cities : Timeline of City
        Each reading belongs to the version in force at its own time.
    source : str
        Key of the city file.
    feed : str, optional
        Its format, where it is not the one of the city file.

    Raises
    ------
    DrukteError
        The city has no such source, or nobody reads the format.
    """
    settings = next((city.file.sources[source] for city in reversed(cities.entries) if source in city.file.sources),
                    None)
    if settings is None:
        known = ", ".join(cities.newest.file.sources) or "none"
        raise DrukteError(f"source {source!r} is not in the city file; known: {known}")
    chosen = feed or settings.format
    registries = cities.mapped(Registry.of)
    if chosen == NATIVE:
        return lambda path: _native(path, registries, source)
    if chosen == DATEX2:
        channels = cities.mapped(lambda city: RoadChannels.of(city.roads, city.ids))
        return lambda path: iter([measured(path, channels)])
    if chosen not in FORMATS:
        known = ", ".join([NATIVE, DATEX2, *FORMATS])
        raise DrukteError(f"format {chosen!r} is not known; known: {known}")
    entry = FORMATS[chosen]

    def vendor(path: Path) -> Iterator[Decoded]:
        yield placed(entry.decode(_whole(path), settings, {"name": path.name}), registries, source)

    return vendor


def pieces(paths: Iterable[Path], decode: Decode, cities: Timeline[City], taken: Taken,
           on_file: Callable[[Path], None] = lambda _: None) -> Iterator[Piece]:
    """The readings of files that may be taken; all else is counted by its reason. In the order of the files."""
    registries = cities.mapped(Registry.of)
    for path in paths:
        taken.files += 1
        try:
            for decoded in _whole_or_not(path, decode(path)):
                yield _admitted(decoded, registries, taken)
        except RefusedError as error:
            taken.refused[error.reason] += 1
            taken.refused_files[str(path)] = str(error)
        except OSError as error:
            raise DrukteError(f"{path}: cannot be read ({error.strerror or error})") from None
        on_file(path)


def _admitted(decoded: Decoded, registries: Timeline[Registry], taken: Taken) -> Piece:
    piece, refusals = admitted(decoded, registries)
    for refusal in refusals:
        taken.refused[refusal.reason] += refusal.count
    taken.readings += len(piece)
    return piece


def _whole_or_not(path: Path, found: Iterator[Decoded]) -> Iterator[Decoded]:
    """Cells are released once, with what was seen: a file that is read in part must not end in the middle."""
    pieces_taken = 0
    while True:
        try:
            decoded = next(found, None)
        except RefusedError as error:
            if not pieces_taken:
                raise
            raise DrukteError(
                f"{path}: bad behind its first {pieces_taken * LINES_BYTES // 1_000_000} MB ({error}). Nothing was "
                "released: mend the file or leave it out, and run again"
            ) from None
        if decoded is None:
            return
        yield decoded
        pieces_taken += 1


def _native(path: Path, registries: Timeline[Registry], source: str) -> Iterator[Decoded]:
    """An array is read whole, lines in pieces."""
    with _opened(path) as stream:
        lines = _lines(stream)
        if lines.lstrip()[:1] == b"[":
            yield native.decode(_whole(path), registries, source)
            return
        while lines:
            yield native.decode(lines, registries, source)
            lines = _lines(stream)


def _lines(stream: BinaryIO) -> bytes:
    try:
        return stream.read(LINES_BYTES) + stream.readline()
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise RefusedError(Reason.MALFORMED, "gzip stream is cut off or corrupt; fetch it again") from None


def _opened(path: Path) -> BinaryIO:
    with path.open("rb") as stream:
        zipped = stream.read(len(GZIP_MAGIC)) == GZIP_MAGIC
    return cast("BinaryIO", gzip.open(path, "rb")) if zipped else path.open("rb")


def _whole(path: Path) -> bytes:
    with path.open("rb") as stream:
        return b"".join(decompressed(stream, WHOLE_BYTES))
