# SPDX-License-Identifier: Apache-2.0
import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.city import Source
from schemas.errors import RefusedError
from schemas.feeds.eco_counter import FORMAT, channel_beside, decode, looks_like
from schemas.feeds.observed import Observed
from schemas.reading import Metric, NoValue
from schemas.refusal import Reason
from tests.schemas.feeds.feed_fuzz import mutated
from tests.schemas.feeds.feed_pages import page, refused

PAGE = page("eco_counter")
ROWS: list[dict[str, Any]] = [
    {"date": "2026-03-01T11:00:00+0000", "counts": 57}, {"date": "2026-03-01T11:15:00+0000", "counts": None}]
BEGIN_US = 1_772_362_800_000_000
QUARTER_US = 900_000_000
BESIDE = {"channel": "101"}


def read(*rows: object, source: Source = PAGE.source) -> Observed:
    return decode(json.dumps(list(rows)).encode(), source, BESIDE)


def begins(*dates: str, zone: str | None = "Europe/Amsterdam") -> list[int]:
    source = Source(format="eco-counter", timezone=zone)
    return [one.begin_us for one in read(*({"date": date, "counts": 1} for date in dates), source=source).observations]


def test_the_page_s_example() -> None:
    result = PAGE.read(FORMAT)
    assert result.refusals == []
    assert result.batch.metric.tolist() == [Metric.IN] * 3
    assert result.batch.begin.tolist() == [BEGIN_US, BEGIN_US + QUARTER_US, BEGIN_US]
    assert result.batch.span_ms.tolist() == [900_000] * 3
    assert result.batch.value.tolist()[::2] == [57, 40]
    assert result.batch.reason.tolist() == [NoValue.NONE, NoValue.NULL, NoValue.NONE]


def test_the_channel_stands_beside_the_rows() -> None:
    [first, second] = read(*ROWS).observations
    assert (first.device, first.value, first.begin_us) == ("101", 57, BEGIN_US)
    assert (second.value, second.no_value) == (None, NoValue.NULL)


@pytest.mark.parametrize(("context", "channel"), [
    ({"channel": "101", "name": "7.json"}, "101"), ({"name": "/api/data/site/102?step=15m"}, "102"),
    ({"name": "in/103.json"}, "103"), ({"topic": "eco/104"}, "104"), ({"name": "counts.json"}, None), ({}, None),
])
def test_where_a_channel_is_named(context: dict[str, str], channel: str | None) -> None:
    assert channel_beside(context) == channel


def test_rows_of_nobody_are_refused() -> None:
    with pytest.raises(RefusedError, match="of which channel") as error:
        decode(json.dumps(ROWS).encode(), PAGE.source, {})
    assert error.value.reason == Reason.MALFORMED


def test_local_times_need_a_zone() -> None:
    assert begins("2026-03-01T12:00:00") == [BEGIN_US]
    observed = read({"date": "2026-03-01T12:00:00", "counts": 1}, source=Source(format="eco-counter"))
    assert [one.reason for one in observed.refusals] == [Reason.BAD_TIME]


def test_the_hour_that_never_was_and_the_one_that_was_twice() -> None:
    [gap] = read({"date": "2026-03-29T02:30:00", "counts": 1}).refusals
    assert (gap.reason, "jumped" in gap.detail) == (Reason.BAD_TIME, True)
    quarters = [f"2026-10-25T02:{minute}:00" for minute in ("00", "15", "30", "45")]
    all_us = begins(*quarters, *quarters)
    assert [after - before for before, after in pairwise(all_us)] == [QUARTER_US] * 7
    observed = read({"date": quarters[0], "counts": 1})
    assert (observed.counts["ambiguous_stamps"], observed.observations[0].quality) == (1, 50)


def test_rows_closer_than_a_quarter_are_refused() -> None:
    minutes = [{"date": f"2026-03-01T11:0{minute}:00Z", "counts": 1} for minute in range(3)]
    observed = read(*minutes)
    assert [(one.reason, one.count) for one in observed.refusals] == [(Reason.BAD_SPAN, 2)]
    assert len(observed.observations) == 1


def test_the_same_row_again_is_handed_on_again() -> None:
    assert len(read(*ROWS, ROWS[0] | {"counts": 58}).observations) == 3


@pytest.mark.parametrize(("row", "reason"), [
    ({"date": "soon", "counts": 1}, Reason.BAD_TIME), ({"date": "1970-01-01T00:00:00Z", "counts": 1}, Reason.BAD_TIME),
    ({"date": 5, "counts": 1}, Reason.MALFORMED), ({"date": "2026-03-01T11:00:00Z"}, Reason.MALFORMED),
    ({"date": "2026-03-01T11:00:00Z", "counts": "57"}, Reason.BAD_VALUE), (5, Reason.MALFORMED),
])
def test_a_bad_row_is_refused_alone(row: object, reason: Reason) -> None:
    observed = read(ROWS[0], row)
    assert [(one.reason, one.where, one.count) for one in observed.refusals] == [(reason, "$[1]", 1)]
    assert len(observed.observations) == 1


def test_negative_is_missing() -> None:
    [one] = read(ROWS[0] | {"counts": -3}).observations
    assert (one.value, one.no_value) == (None, NoValue.NEGATIVE)


def test_a_field_about_a_person_refuses_all() -> None:
    with pytest.raises(RefusedError) as error:
        read(ROWS[0] | {"more": [{"mac_address": "a4:5e"}]})
    assert error.value.reason == Reason.PERSON_LEVEL
    assert "a4" not in str(error.value)


def test_a_zone_that_is_none_is_named() -> None:
    with pytest.raises(RefusedError, match="no time zone"):
        read(*ROWS, source=Source(format="eco-counter", timezone="../etc/passwd"))


WRAPPED = [{"id": 101, "data": ROWS, "name": "north"}, {"channel": "102", "data": [ROWS[0]]}]


@given(st.one_of(st.binary(max_size=60), mutated(ROWS), mutated(WRAPPED)))
def test_only_refusals_leave(body: bytes) -> None:
    try:
        observed = decode(body, PAGE.source, BESIDE)
    except RefusedError:
        return
    rows = 0
    for one in (document if isinstance(document := json.loads(body), list) else [document]):
        wrapped = isinstance(one, dict) and isinstance(one.get("data"), list)
        rows += len(one["data"]) if wrapped else 1
    assert len(observed.observations) + refused(observed) == rows
    PAGE.placed(observed)


def test_what_it_looks_like() -> None:
    assert looks_like(json.dumps(ROWS).encode())
    assert not looks_like(b'{"direction": [{"azimuth": 3, "counts": 4, "date": 1}]}')
