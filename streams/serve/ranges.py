# SPDX-License-Identifier: Apache-2.0
"""What a live row holds as ranges: numbers, and how people read them. Pure."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import msgspec

from streams.core.measures import MeasureStatus
from streams.serve.wording import band_text, range_text

Row = Mapping[str, Any]


class Range(msgspec.Struct, frozen=True):
    """From low to high, and how people read it."""

    low: float
    high: float
    text: str


def range_of(row: Row | None, low: str, high: str, digits: int, unit: str = "") -> Range | None:
    """Two columns as a range; None without a row, or where one of them is null."""
    if row is None or row[low] is None or row[high] is None:
        return None
    return Range(row[low], row[high], range_text(row[low], row[high], digits, unit))


def band_of(row: Row | None, low: str, high: str) -> Range | None:
    """Two columns as a band of people or passages; None as `range_of`."""
    if row is None or row[low] is None or row[high] is None:
        return None
    return Range(row[low], row[high], band_text(row[low], row[high]))


def window_end(row: Row | None) -> dt.datetime | None:
    """When a row's window ended, in log time."""
    if row is None:
        return None
    start: dt.datetime = row["window_start"]
    return start + dt.timedelta(seconds=row["span_s"])


def status_name(row: Row | None) -> str:
    """Name of a row's status; missing without a row."""
    return MeasureStatus(MeasureStatus.MISSING if row is None else row["status"]).name.lower()
