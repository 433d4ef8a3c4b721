# SPDX-License-Identifier: Apache-2.0
import base64
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
from schemas.errors import RefusedError
from schemas.feeds.device_counts import COUNTS, OTHER_MESSAGES, OTHER_PORTS, SUMS, decode, looks_like
from schemas.feeds.observed import Observed, placed
from schemas.reading import Metric, NoValue
from schemas.refusal import Reason
from schemas.registry import Registry
from tests.devices import city_with_devices
from tests.schemas.feeds.damaged import ALLOWED, bodies, documents, whole

DOC = Path(__file__).resolve().parents[3] / "docs" / "feeds" / "device_counts.md"
PLAIN = Source(format="device-counts", byte_order="big")
PACKED = Source(format="device-counts", byte_order="little")
UNSAID = Source(format="device-counts")
BEGIN_US, END_US = 1_772_363_040_000_000, 1_772_363_100_000_000
COUNTED: dict[str, Any] = {
    "sensor": "gdh-wifi-03", "from": "2026-03-01T11:04:00Z", "to": "2026-03-01T11:05:00Z", "devices_wifi": 212,
    "devices_ble": 88,
}
BYTES = base64.b64encode(bytes([0, 212, 0, 88])).decode()
THINGS: dict[str, Any] = {
    "end_device_ids": {"device_id": "pax-3", "dev_eui": "70B3D57ED0000003", "application_ids": {"application_id": "a"}},
    "received_at": "2026-03-01T11:04:01.9Z",
    "uplink_message": {
        "f_port": 1, "f_cnt": 7, "frm_payload": BYTES, "received_at": "2026-03-01T11:04:00.000000001Z",
        "rx_metadata": [{"gateway_ids": {"gateway_id": "gw"}, "rssi": -97, "channel_rssi": -97, "snr": 7.5}],
    },
}
CHIRP: dict[str, Any] = {
    "time": "2026-03-01T11:04:00Z", "deviceInfo": {"deviceName": "pax 3", "devEui": "70b3d57ed0000003"}, "fPort": 1,
    "data": BYTES, "rxInfo": [{"gatewayId": "gw", "rssi": -97, "snr": 7.5}],
}
OLD_CHIRP: dict[str, Any] = {
    "deviceName": "pax 3", "devEUI": "70b3d57ed0000003", "fPort": 1, "data": BYTES, "rxInfo": [{"rssi": -97}],
    "publishedAt": "2026-03-01T11:04:00Z",
}


def read(document: object, source: Source = PLAIN) -> Observed:
    return decode(json.dumps(document).encode(), source, {})


def values(observed: Observed) -> list[tuple[Metric | None, float | None]]:
    return [(one.metric, one.value) for one in observed.observations]


def with_payload(payload: str | None, **changes: object) -> dict[str, Any]:
    message: dict[str, Any] = {**THINGS["uplink_message"], **changes}
    if payload is None:
        del message["frm_payload"]
    else:
        message["frm_payload"] = payload
    return THINGS | {"uplink_message": message}


BOTH = [(Metric.DEVICES_WIFI, 212.0), (Metric.DEVICES_BLE, 88.0)]


def test_counts_of_an_interval() -> None:
    observed = read([COUNTED])
    assert values(observed) == BOTH
    assert {(one.device, one.begin_us, one.end_us) for one in observed.observations} == {
        ("gdh-wifi-03", BEGIN_US, END_US)}
    assert observed.refusals == []


@pytest.mark.parametrize(("message", "device"), [
    (THINGS, "pax-3"), (CHIRP, "70b3d57ed0000003"), (OLD_CHIRP, "70b3d57ed0000003"),
])
def test_an_uplink_is_an_instant_when_the_network_received_it(message: dict[str, Any], device: str) -> None:
    observed = read(message)
    assert values(observed) == BOTH
    assert {(one.device, one.begin_us, one.end_us) for one in observed.observations} == {(device, BEGIN_US, BEGIN_US)}


def test_the_byte_order_is_never_guessed() -> None:
    assert values(read(THINGS, PACKED)) == [(Metric.DEVICES_WIFI, 212 * 256), (Metric.DEVICES_BLE, 88 * 256)]
    observed = read(THINGS, UNSAID)
    assert observed.observations == []
    assert [refusal.reason for refusal in observed.refusals] == [Reason.BAD_VALUE]
    assert "byte_order" in observed.refusals[0].detail


def test_what_the_networks_formatter_says_will_do_and_sums_are_not_read() -> None:
    decoded = {"wifi": 212, "ble": 88, "pax": 300}
    for message in (with_payload(BYTES, decoded_payload=decoded), CHIRP | {"object": decoded}):
        observed = read(message, UNSAID)
        assert values(observed) == BOTH
        assert observed.counts == {SUMS: 1}


def test_two_bytes_are_wifi_alone() -> None:
    assert values(read(with_payload(base64.b64encode(b"\x00\x05").decode()))) == [(Metric.DEVICES_WIFI, 5)]


@pytest.mark.parametrize("payload", ["AAAA", "not base64!", "", "AAAAAAAA", None, "é"])
def test_another_payload_on_the_port_of_counts_is_refused(payload: str | None) -> None:
    observed = read(with_payload(payload))
    assert [refusal.reason for refusal in observed.refusals] == [Reason.MALFORMED]


