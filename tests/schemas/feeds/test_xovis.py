# SPDX-License-Identifier: Apache-2.0
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.city import Source
from schemas.feeds.observed import Observed
from schemas.feeds.xovis import CLOCK_FAULT, DEVICE_FAULT, LIGHT_FAULT, decode, looks_like
from schemas.reading import Metric, NoValue
from schemas.refusal import Reason
from tests.schemas.feeds.camera_pages import (
    JSON,
    changed,
    city_of,
    example,
    only_refuses,
    placed_by,
    places,
    readings,
    reasons,
    refused,
    values_in,
)

SOURCE = Source(format="xovis")
STRIPPING = Source(format="xovis", strip_person_fields=True)
CITY = city_of("xovis")
EXAMPLE: dict[str, Any] = json.loads(example("xovis", "json"))
FROM_MS = 1780311840000
FROM_US = FROM_MS * 1000
LATER_US = FROM_US + 60_000_000


def read(document: object, source: Source = SOURCE, **context: str) -> Observed:
    return decode(json.dumps(document).encode(), source, context)


def push(*counts: dict[str, Any], info: str = "XLT_4X_LINE_IN_OUT_COUNT", **record: Any) -> dict[str, Any]:
    """One logic with one record."""
    given_record = {"from": FROM_MS, "to": FROM_MS + 60_000, "counts": list(counts)} | record
    return {"logics_data": {
        "package_info": {"agent_id": 7}, "logics": [{"id": 2, "info": info, "records": [given_record]}]}}


def status(received_us: str = "", **states: Any) -> Observed:
    document = {"status_data": {"package_info": {"agent_id": 9}, "states": states}}
    return read(document, received_us=received_us)


def test_the_example_of_the_page() -> None:
    decoded = placed_by("xovis", CITY, example("xovis", "json"))
    assert readings(CITY, decoded) == [
        ("deur-noord", Metric.IN, FROM_US, 60_000, 31.0), ("deur-noord", Metric.OUT, FROM_US, 60_000, 12.0),
        ("deur-noord", Metric.IN, LATER_US, 60_000, 27.0), ("deur-noord", Metric.OUT, LATER_US, 60_000, 0.0),
        ("vak-noord", Metric.PEOPLE, LATER_US + 60_000_000, 0, 44.0),
        ("xovis-plein-toestand", Metric.DEVICE_STATE, LATER_US + 60_000_000, 0, 4.0),
    ]
    assert decoded.refusals == []


def test_several_records_are_readings_of_their_own() -> None:
    document = push()
    document["logics_data"]["logics"][0]["records"] = [
        {"from": FROM_MS + at * 60_000, "to": FROM_MS + (at + 1) * 60_000, "counts": [{"name": "fw", "value": at}]}
        for at in range(4)
    ]
    observed = read(document)
    assert [one.value for one in observed.observations] == [0, 1, 2, 3]
    assert len({one.begin_us for one in observed.observations}) == 4


def test_a_balance_below_zero_and_null_are_missing_and_zero_is_data() -> None:
    observed = read(push(
        *({"name": "balance", "value": value} for value in (-2, None, 0)), info="XLT_4X_ZONE_COUNT"))
    assert [(one.value, one.no_value) for one in observed.observations] == [
        (None, NoValue.NEGATIVE), (None, NoValue.NULL), (0.0, NoValue.NONE)]


