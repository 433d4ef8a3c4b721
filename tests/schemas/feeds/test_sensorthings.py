# SPDX-License-Identifier: Apache-2.0
import json
import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.city import Source
from schemas.city_columns import Datastream
from schemas.errors import RefusedError
from schemas.feeds.decoded import Tally
from schemas.feeds.observed import Observed, placed
from schemas.feeds.sensorthings import QUALITY_FIELDS, decode, looks_like
from schemas.ids import IdKind
from schemas.reading import Metric, NoValue
from schemas.refusal import Reason
from schemas.registry import Registry
from tests.cities import small_city, small_file
from tests.schemas.feeds.damaged import ALLOWED, bodies, documents, whole

DOC = Path(__file__).resolve().parents[3] / "docs" / "feeds" / "sensorthings.md"
SOURCE = Source(format="sensorthings", datastreams={
    "17": Datastream(sensor="teller", metric="uptime"), "abc-1": Datastream(sensor="cam", metric="people"),
})
BEGIN_US, END_US = 1_772_362_800_000_000, 1_772_363_700_000_000
GOOD: dict[str, Any] = {
    "phenomenonTime": "2026-03-01T11:00:00Z/2026-03-01T11:15:00Z", "resultTime": "2026-03-01T11:17:30Z", "result": 0.61,
    "resultQuality": {"coverage": 0.93, "ci95": [0.55, 0.68]}, "Datastream": {"@iot.id": 17},
}
PLAIN = {name: value for name, value in GOOD.items() if name != "Datastream"}


def read(document: object, topic: str = "") -> Observed:
    return decode(json.dumps(document).encode(), SOURCE, {"topic": topic} if topic else {})


def reasons(observed: Observed) -> list[str]:
    return [refusal.reason for refusal in observed.refusals]


def test_an_observation_that_names_its_datastream() -> None:
    observed = read(GOOD)
    [one] = observed.observations
    assert (one.device, one.metric, one.value) == ("teller", Metric.UPTIME, 0.61)
    assert (one.begin_us, one.end_us, one.quality) == (BEGIN_US, END_US, 93)
    assert observed.refusals == []
    assert observed.counts == {QUALITY_FIELDS: 1}


@pytest.mark.parametrize("topic", ["v1.1/Datastreams(17)/Observations", "city/sta/v1.1/datastreams( 17 )/Observations"])
def test_over_mqtt_the_topic_names_it(topic: str) -> None:
    assert [one.device for one in read(PLAIN, topic).observations] == ["teller"]
    assert reasons(read(PLAIN)) == [Reason.MALFORMED]
    assert reasons(read(PLAIN, "v1.1/Observations")) == [Reason.MALFORMED]


def test_what_the_body_says_goes_before_the_topic() -> None:
    [one] = read(GOOD | {"Datastream": {"@iot.id": "abc-1"}}, "v1.1/Datastreams(17)/Observations").observations
    assert (one.device, one.metric) == ("cam", Metric.PEOPLE)
    link = {"Datastream@iot.navigationLink": "https://sta.example/v1.1/Datastreams('abc-1')"}
    assert read(PLAIN | link).observations[0].device == "cam"


def test_pages_arrays_and_expanded_datastreams() -> None:
    streams = [{"@iot.id": 17, "name": "n", "Observations": [PLAIN, PLAIN]},
               {"@iot.id": "abc-1", "Observations": [PLAIN]}]
    for document, wheres in (
        ({"@iot.nextLink": "https://sta.example/x?$skip=2", "value": [GOOD, GOOD]}, ["$.value[0]", "$.value[1]"]),
        ([GOOD], ["$[0]"]),
        (streams[0], ["$.Observations[0]", "$.Observations[1]"]),
        ({"value": streams},
         ["$.value[0].Observations[0]", "$.value[0].Observations[1]", "$.value[1].Observations[0]"]),
        ({"value": []}, []),
    ):
        observed = read(document)
        assert [one.where for one in observed.observations] == wheres
        assert observed.refusals == []


def test_other_aggregation_steps_are_not_read() -> None:
    observed = read([GOOD | {"Datastream": {"@iot.id": 18}}] * 3)
    assert observed.observations == []
    assert [(one.reason, one.count) for one in observed.refusals] == [(Reason.UNKNOWN_SENSOR, 3)]


@pytest.mark.parametrize(("quality", "expected"), [
    (None, 100), ({"coverage": 1}, 100), ({"coverage": 0.005}, 0.5), ("good", 100), ([1, 2], 100),
    ({"nameOfMeasure": "x"}, 100), ({"coverage": None}, 100),
])
def test_coverage_is_quality(quality: object, expected: float) -> None:
    observed = read(GOOD | {"resultQuality": quality})
    assert observed.observations[0].quality == pytest.approx(expected)
    assert Tally.UNREADABLE_ATTRIBUTES not in observed.counts


