# SPDX-License-Identifier: Apache-2.0
"""The envelope of a LoRaWAN uplink, as The Things Stack (v3) and ChirpStack (v3, v4) write it in JSON."""

from dataclasses import dataclass
from typing import Any, Final

_THINGS = "uplink_message"
_CHIRP = ("deviceInfo", "devEUI", "fPort")
_IDS = "end_device_ids"
_DEVICE = "the sensor's own id"
"""Stands for `device_id` once it is known to be the sensor's."""
_RADIO: Final = ("rx_metadata", "rxInfo")
"""Where a network tells how well each gateway heard the sensor."""
_STRENGTH = "rssi"


@dataclass(frozen=True, slots=True)
class Uplink:
    """One message of one sensor.

    Parameters
    ----------
    device : object
        The sensor's name at its network: `device_id` (The Things Stack) or `devEui` (ChirpStack).
    received : object
        When the network received it, as it is written.
    port : int, optional
    payload : str, optional
        Base64.
    decoded : object
        What a payload formatter of the network made of it; None without one.
    """

    device: object
    received: object
    port: int | None
    payload: str | None
    decoded: object


def looks_like_uplink(body: bytes) -> bool:
    """Whether an uplink may stand in it."""
    return b'"uplink_message"' in body or (b'"fPort"' in body and b'"data"' in body)


def is_about_a_sensor(item: dict[str, Any]) -> bool:
    """Whether an object is a network's message about a sensor: an uplink, or a join, a status, a downlink."""
    return _IDS in item or any(name in item for name in _CHIRP)


def uplink_of(item: dict[str, Any]) -> Uplink | None:
    """The uplink that an object is; None for anything else. Call it after `without_radio_facts`."""
    if isinstance(item.get(_THINGS), dict):
        message, ids = item[_THINGS], item.get(_IDS)
        return Uplink(
            device=ids.get(_DEVICE) if isinstance(ids, dict) else None,
            received=message.get("received_at") or item.get("received_at"), port=_port(message.get("f_port")),
            payload=_text(message.get("frm_payload")), decoded=message.get("decoded_payload"),
        )
    if not any(name in item for name in _CHIRP):
        return None
    info = item.get("deviceInfo")
    return Uplink(
        device=info.get("devEui") if isinstance(info, dict) else item.get("devEUI"),
        received=item.get("time") or item.get("publishedAt"), port=_port(item.get("fPort")),
        payload=_text(item.get("data")), decoded=item.get("object"),
    )


def without_radio_facts(document: object) -> object:
    """A copy in which the facts about sensor and gateways do not look like facts about people.

    The sensor's `device_id` has another name, strengths of reception are left out. Only at the places where the
    two networks write them: a name elsewhere is left as it stands, for the check behind this one.
    """
    if isinstance(document, list):
        return [_cleaned(item) for item in document]
    return _cleaned(document)


def _cleaned(item: object) -> object:
    if not isinstance(item, dict) or not is_about_a_sensor(item):
        return item
    cleaned = _without_strengths(item)
    if isinstance(item.get(_THINGS), dict):
        cleaned[_THINGS] = _without_strengths(item[_THINGS])
    ids = item.get(_IDS)
    if isinstance(ids, dict) and isinstance(ids.get("device_id"), str):
        cleaned[_IDS] = {(_DEVICE if name == "device_id" else name): value for name, value in ids.items()}
    return cleaned


def _without_strengths(message: dict[str, Any]) -> dict[str, Any]:
    cleaned = dict(message)
    for place in _RADIO:
        if isinstance(cleaned.get(place), list):
            cleaned[place] = [_without_strength(gateway) for gateway in cleaned[place]]
    return cleaned


def _without_strength(gateway: object) -> object:
    """A gateway's report without its one number; a list of strengths is something else and stays."""
    if not isinstance(gateway, dict) or isinstance(gateway.get(_STRENGTH), dict | list):
        return gateway
    return {name: value for name, value in gateway.items() if name != _STRENGTH}


def _port(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
