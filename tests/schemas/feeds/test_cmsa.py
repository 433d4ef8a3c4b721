# SPDX-License-Identifier: Apache-2.0
import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.city import Source
from schemas.errors import RefusedError
from schemas.feeds.cmsa import FORMAT, ZONES_KEY, decode, looks_like
from schemas.feeds.observed import Observation, Observed
from schemas.reading import Metric, NoValue
from schemas.refusal import Reason
from tests.schemas.feeds.feed_fuzz import VALUES, mutated
from tests.schemas.feeds.feed_pages import page, refused

PAGE = page("cmsa")
ZONES = Source(format=ZONES_KEY)
BEGIN_US = 1_772_363_040_000_000
MINUTE_US = 60_000_000
LINES: dict[str, Any] = {
    "id": "Line 0", "type": "lineMetrics", "counts": [{"azimuth": 50, "count": 21}, {"azimuth": 230, "count": 16}],
    "source": {"sensor": "GDH-CAM-07", "timestamp": "2026-03-01T11:04:00Z", "originalId": 1, "adminId": 1},
}
AREA: dict[str, Any] = {
    "id": 4, "type": "areaMetrics", "area": 74.6, "count": 1, "density": 0.0134, "totalDistance": 4.2758,
    "totalTime": 3.1, "speed": 1.379, "source": LINES["source"],
}
COUNT: dict[str, Any] = {
    "sensor": "GDH-CAM-07", "sensor_type": "3d_camera", "sensor_state": "operational", "interval": 60,
    "timestamp_start": "2026-03-01T11:04:00.000Z", "timestamp_message": "2026-03-01T11:05:34.000Z", "message": 311,
    "version": "count_1", "message_type": "count", "aggregate": [
        {"type": "line", "id": "Line 0", "azimuth": 170, "count_in": 21, "count_out": 16},
        {"type": "zone", "id": "Zone 0", "area": 40.0, "geom": "", "count": 9}]}
PERSON: dict[str, Any] = {
    "sensor": "GDH-CAM-07", "timestamp_start": "2026-03-01T11:04:00.000Z", "message_type": "person",
    "personId": "6f1c", "observation_timestamp": "2026-03-01T11:04:07Z", "distances": [{"observerId": 1}],
}
THIRD: dict[str, Any] = {
    "id": 1, "timestamp": "2026-03-01T11:04:00Z", "sensor": "GDH-CAM-08", "sensor_type": "counting_camera",
    "status": "operational", "interval": 60, "density": None, "direction": [
        {"azimuth": 300, "count": 21, "cumulative_distance": 301.4, "cumulative_time": 226.0, "median_speed": 1.34},
        {"azimuth": 120, "count": 0, "median_speed": 0.0}]}
SIGNALS = THIRD | {"direction": [{**THIRD["direction"][0], "signals": [
    {"record": "6f1c", "observation_timestamp": "2026-03-01T11:04:07Z", "type": "pedestrian"}]}]}


def read(document: object, source: Source = PAGE.source) -> Observed:
    return decode(json.dumps(document).encode(), source, {})


def second(*messages: object, source: Source = PAGE.source) -> Observed:
    return read({"data": list(messages)}, source)


def told(observed: Observed) -> list[tuple[str, Metric | None, str, float | None]]:
    return [(one.device, one.metric, one.direction, one.value) for one in observed.observations]


def span(one: Observation) -> tuple[int, int]:
    return one.begin_us - BEGIN_US, one.end_us - BEGIN_US


@pytest.mark.parametrize("example", [0, 1])
def test_the_page_s_examples(example: int) -> None:
    result = PAGE.read(FORMAT, example)
    assert sorted(zip(result.batch.metric.tolist(), result.batch.value.tolist(), strict=True)) == [
        (Metric.IN, 21), (Metric.OUT, 16)]
    assert result.batch.begin.tolist() == [BEGIN_US] * 2
    assert result.batch.span_ms.tolist() == [60_000] * 2
    assert [one.reason for one in result.refusals] == [Reason.PERSON_LEVEL][example:]
    assert result.counts.get("people_seen", 0) == 1 - example


def test_lines_of_the_first_generation_have_azimuths() -> None:
    observed = read(LINES)
    assert told(observed) == [("GDH-CAM-07/Line 0", None, "50", 21), ("GDH-CAM-07/Line 0", None, "230", 16)]
    assert {span(one) for one in observed.observations} == {(0, MINUTE_US)}


