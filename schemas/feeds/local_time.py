# SPDX-License-Identifier: Apache-2.0
"""Times without an offset: what a wall clock in a time zone showed, and the two days a year on which it lies.

An hour that the clock jumps over in spring never was; one that it shows twice in autumn is ambiguous: the first
of the two, unless the same device says it a second time.
"""

import datetime as dt
import re
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from schemas.errors import RefusedError
from schemas.feeds.instants import FIRST_YEAR, LAST_YEAR, NO_INSTANT, parse_instant
from schemas.refusal import Reason

AMBIGUOUS_QUALITY = 50.0
"""Quality, 0 to 100, of a reading of which the hour may be the other one."""
_COMPACT_OFFSET = re.compile(r"(.*[T ]\d\d:.*[+-]\d\d)(\d\d)", re.ASCII | re.DOTALL)
_LOCAL = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?", re.ASCII)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Stamp:
    """A time as a source wrote it.

    Parameters
    ----------
    first_us, second_us : int
        Microseconds since 1970, UTC; they differ where the clock showed the time twice. `NO_INSTANT` where the
        text is no time, has no offset and no zone to fill it, or was never shown.
    in_gap : bool
        Whether the clock jumped over it.
    """

    first_us: int
    second_us: int
    in_gap: bool = False

    @property
    def is_time(self) -> bool:
        """Whether there was such a time."""
        return self.first_us != NO_INSTANT

    @property
    def is_ambiguous(self) -> bool:
        """Whether the clock showed it twice."""
        return self.first_us != self.second_us


NO_STAMP: Final = Stamp(NO_INSTANT, NO_INSTANT)


def zone_of(name: str | None) -> ZoneInfo | None:
    """The time zone of a source, if it has one.

    Raises
    ------
    RefusedError
        `malformed`: there is no such zone.
    """
    if name is None:
        return None
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise RefusedError(
            Reason.MALFORMED, f"the source's `timezone` {name!r} is no time zone; write one such as Europe/Amsterdam"
        ) from None


def stamp_of(moment: dt.datetime, zone: ZoneInfo | None) -> Stamp:
    """The stamp of a date and time; `zone` is used only where `moment` has no offset."""
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        return NO_STAMP
    if moment.tzinfo is not None:
        at_us = (moment - _EPOCH) // _MICROSECOND
        return Stamp(at_us, at_us)
    if zone is None:
        return NO_STAMP
    first, second = (moment.replace(tzinfo=zone, fold=fold).astimezone(dt.UTC) for fold in (0, 1))
    if first.astimezone(zone).replace(tzinfo=None, fold=0) != moment:
        return Stamp(NO_INSTANT, NO_INSTANT, in_gap=True)
    return Stamp((first - _EPOCH) // _MICROSECOND, (second - _EPOCH) // _MICROSECOND)


def parse_stamp(text: str, zone: ZoneInfo | None) -> Stamp:
    """The stamp of an ISO 8601 text: with an offset (`Z`, `+02:00`, `+0200`), or a local one of `zone`."""
    text = text.strip()
    at_us = parse_instant(text.replace(" ", "T", 1))
    if at_us == NO_INSTANT and (found := _COMPACT_OFFSET.fullmatch(text)) is not None:
        at_us = parse_instant(f"{found[1]}:{found[2]}".replace(" ", "T", 1))
    if at_us != NO_INSTANT:
        return Stamp(at_us, at_us)
    if _LOCAL.fullmatch(text) is None:
        return NO_STAMP
    try:
        return stamp_of(dt.datetime.fromisoformat(text), zone)
    except ValueError:
        return NO_STAMP


@dataclass(slots=True)
class Occurrences:
    """Which of the two times an ambiguous stamp names: a device's first one the first, a further one the second."""

    seen: set[Hashable] = field(default_factory=set)

    def take(self, device: Hashable, stamp: Stamp) -> int:
        """Microseconds since 1970, UTC; call it once for each row of a device, in the order of time."""
        if not stamp.is_ambiguous:
            return stamp.first_us
        key = (device, stamp.first_us)
        if key in self.seen:
            return stamp.second_us
        self.seen.add(key)
        return stamp.first_us
