# SPDX-License-Identifier: Apache-2.0
"""A time of an observation: one instant, or `begin/end` as ISO 8601 writes an interval."""

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from schemas.feeds.local_time import AMBIGUOUS_QUALITY, parse_stamp
from schemas.reading import QUALITY_FULL


@dataclass(frozen=True, slots=True)
class TimeInterval:
    """Begin and end, microseconds since 1970, UTC; equal for an instant.

    `quality` is 0 to 100: less than full where a local time is the first of two.
    """

    begin_us: int
    end_us: int
    quality: float = QUALITY_FULL

    @property
    def is_instant(self) -> bool:
        """Whether it has no length."""
        return self.begin_us == self.end_us


def parse_interval(text: object, zone: ZoneInfo | None) -> TimeInterval | None:
    """The interval or instant that a value of a document names; None where it names none.

    `zone` is that of times without an offset; without one they are no times.
    """
    if not isinstance(text, str):
        return None
    first, slash, last = text.partition("/")
    begin = parse_stamp(first, zone)
    end = parse_stamp(last, zone) if slash else begin
    if not begin.is_time or not end.is_time:
        return None
    quality = AMBIGUOUS_QUALITY if begin.is_ambiguous or end.is_ambiguous else QUALITY_FULL
    return TimeInterval(begin.first_us, end.first_us, quality)
