# SPDX-License-Identifier: Apache-2.0
import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.feeds.instants import NO_INSTANT, InstantCache, parse_instant

EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
OFFSETS = st.integers(-14 * 60, 14 * 60).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes)))
FIRST, LAST = dt.datetime(2000, 1, 2), dt.datetime(2099, 12, 30)  # noqa: DTZ001  # hypothesis adds the zone
TIMES = st.datetimes(FIRST, LAST, timezones=OFFSETS)


@given(TIMES)
def test_every_time_with_an_offset_is_exact(time: dt.datetime) -> None:
    wanted = (time - EPOCH) // dt.timedelta(microseconds=1)
    assert parse_instant(time.isoformat()) == wanted
    assert InstantCache()[f"\n {time.isoformat()}\t"] == wanted


@pytest.mark.parametrize(("text", "microseconds"), [
    ("2026-03-01T11:04:00Z", 1_772_363_040_000_000),
    ("2026-03-01t11:04:00z", 1_772_363_040_000_000),
    ("2026-03-01T12:04:00+01:00", 1_772_363_040_000_000),
    ("2026-03-01T11:04:00-00:00", 1_772_363_040_000_000),
    ("2026-03-01T11:04:00.16Z", 1_772_363_040_160_000),
    ("2026-03-01T11:04:00.123456789Z", 1_772_363_040_123_456),
])
def test_forms_that_occur(text: str, microseconds: int) -> None:
    assert parse_instant(text) == microseconds


@pytest.mark.parametrize("text", [
    "", "2026-03-01T11:04:00", "2026-03-01 11:04:00Z", "2026-03-01", "2026-03-01T11:04Z",
    "2026-02-29T11:04:00Z", "2026-03-01T24:00:00Z", "2026-03-01T11:04:60Z", "2026-03-01T11:04:00+24:00",
    "2026-03-01T11:04:00+01:60", "2026-03-01T11:04:00.Z", "1999-12-31T23:59:59Z", "2100-01-01T00:00:00Z",
    "٢٠٢٦-03-01T11:04:00Z", "1772363040", "2026-W09-7T11:04:00Z", "2026-03-01T11:04:00+0100", "now",
])
def test_anything_else_is_no_time(text: str) -> None:
    assert parse_instant(text) == NO_INSTANT


@given(st.text())
def test_no_text_is_an_error(text: str) -> None:
    assert isinstance(parse_instant(text), int)


def test_nothing_is_no_time() -> None:
    assert InstantCache()[None] == NO_INSTANT
