# SPDX-License-Identifier: Apache-2.0
"""Baselines cross the log as they were, and only what is one can be read; days have the class they are lived as."""

import contextlib
import datetime as dt
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.baseline import (
    HOLIDAY,
    ROWS_A_MESSAGE,
    SLOTS,
    BaselineRows,
    decode_baseline,
    encode_baseline,
    holidays,
    no_rows,
    rounded,
    slot_of,
    slots_of,
)
from schemas.errors import RefusedError
from schemas.lesson import SUMS, Lesson
from schemas.log import Clock, Kind, LogMessage, decode_log, encode_log
from tests.core.baseline_samples import baseline_rows

LARGEST = 8_000_000
ZONE = "Europe/Amsterdam"


def equal(one: BaselineRows, other: BaselineRows) -> bool:
    return encode_baseline(one) == encode_baseline(other)


def us(text: str) -> int:
    return round(dt.datetime.fromisoformat(text).timestamp()) * 1_000_000


def test_baselines_come_back_as_they_went_also_through_the_log() -> None:
    rows = baseline_rows(3, mean=7.5)
    rows.mean[1, 5] = np.nan
    found = decode_baseline(encode_baseline(rows))
    assert found.keys() == rows.keys()
    np.testing.assert_array_equal(found.mean, rows.mean)
    np.testing.assert_array_equal(found.grain_s, rows.grain_s)
    message = decode_log(*encode_log(LogMessage(Kind.BASELINE, 5, Clock.WALL, 1, "baseline", "1", baseline=rows)))
    assert message.baseline is not None
    assert equal(message.baseline, rows)


def lesson(size: int = 4, **changes: Any) -> Lesson:
    given: dict[str, Any] = {"about": "people", "site": 1, "model": 1}
    return Lesson(**(given | {name: np.linspace(0.0, 1.0, size) for name in SUMS} | changes))


def test_lessons_travel_behind_the_rows_and_a_message_without_any_is_as_before() -> None:
    rows = baseline_rows(2)
    before = encode_baseline(rows)
    given = replace(rows, lessons=(lesson(), lesson(9, about="road")))
    encoded = encode_baseline(given)
    assert encoded.startswith(before)  # who does not know of lessons reads the rows
    found = decode_baseline(encoded)
    assert encode_baseline(found) == encoded
    assert [(one.about, len(one.histogram)) for one in found.lessons] == [("people", 4), ("road", 9)]
    assert decode_baseline(before).lessons == ()
    assert found.take(np.array([0], np.intp)).lessons == ()
    assert len(found.joined(baseline_rows(1)).lessons) == 0
    alone = decode_baseline(encode_baseline(replace(no_rows(), lessons=given.lessons)))
    assert (len(alone), len(alone.lessons)) == (0, 2)


@pytest.mark.parametrize("lessons", [
    (lesson(), lesson()), (lesson(histogram=np.array([-1.0])),), (lesson(scale_moment=np.array([np.nan])),),
])
def test_lessons_that_cannot_be_are_refused(lessons: tuple[Lesson, ...]) -> None:
    with pytest.raises(RefusedError, match="lesson"):
        decode_baseline(encode_baseline(replace(baseline_rows(1), lessons=lessons)))


def test_what_lies_behind_a_baseline_and_is_no_lesson_is_refused() -> None:
    with pytest.raises(RefusedError, match="lessons"):
        decode_baseline(encode_baseline(baseline_rows(1)) + b"more")


def test_the_largest_message_fits() -> None:
    rows = baseline_rows(ROWS_A_MESSAGE)
    for name in ("mean", "sd", "low", "middle", "high"):
        getattr(rows, name)[:] = np.random.default_rng(1).uniform(0, 1e4, (ROWS_A_MESSAGE, SLOTS))
    assert len(encode_baseline(rows)) < LARGEST / 4


@pytest.mark.parametrize("value", [-1.0, np.inf])
def test_figures_that_no_baseline_has_are_refused(value: float) -> None:
    rows = baseline_rows(1)
    rows.high[0, 3] = value
    with pytest.raises(RefusedError, match="high"):
        decode_baseline(encode_baseline(rows))


def test_a_place_named_twice_is_refused() -> None:
    rows = baseline_rows(2)
    rows.place[:] = 1
    with pytest.raises(RefusedError, match="twice"):
        decode_baseline(encode_baseline(rows))


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(RefusedError):
        decode_baseline(body)


def test_slots_follow_the_clocks_of_the_city() -> None:
    assert slot_of(us("2026-03-02T00:00+01:00"), ZONE) == 0
    assert slot_of(us("2026-07-06T08:20+02:00"), ZONE) == 33
    assert slot_of(us("2026-03-08T23:59+01:00"), ZONE) == 7 * 96 - 1
    assert slot_of(us("2026-04-06T12:00+02:00"), ZONE) == HOLIDAY * 96 + 48  # Easter Monday
    many = np.array([us("2026-03-02T00:00+01:00") + at * 450_000_000 for at in range(50)], np.int64)
    assert slots_of(many, ZONE).tolist() == [slot_of(one, ZONE) for one in many.tolist()]


def test_dutch_holidays() -> None:
    assert {dt.date(2026, 4, 3), dt.date(2026, 4, 5), dt.date(2026, 5, 14), dt.date(2026, 5, 25)} <= holidays(2026)
    assert dt.date(2025, 4, 26) in holidays(2025)  # the 27th was a Sunday
    assert dt.date(2025, 4, 27) not in holidays(2025)
    assert dt.date(2024, 3, 31) in holidays(2024)
    assert dt.date(2026, 3, 2) not in holidays(2026)


@given(st.floats(0, 1e9))
def test_rounding_keeps_three_digits(value: float) -> None:
    assert rounded([value])[0] == pytest.approx(value, rel=1e-3)