def test_other_ports_and_other_messages_are_read_past() -> None:
    joined = {name: value for name, value in THINGS.items() if name != "uplink_message"} | {"join_accept": {}}
    observed = read([with_payload(BYTES, f_port=2), joined, CHIRP | {"fPort": 4}, {"deviceInfo": {}, "margin": 7}])
    assert observed.counts == {OTHER_PORTS: 3, OTHER_MESSAGES: 1}
    assert (observed.observations, observed.refusals) == ([], [])


def test_missing_and_zero_are_told_apart() -> None:
    observed = read([COUNTED | {"devices_wifi": 0, "devices_ble": None}, COUNTED | {"devices_wifi": -1}])
    assert [value for _, value in values(observed)] == [0, None, None, 88]
    assert [one.no_value for one in observed.observations[1:3]] == [NoValue.NULL, NoValue.NEGATIVE]


@pytest.mark.parametrize(("change", "reason", "count"), [
    ({"vendor": "x"}, Reason.UNKNOWN_FIELD, 2), ({"sensor": 3}, Reason.MALFORMED, 2),
    ({"sensor": " "}, Reason.MALFORMED, 2), ({"from": "2026-03-01T11:04:00"}, Reason.BAD_TIME, 2),
    ({"to": None}, Reason.BAD_TIME, 2), ({"devices_ble": "88"}, Reason.BAD_VALUE, 1),
    ({"devices_wifi": True}, Reason.BAD_VALUE, 1),
])
def test_a_bad_count_is_refused_alone(change: dict[str, object], reason: Reason, count: int) -> None:
    observed = read([COUNTED | change, COUNTED])
    assert [(one.reason, one.count, one.where) for one in observed.refusals] == [(reason, count, "$[0]")]
    assert len(observed.observations) == 4 - count


@pytest.mark.parametrize("document", [
    COUNTED | {"mac": "secret-7"}, COUNTED | {"devices_wifi": [{"MAC_hash": "secret-7"}]},
    [COUNTED, COUNTED | {"probes": ["secret-7"]}], COUNTED | {"device_id": "secret-7"},
    CHIRP | {"object": {"wifi": 1, "devices": [{"rssi": -60, "device-id": "secret-7"}]}},
    with_payload(BYTES, decoded_payload={"macs": [{"mac": "secret-7"}]}),
    with_payload(BYTES, rx_metadata=[{"rssi": [-60, -61]}]), with_payload(BYTES, rssi=-60),
    THINGS | {"device_id": "secret-7"}, THINGS | {"end_device_ids": {"device_id": {"mac": "secret-7"}}},
    {"rx_metadata": [{"rssi": -60}], "devices_wifi": 3},
])
def test_devices_themselves_refuse_everything_but_the_networks_own_facts_do_not(document: object) -> None:
    with pytest.raises(RefusedError) as refused:
        read(document)
    assert refused.value.reason == Reason.PERSON_LEVEL
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("body", [b"", b"5", b"null", b'"x"', b"[1", b"\xff"])
def test_no_counts_at_all(body: bytes) -> None:
    with pytest.raises(RefusedError) as refused:
        decode(body, PLAIN, {})
    assert refused.value.reason == Reason.MALFORMED


def test_it_looks_like_itself() -> None:
    assert all(looks_like(json.dumps(one).encode()) for one in (COUNTED, THINGS, CHIRP))
    assert not looks_like(b'{"peopleCount": 3}')


def test_the_page_of_this_format_holds_a_source_and_messages_that_are_placed() -> None:
    text = DOC.read_text()
    [toml] = re.findall(r"```toml\n(.*?)```", text, re.DOTALL)
    source = msgspec.convert(tomllib.loads(toml)["sources"]["pax"], Source)
    city = city_with_devices()
    registry = Registry.of(city)
    interval, uplink = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    result = placed(decode(interval.encode(), source, {}), registry, "pax")
    assert result.refusals == []
    assert result.batch.metric.tolist() == [Metric.DEVICES_WIFI, Metric.DEVICES_BLE]
    assert result.batch.value.tolist() == [212, 88]
    observed = decode(uplink.encode(), source, {})
    assert values(observed) == BOTH
    # The same sensor cannot be both: its measures say that they are of an interval.
    assert [one.reason for one in placed(observed, registry, "pax").refusals] == [Reason.BAD_SPAN]


@given(st.lists(st.dictionaries(
    st.sampled_from([*COUNTED, "other"]),
    st.sampled_from([None, 3, -1, True, "x", "2026-03-01T11:04:00Z", [], {}]), max_size=6), max_size=4))
def test_every_value_is_accounted_for(changes: list[dict[str, Any]]) -> None:
    items = [COUNTED | change for change in changes]
    observed = read(items)
    refused = sum(refusal.count for refusal in observed.refusals)
    assert len(observed.observations) + refused == sum(len(COUNTS.keys() & item.keys()) for item in items)


@given(documents([COUNTED, THINGS, CHIRP]), st.sampled_from([PLAIN, PACKED, UNSAID]))
def test_no_shape_breaks_it(document: object, source: Source) -> None:
    assert whole(decode, json.dumps(document).encode(), source) in ALLOWED


@given(bodies([COUNTED, THINGS, CHIRP]))
def test_no_bytes_break_it(body: bytes) -> None:
    looks_like(body)
    assert whole(decode, body, PLAIN) in ALLOWED
