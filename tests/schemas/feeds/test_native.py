# SPDX-License-Identifier: Apache-2.0
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import DrukteError, RefusedError
from schemas.feeds.decoded import Decoded, Tally
from schemas.feeds.native import decode, decode_messages
from schemas.ids import IdKind
from schemas.reading import Metric, NoValue
from schemas.refusal import PERSON_LEVEL_FIELDS, Reason
from schemas.registry import Registry
from tests.cities import small_city

CITY = small_city()
REGISTRY = Registry.of(CITY)
SENSORS = CITY.ids[IdKind.SENSOR]
COUNTERS = CITY.ids[IdKind.SOURCE]["counters"]
BEGIN_US = 1_780_311_840_000_000
GOOD: dict[str, Any] = {
    "sensor": "teller-plein-straat", "metric": "in", "from": "2026-06-01T13:04:00+02:00",
    "to": "2026-06-01T11:05:00Z", "value": 21,
}
PEOPLE: dict[str, Any] = {
    "sensor": "cam-plein", "metric": "people", "from": "2026-06-01T11:04:00Z", "to": "2026-06-01T11:04:00Z",
    "value": 250,
}


def read(*readings: object, source: str = "counters") -> Decoded:
    """An array of readings."""
    return decode(json.dumps(readings).encode(), REGISTRY, source)


def runs(result: Decoded) -> dict[tuple[str, str], int]:
    return {(refusal.reason, refusal.where): refusal.count for refusal in result.refusals}


def why(body: bytes, source: str = "counters") -> RefusedError:
    with pytest.raises(RefusedError) as refused:
        decode(body, REGISTRY, source)
    return refused.value


def test_a_reading_in_all_its_columns() -> None:
    result = read(GOOD | {"quality": 87.4})
    batch = result.batch
    assert batch.sensor.tolist() == [SENSORS["teller-plein-straat"]]
    assert batch.metric.tolist() == [Metric.IN]
    assert batch.source.tolist() == [COUNTERS]
    assert batch.begin.tolist() == [BEGIN_US]
    assert batch.span_ms.tolist() == [60_000]
    assert batch.value.tolist() == [21.0]
    assert batch.reason.tolist() == [NoValue.NONE]
    assert np.isnan(batch.weight[0])
    assert batch.quality.tolist() == [87]
    assert result.refusals == []
    assert result.counts == {Tally.READINGS: 1, Tally.READINGS_WITHOUT_VALUE: 0, Tally.REFUSED_VALUES: 0}


def test_one_an_array_or_one_a_line() -> None:
    out = GOOD | {"metric": "out"}
    for body in (
        json.dumps([GOOD, out]), json.dumps([GOOD, out], indent=2), f" \n{json.dumps([GOOD, out])}\n",
        f"{json.dumps(GOOD)}\n{json.dumps(out)}", f"{json.dumps(GOOD)}\r\n\r\n{json.dumps(out)}\r\n",
        "\ufeff" + json.dumps([GOOD, out]),
    ):
        result = decode(body.encode(), REGISTRY, "counters")
        assert result.batch.metric.tolist() == [Metric.IN, Metric.OUT], body
        assert result.refusals == []
    for body in (json.dumps(GOOD), json.dumps(GOOD, indent=2), json.dumps(GOOD) + "\n"):
        assert decode(body.encode(), REGISTRY, "counters").batch.value.tolist() == [21.0]
    assert len(decode(b"[]", REGISTRY, "counters").batch) == 0


def test_null_is_no_value() -> None:
    result = read(GOOD | {"value": None}, GOOD | {"value": 0})
    assert result.batch.reason.tolist() == [NoValue.NULL, NoValue.NONE]
    assert np.isnan(result.batch.value).tolist() == [True, False]
    assert result.counts[Tally.READINGS_WITHOUT_VALUE] == 1


@pytest.mark.parametrize("value", ["21", True, False, [21], {"people": 21}, float("nan"), float("inf"), 10**400])
def test_a_value_that_is_no_number_refuses_its_reading_only(value: object) -> None:
    result = read(GOOD, GOOD | {"value": value}, GOOD)
    assert runs(result) == {(Reason.BAD_VALUE, "$[1]"): 1}
    assert len(result.batch) == 2


