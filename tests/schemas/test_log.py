# SPDX-License-Identifier: Apache-2.0
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.baseline import no_rows
from schemas.city_change import CityChange
from schemas.command import Adopt
from schemas.context import ContextKind, ContextRecord
from schemas.errors import RefusedError
from schemas.log import (
    ARROW,
    Clock,
    Headers,
    Kind,
    LogMessage,
    decode_log,
    encode_log,
    event_headers,
    event_type,
)
from schemas.reading import Batch, encode_batch
from schemas.refusal import Reason
from schemas.sighting import Role, Sighting

KEYS = st.text(st.characters(codec="utf-8"), max_size=20).filter(lambda key: "urn:drukte:source:" not in key)


CONTEXT = [ContextRecord(source="ndw", record="1", version=1, changed_us=1, kind=ContextKind.EVENT, what="fair",
                         place=[], begins_us=1)]
SIGHTING = Sighting(zone="plein", role=Role.STEWARD, at_us=1, percent=80)
BODIES = ("batch", "command", "change", "context", "sighting")


def batch_of(values: list[float]) -> Batch:
    return Batch.of(sensor=range(1, len(values) + 1), metric=1, begin=0, value=values)


@st.composite
def messages(draw: st.DrawFn) -> LogMessage:
    kind = draw(st.sampled_from(Kind))
    return LogMessage(
        kind=kind,
        ingested_at_us=draw(st.integers(-(2**63), 2**63 - 1)),
        clock=draw(st.sampled_from(Clock)),
        city_version=draw(st.integers(1, 2**31)),
        source=draw(KEYS),
        id=draw(KEYS),
        batch=batch_of(draw(st.lists(st.floats(allow_nan=False), max_size=5))) if kind is Kind.READINGS else None,
        command=Adopt(alerts=[]) if kind is Kind.COMMAND else None,
        change=CityChange(version=2, sha256="ab", effective_at_us=60_000_000) if kind is Kind.CITY else None,
        context=CONTEXT if kind is Kind.CONTEXT else None,
        sighting=SIGHTING if kind is Kind.SIGHTING else None,
        baseline=no_rows() if kind is Kind.BASELINE else None,
    )


@given(messages())
def test_a_message_goes_through_kafka_unchanged(message: LogMessage) -> None:
    headers, value = encode_log(message)
    read = decode_log(headers, value)
    for name in ("kind", "ingested_at_us", "clock", "city_version", "source", "id"):
        assert getattr(read, name) == getattr(message, name)
    if message.batch is not None:
        assert read.batch is not None
        assert encode_batch(read.batch) == encode_batch(message.batch)
    assert [getattr(read, name) for name in BODIES[1:]] == [getattr(message, name) for name in BODIES[1:]]
    assert (read.baseline is None) is (message.baseline is None)
    assert bool(value) is any(getattr(message, name) is not None for name in (*BODIES, "baseline"))


def tick() -> tuple[Headers, bytes]:
    return encode_log(LogMessage(Kind.TICK, 1, Clock.WALL, 1, "gateway", "7"))


def with_header(name: str, value: bytes | None) -> Headers:
    headers = [(key, old) for key, old in tick()[0] if key != name]
    return headers if value is None else [*headers, (name, value)]


def why(headers: Headers | None, value: bytes | None = b"") -> str:
    with pytest.raises(RefusedError) as refused:
        decode_log(headers, value)
    return refused.value.reason


def test_the_headers_are_cloud_events() -> None:
    headers = dict(tick()[0])
    assert headers["ce_specversion"] == b"1.0"
    assert headers["ce_type"] == b"nl.drukte.tick.v1"
    assert headers["ce_source"] == b"urn:drukte:source:gateway"
    assert headers["content-type"] == ARROW.encode()
    assert {name for name in headers if not name.startswith("ce_")} == {"content-type"}


@pytest.mark.parametrize("event", [
    b"nl.drukte.rumour.v1", b"nl.drukte.tick.v2", b"nl.drukte.tick", b"tick.v1", b"org.other.tick.v1", b"", b"\xff",
    b"nl.drukte..v1", b"nl.drukte.tick.v1.v1",
])
def test_another_kind_or_version_is_unknown(event: bytes) -> None:
    assert why(with_header("ce_type", event)) == Reason.UNKNOWN_KIND


def test_no_headers_at_all_are_an_unknown_kind() -> None:
    assert why(None) == why([]) == why(with_header("ce_type", None)) == Reason.UNKNOWN_KIND


@pytest.mark.parametrize("name", ["ce_ingestedat", "ce_cityversion", "ce_clock", "ce_source", "ce_id"])
@pytest.mark.parametrize("value", [None, b"\xff\xfe"])
def test_a_missing_or_unreadable_header_is_malformed(name: str, value: bytes | None) -> None:
    assert why(with_header(name, value)) == Reason.MALFORMED


@pytest.mark.parametrize(("name", "value"), [
    ("ce_ingestedat", b"noon"), ("ce_ingestedat", b""), ("ce_cityversion", b"1.5"), ("ce_clock", b"sundial"),
])
def test_a_header_of_another_form_is_malformed(name: str, value: bytes) -> None:
    assert why(with_header(name, value)) == Reason.MALFORMED


@given(st.one_of(st.none(), st.binary(max_size=200)))
def test_readings_without_a_batch_are_malformed(value: bytes | None) -> None:
    message = LogMessage(Kind.READINGS, 1, Clock.WALL, 1, "source", "7", Batch.empty())
    assert why(encode_log(message)[0], value) == Reason.MALFORMED


def kind_or_reason(headers: Headers, value: bytes) -> str:
    try:
        return decode_log(headers, value).kind
    except RefusedError as refused:
        return refused.reason


NAMES = st.sampled_from(["ce_type", "ce_source", "ce_id", "ce_ingestedat", "ce_clock", "ce_cityversion", "other"])
VALUES = st.binary(max_size=20) | st.sampled_from([b"nl.drukte.tick.v1", b"nl.drukte.readings.v1", b"wall", b"1"])


@given(st.lists(st.tuples(NAMES, VALUES), max_size=9), st.binary(max_size=50))
def test_any_headers_are_read_or_refused(headers: Headers, value: bytes) -> None:
    assert kind_or_reason(headers, value) in {Kind.TICK, Reason.UNKNOWN_KIND, Reason.MALFORMED}


def test_the_type_of_others_is_empty() -> None:
    assert event_type(event_headers("live.zone.v1", "s", "1", ARROW)) == "live.zone.v1"
    assert event_type([("ce_type", b"com.example.thing")]) == ""
    assert event_type(None) == ""


def test_a_null_header_is_refused_and_no_crash() -> None:
    headers = [(name, None if name == "ce_clock" else value) for name, value in tick()[0]]
    with pytest.raises(RefusedError, match="ce_clock"):
        decode_log(headers, b"")
    assert event_type([("ce_type", None)]) == ""