def test_the_first_generation_leaves_open_what_its_time_means() -> None:
    ends = msgspec.structs.replace(PAGE.source, time_means="end")
    assert span(read(LINES, ends).observations[0]) == (-MINUTE_US, 0)
    assert span(second(COUNT, source=ends).observations[0]) == (0, MINUTE_US)
    assert span(read(THIRD, ends).observations[0]) == (0, MINUTE_US)


def test_people_seen_are_no_state_but_the_time_they_spent_is_one() -> None:
    observed = read(AREA)
    [(device, metric, _, value)] = told(observed)
    assert (device, metric) == ("GDH-CAM-07/4", Metric.PEOPLE)
    assert value == pytest.approx(3.1 / 60)
    assert span(observed.observations[0]) == (0, 0)
    assert observed.counts == {"people_seen": 1, "density": 1, "totalDistance": 1, "speed": 1}
    seen = read(AREA | {"totalTime": None})
    assert (seen.observations, seen.counts["people_seen"]) == ([], 1)


def test_the_city_file_may_say_that_zone_counts_are_states() -> None:
    observed = second(COUNT, source=ZONES)
    assert told(observed)[2] == ("GDH-CAM-07/Zone 0", Metric.PEOPLE, "", 9)
    assert span(observed.observations[2]) == (0, 0)
    [(_, _, _, mean)] = told(read(AREA, ZONES))
    assert mean == pytest.approx(3.1 / 60)


def test_counts_of_devices_are_not_people() -> None:
    observed = read({"id": 3, "type": "countMetrics", "count": 212, "source": {
        **LINES["source"], "interval": 60, "latitude": 52.08, "longitude": 4.31}}, ZONES)
    assert (observed.observations, observed.refusals, observed.counts) == ([], [], {"device_counts": 1})


def test_a_person_message_is_refused_and_the_other_read() -> None:
    observed = second(PERSON, COUNT, {"sensor": "x", "message_type": "Person"})
    assert told(observed) == [
        ("GDH-CAM-07/Line 0", Metric.IN, "", 21), ("GDH-CAM-07/Line 0", Metric.OUT, "", 16)]
    assert [(one.reason, one.where, one.count) for one in observed.refusals] == [
        (Reason.PERSON_LEVEL, "$.data[0]", 2)]
    assert "6f1c" not in str(observed.refusals)


@pytest.mark.parametrize("document", [
    {"data": [COUNT, COUNT | {"personId": 5}]}, {"data": [COUNT], "more": {"Track-ID": 5}},
    {"data": [COUNT, [[{"mac": 5}]]]}, LINES | {"source": {**LINES["source"], "deep": [{"imei": 5}]}},
    AREA | {"faces": 3}, SIGNALS, THIRD | {"trajectory": []}, [{"mac": 5}],
])
def test_a_field_about_a_person_refuses_all(document: object) -> None:
    with pytest.raises(RefusedError) as error:
        read(document)
    assert error.value.reason == Reason.PERSON_LEVEL
    assert "6f1c" not in str(error.value)


def test_signals_are_dropped_where_the_source_says_so() -> None:
    strips = msgspec.structs.replace(PAGE.source, strip_person_fields=True)
    observed = read(SIGNALS, strips)
    assert told(observed) == [("GDH-CAM-08", None, "300", 21)]
    assert [(one.reason, one.where, one.count) for one in observed.refusals] == [
        (Reason.PERSON_LEVEL, "$.direction[0].signals", 1)]
    for document in (SIGNALS | {"direction": [{**SIGNALS["direction"][0], "gender": "f"}]}, SIGNALS | {"signals": []}):
        with pytest.raises(RefusedError) as error:
            read(document, strips)
        assert error.value.reason == Reason.PERSON_LEVEL


def test_the_third_generation() -> None:
    observed = read(THIRD)
    assert told(observed) == [("GDH-CAM-08", None, "300", 21), ("GDH-CAM-08", None, "120", 0)]
    assert observed.counts == {"density": 1, "cumulative_distance": 1, "cumulative_time": 1, "median_speed": 2}


def test_the_later_message_of_two_about_one_minute_stands_last() -> None:
    older = COUNT | {"timestamp_message": "2026-03-01T11:05:01.000Z", "aggregate": [
        {"type": "line", "id": "Line 0", "count_in": 20, "count_out": 15}]}
    assert [one.value for one in second(COUNT, older).observations] == [20, 15, 21, 16]
    assert [one.value for one in second(older, COUNT).observations] == [20, 15, 21, 16]