@pytest.mark.parametrize("times", [
    {"from": FROM_MS // 1000}, {"to": FROM_US}, {"from": None}, {"to": True}, {"from": "2026-06-01T11:04:00Z"},
    {"to": 10**400},
])
def test_a_time_that_is_no_milliseconds_refuses_its_counts(times: dict[str, Any]) -> None:
    observed = read(push({"name": "fw", "value": 1}, {"name": "bw", "value": 2}, **times))
    assert reasons(observed) == {Reason.BAD_TIME: 2}
    assert observed.observations == []


def test_an_interval_backwards_and_one_without_length_are_refused() -> None:
    for end, reason in ((FROM_MS - 1, Reason.BAD_TIME), (FROM_MS, Reason.BAD_SPAN)):
        body = json.dumps(push({"name": "fw", "value": 1}, to=end)).encode()
        assert reasons(placed_by("xovis", CITY, body)) == {reason: 1}


@pytest.mark.parametrize("value", ["many", True, [1], {"n": 1}, 2**33, 10**400])
def test_a_count_that_is_no_number_is_refused_alone(value: object) -> None:
    observed = read(push({"name": "fw", "value": value}, {"name": "bw", "value": 3}))
    assert reasons(observed) == {Reason.BAD_VALUE: 1}
    assert [one.value for one in observed.observations] == [3]


def test_other_logics_are_refused_by_name_of_their_kind() -> None:
    assert reasons(read(push({"name": "dwell_time", "value": 12}, info="XLT_4X_DWELL"))) == {Reason.UNUSED_TYPE: 1}


LIVE = {"frames": [{"framenumber": 1, "tracked_objects": [{"track_id": 4, "position": [1, 2, 3]}]}]}


@pytest.mark.parametrize("document", [
    {"live_data": LIVE}, {"live_data": {}}, EXAMPLE | {"live_data": None},
    push({"name": "fw", "value": 1, "attributes": [{"Face_Mask": 1}]}),
    {"status_data": {"package_info": {"agent_id": 1}, "states": {"x": {"y": [{"track-id": 3}]}}}},
])
def test_persons_refuse_the_whole_push_also_where_fields_are_stripped(document: object) -> None:
    for source in (SOURCE, STRIPPING):
        assert refused(lambda: read(document, source)).reason == Reason.PERSON_LEVEL  # noqa: B023  # called at once


@pytest.mark.parametrize(("name", "info"), [
    ("fw-male", "XLT_4X_LINE_IN_OUT_COUNT"), ("bw-no_mask", "XLT_4X_LINE_IN_OUT_COUNT"), ("balance-child", ""),
    ("fw", "XLT_LINE_GENDER_COUNT"), ("fw", "XLT_LINE_AGE_COUNT"), ("Women female", ""), ("bw_tag", ""),
])
def test_counts_by_looks_are_refused_whole_or_stripped(name: str, info: str) -> None:
    document = push({"name": name, "value": 83}, info=info)
    document["logics_data"]["logics"] += push({"name": "fw", "value": 5})["logics_data"]["logics"]
    error = refused(lambda: read(document))
    assert error.reason == Reason.PERSON_LEVEL
    assert "83" not in str(error)
    stripped = read(document, STRIPPING)
    assert reasons(stripped) == {Reason.PERSON_LEVEL: 1}
    assert [one.value for one in stripped.observations] == [5]


WELL = {"state": {"state": "OK", "details": {"time": "2026-06-01T13:04:00+02:00"}}}


@pytest.mark.parametrize(("states", "state"), [
    ({"device": {"state": {"state": "OK"}}, "time": WELL}, 0),
    ({"device": {"state": {"state": "ERROR"}}, "time": WELL}, DEVICE_FAULT),
    ({"time": WELL, "singlesensor": {"status": {"illumination": "INSUFFICIENT"}}}, DEVICE_FAULT + LIGHT_FAULT),
    ({"device": {"state": {"state": "OK"}}, "time": {"state": {"state": "UNSYNCED"}}}, CLOCK_FAULT),
    ({"device": {"state": {"state": "OK"}}, "time": []}, CLOCK_FAULT),
])
def test_the_state_of_a_device_adds_its_faults(states: dict[str, Any], state: int) -> None:
    [one] = status(received_us=str(FROM_US), **states).observations
    assert (one.device, one.metric, one.value) == ("9", Metric.DEVICE_STATE, state)
    assert one.begin_us == one.end_us == FROM_US


def test_a_broken_clock_is_not_believed() -> None:
    states = {"time": {"state": {"state": "UNSYNCED", "details": {"time": "2026-01-01T00:00:00Z"}}}}
    assert [one.begin_us for one in status(received_us=str(FROM_US), **states).observations] == [FROM_US]
    for received in ("", "x", "1780311840"):
        assert reasons(status(received_us=received, **states)) == {Reason.BAD_TIME: 1}


@pytest.mark.parametrize("document", [
    [], 5, {}, {"data": 1}, {"logics_data": None}, {"logics_data": {"package_info": {"agent_id": None}, "logics": []}},
    {"logics_data": {"package_info": {"agent_id": 10**400}, "logics": []}}, {"status_data": {"states": {}}},
])
def test_what_is_no_push_is_malformed(document: object) -> None:
    assert refused(lambda: read(document)).reason == Reason.MALFORMED


def test_the_sender_is_recognised() -> None:
    assert looks_like(example("xovis", "json"))
    assert not looks_like(b'{"sensor": "a"}')


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(body: bytes) -> None:
    looks_like(body)
    assert only_refuses(lambda: decode(body, SOURCE, {})) is None


@given(st.sampled_from(list(places(EXAMPLE))), JSON, st.booleans())
def test_a_damaged_push_is_refused_or_read(path: tuple[Any, ...], value: object, strips: bool) -> None:
    observed = only_refuses(lambda: read(changed_example(path, value), STRIPPING if strips else SOURCE))
    if observed is not None:
        assert all(one.value is None or np.isfinite(one.value) for one in observed.observations)


def changed_example(path: tuple[Any, ...], value: object) -> object:
    return changed(EXAMPLE, path, value)


@given(st.lists(st.fixed_dictionaries({
    "name": st.sampled_from(["fw", "bw", "balance", "fw-male", "other"]), "value": JSON}), max_size=8))
def test_every_count_is_accounted_for(counts: list[dict[str, Any]]) -> None:
    observed = only_refuses(lambda: read(push(*counts), STRIPPING))
    if observed is not None:
        assert values_in(observed) == len(counts)
