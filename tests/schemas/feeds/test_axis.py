# SPDX-License-Identifier: Apache-2.0
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.city import Source
from schemas.feeds.axis import decode, looks_like
from schemas.feeds.observed import Observed
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

SOURCE = Source(format="axis")
CITY = city_of("axis")
EXAMPLE: dict[str, Any] = json.loads(example("axis", "json"))
AT_MS = 1780311850250
TOPIC = "axis:CameraApplicationPlatform/ObjectAnalytics/"
NAMES = ("total", "totalHuman", "totalCar", "human", "car", "reason", "startTime", "scenarioType", "active")


def event(data: dict[str, Any], scenario: str = "Device1Scenario2", **fields: Any) -> dict[str, Any]:
    whole = {"topic": TOPIC + scenario, "timestamp": AT_MS, "serial": "ACCC8E000001"}
    return whole | {"message": {"source": {}, "key": {}, "data": data}} | fields


def read(document: object, **context: str) -> Observed:
    return decode(json.dumps(document).encode(), SOURCE, context)


def test_the_example_of_the_page() -> None:
    decoded = placed_by("axis", CITY, example("axis", "json"))
    assert readings(CITY, decoded) == [("lijn-uit", Metric.OUT, AT_MS * 1000, 0, 806.0)]
    assert decoded.refusals == []
    assert decoded.counts["other_classes"] == 2


def test_the_scenario_says_the_direction() -> None:
    body = json.dumps(event({"totalHuman": "12"}, "Device1Scenario1")).encode()
    assert readings(CITY, placed_by("axis", CITY, body)) == [("lijn-in", Metric.IN, AT_MS * 1000, 0, 12.0)]


@pytest.mark.parametrize("data", [
    {"human": "7", "car": "2"}, {"scenarioType": "OccupancyInArea", "totalHuman": "7"},
    {"scenarioType": "occupancyInArea", "total": 7}, {"human": 7.0},
])
def test_occupancy_is_people_at_an_instant(data: dict[str, Any]) -> None:
    body = json.dumps(event(data, "Device1Scenario3")).encode()
    assert readings(CITY, placed_by("axis", CITY, body)) == [("vak-plein", Metric.PEOPLE, AT_MS * 1000, 0, 7.0)]


def test_a_total_in_a_zone_is_refused_and_never_placed_by_guess() -> None:
    body = json.dumps(event({"totalHuman": "7"}, "Device1Scenario3")).encode()
    assert reasons(placed_by("axis", CITY, body)) == {Reason.UNKNOWN_METRIC: 1}


def test_a_total_counts_people_only_where_it_stands_alone() -> None:
    [alone] = read(event({"total": "31", "reason": "human", "startTime": "2026-06-01T00:00:00Z"})).observations
    assert alone.value == 31
    assert reasons(read(event({"total": "31", "totalCar": "31"}))) == {Reason.UNUSED_TYPE: 2}
    assert reasons(read(event({"car": "31"}))) == {Reason.UNUSED_TYPE: 1}


@pytest.mark.parametrize(("raw", "value", "no_value"), [
    ("0", 0.0, NoValue.NONE), (" 12 ", 12.0, NoValue.NONE), (12, 12.0, NoValue.NONE), (None, None, NoValue.NULL),
    ("", None, NoValue.NULL), ("-1", None, NoValue.NEGATIVE),
])
def test_values_are_numbers_or_their_text(raw: object, value: float | None, no_value: NoValue) -> None:
    [one] = read(event({"totalHuman": raw})).observations
    assert (one.value, one.no_value) == (value, no_value)


@pytest.mark.parametrize("raw", ["many", "1e3", "0x1f", "१२", True, [], {}, "9" * 30, float("inf")])
def test_what_is_no_count_is_refused(raw: object) -> None:
    document = json.dumps(event({"totalHuman": raw})).replace("Infinity", "1e400").encode()
    observed = only_refuses(lambda: decode(document, SOURCE, {}))
    assert observed is None or reasons(observed) == {Reason.BAD_VALUE: 1}
    assert observed is not None or raw == float("inf")


@pytest.mark.parametrize("stamp", [AT_MS // 1000, AT_MS * 1000, None, True, "soon", 1.5])
def test_a_stamp_that_is_no_milliseconds_is_refused(stamp: object) -> None:
    assert reasons(read(event({"totalHuman": 1}, timestamp=stamp))) == {Reason.BAD_TIME: 1}


def test_which_camera_it_is() -> None:
    [one] = read(event({"totalHuman": 1}, serial=None), topic=f"axis/B8A44F000002/event/{TOPIC}").observations
    assert one.device == "B8A44F000002/Device1Scenario2"
    [one] = read(event({"totalHuman": 1}, serial=None), topic="plein").observations
    assert one.device == "Device1Scenario2"
    nameless = {name: value for name, value in event({"totalHuman": 1}).items() if name != "topic"}
    [one] = read(nameless, topic=f"axis/X/event/{TOPIC}Device1Scenario4").observations
    assert one.device == "ACCC8E000001/Device1Scenario4"


@pytest.mark.parametrize("scenario", ["Device1ScenarioANY", "Device1Scenario1Interval", "Device1Scenario1Threshold"])
def test_other_topics_of_a_scenario_are_no_running_totals(scenario: str) -> None:
    assert reasons(read(event({"totalHuman": 3, "totalCar": 1}, scenario))) == {Reason.UNUSED_TYPE: 2}


def test_other_applications_are_read_past() -> None:
    observed = read(event({"state": "1"}, topic="axis:Device/Heartbeat"))
    assert observed.counts == {"other_events": 1}
    assert observed.observations == []


@pytest.mark.parametrize("document", [
    event({"objectId": "4711", "active": "1", "classTypes": "human"}), event({"totalHuman": 1}, face=1),
    event({"totalHuman": 1}, extra=[{"x": [{"Licence_Plate": "AB-12"}]}]),
    event({"totalHuman": 1}, image={"@ObjectId": 4}), event({"total": 1}, x={"@Object-Id": 4}),
])
def test_persons_and_objects_refuse_the_whole_event(document: object) -> None:
    error = refused(lambda: read(document))
    assert error.reason == Reason.PERSON_LEVEL
    assert "4711" not in str(error)


@pytest.mark.parametrize("document", [
    [], {}, {"topic": TOPIC}, {"topic": 5, "message": {"data": {}}}, {"topic": TOPIC, "message": {"data": []}},
])
def test_what_is_no_event_is_malformed(document: object) -> None:
    assert refused(lambda: read(document)).reason == Reason.MALFORMED


def test_the_sender_is_recognised() -> None:
    assert looks_like(example("axis", "json"))
    assert not looks_like(b"<CameraApplicationPlatform/>")


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(body: bytes) -> None:
    looks_like(body)
    assert only_refuses(lambda: decode(body, SOURCE, {})) is None


@given(st.sampled_from(list(places(EXAMPLE))), JSON)
def test_a_damaged_event_is_refused_or_read(path: tuple[Any, ...], value: object) -> None:
    only_refuses(lambda: read(changed(EXAMPLE, path, value)))


@given(st.dictionaries(st.sampled_from(NAMES), JSON), st.sampled_from(["Device1Scenario2", "Device1ScenarioANY"]))
def test_every_item_is_accounted_for(data: dict[str, Any], scenario: str) -> None:
    observed = only_refuses(lambda: read(event(data, scenario)))
    if observed is not None:
        assert values_in(observed) == len(data)
