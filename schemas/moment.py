# SPDX-License-Identifier: Apache-2.0
"""A moment: microseconds since 1970, UTC, as datetime and as text for others (RFC 3339), and back."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def datetime_of(at_us: int) -> datetime:
    """Microseconds since 1970, UTC, as a datetime; exact."""
    return _EPOCH + timedelta(microseconds=at_us)


def local_text(at_us: int, zone: ZoneInfo, pattern: str) -> str:
    """Microseconds since 1970, UTC, as local time; in the hour that comes twice with the name of its offset (CEST).

    Parameters
    ----------
    at_us : int
    zone : ZoneInfo
    pattern : str
        As of `strftime`.
    """
    local = datetime_of(at_us).astimezone(zone)
    other = local.replace(fold=1 - local.fold)
    return local.strftime(pattern if other.utcoffset() == local.utcoffset() else f"{pattern} %Z")


def us_of(at: datetime) -> int:
    """A datetime with an offset as microseconds since 1970, UTC; exact."""
    return (at - _EPOCH) // _MICROSECOND


def rfc3339(at_us: int) -> str:
    """Microseconds since 1970, UTC, as a time stamp with `Z`, to the millisecond."""
    text = datetime_of(at_us).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"