def test_a_number_too_large_for_a_float_refuses_its_reading_only() -> None:
    body = json.dumps([GOOD, GOOD]).replace("21", "1e999", 1).encode()
    assert runs(decode(body, REGISTRY, "counters")) == {(Reason.BAD_VALUE, "$[0]"): 1}


@pytest.mark.parametrize("quality", [-1, 101, "high", None, True, float("nan")])
def test_quality_is_a_number_from_0_to_100(quality: object) -> None:
    result = read(GOOD | {"quality": quality}, GOOD | {"quality": 0}, GOOD | {"quality": 100})
    assert sum(runs(result).values()) == 1
    assert {reason for reason, _ in runs(result)} == {Reason.BAD_VALUE}
    assert result.batch.quality.tolist() == [0, 100]


@pytest.mark.parametrize(("change", "reason", "where"), [
    ({"sensor": "00:11:22:33:44:55"}, Reason.UNKNOWN_SENSOR, "$[1]"),
    ({"metric": "people"}, Reason.UNKNOWN_METRIC, "teller-plein-straat"),
    ({"metric": "geluk"}, Reason.UNKNOWN_METRIC, "teller-plein-straat"),
    (PEOPLE, Reason.WRONG_SOURCE, "cam-plein"),
    ({"from": "2026-06-01T11:04:00"}, Reason.BAD_TIME, "teller-plein-straat"),
    ({"to": "1970-01-01T00:00:00Z"}, Reason.BAD_TIME, "teller-plein-straat"),
    ({"to": 1780311900}, Reason.BAD_TIME, "$[1]"),
    ({"to": "2026-06-01T11:03:59Z"}, Reason.BAD_TIME, "teller-plein-straat"),
    ({"to": "2026-06-01T11:04:00Z"}, Reason.BAD_SPAN, "teller-plein-straat"),
    ({"to": "2026-06-27T11:04:00Z"}, Reason.BAD_SPAN, "teller-plein-straat"),
    ({"sensor": 7}, Reason.MALFORMED, "$[1]"),
    ({"metric": None}, Reason.MALFORMED, "$[1]"),
    ({"colour": "blue"}, Reason.UNKNOWN_FIELD, "$[1]"),
])
def test_a_bad_reading_is_refused_alone(change: dict[str, object], reason: Reason, where: str) -> None:
    result = read(GOOD, GOOD | change, GOOD)
    assert runs(result) == {(reason, where): 1}
    assert len(result.batch) == 2
    assert result.counts == {Tally.READINGS: 2, Tally.READINGS_WITHOUT_VALUE: 0, Tally.REFUSED_VALUES: 1}


@pytest.mark.parametrize("field", ["sensor", "metric", "from", "to", "value"])
def test_a_missing_field_is_named(field: str) -> None:
    [refusal] = read({name: text for name, text in GOOD.items() if name != field}).refusals
    assert (refusal.reason, refusal.where) == (Reason.MALFORMED, "$[0]")
    assert field in refusal.detail


def test_an_instant_has_no_length() -> None:
    assert read(PEOPLE, source="cameras").batch.span_ms.tolist() == [0]
    result = read(PEOPLE | {"to": "2026-06-01T11:04:10Z"}, source="cameras")
    assert runs(result) == {(Reason.BAD_SPAN, "cam-plein"): 1}


def test_spans_are_whole_milliseconds_and_never_vanish() -> None:
    ends = ["11:04:00.000001Z", "11:04:00.0005001Z", "11:04:00.0016Z", "11:05:00.0004Z"]
    result = read(*(GOOD | {"to": f"2026-06-01T{end}"} for end in ends))
    assert result.batch.span_ms.tolist() == [1, 1, 2, 60_000]


def test_like_refusals_are_counted_together() -> None:
    result = read(*[GOOD | {"metric": "nothing"}] * 3, *[GOOD | {"sensor": key} for key in "abc"], [], 5)
    assert runs(result) == {
        (Reason.UNKNOWN_METRIC, "teller-plein-straat"): 3, (Reason.UNKNOWN_SENSOR, "$[3]"): 3,
        (Reason.MALFORMED, "$[6]"): 2,
    }


