# SPDX-License-Identifier: Apache-2.0
"""CAP 1.2 (OASIS, 2010): an alert message as typed values, and as XML in the fixed order of its elements.

`schemas.cap_check` says what is wrong with a document. Times are microseconds since 1970, UTC.
"""

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import msgspec
from lxml import etree
from lxml.etree import _Element as Element

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
MEDIA_TYPE = "application/cap+xml"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
Point = tuple[float, float]
"""WGS 84, [longitude, latitude], as in the city file; CAP writes latitude first."""


class Status(StrEnum):
    """How the message is to be taken."""

    ACTUAL = "Actual"
    EXERCISE = "Exercise"
    SYSTEM = "System"
    TEST = "Test"
    DRAFT = "Draft"


class MessageType(StrEnum):
    """What the message is to earlier ones."""

    ALERT = "Alert"
    UPDATE = "Update"
    CANCEL = "Cancel"
    ACK = "Ack"
    ERROR = "Error"


class Scope(StrEnum):
    """Whom it is meant for."""

    PUBLIC = "Public"
    RESTRICTED = "Restricted"
    PRIVATE = "Private"


class Category(StrEnum):
    """Kind of event."""

    GEO = "Geo"
    MET = "Met"
    SAFETY = "Safety"
    SECURITY = "Security"
    RESCUE = "Rescue"
    FIRE = "Fire"
    HEALTH = "Health"
    ENV = "Env"
    TRANSPORT = "Transport"
    INFRA = "Infra"
    CBRNE = "CBRNE"
    OTHER = "Other"


class ResponseType(StrEnum):
    """What the receiver should do."""

    SHELTER = "Shelter"
    EVACUATE = "Evacuate"
    PREPARE = "Prepare"
    EXECUTE = "Execute"
    AVOID = "Avoid"
    MONITOR = "Monitor"
    ASSESS = "Assess"
    ALL_CLEAR = "AllClear"
    NONE = "None"


class Urgency(StrEnum):
    """When to act."""

    IMMEDIATE = "Immediate"
    EXPECTED = "Expected"
    FUTURE = "Future"
    PAST = "Past"
    UNKNOWN = "Unknown"


class Severity(StrEnum):
    """How bad it is; not the routing class of a rule."""

    EXTREME = "Extreme"
    SEVERE = "Severe"
    MODERATE = "Moderate"
    MINOR = "Minor"
    UNKNOWN = "Unknown"


class Certainty(StrEnum):
    """How sure it is."""

    OBSERVED = "Observed"
    LIKELY = "Likely"
    POSSIBLE = "Possible"
    UNLIKELY = "Unlikely"
    UNKNOWN = "Unknown"


class _Part(msgspec.Struct, frozen=True, kw_only=True):
    pass


class Named(msgspec.Struct, frozen=True):
    """A `valueName` with its `value`: event code, parameter or geocode."""

    name: str
    value: str


class Reference(_Part, frozen=True, kw_only=True):
    """An earlier message."""

    sender: str
    identifier: str
    sent_us: int


class Circle(_Part, frozen=True, kw_only=True):
    """A place around a point."""

    centre: Point
    radius_km: float


class Resource(_Part, frozen=True, kw_only=True):
    """Something that belongs to the message: a picture, a page."""

    description: str
    mime_type: str
    size_bytes: int | None = None
    uri: str | None = None
    deref_uri: str | None = None
    digest: str | None = None


class Area(_Part, frozen=True, kw_only=True):
    """Where; polygons need not be closed, they are written so. Altitudes in feet, as CAP has them."""

    description: str
    polygons: Sequence[Sequence[Point]] = ()
    circles: Sequence[Circle] = ()
    geocodes: Sequence[Named] = ()
    altitude: float | None = None
    ceiling: float | None = None


class Info(_Part, frozen=True, kw_only=True):
    """What is told, in one language."""

    language: str
    categories: Sequence[Category]
    event: str
    response_types: Sequence[ResponseType] = ()
    urgency: Urgency
    severity: Severity
    certainty: Certainty
    audience: str | None = None
    event_codes: Sequence[Named] = ()
    effective_us: int | None = None
    onset_us: int | None = None
    expires_us: int | None = None
    sender_name: str | None = None
    headline: str | None = None
    description: str | None = None
    instruction: str | None = None
    web: str | None = None
    contact: str | None = None
    parameters: Sequence[Named] = ()
    resources: Sequence[Resource] = ()
    areas: Sequence[Area] = ()


class Document(_Part, frozen=True, kw_only=True):
    """One CAP message.

    Parameters
    ----------
    identifier, sender : str
        Without spaces, commas, `<` and `&`; together with `sent_us` the identity.
    scope : Scope
        Restricted needs `restriction`, Private needs `addresses`.
    references : sequence of Reference
        Needed by every type but Alert.
    """

    identifier: str
    sender: str
    sent_us: int
    status: Status
    message_type: MessageType
    source: str | None = None
    scope: Scope = Scope.RESTRICTED
    restriction: str | None = None
    addresses: str | None = None
    codes: Sequence[str] = ()
    note: str | None = None
    references: Sequence[Reference] = ()
    incidents: str | None = None
    infos: Sequence[Info] = ()


