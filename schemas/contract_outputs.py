# SPDX-License-Identifier: Apache-2.0
"""The part of the contract about receivers of alerts: MQTT, CAP 1.2 and its Atom feed, from what the code sends.

Webhooks stand with the topics in `schemas.contract_messages`, since they are CloudEvents in binary mode too.
"""

from enum import StrEnum
from typing import Any

from schemas.alert_outputs import (
    FEED_FILE,
    FEED_MEDIA_TYPE,
    IDEMPOTENCY_HEADER,
    MQTT_CONTENT_TYPE,
    MQTT_QOS,
    MQTT_TOPIC,
    SIGNATURE_HEADER,
)
from schemas.cap import (
    MEDIA_TYPE,
    NAMESPACE,
    Category,
    Certainty,
    MessageType,
    ResponseType,
    Scope,
    Severity,
    Status,
    Urgency,
)
from schemas.contract_messages import SIGNATURE_TEXT

Json = dict[str, Any]
MQTT, CAP, CAP_FEED = "alert-mqtt", "cap", "cap-feed"
CLEARED = "alert-mqtt-cleared"
MQTT_BINDING_VERSION = "0.2.0"
HTTP_BINDING_VERSION = "0.3.0"
CAP_STANDARD = "https://docs.oasis-open.org/emergency/cap/v1.2/CAP-v1.2-os.html"
ATOM_STANDARD = "https://www.rfc-editor.org/rfc/rfc4287"
_OUTER = [{"name": "outer"}]
_VALUES: dict[str, type[StrEnum]] = {
    "status": Status, "msgType": MessageType, "scope": Scope, "category": Category, "responseType": ResponseType,
    "urgency": Urgency, "severity": Severity, "certainty": Certainty,
}


def output_channels() -> Json:
    """Channels by name."""
    keys = {"prefix": "`deliver.mqtt.prefix` of the settings.", "site": "Key of the site, percent-encoded.",
            "place": "Key of the zone or gate, percent-encoded.", "rule": "Key of the rule, percent-encoded."}
    return {
        MQTT: {
            "address": MQTT_TOPIC, "title": "Alerts over MQTT",
            "description": "Every transition once it is known, as a CloudEvent in structured mode. The broker keeps "
            "the newest transition of the newest alert of each rule and place; it is told again after every "
            "connection, under the same id. A late word of a former alert is sent without being kept.",
            "parameters": {name: {"description": text} for name, text in keys.items()},
            "messages": _references(MQTT, CLEARED), "tags": _OUTER,
        },
        CAP: {
            "address": None, "title": "CAP 1.2 over HTTP",
            "description": "The address stands in the receiver's settings. First Alert, then Update, at the end "
            "Cancel, each with references to the earlier ones; an acknowledgement alone is Ack. An open alert that "
            "does not change is told again as an Update before its document expires.",
            "messages": _references(CAP), "tags": _OUTER,
        },
        CAP_FEED: {
            "address": FEED_FILE, "title": "Atom feed of CAP documents",
            "description": "Files in a folder that the city serves behind a door of its own: the feed and a file for "
            "each document. A document is never changed.",
            "messages": _references(CAP_FEED, CAP), "tags": _OUTER,
        },
    }


def output_operations() -> Json:
    """Operations by name."""
    mqtt = {"mqtt": {"qos": MQTT_QOS, "retain": True, "bindingVersion": MQTT_BINDING_VERSION}}
    return {
        f"send-{MQTT}": _operation(MQTT, mqtt, MQTT, CLEARED),
        f"send-{CAP}": _operation(CAP, http_post(), CAP),
        f"send-{CAP_FEED}": _operation(CAP_FEED, {}, CAP_FEED, CAP),
    }


def http_post() -> Json:
    """The binding of an operation that posts."""
    return {"http": {"method": "POST", "bindingVersion": HTTP_BINDING_VERSION}}


def output_messages(event: Json) -> Json:
    """Messages by name.

    Parameters
    ----------
    event : dict
        JSON Schema of what is sent over MQTT.
    """
    mqtt = {"bindingVersion": MQTT_BINDING_VERSION}
    return {
        MQTT: {
            "name": MQTT, "summary": "A change of an alert as a CloudEvent in structured mode; people as bands.",
            "contentType": MQTT_CONTENT_TYPE, "payload": event, "tags": _OUTER,
            "bindings": {"mqtt": mqtt | {"contentType": MQTT_CONTENT_TYPE}},
        },
        CLEARED: {
            "name": CLEARED, "summary": "Empty: the kept state of an alert that ended some time ago is taken away.",
            "payload": {"type": "string", "maxLength": 0}, "tags": _OUTER, "bindings": {"mqtt": mqtt},
        },
        CAP: _cap_message(),
        CAP_FEED: {
            "name": CAP_FEED, "summary": "The newest documents, and the newest of each open alert.",
            "contentType": FEED_MEDIA_TYPE, "payload": {"type": "string", "contentMediaType": FEED_MEDIA_TYPE},
            "externalDocs": {"description": "RFC 4287, The Atom Syndication Format", "url": ATOM_STANDARD},
            "tags": _OUTER,
        },
    }


def _cap_message() -> Json:
    headers = {
        "Content-Type": {"type": "string", "const": MEDIA_TYPE},
        IDEMPOTENCY_HEADER: {"type": "string", "description": "Persistent: the same document has the same."},
        SIGNATURE_HEADER: {"type": "string", "description": f"{SIGNATURE_TEXT} Only where the settings hold a secret."},
    }
    return {
        "name": CAP, "summary": "A change of an alert, or its renewal, as a CAP 1.2 document; people as bands, scope "
        "Restricted. No CloudEvent: the standard has identity, sender and time of its own.",
        "contentType": MEDIA_TYPE,
        "headers": {"type": "object", "properties": headers, "required": ["Content-Type", IDEMPOTENCY_HEADER]},
        "payload": {"type": "string", "contentMediaType": MEDIA_TYPE},
        "externalDocs": {"description": "OASIS Common Alerting Protocol 1.2", "url": CAP_STANDARD},
        "tags": _OUTER,
        "x-namespace": NAMESPACE,
        "x-values": {name: [str(value) for value in values] for name, values in _VALUES.items()},
    }


def _references(*names: str) -> Json:
    return {name: {"$ref": f"#/components/messages/{name}"} for name in names}


def _operation(channel: str, bindings: Json, *names: str) -> Json:
    said: Json = {
        "action": "send", "channel": {"$ref": f"#/channels/{channel}"},
        "messages": [{"$ref": f"#/channels/{channel}/messages/{name}"} for name in names],
    }
    return said | ({"bindings": bindings} if bindings else {})