def test_an_unknown_field_is_named_unless_its_name_may_be_somebodys() -> None:
    [first, second] = read(GOOD | {"colour": 1}, GOOD | {"jan.jansen": 1}).refusals
    assert "colour" in first.detail
    assert "jan" not in second.detail
    assert (first.reason, second.reason) == (Reason.UNKNOWN_FIELD,) * 2
    for address in ("a4:5e:60:c2:11:08", "a45e60c21108"):
        refused = why(json.dumps(GOOD | {address: 1}).encode())
        assert refused.reason == Reason.PERSON_LEVEL
        assert address not in str(refused)


def test_a_broken_line_refuses_that_line_only() -> None:
    result = decode(f"{json.dumps(GOOD)}\n{{\n[]\n{json.dumps(GOOD)}".encode(), REGISTRY, "counters")
    assert len(result.batch) == 2
    assert runs(result) == {(Reason.MALFORMED, "line 2"): 1, (Reason.MALFORMED, "line 3"): 1}


@pytest.mark.parametrize("body", [
    b"", b"  ", b"readings", b"{", b"[", b"[1,]", b"<xml/>", b"\x00", b"\xff\xfe{}", b"[" * 100_000,
    json.dumps([GOOD]).encode()[:-5], b"{]", b'"\xf0"',
])
def test_a_body_that_is_no_json_is_refused_whole(body: bytes) -> None:
    assert why(body).reason == Reason.MALFORMED


def test_json_of_another_shape_is_refused() -> None:
    for body in (b"5", b"null", b'"text"', b"true"):
        assert runs(decode(body, REGISTRY, "counters")) == {(Reason.MALFORMED, "$"): 1}


@pytest.mark.parametrize("body", [
    [GOOD, GOOD | {"mac": "a4:5e:60:c2:11:08"}],
    [GOOD, GOOD | {"value": {"MAC_address": "a4:5e:60:c2:11:08"}}],
    [GOOD, [[[{"details": [{"Track-Id": "a4:5e:60:c2:11:08"}]}]]]],
    GOOD | {"a4:5e:60:c2:11:08": {"rssi": -60}},
    GOOD | {"age": 31},
])
def test_a_person_level_field_refuses_the_whole_body(body: object) -> None:
    refused = why(json.dumps(body).encode())
    assert refused.reason == Reason.PERSON_LEVEL
    assert "5e" not in str(refused)
    assert "31" not in str(refused)


@pytest.mark.parametrize("name", sorted(PERSON_LEVEL_FIELDS))
def test_every_person_level_name_is_named(name: str) -> None:
    refused = why(json.dumps(GOOD | {name: 1}).encode())
    assert refused.reason == Reason.PERSON_LEVEL
    assert f"$.{name}" in str(refused)


def test_a_person_level_field_hides_behind_no_repeated_name() -> None:
    start = json.dumps(GOOD)[:-1]
    for body in (
        start + ', "value": {"mac": 1}, "value": 3}', start + ', "x": {"mac": 1}, "x": 3, "x": 4}',
        f'{json.dumps(GOOD)}\n{start}, "mac": 1}}\nno json', '[{"a": {"mac": 1}, "a": 2}]',
    ):
        assert why(body.encode()).reason == Reason.PERSON_LEVEL


def test_a_repeated_name_is_no_reading() -> None:
    body = json.dumps(GOOD)[:-1].replace('"value": 21', '"value": "x", "value": 21') + "}"
    assert runs(decode(body.encode(), REGISTRY, "counters")) == {(Reason.BAD_VALUE, "$"): 1}


def test_what_nobody_looked_into_is_refused_whole() -> None:
    deep: object = 1
    for _ in range(80):
        deep = [deep]
    assert why(json.dumps([GOOD, GOOD | {"value": deep}]).encode()).reason == Reason.PERSON_LEVEL


