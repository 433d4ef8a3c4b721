# SPDX-License-Identifier: Apache-2.0
"""A moment as text for others: RFC 3339."""

from datetime import UTC, datetime, timedelta

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def rfc3339(at_us: int) -> str:
    """Microseconds since 1970, UTC, as a time stamp with `Z`, to the millisecond."""
    text = (_EPOCH + timedelta(microseconds=at_us)).isoformat(timespec="milliseconds")
    return text.removesuffix("+00:00") + "Z"
