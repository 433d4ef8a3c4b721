# SPDX-License-Identifier: Apache-2.0
"""ONVIF counting rules: `Counter` and `OccupancyCounter`, as JSON over MQTT (`onvif-ej`) or as XML events.

`vendor_id`: topic prefix / video source / rule, such as `plein-noord/1/Teller%2Fnoord in`; over XML without the
prefix. The rule is written as it is called, blanks and accents included; only `%` and `/` within a part are
written `%25` and `%2F`. A counting rule counts one way: each is a sensor of its own at the gate, and
`in_direction` of both is the vendor id of the rule that counts in (rules may be called `1` and `2`, which alone would
be taken for azimuths).
"""

import re
from dataclasses import dataclass

from lxml.etree import _Element as Element

from schemas.city import Source
from schemas.errors import RefusedError
from schemas.feeds.camera_messages import (
    child,
    json_object,
    name_of,
    names_in,
    observe,
    text_of,
    unmarked,
    utc_instant,
    xml_root,
)
from schemas.feeds.format import Context, Format
from schemas.feeds.json_body import name_or_none
from schemas.feeds.observed import Observed, refuse_persons
from schemas.reading import Metric
from schemas.refusal import Reason

COUNTER = "RuleEngine/CountAggregation/Counter"
OCCUPANCY = "RuleEngine/CountAggregation/OccupancyCounter"
MQTT_MARK = "/onvif-ej/"

_ESCAPED = re.compile(rb"%([0-9A-Fa-f]{2})")
_SOURCE_NAMES = ("VideoSourceConfigurationToken", "VideoSourceToken", "VideoSource")
_COUNT = "Count"
_NO_COUNT = "the event says no `Count` of a rule; look at the rule's settings"


@dataclass(frozen=True, slots=True)
class _Event:
    """One event of any kind; `topic` without namespaces, `source` and `data` by name."""

    topic: str
    prefix: str
    at_us: int
    operation: str
    source: dict[str, object]
    data: dict[str, object]
    where: str


def decode(body: bytes, source: Source, context: Context) -> Observed:
    """Read one MQTT message, or all events of an XML document.

    A `Counter` is a running count in the direction of its rule, an `OccupancyCounter` PEOPLE at an instant, both at
    the event's time. Other events, and those of a rule that was taken away, are counted as read past.

    Parameters
    ----------
    context : mapping
        `topic` of an MQTT message, which alone says what its JSON is.

    Raises
    ------
    RefusedError
        `person-level` for events of single objects; `malformed`, `forbidden-xml`, `too-large`.
    """
    del source  # nothing of this format is open
    observed = Observed()
    events = _xml_events(body) if body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"<" else [_mqtt_event(body, context)]
    for event in events:
        _read(event, observed)
    return observed


def _mqtt_event(body: bytes, context: Context) -> _Event:
    document = json_object(body)
    refuse_persons(unmarked(document))
    prefix, mark, topic = context.get("topic", "").partition(MQTT_MARK)
    if not mark:
        raise RefusedError(
            Reason.MALFORMED, f"the topic holds no `{MQTT_MARK}`, so the event's kind is not known; read it over MQTT")
    topic, ampersand, told = topic.partition("&")
    source, data = (_items(document.get(name), f"$.{name}") for name in ("Source", "Data"))
    if ampersand:
        token, _, rule = told.lstrip("/").partition("/")
        source = {_SOURCE_NAMES[-1]: _unescaped(token), "Rule": _unescaped(rule)} | source
    stamp, operation = (_text(document.get(name)) for name in ("UtcTime", "PropertyOperation"))
    topic = _without_namespaces(topic.rstrip("/"))
    return _Event(topic, _part(prefix) + "/", utc_instant(stamp), operation, source, data, "$.Data")


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _items(part: object, where: str) -> dict[str, object]:
    if part is None:
        return {}
    if not isinstance(part, dict):
        raise RefusedError(Reason.MALFORMED, f"{where} is no JSON object; look at what the camera sends")
    return part


def _xml_events(body: bytes) -> list[_Event]:
    root = xml_root(body)
    refuse_persons(names_in(root))
    notices = [element for element in root.iter() if name_of(element) == "NotificationMessage"]
    if not notices:
        raise RefusedError(Reason.MALFORMED, "document holds no NotificationMessage; subscribe to events")
    return [_xml_event(notice, number) for number, notice in enumerate(notices)]


def _xml_event(notice: Element, number: int) -> _Event:
    message = child(child(notice, "Message"), "Message")
    stamp, operation = (
        "" if message is None else message.get(name, "") for name in ("UtcTime", "PropertyOperation"))
    return _Event(
        _without_namespaces(text_of(notice, "Topic")), "", utc_instant(stamp), operation,
        _simple_items(child(message, "Source")), _simple_items(child(message, "Data")),
        f"NotificationMessage[{number}]",
    )


def _simple_items(element: Element | None) -> dict[str, object]:
    return {item.get("Name", ""): item.get("Value") for item in (() if element is None else element)}


def _without_namespaces(topic: str) -> str:
    """`tns1:RuleEngine/x` as `RuleEngine/x`."""
    return "/".join(part.rpartition(":")[2] for part in topic.split("/"))


def _read(event: _Event, observed: Observed) -> None:
    if event.topic not in (COUNTER, OCCUPANCY):
        observed.passed("other_events")
        return
    observed.passed("other_items", sum(name != _COUNT for name in event.data))
    if event.operation == "Deleted":
        observed.passed("deleted_rules", _COUNT in event.data)
        return
    rule = name_or_none(event.source.get("Rule"))
    if rule is None or _COUNT not in event.data:
        observed.refuse(Reason.MALFORMED, event.where, _NO_COUNT)
        return
    tokens = (name_or_none(event.source.get(name)) for name in _SOURCE_NAMES)
    token = next((one for one in tokens if one is not None), "")
    device = f"{event.prefix}{_part(token)}/{_part(rule)}"
    is_counter = event.topic == COUNTER
    observe(
        observed, event.data[_COUNT], device=device, metric=None if is_counter else Metric.PEOPLE,
        begin_us=event.at_us, end_us=event.at_us, where=event.where, direction=device if is_counter else "",
    )


def _part(text: str) -> str:
    """One part of a vendor id: no rule's name can be taken for two parts."""
    return text.replace("%", "%25").replace("/", "%2F")


def _unescaped(text: str) -> str:
    """Percent signs of a topic undone; as it stands where they make no UTF-8."""
    raw = _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), text.encode("utf-8", "surrogatepass"))
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return text


def looks_like(body: bytes) -> bool:
    """Whether a body names a counting rule, or has the parts of an event in JSON."""
    return b"CountAggregation/" in body or (b'"UtcTime"' in body and b'"Data"' in body)


FORMAT = Format(
    key="onvif", title="ONVIF Counter and OccupancyCounter (MQTT JSON, XML events)",
    semantics="Counter: cumulative, one direction a rule; OccupancyCounter: people at an instant",
    decode=decode, looks_like=looks_like, proven=False,
    notes="From the specification and published topics. Kind and prefix of an MQTT message stand in its topic alone.",
)