def test_an_unknown_source_is_an_error_of_ours() -> None:
    with pytest.raises(DrukteError, match="nobody"):
        decode(json.dumps(GOOD).encode(), REGISTRY, "nobody")


def test_messages_are_judged_one_by_one() -> None:
    good, person = json.dumps(GOOD).encode(), json.dumps(GOOD | {"mac": 1}).encode()
    out = json.dumps([GOOD | {"metric": "out"}, GOOD | {"metric": "nothing"}]).encode()
    wrong = json.dumps(GOOD | {"sensor": "nobody"}).encode()
    result = decode_messages([good, person, out, b"", good, wrong], REGISTRY, "counters")
    assert result.batch.metric.tolist() == [Metric.IN, Metric.OUT, Metric.IN]
    assert runs(result) == {
        (Reason.PERSON_LEVEL, "message 1"): 1, (Reason.UNKNOWN_METRIC, "teller-plein-straat"): 1,
        (Reason.MALFORMED, "message 3"): 1, (Reason.UNKNOWN_SENSOR, "message 5"): 1,
    }
    assert any("message 2 $[1]" in one.detail for one in result.refusals)
    assert result.counts[Tally.REFUSED_VALUES] == 4
    assert len(decode_messages([], REGISTRY, "counters").batch) == 0


def test_a_refused_reading_is_found_by_its_message_and_its_place_there() -> None:
    good, wrong = json.dumps(GOOD), json.dumps(GOOD | {"metric": "nothing"})
    for bodies, place in (
        ([f"[{good}, {good}]", f"[{good}, {wrong}]"], "message 1 $[1]"),
        ([good, f"[{good}]", f"{good}\n{wrong}", good], "message 2 reading 1"),
        ([f"[{good}]", "[]", wrong], "message 2"),
    ):
        result = decode_messages([body.encode() for body in bodies], REGISTRY, "counters")
        assert [one.detail.endswith(f"(first: {place})") for one in result.refusals] == [True]


@pytest.mark.parametrize("bodies", [
    [b'{"sensor":"teller-plein-straat","metric":"in",', b'"from":"2026-06-01T11:04:00Z",',
     b'"to":"2026-06-01T11:05:00Z","value":21}', b"%(good)b,%(good)b", b"%(good)b\n%(good)b"],
    [b"", b"%(good)b\n%(good)b"],
    [b"%(good)b%(good)b", b""],
    [b"", b"%(good)b %(good)b"],
    [b'{"sensor":"teller-plein-straat","metric":"in",', b'"from":"2026-06-01T11:04:00Z",'
     b'"to":"2026-06-01T11:05:00Z","value":21}%(good)b'],
    [b'{"metric":"in', b'{","sensor":"x","from":"2026-06-01T11:04:00Z","to":"","value":21}%(good)b'],
    [b'{"sensor":', b"%(good)b", b"%(good)b\r%(good)b"],
    [b"%(good)b\n", b"%(good)b %(good)b"],
    [b"%(good)b,", b"%(good)b"],
])
def test_no_message_is_completed_by_its_neighbour(bodies: list[bytes]) -> None:
    good = json.dumps(GOOD).encode()
    agrees_with_each_alone([body.replace(b"%(good)b", good) for body in bodies])


def agrees_with_each_alone(bodies: list[bytes]) -> None:
    together = decode_messages(bodies, REGISTRY, "counters")
    alone = Decoded.concatenated(decode_messages([body], REGISTRY, "counters") for body in bodies)
    for name in ("sensor", "metric", "begin", "span_ms", "value", "reason", "quality"):
        assert getattr(together.batch, name).tobytes() == getattr(alone.batch, name).tobytes()
    assert together.counts.get(Tally.READINGS, 0) == alone.counts.get(Tally.READINGS, 0)
    assert together.counts.get(Tally.REFUSED_VALUES, 0) == alone.counts.get(Tally.REFUSED_VALUES, 0)
    by_reason = [
        {reason: sum(one.count for one in told.refusals if one.reason is reason) for reason in Reason}
        for told in (together, alone)
    ]
    assert by_reason[0] == by_reason[1]