@pytest.mark.parametrize("coverage", [-0.1, 1.5, "all", True, []])
def test_a_coverage_that_is_none_is_counted(coverage: object) -> None:
    observed = read(GOOD | {"resultQuality": {"coverage": coverage}})
    assert observed.counts[Tally.UNREADABLE_ATTRIBUTES] == 1
    assert observed.observations[0].quality == 100


def test_zero_over_no_coverage_is_missing_and_zero_over_some_is_data() -> None:
    nothing, zero, null = read([
        GOOD | {"result": 0, "resultQuality": {"coverage": 0}}, GOOD | {"result": 0}, GOOD | {"result": None},
    ]).observations
    assert (nothing.value, nothing.no_value) == (None, NoValue.DATA_ERROR)
    assert zero.value == 0
    assert (null.value, null.no_value) == (None, NoValue.NULL)


@pytest.mark.parametrize("result", ["0.61", True, [1, 2], {"value": 3}])
def test_a_result_that_is_no_number_is_refused_alone(result: object) -> None:
    observed = read([GOOD | {"result": result}, GOOD])
    assert reasons(observed) == [Reason.BAD_VALUE]
    assert len(observed.observations) == 1


@pytest.mark.parametrize("time", [
    None, "", "2026-03-01T11:00:00", "2026-03-01T11:00:00Z/", "/", "2026-03-01T11:00:00Z/P15M", 5,
])
def test_a_time_that_is_none_is_refused(time: object) -> None:
    assert reasons(read(GOOD | {"phenomenonTime": time})) == [Reason.BAD_TIME]


def test_an_instant() -> None:
    [one] = read(GOOD | {"phenomenonTime": "2026-03-01T12:00:00.000+01:00"}).observations
    assert (one.begin_us, one.end_us) == (BEGIN_US, BEGIN_US)


@pytest.mark.parametrize("body", [b"", b"5", b"{}", b'"x"', b"null", b"[1", b"\xff", b"[" * 10_000])
def test_no_observations_at_all(body: bytes) -> None:
    with pytest.raises(RefusedError) as refused:
        decode(body, SOURCE, {})
    assert refused.value.reason == Reason.MALFORMED


@pytest.mark.parametrize("extra", [
    {"parameters": {"track_id": "secret-7"}}, {"FeatureOfInterest": {"properties": [{"faceId": "secret-7"}]}},
    {"resultQuality": {"mac": "secret-7"}}, {"Observations": [{"age": "secret-7"}]},
])
def test_a_person_anywhere_refuses_everything(extra: dict[str, object]) -> None:
    with pytest.raises(RefusedError) as refused:
        read([GOOD, GOOD | extra])
    assert refused.value.reason == Reason.PERSON_LEVEL
    assert "secret" not in str(refused.value)


def test_it_looks_like_itself() -> None:
    assert looks_like(json.dumps(PLAIN).encode())
    assert not looks_like(b'{"peopleCount": 3}')


def test_the_page_of_this_format_holds_a_source_and_a_message_that_is_placed() -> None:
    text = DOC.read_text()
    [toml] = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    [body] = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    source = msgspec.convert(tomllib.loads(toml)["sources"]["sta"], Source)
    sensors = {
        key: msgspec.structs.replace(sensor, source="sta") if key == "teller-plein-straat" else sensor
        for key, sensor in small_file().sensors.items()
    }
    city = small_city(sensors=sensors, sources={**small_file().sources, "sta": source})
    context = {"topic": "v1.1/Datastreams(17)/Observations"}
    result = placed(decode(body.encode(), source, context), Registry.of(city), "sta")
    assert result.refusals == []
    assert result.batch.sensor.tolist() == [city.ids[IdKind.SENSOR]["teller-plein-straat"]]
    assert result.batch.metric.tolist() == [Metric.IN]
    assert (result.batch.value.tolist(), result.batch.quality.tolist()) == ([143], [93])


@given(st.lists(documents(GOOD), max_size=4))
def test_every_observation_is_accounted_for(items: list[object]) -> None:
    observed = read(items)
    assert len(observed.observations) + sum(refusal.count for refusal in observed.refusals) == len(items)


@given(documents({"value": [GOOD, {"@iot.id": 17, "Observations": [PLAIN]}]}), st.text(max_size=30))
def test_no_shape_breaks_it(document: object, topic: str) -> None:
    assert whole(decode, json.dumps(document).encode(), SOURCE, topic) in ALLOWED


@given(bodies([GOOD, PLAIN]))
def test_no_bytes_break_it(body: bytes) -> None:
    looks_like(body)
    assert whole(decode, body, SOURCE) in ALLOWED
