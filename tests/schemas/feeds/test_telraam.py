# SPDX-License-Identifier: Apache-2.0
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import RefusedError
from schemas.feeds.observed import Observation, Observed
from schemas.feeds.telraam import FORMAT, VALUES_A_ROW, decode, looks_like
from schemas.reading import Metric, NoValue
from schemas.refusal import Reason
from tests.schemas.feeds.feed_fuzz import VALUES, mutated
from tests.schemas.feeds.feed_pages import page, refused

PAGE = page("telraam")
ROW: dict[str, Any] = {
    "segment_id": 9000001234, "date": "2026-03-01T11:00:00.000Z", "interval": "hourly", "uptime": 0.82,
    "pedestrian": 143.9, "pedestrian_lft": 80.5, "pedestrian_rgt": 63.4, "car": 201.2, "v85": 38.5,
}
BEGIN_US = 1_772_362_800_000_000


def read(*rows: object) -> Observed:
    return decode(json.dumps(list(rows)).encode(), PAGE.source, {})


def passages(observed: Observed) -> dict[str, Observation]:
    return {one.direction: one for one in observed.observations if one.metric is None}


def test_the_page_s_example() -> None:
    result = PAGE.read(FORMAT)
    batch = result.batch
    assert result.refusals == []
    assert sorted(zip(batch.metric.tolist(), batch.value.tolist(), batch.quality.tolist(), strict=True)) == [
        (Metric.IN, 60.25, 75), (Metric.OUT, 30.25, 75), (Metric.UPTIME, 0.75, 100)]
    assert set(batch.begin.tolist()) == {BEGIN_US}
    assert set(batch.span_ms.tolist()) == {3_600_000}
    assert {name: result.counts[name] for name in ("pedestrian", "car", "v85")} == {"pedestrian": 1, "car": 1, "v85": 1}


def test_fractional_counts_are_not_touched_and_a_quarter_is_a_quarter() -> None:
    one = passages(read(ROW | {"interval": "quarterly"}))
    assert (one["lft"].value, one["rgt"].value) == (80.5, 63.4)
    assert one["lft"].quality == pytest.approx(82)
    assert one["lft"].end_us - one["lft"].begin_us == 900_000_000


@pytest.mark.parametrize(("ids", "vendor_id"), [
    ({"segment_id": 9, "instance_id": -1}, "9"), ({"segment_id": 9, "instance_id": 7}, "9/7"),
    ({"segment_id": -1, "instance_id": 7}, "instance-7"), ({"segment_id": "9", "instance_id": None}, "9"),
])
def test_whose_row_it_is(ids: dict[str, object], vendor_id: str) -> None:
    assert {one.device for one in read(ROW | ids).observations} == {vendor_id}


def test_no_uptime_is_no_calm_street() -> None:
    one = passages(read(ROW | {"uptime": 0, "pedestrian_lft": 0, "pedestrian_rgt": 0}))
    assert [(side.value, side.no_value) for side in one.values()] == [(None, NoValue.DATA_ERROR)] * 2
    assert passages(read(ROW | {"uptime": 1, "pedestrian_lft": 0}))["lft"].value == 0


def test_null_absent_and_negative_counts_are_missing() -> None:
    one = passages(read({name: ROW[name] for name in ROW if name != "pedestrian_rgt"} | {"pedestrian_lft": -1}))
    assert (one["rgt"].value, one["rgt"].no_value) == (None, NoValue.NULL)
    assert (one["lft"].value, one["lft"].no_value) == (None, NoValue.NEGATIVE)


@pytest.mark.parametrize(("change", "reason"), [
    ({"date": "2026-03-01T11:00:00"}, Reason.BAD_TIME), ({"date": 5}, Reason.BAD_TIME),
    ({"interval": "daily"}, Reason.BAD_SPAN), ({"interval": [1]}, Reason.BAD_SPAN),
    ({"segment_id": None}, Reason.UNKNOWN_SENSOR), ({"uptime": 82}, Reason.BAD_VALUE),
    ({"uptime": "high"}, Reason.BAD_VALUE),
])
def test_a_row_that_cannot_be_read_is_refused_alone(change: dict[str, object], reason: Reason) -> None:
    observed = read(ROW, ROW | change, ROW)
    assert [(one.reason, one.where, one.count) for one in observed.refusals] == [(reason, "$[1]", VALUES_A_ROW)]
    assert len(observed.observations) == 2 * VALUES_A_ROW


def test_a_count_that_is_no_number_is_refused_alone() -> None:
    observed = read(ROW | {"pedestrian_lft": "80"})
    assert [(one.reason, one.count) for one in observed.refusals] == [(Reason.BAD_VALUE, 1)]
    assert len(observed.observations) == 2


@pytest.mark.parametrize("body", [b"", b"{", b"5", b"{}", b'"x"', b'{"report": 5}', b"[" * 100_000])
def test_no_rows(body: bytes) -> None:
    with pytest.raises(RefusedError) as error:
        decode(body, PAGE.source, {})
    assert error.value.reason in (Reason.MALFORMED, Reason.PERSON_LEVEL)


def test_a_field_about_a_person_refuses_all() -> None:
    for change in ({"plate": "AB-12-CD"}, {"car": {"deep": [{"Track-ID": 5}]}}):
        with pytest.raises(RefusedError, match="describes one person") as error:
            read(ROW, ROW | change)
        assert error.value.reason == Reason.PERSON_LEVEL


@given(st.one_of(st.binary(max_size=60), mutated([ROW, ROW | {"instance_id": 3}]), mutated({"report": [ROW]})))
def test_only_refusals_leave_and_all_is_accounted_for(body: bytes) -> None:
    try:
        observed = decode(body, PAGE.source, {})
    except RefusedError:
        return
    document = json.loads(body)
    rows = document.get("report", document) if isinstance(document, dict) else document
    count = len(rows) if isinstance(rows, list) else 1
    assert len(observed.observations) + refused(observed) == VALUES_A_ROW * count
    PAGE.placed(observed)


@given(st.dictionaries(st.sampled_from([*ROW, "instance_id"]), VALUES))
def test_wrong_types(change: dict[str, object]) -> None:
    try:
        observed = read(ROW | change)
    except RefusedError as error:
        assert error.reason == Reason.PERSON_LEVEL  # noqa: PT017  most examples are not refused
        return
    assert len(observed.observations) + refused(observed) == VALUES_A_ROW


def test_what_it_looks_like() -> None:
    assert looks_like(json.dumps(ROW).encode())
    assert not looks_like(b'[{"date": "2026-03-01T11:00:00+0000", "counts": 57}]')
