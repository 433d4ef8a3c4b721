# SPDX-License-Identifier: Apache-2.0
import datetime as dt
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.feeds.instants import parse_instant
from schemas.feeds.local_time import NO_STAMP, Occurrences, parse_stamp, stamp_of

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
NOON_US = parse_instant("2026-03-01T11:00:00Z")


@pytest.mark.parametrize("text", [
    "2026-03-01T11:00:00Z", "2026-03-01T12:00:00+0100", "2026-03-01 12:00:00+01:00", "2026-03-01T12:00:00",
    "2026-03-01 12:00", " 2026-03-01 12:00:00.000 ",
])
def test_one_time_in_many_spellings(text: str) -> None:
    assert parse_stamp(text, AMSTERDAM).first_us == NOON_US


@pytest.mark.parametrize("text", [
    "", "2026-03-01", "2026-02-30 12:00", "12:00", "2026-03-01T12:00:00+9900", "0001-01-01T00:00:00",
    "9999-12-31 23:59", "2026-03-01T25:00", "٢٠٢٦-03-01T12:00",
])
def test_what_is_no_time(text: str) -> None:
    assert parse_stamp(text, AMSTERDAM) == NO_STAMP


def test_without_a_zone_there_is_no_local_time() -> None:
    assert parse_stamp("2026-03-01T12:00:00", None) == NO_STAMP


def test_a_gap_and_a_fold() -> None:
    gap = parse_stamp("2026-03-29T02:30:00", AMSTERDAM)
    assert (gap.is_time, gap.in_gap) == (False, True)
    assert parse_stamp("2026-03-29T03:00:00", AMSTERDAM).first_us == parse_instant("2026-03-29T01:00:00Z")
    fold = parse_stamp("2026-10-25T02:30:00", AMSTERDAM)
    assert fold.first_us == parse_instant("2026-10-25T00:30:00Z")
    assert fold.second_us == parse_instant("2026-10-25T01:30:00Z")
    assert not parse_stamp("2026-10-25T03:00:00", AMSTERDAM).is_ambiguous


def test_a_device_says_an_ambiguous_hour_twice() -> None:
    occurrences, fold = Occurrences(), parse_stamp("2026-10-25T02:30:00", AMSTERDAM)
    assert [occurrences.take(device, fold) for device in "aba"] == [fold.first_us, fold.first_us, fold.second_us]


FIRST, LAST = dt.datetime.fromisoformat("2000-01-02"), dt.datetime.fromisoformat("2099-12-30")


@given(st.datetimes(FIRST, LAST), st.sampled_from(
    ["Europe/Amsterdam", "America/New_York", "Australia/Lord_Howe", "UTC"]))
def test_every_moment_comes_back_from_the_wall_clock(moment: dt.datetime, zone: str) -> None:
    aware = moment.replace(tzinfo=dt.UTC)
    local = aware.astimezone(ZoneInfo(zone)).replace(tzinfo=None, fold=0)
    stamp = stamp_of(local, ZoneInfo(zone))
    assert stamp_of(aware, None).first_us in (stamp.first_us, stamp.second_us)
    assert not stamp.in_gap