READINGS = st.fixed_dictionaries({
    "sensor": st.sampled_from(["teller-plein-straat", "teller-straat-uit", "cam-plein", "x"]),
    "metric": st.sampled_from(["in", "out", "people"]),
    "from": st.sampled_from(["2026-06-01T11:04:00Z", "2026-06-01T11:05:00Z", "soon"]),
    "to": st.sampled_from(["2026-06-01T11:05:00Z", "2026-06-01T13:06:00+02:00"]),
    "value": st.one_of(st.none(), st.integers(-5, 1000), st.floats(allow_nan=False, allow_infinity=False)),
}, optional={"quality": st.floats(-1, 101)})


@given(st.lists(st.one_of(
    READINGS.map(lambda one: json.dumps(one).encode()),
    READINGS.map(lambda one: json.dumps(one, indent=1).encode()),
    st.lists(READINGS, max_size=2).map(lambda some: json.dumps(some).encode()),
    st.lists(READINGS, min_size=2, max_size=3).map(lambda some: "\n".join(map(json.dumps, some)).encode()),
    READINGS.map(lambda one: json.dumps(one | {"mac": "x"}).encode()),
    st.sampled_from([b"", b"\n", b"{", b"}", b",", b"\xff"]),
), min_size=1, max_size=6))
def test_messages_read_together_are_read_as_each_alone(bodies: list[bytes]) -> None:
    agrees_with_each_alone(bodies)


@given(st.lists(READINGS, max_size=8))
def test_the_quick_and_the_careful_way_agree(readings: list[dict[str, Any]]) -> None:
    quick = read(*readings)
    # The element that is no reading makes the decoder go the careful way.
    careful = read(*readings, 0)
    for name in ("sensor", "metric", "begin", "span_ms", "value", "reason", "quality"):
        assert np.array_equal(getattr(quick.batch, name), getattr(careful.batch, name), equal_nan=name == "value")
    assert runs(careful) == runs(quick) | {(Reason.MALFORMED, f"$[{len(readings)}]"): 1}
    assert quick.counts[Tally.READINGS] + quick.counts[Tally.REFUSED_VALUES] == len(readings)
    lines = "\n".join(json.dumps(reading) for reading in readings).encode()
    if readings:
        assert decode(lines, REGISTRY, "counters").batch.value.tobytes() == quick.batch.value.tobytes()


def decoded_or_reason(body: bytes) -> Decoded | str:
    try:
        return decode(body, REGISTRY, "counters")
    except RefusedError as refused:
        return refused.reason


def attempt(body: bytes) -> None:
    result = decoded_or_reason(body)
    if isinstance(result, str):
        assert result in {Reason.MALFORMED, Reason.PERSON_LEVEL}
        return
    assert set(result.batch.sensor.tolist()) <= set(SENSORS.values())
    assert np.array_equal(np.isnan(result.batch.value), result.batch.reason == NoValue.NULL)
    assert not np.any(np.isinf(result.batch.value))
    assert all(refusal.count > 0 for refusal in result.refusals)


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(
        st.text() | st.sampled_from([*GOOD, "quality"]), inner, max_size=6
    ),
    max_leaves=10,
)


@given(st.binary(max_size=300))
def test_any_bytes(body: bytes) -> None:
    attempt(body)
    attempt(b"[" + body)


@given(JSON)
def test_any_json(document: object) -> None:
    attempt(json.dumps(document).encode())


@settings(max_examples=200)
@given(st.dictionaries(st.sampled_from([*GOOD, "quality", "x"]), JSON, max_size=7))
def test_any_value_in_any_field(change: dict[str, object]) -> None:
    attempt(json.dumps(GOOD | change).encode())
    attempt(json.dumps([GOOD, GOOD | change]).encode())


@given(st.lists(st.tuples(st.integers(0, 250), st.binary(max_size=3)), min_size=1, max_size=4))
def test_a_damaged_body(changes: list[tuple[int, bytes]]) -> None:
    body = json.dumps([GOOD, PEOPLE]).encode()
    for at, put_in in changes:
        body = body[:at] + put_in + body[at + 1:]
    attempt(body)
