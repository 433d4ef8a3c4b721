# SPDX-License-Identifier: Apache-2.0
"""Counts of Wi-Fi and Bluetooth devices that a sensor made itself: Paxcounter over LoRaWAN, and plain JSON.

A device is not a person, and the same one is counted again a minute later and a street further. The two radios
stay apart. Such counts need an activation in the city file and serve fusion only.

A LoRaWAN network wraps a count in facts about its own radio: the sensor's id and how well gateways heard it. These
are no facts about anybody and are taken out, at their places only; the same names elsewhere refuse the message.
"""

import base64
import binascii
from collections.abc import Iterator
from typing import Any, Final, Literal
from zoneinfo import ZoneInfo

from schemas.city import Source
from schemas.errors import RefusedError
from schemas.feeds.format import Context, Format
from schemas.feeds.json_body import NoNumberError, name_or_none, number_or_none, parse_json
from schemas.feeds.local_time import zone_of
from schemas.feeds.lorawan import Uplink, is_about_a_sensor, looks_like_uplink, uplink_of, without_radio_facts
from schemas.feeds.observed import Observation, Observed, refuse_persons
from schemas.feeds.time_interval import TimeInterval, parse_interval
from schemas.reading import Metric, NoValue
from schemas.refusal import Reason

COUNTS: Final = {"devices_wifi": Metric.DEVICES_WIFI, "devices_ble": Metric.DEVICES_BLE}
DECODED: Final = {"wifi": Metric.DEVICES_WIFI, "ble": Metric.DEVICES_BLE}
"""Names in what a network's own payload formatter gives for Paxcounter."""
COUNT_PORT = 1
"""The LoRaWAN port of Paxcounter's counts; the others carry its own state and place."""
OTHER_PORTS = "other_ports"
OTHER_MESSAGES = "other_messages"
"""A network's messages that are no uplinks: joins, downlinks."""
SUMS = "sums_of_radios"
"""`pax`: both radios added up, which counts a device twice."""
_FIELDS = frozenset({"sensor", "from", "to", *COUNTS})
_SHAPE = "neither a count of devices (`sensor`, `from`, `to`, `devices_wifi`, `devices_ble`) nor a LoRaWAN uplink"
_UNKNOWN_FIELD = "a field beside `sensor`, `from`, `to`, `devices_wifi` and `devices_ble`; send only these"
_NOTHING = "no count in it: `devices_wifi`, `devices_ble` or both"
_NO_SENSOR = "`sensor` is a text"
_TIME = "`from` and `to` are RFC 3339 with an offset; equal for a count at an instant"
_RECEIVED = "the uplink does not say when the network received it"
_VALUE = "a count of devices is a number or null"
_PAYLOAD = "payload of port 1 is no base64 of two or four bytes"
_ORDER = ("set `byte_order` of the source to the sensor's payload format, big for plain and little for packed; "
          "a wrong one gives wrong counts, so none is assumed")


def decode(body: bytes, source: Source, context: Context) -> Observed:  # noqa: ARG001  the body says all
    """Read counts of devices.

    Parameters
    ----------
    body : bytes
        An object or an array of them: plain counts of [from, to), or uplinks of The Things Stack or ChirpStack.
    source : Source
        Its `byte_order` tells how Paxcounter writes its payload.
    context : Context

    Raises
    ------
    RefusedError
        The whole body: `malformed`, `person-level`.
    """
    document = without_radio_facts(parse_json(body))
    refuse_persons(document)
    observed = Observed()
    zone = zone_of(source.timezone)
    for where, item in _items(document):
        if not isinstance(item, dict):
            observed.refuse(Reason.MALFORMED, where, _SHAPE)
        elif (uplink := uplink_of(item)) is not None:
            _read_uplink(uplink, where, source, zone, observed)
        elif is_about_a_sensor(item):
            observed.passed(OTHER_MESSAGES)
        else:
            _read_counts(item, where, zone, observed)
    return observed


def looks_like(body: bytes) -> bool:
    """Whether counts of devices may stand in it."""
    return any(f'"{name}"'.encode() in body for name in COUNTS) or looks_like_uplink(body)


def _items(document: object) -> Iterator[tuple[str, object]]:
    if isinstance(document, list):
        yield from ((f"$[{at}]", item) for at, item in enumerate(document))
    elif isinstance(document, dict):
        yield "$", document
    else:
        raise RefusedError(Reason.MALFORMED, f"body is {_SHAPE}")


