# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.city import Source
from schemas.feeds.hikvision import PARTS_LIMIT, decode, looks_like
from schemas.feeds.local_time import AMBIGUOUS_QUALITY
from schemas.feeds.observed import Observed
from schemas.reading import QUALITY_FULL, Metric, NoValue
from schemas.refusal import Reason
from tests.schemas.feeds.camera_pages import (
    city_of,
    example,
    only_refuses,
    placed_by,
    readings,
    reasons,
    refused,
    values_in,
)

SOURCE = Source(format="hikvision")
LOCAL = Source(format="hikvision", timezone="Europe/Amsterdam")
CITY = city_of("hikvision")
XML = example("hikvision", "xml")
AT_US = 1780311870_000_000
NAMESPACES = ("", ' xmlns="http://www.isapi.org/ver20/XMLSchema"', ' xmlns="urn:psialliance-org"')
JPEG = b"\xff\xd8\xff\xe0secret-picture\r\n\r\n<a>\r\n\x00\xff"


def alert(counting: str, more: str = "", namespace: str = "", stamp: str = "2026-06-01T13:04:30+02:00") -> bytes:
    return (
        f"<EventNotificationAlert{namespace}><channelID>1</channelID><dateTime>{stamp}</dateTime>"
        f"<eventType>PeopleCounting</eventType><peopleCounting>{counting}</peopleCounting>{more}"
        "</EventNotificationAlert>"
    ).encode()


def real_time(enter: str = "<enter>512</enter>", leave: str = "<exit>498</exit>", time: str = "") -> str:
    return f"<statisticalMethods>realTime</statisticalMethods>{time}{enter}{leave}"


def read(body: bytes, source: Source = SOURCE, content_type: str = "") -> Observed:
    return decode(body, source, {"content-type": content_type})


def form(*parts: tuple[str, bytes], boundary: str = "MIME_boundary", end: bytes = b"--\r\n") -> bytes:
    whole = b"".join(
        f'--{boundary}\r\nContent-Disposition: form-data; name="part"\r\nContent-Type: {kind}\r\n\r\n'.encode()
        + content + b"\r\n"
        for kind, content in parts
    )
    return whole + f"--{boundary}".encode() + end


def test_the_example_of_the_page() -> None:
    decoded = placed_by("hikvision", CITY, XML)
    assert readings(CITY, decoded) == [
        ("ingang", Metric.IN, AT_US - 30_000_000, 60_000, 29.0),
        ("ingang", Metric.OUT, AT_US - 30_000_000, 60_000, 14.0),
    ]
    assert reasons(decoded) == {Reason.PERSON_LEVEL: 2}
    assert decoded.counts["own_addresses"] == decoded.counts["other_counts"] == 1


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_a_running_count_at_the_cameras_local_time_in_any_namespace(namespace: str) -> None:
    observed = read(alert(real_time(), namespace=namespace))
    assert [(one.metric, one.value, one.begin_us, one.end_us) for one in observed.observations] == [
        (Metric.IN, 512.0, AT_US, AT_US), (Metric.OUT, 498.0, AT_US, AT_US)]
    assert {one.device for one in observed.observations} == {"1"}


def test_the_time_of_the_count_goes_before_the_time_of_the_alert() -> None:
    body = alert(real_time(time="<RealTime><time>2026-06-01T11:04:30Z</time></RealTime>"), stamp="2026-06-01T14:00:00Z")
    assert {one.begin_us for one in read(body).observations} == {AT_US}


def test_data_sent_again_are_late_data_of_their_own_time() -> None:
    again = alert(real_time(), "<isDataRetransmission>true</isDataRetransmission>")
    assert read(again).observations == read(alert(real_time())).observations


def test_a_city_file_takes_one_of_the_two_ways_of_counting() -> None:
    body = alert(real_time() + "<regionsID>2</regionsID>", "<ipAddress>192.0.2.17</ipAddress>")
    decoded = placed_by("hikvision", CITY, body)
    assert reasons(decoded) == {Reason.BAD_SPAN: 2}
    assert len(decoded.batch) == 0