def cap_time(at_us: int) -> str:
    """A moment as CAP wants it: whole seconds, UTC written `-00:00`, never `Z`."""
    at = _EPOCH + timedelta(seconds=at_us // 1_000_000)
    return at.strftime("%Y-%m-%dT%H:%M:%S-00:00")


def encode_cap(document: Document) -> bytes:
    """The message as XML in UTF-8; characters that no XML can hold become U+FFFD."""
    unprefixed = {None: NAMESPACE}
    root: Element = etree.Element(_tag("alert"), nsmap=unprefixed)  # type: ignore[arg-type]  # the stubs know no default
    _add(root, "identifier", document.identifier)
    _add(root, "sender", document.sender)
    _add(root, "sent", cap_time(document.sent_us))
    _add(root, "status", document.status)
    _add(root, "msgType", document.message_type)
    _add(root, "source", document.source)
    _add(root, "scope", document.scope)
    _add(root, "restriction", document.restriction)
    _add(root, "addresses", document.addresses)
    _add_all(root, "code", document.codes)
    _add(root, "note", document.note)
    _add(root, "references", " ".join(_reference(one) for one in document.references) or None)
    _add(root, "incidents", document.incidents)
    for info in document.infos:
        _add_info(etree.SubElement(root, _tag("info")), info)
    return etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True)


def _add_info(parent: Element, info: Info) -> None:
    _add(parent, "language", info.language)
    _add_all(parent, "category", info.categories)
    _add(parent, "event", info.event)
    _add_all(parent, "responseType", info.response_types)
    _add(parent, "urgency", info.urgency)
    _add(parent, "severity", info.severity)
    _add(parent, "certainty", info.certainty)
    _add(parent, "audience", info.audience)
    _add_named(parent, "eventCode", info.event_codes)
    for name, at_us in (("effective", info.effective_us), ("onset", info.onset_us), ("expires", info.expires_us)):
        _add(parent, name, None if at_us is None else cap_time(at_us))
    _add(parent, "senderName", info.sender_name)
    _add(parent, "headline", info.headline)
    _add(parent, "description", info.description)
    _add(parent, "instruction", info.instruction)
    _add(parent, "web", info.web)
    _add(parent, "contact", info.contact)
    _add_named(parent, "parameter", info.parameters)
    for resource in info.resources:
        _add_resource(etree.SubElement(parent, _tag("resource")), resource)
    for area in info.areas:
        _add_area(etree.SubElement(parent, _tag("area")), area)


def _add_resource(parent: Element, resource: Resource) -> None:
    _add(parent, "resourceDesc", resource.description)
    _add(parent, "mimeType", resource.mime_type)
    _add(parent, "size", None if resource.size_bytes is None else str(resource.size_bytes))
    _add(parent, "uri", resource.uri)
    _add(parent, "derefUri", resource.deref_uri)
    _add(parent, "digest", resource.digest)


def _add_area(parent: Element, area: Area) -> None:
    _add(parent, "areaDesc", area.description)
    _add_all(parent, "polygon", [_polygon(points) for points in area.polygons])
    _add_all(parent, "circle", [f"{_lat_lon(one.centre)} {one.radius_km:.3f}" for one in area.circles])
    _add_named(parent, "geocode", area.geocodes)
    _add(parent, "altitude", None if area.altitude is None else f"{area.altitude:.1f}")
    _add(parent, "ceiling", None if area.ceiling is None else f"{area.ceiling:.1f}")


def _polygon(points: Sequence[Point]) -> str:
    pairs = [_lat_lon(point) for point in points]
    if pairs[0] != pairs[-1]:
        pairs.append(pairs[0])
    return " ".join(pairs)


def _lat_lon(point: Point) -> str:
    lon, lat = point
    return f"{lat:.6f},{lon:.6f}"


def _reference(one: Reference) -> str:
    return f"{one.sender},{one.identifier},{cap_time(one.sent_us)}"


def _tag(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def _add(parent: Element, name: str, text: str | None) -> None:
    if text is not None:
        etree.SubElement(parent, _tag(name)).text = _NO_XML.sub("\ufffd", text)


def _add_all(parent: Element, name: str, texts: Sequence[str]) -> None:
    for text in texts:
        _add(parent, name, text)


def _add_named(parent: Element, name: str, pairs: Sequence[Named]) -> None:
    for one in pairs:
        child = etree.SubElement(parent, _tag(name))
        _add(child, "valueName", one.name)
        _add(child, "value", one.value)