def _read_counts(item: dict[str, Any], where: str, zone: ZoneInfo | None, observed: Observed) -> None:
    named = [name for name in COUNTS if name in item]
    sensor, times = item.get("sensor"), _times(item, zone)
    if item.keys() - _FIELDS:
        observed.refuse(Reason.UNKNOWN_FIELD, where, _UNKNOWN_FIELD, max(len(named), 1))
    elif not named:
        observed.refuse(Reason.MALFORMED, where, _NOTHING)
    elif not isinstance(sensor, str) or not sensor.strip():
        observed.refuse(Reason.MALFORMED, where, _NO_SENSOR, len(named))
    elif times is None:
        observed.refuse(Reason.BAD_TIME, where, _TIME, len(named))
    else:
        _add({COUNTS[name]: item[name] for name in named}, sensor.strip(), times, where, observed)


def _times(item: dict[str, Any], zone: ZoneInfo | None) -> TimeInterval | None:
    begin, end = (parse_interval(item.get(name), zone) for name in ("from", "to"))
    if begin is None or end is None or not begin.is_instant or not end.is_instant:
        return None
    return TimeInterval(begin.begin_us, end.end_us, min(begin.quality, end.quality))


def _read_uplink(uplink: Uplink, where: str, source: Source, zone: ZoneInfo | None, observed: Observed) -> None:
    if uplink.port != COUNT_PORT:
        observed.passed(OTHER_PORTS)
        return
    try:
        counts = _payload_counts(uplink, source.byte_order)
    except RefusedError as refused:
        observed.refuse(Reason(refused.reason), where, str(refused))
        return
    if isinstance(uplink.decoded, dict) and "pax" in uplink.decoded:
        observed.passed(SUMS)
    times = parse_interval(uplink.received, zone)
    device = name_or_none(uplink.device)
    if device is None:
        observed.refuse(Reason.MALFORMED, where, "the uplink does not name its device", len(counts))
    elif times is None or not times.is_instant:
        observed.refuse(Reason.BAD_TIME, where, _RECEIVED, len(counts))
    else:
        _add(counts, device, times, where, observed)


def _payload_counts(uplink: Uplink, byte_order: Literal["big", "little"] | None) -> dict[Metric, object]:
    """What port 1 says: two bytes for Wi-Fi, two more for Bluetooth where it is scanned."""
    if byte_order is not None and uplink.payload is not None:
        return _unpacked(uplink.payload, byte_order)
    decoded = uplink.decoded
    found = {DECODED[name]: decoded[name] for name in DECODED if name in decoded} if isinstance(decoded, dict) else {}
    if found:
        return found
    if uplink.payload is None:
        raise RefusedError(Reason.MALFORMED, _PAYLOAD)
    raise RefusedError(Reason.BAD_VALUE, _ORDER)


def _unpacked(payload: str, byte_order: Literal["big", "little"]) -> dict[Metric, object]:
    try:
        packed = base64.b64decode(payload, validate=True)
    except (binascii.Error, ValueError):
        packed = b""
    if len(packed) not in (2, 4):
        raise RefusedError(Reason.MALFORMED, _PAYLOAD)
    numbers = (int.from_bytes(packed[at : at + 2], byte_order) for at in range(0, len(packed), 2))
    return dict(zip(DECODED.values(), numbers, strict=False))


def _add(counts: dict[Metric, object], device: str, times: TimeInterval, where: str, observed: Observed) -> None:
    for metric, given in counts.items():
        try:
            value = number_or_none(given)
        except NoNumberError:
            observed.refuse(Reason.BAD_VALUE, where, _VALUE)
            continue
        negative = value is not None and value < 0
        observed.observations.append(Observation(
            device=device, metric=metric, begin_us=times.begin_us, end_us=times.end_us,
            value=None if negative else value, where=where, quality=times.quality,
            no_value=NoValue.NEGATIVE if negative else NoValue.NULL,
        ))


FORMAT = Format(
    key="device-counts",
    title="Counts of Wi-Fi and Bluetooth devices (Paxcounter, aggregates)",
    semantics="instant (Paxcounter) or distinct devices of an interval; never people, never added up",
    decode=decode,
    looks_like=looks_like,
    proven=False,
    notes="Paxcounter's payload from its documentation: plain is big endian, packed little endian. Off without an "
          "activation in the city file.",
)
