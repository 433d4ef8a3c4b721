# SPDX-License-Identifier: Apache-2.0
"""Moments: microseconds and datetimes say the same to the microsecond, whatever the offset."""

import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.moment import datetime_of, local_text, rfc3339, us_of


@given(st.integers(0, 7_258_118_400_000_000))
def test_there_and_back_no_microsecond_is_lost(at_us: int) -> None:
    assert us_of(datetime_of(at_us)) == at_us


@pytest.mark.parametrize(("text", "at_us"), [
    ("1970-01-01T01:00:00+01:00", 0), ("2026-04-27T14:30:00.000001+02:00", 1_777_293_000_000_001),
])
def test_an_offset_is_taken_off(text: str, at_us: int) -> None:
    assert us_of(dt.datetime.fromisoformat(text)) == at_us


def test_the_hour_that_comes_twice_is_told_apart() -> None:
    amsterdam, autumn = ZoneInfo("Europe/Amsterdam"), us_of(dt.datetime(2026, 10, 25, 0, 30, tzinfo=dt.UTC))
    texts = [local_text(autumn + hours * 3_600_000_000, amsterdam, "%d-%m %H:%M") for hours in (-1, 0, 1, 2)]
    assert texts == ["25-10 01:30", "25-10 02:30 CEST", "25-10 02:30 CET", "25-10 03:30"]


def test_as_text_it_ends_in_z_with_milliseconds() -> None:
    assert rfc3339(1_777_293_000_123_456) == "2026-04-27T12:30:00.123Z"
