# SPDX-License-Identifier: Apache-2.0
"""A recorded NDW publication, moved to another time and repeated every minute."""

import datetime as dt
import gzip
import re
import zlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from xml.sax.saxutils import unescape

from schemas.errors import FatalError

MINUTE_US = 60_000_000
SITE_TABLE = "measurement_site_table.xml"
MEASURED = "traffic_speed.xml"
"""Names of the two files of a recording; each may also end in `.gz`."""

_EPOCH = dt.datetime.fromtimestamp(0, dt.UTC)
_BLOCK = re.compile(rb"<(?:\w+:)?siteMeasurements[\s>].*?</(?:\w+:)?siteMeasurements\s*>", re.DOTALL)
_SITE_ID = re.compile(rb"measurementSiteReference\s[^>]*?\bid\s*=\s*(?:\"([^\"]*)\"|'([^']*)')")
_TIME = re.compile(
    rb"(<(?:\w+:)?(?:publicationTime|measurementTimeDefault)(?:\s[^>]*)?>)\s*([^<]*?)\s*(?=</)"
)


@dataclass(frozen=True, slots=True)
class _Stamp:
    """A time in the text: when it was, and how long its site's measuring period is."""

    time_us: int
    period_us: int


@dataclass(frozen=True, slots=True)
class Recording:
    """A publication as text between time stamps.

    Parameters
    ----------
    texts : tuple of bytes
        What stands before, between and after the stamps.
    stamps : tuple of _Stamp
        The first is the publication time.
    """

    texts: tuple[bytes, ...]
    stamps: tuple[_Stamp, ...]

    @classmethod
    def of(cls, document: bytes, periods_s: Mapping[str, float]) -> Self:
        """Take a MeasuredDataPublication apart.

        Parameters
        ----------
        document : bytes
            UTF-8 XML, not compressed.
        periods_s : mapping of str to float
            Measuring period of each site to keep, by its id; other sites are left out.

        Raises
        ------
        FatalError
            There is no publication time before the first site, or a time is none.
        """
        head, *blocks = _parts(document, periods_s.keys())
        texts: list[bytes] = []
        stamps: list[_Stamp] = []
        rest = b""
        for site, part in [("", head), *((_site_id(block), block) for block in blocks)]:
            period_us = round(periods_s.get(site, 60.0) * 1_000_000)
            position = 0
            for found in _TIME.finditer(part):
                texts.append(rest + part[position : found.end(1)])
                stamps.append(_Stamp(_time_us(found[2]), period_us))
                rest, position = b"", found.end()
            rest += part[position:]
        if not texts or b"publicationTime" not in texts[0]:
            raise FatalError(f"{MEASURED}: no publicationTime at its head; record a MeasuredDataPublication")
        return cls((*texts, rest), tuple(stamps))

    @property
    def published_us(self) -> int:
        """Publication time of the original, microseconds since 1970, UTC."""
        return self.stamps[0].time_us

    def aligned_start_us(self, after_us: int) -> int:
        """First time from `after_us` on that lies whole minutes from the original publication.

        Starting there, measured minutes stay whole minutes.
        """
        return after_us + (self.published_us - after_us) % MINUTE_US

    def publication(self, start_us: int, repetition: int) -> bytes:
        """The publication as it would be `repetition` minutes after `start_us`.

        All times move by whole minutes so that the first publication falls on `start_us`. A site that
        measures over a longer period says the same until its period is over, as NDW does.

        Parameters
        ----------
        start_us : int
            Publication time of repetition 0: one that `aligned_start_us` gives.
        repetition : int
        """
        shift_us = start_us - self.published_us
        moved_us = repetition * MINUTE_US
        parts: list[bytes] = []
        for text, stamp in zip(self.texts[:-1], self.stamps, strict=True):
            own_us = moved_us // stamp.period_us * stamp.period_us
            parts += [text, _text(stamp.time_us + shift_us + own_us)]
        return b"".join([*parts, self.texts[-1]])


def recorded_file(folder: Path, name: str) -> Path:
    """The file `name` or `name.gz` of a recording.

    Raises
    ------
    FatalError
        Neither is there.
    """
    for path in (folder / name, folder / f"{name}.gz"):
        if path.is_file():
            return path
    raise FatalError(f"{folder}: no {name} and no {name}.gz; give a folder that holds a recorded NDW feed")


def read_recording(folder: Path, periods_s: Mapping[str, float]) -> Recording:
    """Read `traffic_speed.xml[.gz]` of a folder, see `Recording.of`.

    Raises
    ------
    FatalError
        A file is missing, or is not what it should be.
    """
    path = recorded_file(folder, MEASURED)
    try:
        content = path.read_bytes()
        return Recording.of(gzip.decompress(content) if path.suffix == ".gz" else content, periods_s)
    except (OSError, EOFError, zlib.error) as error:
        raise FatalError(f"{path}: cannot be read ({error}); record it again") from None


def _parts(document: bytes, keep: Collection[str]) -> list[bytes]:
    """The head, then each kept block with what follows up to the next, without the others."""
    position = 0
    parts = [b""]
    for found in _BLOCK.finditer(document):
        parts[-1] += document[position : found.start()]
        position = found.end()
        if _site_id(found[0]) in keep:
            parts.append(found[0])
    parts[-1] += document[position:]
    return parts


def _site_id(block: bytes) -> str:
    found = _SITE_ID.search(block)
    return unescape((found[1] or found[2] or b"").decode(errors="replace")) if found else ""


def _time_us(text: bytes) -> int:
    try:
        moment = dt.datetime.fromisoformat(text.decode())
        return (moment - _EPOCH) // dt.timedelta(microseconds=1)
    except (ValueError, TypeError):
        wanted = "a time with an offset; record the feed again"
        raise FatalError(f"{MEASURED}: {text[:40]!r} is not {wanted}") from None


def _text(time_us: int) -> bytes:
    moment = _EPOCH + dt.timedelta(microseconds=time_us)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z").encode()