def test_null_is_missing_and_a_sensor_out_of_order_is_not_calm() -> None:
    nulls = second(COUNT | {"aggregate": [{"type": "line", "id": "L", "count_in": None, "count_out": -1}]})
    assert [(one.value, one.no_value) for one in nulls.observations] == [
        (None, NoValue.NULL), (None, NoValue.NEGATIVE)]
    broken = second(COUNT | {"sensor_state": "defect"})
    assert {(one.value, one.no_value) for one in broken.observations} == {(None, NoValue.DATA_ERROR)}
    assert broken.counts["messages_of_sensors_out_of_order"] == 1
    assert read(THIRD | {"status": "maintenance"}).observations[1].value is None


def test_directions_that_cannot_be_told_apart_are_refused() -> None:
    for azimuths in ((0, 90, 180), (10, 10), (350, 60)):
        counts = [{"azimuth": azimuth, "count": 5} for azimuth in azimuths]
        observed = read(LINES | {"counts": counts})
        assert observed.observations == []
        assert [(one.reason, one.count) for one in observed.refusals] == [(Reason.BAD_VALUE, len(azimuths))]


@pytest.mark.parametrize(("change", "reason"), [
    ({"sensor": None}, Reason.UNKNOWN_SENSOR), ({"timestamp_start": "2026-03-01T11:04:00"}, Reason.BAD_TIME),
    ({"interval": 0}, Reason.BAD_SPAN), ({"interval": "60"}, Reason.BAD_SPAN), ({"interval": 1e300}, Reason.BAD_SPAN),
    ({"message_type": "other"}, Reason.MALFORMED), ({"aggregate": 5}, Reason.MALFORMED),
])
def test_a_bad_message_is_refused_alone(change: dict[str, object], reason: Reason) -> None:
    observed = second(COUNT | change, COUNT)
    assert [(one.reason, one.where) for one in observed.refusals] == [(reason, "$.data[0]")]
    assert len(observed.observations) == 2


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b"{}", b"5", b'{"type": "other"}', b'{"type": ["lineMetrics"]}', b'{"type": "lineMetrics"}',
])
def test_no_message(body: bytes) -> None:
    with pytest.raises(RefusedError) as error:
        decode(body, PAGE.source, {})
    assert error.value.reason == Reason.MALFORMED


@given(
    st.one_of(st.binary(max_size=60), *(
        mutated(one) for one in (LINES, AREA, {"data": [COUNT, PERSON]}, THIRD, SIGNALS))),
    st.sampled_from([PAGE.source, ZONES, Source(format="cmsa", strip_person_fields=True)]))
def test_only_refusals_leave(body: bytes, source: Source) -> None:
    try:
        observed = decode(body, source, {})
    except RefusedError:
        return
    PAGE.placed(observed)


@given(st.lists(st.one_of(
    st.fixed_dictionaries({"type": st.just("line"), "id": st.text(max_size=3), "count_in": VALUES,
                           "count_out": VALUES}),
    st.fixed_dictionaries({"type": st.just("zone"), "id": st.just("Z"), "count": VALUES, "totalTime": VALUES}),
), max_size=5))
def test_every_value_is_accounted_for(parts: list[dict[str, Any]]) -> None:
    try:
        observed = second(COUNT | {"aggregate": parts})
    except RefusedError as error:
        assert error.reason == Reason.PERSON_LEVEL  # noqa: PT017  most examples are not refused
        return
    named = [part for part in parts if part["id"].strip()]
    unnamed = len(parts) - len(named)
    lines = [part for part in named if part["type"] == "line"]
    seen_only = len(named) - len(lines) - sum(one.metric is Metric.PEOPLE for one in observed.observations)
    read_past = observed.counts.get("people_seen", 0)
    passages = sum(one.metric is not Metric.PEOPLE for one in observed.observations)
    refused_zones = seen_only - (read_past - sum(one.metric is Metric.PEOPLE for one in observed.observations))
    assert passages + refused(observed) == 2 * len(lines) + unnamed + refused_zones
    assert refused_zones >= 0


def test_what_it_looks_like() -> None:
    for document in (LINES, AREA, {"data": [COUNT]}, THIRD):
        assert looks_like(json.dumps(document).encode())
    assert not looks_like(b'[{"date": "2026-03-01T11:00:00+0000", "counts": 57}]')