@pytest.mark.parametrize("ends", ["", "<TimeRange><startTime>2026-06-01T11:04:00Z</startTime></TimeRange>"])
def test_an_interval_without_both_ends_is_refused(ends: str) -> None:
    counting = f"<statisticalMethods>timeRange</statisticalMethods>{ends}<enter>1</enter><exit>2</exit>"
    assert reasons(read(alert(counting))) == {Reason.BAD_TIME: 2}


def test_another_way_of_counting_is_refused() -> None:
    observed = read(alert(real_time().replace("realTime", "byMood")))
    assert reasons(observed) == {Reason.UNUSED_TYPE: 2}


@pytest.mark.parametrize(("text", "value", "no_value"), [
    (" 7\n", 7.0, NoValue.NONE), ("0", 0.0, NoValue.NONE), ("", None, NoValue.NULL), ("-4", None, NoValue.NEGATIVE)])
def test_a_count_as_text(text: str, value: float | None, no_value: NoValue) -> None:
    [one] = read(alert(real_time(f"<enter>{text}</enter>", ""))).observations
    assert (one.value, one.no_value) == (value, no_value)


@pytest.mark.parametrize("text", ["many", "1e9", "99999999999", "true"])
def test_what_is_no_count_is_refused_alone(text: str) -> None:
    observed = read(alert(real_time(f"<enter>{text}</enter>")))
    assert reasons(observed) == {Reason.BAD_VALUE: 1}
    assert [one.value for one in observed.observations] == [498.0]


def test_stamps_without_an_offset_need_the_zone_of_the_source() -> None:
    body = alert(real_time(), stamp="2026-06-01T13:04:30")
    assert reasons(read(body)) == {Reason.BAD_TIME: 2}
    assert {(one.begin_us, one.quality) for one in read(body, LOCAL).observations} == {(AT_US, QUALITY_FULL)}
    in_gap = alert(real_time(), stamp="2026-03-29T02:30:00")
    assert reasons(read(in_gap, LOCAL)) == {Reason.BAD_TIME: 2}
    twice = alert(real_time(), stamp="2026-10-25T02:30:00")
    assert {one.quality for one in read(twice, LOCAL).observations} == {AMBIGUOUS_QUALITY}


def test_an_interval_over_the_hour_that_comes_twice_does_not_end_before_it_begins() -> None:
    counting = (
        "<statisticalMethods>timeRange</statisticalMethods><TimeRange><startTime>2026-10-25T02:59:00+02:00</startTime>"
        "<endTime>2026-10-25T02:00:00</endTime></TimeRange><enter>1</enter>"
    )
    [one] = read(alert(counting), LOCAL).observations
    assert one.end_us - one.begin_us == 60_000_000


def test_counts_by_age_are_dropped_and_counted() -> None:
    within = "<childCounting><enter>1</enter></childCounting>"
    ages = f"<childCounting><enter>83</enter><exit>84</exit>{within}</childCounting>"
    observed = read(alert(real_time(), ages))
    assert reasons(observed) == {Reason.PERSON_LEVEL: 3}
    assert [one.value for one in observed.observations] == [512, 498]
    assert "83" not in str(observed.refusals)


@pytest.mark.parametrize("person", [
    "<faceID>4711</faceID>", "<x><y><Gender>4711</Gender></y></x>", '<x trackId="4711"/>',
    "<x><macAddress>4711</macAddress></x>", "<age>4711</age>",
])
def test_persons_at_any_depth_refuse_the_whole_alert(person: str) -> None:
    for body in (alert(real_time(), person), alert(real_time() + person)):
        error = refused(lambda: read(body))  # noqa: B023  # called at once
        assert error.reason == Reason.PERSON_LEVEL
        assert "4711" not in str(error)


def test_other_alerts_are_read_past() -> None:
    observed = read(alert(real_time()).replace(b"PeopleCounting<", b"videoloss<"))
    assert observed.counts == {"other_events": 1}
    assert observed.observations == []


