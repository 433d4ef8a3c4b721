# SPDX-License-Identifier: Apache-2.0
"""Times as text to microseconds since 1970: RFC 3339 and the same subset of XML Schema's dateTime."""

import datetime as dt
import re
from typing import Final

NO_INSTANT: Final = -(2**63)
"""Stands for a text that is no time: the smallest int64, never a time of a reading."""
FIRST_YEAR = 2000
LAST_YEAR = 2099
"""Years outside them are a broken clock (1970, 1980, 2036, 9999), not a measurement."""

_FORM = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:Z|([+-])(\d\d):(\d\d))",
    re.ASCII | re.IGNORECASE,
)
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND = dt.timedelta(microseconds=1)


def parse_instant(text: str) -> int:
    """Microseconds since 1970, UTC; `NO_INSTANT` for anything that is no time with an offset.

    Digits beyond the microsecond are cut off. A leap second, an offset of 24 hours or more, and years
    outside `FIRST_YEAR` to `LAST_YEAR` are no times here. White space around the text is not looked at.
    """
    found = _FORM.fullmatch(text.strip())
    if found is None:
        return NO_INSTANT
    year, month, day, hour, minute, second = map(int, found.groups()[:6])
    fraction, sign, offset_hours, offset_minutes = found.groups()[6:]
    if not FIRST_YEAR <= year <= LAST_YEAR:
        return NO_INSTANT
    offset = dt.timedelta()
    if sign:
        if int(offset_hours) > 23 or int(offset_minutes) > 59:
            return NO_INSTANT
        offset = dt.timedelta(hours=int(offset_hours), minutes=int(offset_minutes))
    microsecond = int((fraction or "0").ljust(6, "0")[:6])
    try:
        local = dt.datetime(year, month, day, hour, minute, second, microsecond, tzinfo=dt.UTC)
    except ValueError:
        return NO_INSTANT
    return (local - _EPOCH + (offset if sign == "-" else -offset)) // _MICROSECOND


class InstantCache(dict[str | None, int]):
    """Times already parsed: a document repeats few of them many times. `None` is no time."""

    def __missing__(self, text: str | None) -> int:
        """Parse `text` and keep it."""
        parsed = self[text] = NO_INSTANT if text is None else parse_instant(text)
        return parsed
