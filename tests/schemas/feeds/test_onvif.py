# SPDX-License-Identifier: Apache-2.0
import json
from typing import Any

import pytest
from hypothesis import example as also
from hypothesis import given
from hypothesis import strategies as st

from schemas.city import Source
from schemas.feeds.observed import Observed, direction_metric
from schemas.feeds.onvif import COUNTER, OCCUPANCY, decode, looks_like
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

SOURCE = Source(format="onvif")
CITY = city_of("onvif")
EXAMPLE: dict[str, Any] = json.loads(example("onvif", "json"))
EXAMPLE_TOPIC = "plein/noord/onvif-ej/RuleEngine/CountAggregation/Counter/&1/Straße in"
XML = example("onvif", "xml")
AT_US = 1780311850_000_000


def read(document: object, topic: str = EXAMPLE_TOPIC) -> Observed:
    return decode(json.dumps(document).encode(), SOURCE, {"topic": topic})


def counter(count: object, rule: str | None = "Straat in") -> dict[str, Any]:
    source = {"VideoSource": "1"} | ({} if rule is None else {"Rule": rule})
    return {"UtcTime": "2026-06-01T11:04:10Z", "Source": source, "Data": {"Count": count}}


def test_the_examples_of_the_page() -> None:
    over_mqtt = placed_by("onvif", CITY, example("onvif", "json"), topic=EXAMPLE_TOPIC)
    assert readings(CITY, over_mqtt) == [("teller-in", Metric.IN, AT_US + 500_000, 0, 517.0)]
    over_xml = placed_by("onvif", CITY, XML)
    assert readings(CITY, over_xml) == [
        ("teller-uit", Metric.OUT, AT_US + 10_000_000, 0, 498.0), ("vak", Metric.PEOPLE, AT_US + 20_000_000, 0, 37.0)]
    assert over_mqtt.refusals == over_xml.refusals == []


def test_occupancy_over_mqtt_has_no_direction() -> None:
    [one] = read(counter("12"), f"cam/onvif-ej/{OCCUPANCY}/&1/Vak").observations
    assert (one.metric, one.direction, one.value, one.device) == (Metric.PEOPLE, "", 12, "cam/1/Straat in")


@pytest.mark.parametrize(("topic", "device", "rule"), [
    (f"cam/onvif-ej/{COUNTER}/&1/Naar%20binnen%2Fzuid", "cam/1/Naar binnen%2Fzuid", "Naar binnen/zuid"),
    (f"cam/onvif-ej/{COUNTER}/&1/Stra%C3%9Fe", "cam/1/Straße", "Straße"),
    (f"cam/onvif-ej/{COUNTER}/&1/100%25", "cam/1/100%25", "100%"),
    (f"cam/onvif-ej/{COUNTER}/&1/a%FFb", "cam/1/a%25FFb", "a%FFb"),
    (f"a/b/onvif-ej/{COUNTER}/&1/x", "a%2Fb/1/x", "x"),
    ("a/onvif-ej/tns1:RuleEngine/tns1:CountAggregation/tns1:Counter/&b/1/x", "a/b/1%2Fx", "1/x"),
])
def test_a_rule_of_the_topic_is_unescaped_and_no_two_have_one_id(topic: str, device: str, rule: str) -> None:
    document = counter(5)
    del document["Source"]
    [one] = read(document, topic).observations
    assert one.device == one.direction == device
    assert one.device.endswith("/" + rule.replace("%", "%25").replace("/", "%2F"))


def test_rules_called_by_numbers_are_no_azimuths() -> None:
    directions = [read(counter(5, rule)).observations[0].direction for rule in ("1", "2")]
    assert [direction_metric(one, directions[0]) for one in directions] == [Metric.IN, Metric.OUT]


def test_the_rule_of_the_message_goes_before_the_one_of_the_topic() -> None:
    [one] = read(counter(5, "Teller #1"), f"cam/onvif-ej/{COUNTER}/&1/Teller 1").observations
    assert one.device == "cam/1/Teller #1"


@pytest.mark.parametrize(("raw", "value", "no_value"), [
    ("3", 3.0, NoValue.NONE), (0, 0.0, NoValue.NONE), (None, None, NoValue.NULL), (-1, None, NoValue.NEGATIVE)])
def test_a_count_is_a_number_or_its_text(raw: object, value: float | None, no_value: NoValue) -> None:
    [one] = read(counter(raw)).observations
    assert (one.value, one.no_value) == (value, no_value)


def test_the_time_is_utc_by_its_name() -> None:
    for stamp in ("2026-06-01T11:04:10", "2026-06-01T13:04:10+02:00", " 2026-06-01T11:04:10Z "):
        assert [one.begin_us for one in read(counter(1) | {"UtcTime": stamp}).observations] == [AT_US]
    for bad in ("", None, 1780311850, "1970-01-01T00:00:00Z", "11:04"):
        assert reasons(read(counter(1) | {"UtcTime": bad})) == {Reason.BAD_TIME: 1}


