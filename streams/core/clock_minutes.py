# SPDX-License-Identifier: Apache-2.0
"""Local times of day of instants of log time."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo


def minutes_of_day(at_us: int, timezone: ZoneInfo) -> int:
    """Whole minutes since local midnight."""
    local = datetime.fromtimestamp(at_us // 1_000_000, UTC).astimezone(timezone)
    return local.hour * 60 + local.minute