@pytest.mark.parametrize("content_type", [
    "multipart/form-data; boundary=MIME_boundary", 'multipart/mixed;boundary="MIME_boundary"', ""])
def test_of_a_form_the_alert_is_read_and_nothing_of_the_picture_is_kept(content_type: str) -> None:
    body = form(("application/xml; charset=utf-8", XML), ("image/jpeg", JPEG), ("application/octet-stream", JPEG))
    observed = read(body, content_type=content_type)
    assert [one.value for one in observed.observations] == [29, 14]
    assert reasons(observed) == {Reason.PERSON_LEVEL: 2 + 2}
    assert "secret" not in str(observed)


def test_a_form_of_something_else_is_counted() -> None:
    observed = read(form(("application/json", b'{"a": 1}'), ("application/xml", XML)))
    assert reasons(observed) == {Reason.PERSON_LEVEL: 2, Reason.UNUSED_TYPE: 1}


@pytest.mark.parametrize(("body", "reason"), [
    (form(*[("application/xml", XML)] * (PARTS_LIMIT + 2)), Reason.TOO_LARGE),
    (form(("application/xml", XML[:300])), Reason.MALFORMED),
    (form(("application/xml", XML), end=b"\r\nContent-Type: image/jpeg"), Reason.MALFORMED),
    (b"<other/>", Reason.MALFORMED), (b'{"eventType": "PeopleCounting"}', Reason.MALFORMED), (b"", Reason.MALFORMED),
    (b"<!DOCTYPE EventNotificationAlert><EventNotificationAlert/>", Reason.FORBIDDEN_XML),
])
def test_what_is_no_alert_is_refused(body: bytes, reason: Reason) -> None:
    assert refused(lambda: read(body)).reason == reason


def test_a_form_with_another_boundary_than_it_says_is_malformed() -> None:
    error = refused(lambda: read(form(("application/xml", XML)), content_type="multipart/form-data; boundary=x"))
    assert error.reason == Reason.MALFORMED


def test_the_sender_is_recognised() -> None:
    assert looks_like(XML)
    assert looks_like(form(("application/xml", XML), ("image/jpeg", JPEG)))
    assert not looks_like(b"<other/>")


@given(st.binary(max_size=200), st.sampled_from(["", "multipart/form-data; boundary=x", "multipart/form-data"]))
def test_any_bytes_are_refused(body: bytes, content_type: str) -> None:
    looks_like(body)
    observed = only_refuses(lambda: read(body, content_type=content_type))
    assert observed is None or observed.observations == []


@given(st.integers(0, 2000), st.integers(0, 12), st.binary(max_size=6), st.booleans())
def test_a_damaged_push_is_refused_or_read(at: int, length: int, put: bytes, in_form: bool) -> None:
    whole = form(("application/xml", XML), ("image/jpeg", JPEG)) if in_form else XML
    only_refuses(lambda: read(whole[:at] + put + whole[at + length :]))


TEXTS = st.sampled_from(["", "1", " 22 ", "-3", "x", "1e400", "９", "4294967296", "2026-06-01"])
NAMES = st.sampled_from(["enter", "exit", "pass", "duplicatePeople", "vehicleEnter"])
LEAVES = st.lists(st.tuples(NAMES, TEXTS), max_size=6)
STAMPS = st.sampled_from(["2026-06-01T13:04:30+02:00", "", "x"])


@given(LEAVES, LEAVES, st.sampled_from(["realTime", "timeRange"]), STAMPS)
def test_every_value_is_accounted_for(
    counts: list[tuple[str, str]], children: list[tuple[str, str]], method: str, stamp: str
) -> None:
    inner, ages = ("".join(f"<{name}>{text}</{name}>" for name, text in some) for some in (counts, children))
    counting = f"<statisticalMethods>{method}</statisticalMethods>{inner}"
    observed = read(alert(counting, f"<childCounting>{ages}</childCounting>" if ages else "", stamp=stamp))
    assert values_in(observed) == len(counts) + len(children)