def test_a_message_without_its_topic_is_refused() -> None:
    for context in ({}, {"topic": "cam/RuleEngine/CountAggregation/Counter"}):
        error = refused(lambda: decode(json.dumps(counter(1)).encode(), SOURCE, context))  # noqa: B023  # called at once
        assert error.reason == Reason.MALFORMED


def test_a_rule_without_name_or_count_is_refused() -> None:
    assert reasons(read(counter(1, None), f"cam/onvif-ej/{COUNTER}")) == {Reason.MALFORMED: 1}
    assert reasons(read(counter(1) | {"Data": {"Level": 1}})) == {Reason.MALFORMED: 1}


def test_rules_taken_away_and_other_events_are_read_past() -> None:
    assert read(counter(9) | {"PropertyOperation": "Deleted"}).counts["deleted_rules"] == 1
    assert read({"UtcTime": "x", "Data": {"State": True}}, "cam/onvif-ej/VideoSource/MotionAlarm/&1").counts == {
        "other_events": 1}
    deleted = decode(XML.replace(b"Changed", b"Deleted"), SOURCE, {})
    assert deleted.counts["deleted_rules"] == 2
    assert deleted.observations == []


@pytest.mark.parametrize("document", [
    counter(1) | {"Data": {"Count": 1, "Object": {"Object": {"@ObjectId": 4711}}}},
    counter(1) | {"Data": {"ObjectId": 4711}}, counter(1) | {"Key": [[{"#face": 4711}]]},
])
def test_objects_refuse_the_whole_message(document: object) -> None:
    error = refused(lambda: read(document))
    assert error.reason == Reason.PERSON_LEVEL
    assert "4711" not in str(error)


@pytest.mark.parametrize("person", [
    b'<tt:SimpleItem Name="ObjectId" Value="4711"/>',
    b'<tt:ElementItem Name="x"><tt:Object ObjectId="4711"/></tt:ElementItem>',
    b"<tt:Face>4711</tt:Face>", b"<a>" * 60 + b"</a>" * 60,
])
def test_objects_anywhere_in_xml_refuse_the_document(person: bytes) -> None:
    error = refused(lambda: decode(XML.replace(b"</tt:Data>", person + b"</tt:Data>", 1), SOURCE, {}))
    assert error.reason == Reason.PERSON_LEVEL
    assert "4711" not in str(error)


@pytest.mark.parametrize(("body", "reason"), [
    (b'<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>', Reason.FORBIDDEN_XML), (b"<a>", Reason.MALFORMED),
    (b"<a/>", Reason.MALFORMED), (b"<a>&b;</a>", Reason.FORBIDDEN_XML), (b"[]", Reason.MALFORMED),
    (b"", Reason.MALFORMED), (b"\xef\xbb\xbf<a/>", Reason.MALFORMED),
])
def test_what_is_no_event_is_refused(body: bytes, reason: Reason) -> None:
    assert refused(lambda: decode(body, SOURCE, {"topic": EXAMPLE_TOPIC})).reason == reason


def test_the_sender_is_recognised() -> None:
    assert looks_like(XML)
    assert looks_like(example("onvif", "json"))
    assert not looks_like(b'{"sensor": "a"}')


@given(st.binary(max_size=200))
@also(b"{}")
def test_any_bytes_are_refused(body: bytes) -> None:
    looks_like(body)
    observed = only_refuses(lambda: decode(body, SOURCE, {"topic": EXAMPLE_TOPIC}))
    assert observed is None or (observed.observations == [] and observed.refusals)


@given(st.sampled_from(list(places(EXAMPLE))), JSON, st.text(max_size=20))
def test_a_damaged_message_is_refused_or_read(path: tuple[Any, ...], value: object, tail: str) -> None:
    topic = f"cam/onvif-ej/{COUNTER}/&{tail}"
    observed = only_refuses(lambda: read(changed(EXAMPLE, path, value), topic))
    assert observed is None or values_in(observed) >= 1


@given(st.integers(0, len(XML) - 1), st.integers(0, 12), st.binary(max_size=6))
def test_a_damaged_document_is_refused_or_read(at: int, length: int, put: bytes) -> None:
    observed = only_refuses(lambda: decode(XML[:at] + put + XML[at + length :], SOURCE, {}))
    assert observed is None or values_in(observed) >= 1


@given(st.dictionaries(st.sampled_from(["Count", "Level", "State"]), JSON, min_size=1))
def test_every_item_is_accounted_for(data: dict[str, Any]) -> None:
    observed = only_refuses(lambda: read(counter(1) | {"Data": data}))
    if observed is not None:
        # An event that says no count at all is itself what is refused.
        assert values_in(observed) == len(data) + ("Count" not in data)
