# SPDX-License-Identifier: Apache-2.0
"""What is wrong with a CAP 1.2 document: our own checks, in tables of their own, not those of the writer."""

import re
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial
from typing import NamedTuple

from lxml import etree
from lxml.etree import _Element as Element

NAMESPACE = "urn:oasis:names:tc:emergency:cap:1.2"
SIGNATURE_NAMESPACE = "http://www.w3.org/2000/09/xmldsig#"

Box = tuple[float, float, float, float]
"""South, west, north, east in degrees."""
_Check = Callable[[str], str | None]
_DATE_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[-+]\d\d:\d\d"
_NAME = r"[^\s,<&]+"
_MANY = 1_000_000


class _Field(NamedTuple):
    """An element: its name, how often it stands at least and at most, and what it holds: a text or elements."""

    name: str
    least: int
    most: int
    text: _Check | None = None
    fields: "Sequence[_Field]" = ()


def _filled(text: str) -> str | None:
    return None if text.strip() else "is empty"


def _like(pattern: str, what: str, text: str) -> str | None:
    return None if re.fullmatch(pattern, text) else f"{text[:60]!r} is no {what}"


def _one_of(allowed: str, text: str) -> str | None:
    return None if text in allowed.split() else f"{text[:60]!r} is none of {allowed}"


def _moment(text: str) -> str | None:
    fault = _like(_DATE_TIME, "time of the form YYYY-MM-DDThh:mm:ss+hh:mm (no Z, no fractions)", text)
    if fault is None:
        try:
            datetime.fromisoformat(text)
        except ValueError:
            return f"{text!r} is no date and time that exists"
    return fault


def _references(text: str) -> str | None:
    group = f"{_NAME},{_NAME},{_DATE_TIME}"
    return _like(f"{group}( {group})*", "list of sender,identifier,sent", text)


def _pair(text: str) -> tuple[float, float] | None:
    found = re.fullmatch(r"(-?\d+(?:\.\d+)?),(-?\d+(?:\.\d+)?)", text)
    if found is None:
        return None
    lat, lon = float(found[1]), float(found[2])
    return (lat, lon) if abs(lat) <= 90 and abs(lon) <= 180 else None


def _polygon(text: str) -> str | None:
    pairs = text.split(" ")
    if len(pairs) < 4:
        return "has less than 4 points"
    if pairs[0] != pairs[-1]:
        return "does not end where it begins"
    wrong = [pair for pair in pairs if _pair(pair) is None]
    return f"{wrong[0][:60]!r} is no latitude,longitude" if wrong else None


def _circle(text: str) -> str | None:
    centre, _, radius = text.partition(" ")
    if _pair(centre) is None:
        return f"{centre[:60]!r} is no latitude,longitude"
    return _like(r"\d+(\.\d+)?", "radius in km", radius)


_identity = partial(_like, _NAME, "name without spaces, commas, < and &")
_whole = partial(_like, r"\d+", "whole number")
_decimal = partial(_like, r"[-+]?\d+(\.\d+)?", "decimal number")
_uri = partial(_like, r"[A-Za-z][A-Za-z0-9+.-]*:\S+", "absolute URI")
_language = partial(_like, r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*", "language tag")
_PAIR = (_Field("valueName", 1, 1, _filled), _Field("value", 1, 1, _filled))
_RESOURCE = (
    _Field("resourceDesc", 1, 1, _filled), _Field("mimeType", 1, 1, _filled), _Field("size", 0, 1, _whole),
    _Field("uri", 0, 1, _uri), _Field("derefUri", 0, 1, _filled), _Field("digest", 0, 1, _filled),
)
_AREA = (
    _Field("areaDesc", 1, 1, _filled), _Field("polygon", 0, _MANY, _polygon), _Field("circle", 0, _MANY, _circle),
    _Field("geocode", 0, _MANY, fields=_PAIR), _Field("altitude", 0, 1, _decimal), _Field("ceiling", 0, 1, _decimal),
)
_INFO = (
    _Field("language", 1, 1, _language),  # without it the default is en-US, which none of our texts is
    _Field("category", 1, _MANY, partial(
        _one_of, "Geo Met Safety Security Rescue Fire Health Env Transport Infra CBRNE Other")),
    _Field("event", 1, 1, _filled),
    _Field("responseType", 0, _MANY, partial(
        _one_of, "Shelter Evacuate Prepare Execute Avoid Monitor Assess AllClear None")),
    _Field("urgency", 1, 1, partial(_one_of, "Immediate Expected Future Past Unknown")),
    _Field("severity", 1, 1, partial(_one_of, "Extreme Severe Moderate Minor Unknown")),
    _Field("certainty", 1, 1, partial(_one_of, "Observed Likely Possible Unlikely Unknown")),
    _Field("audience", 0, 1, _filled), _Field("eventCode", 0, _MANY, fields=_PAIR),
    _Field("effective", 0, 1, _moment), _Field("onset", 0, 1, _moment), _Field("expires", 0, 1, _moment),
    _Field("senderName", 0, 1, _filled), _Field("headline", 0, 1, _filled), _Field("description", 0, 1, _filled),
    _Field("instruction", 0, 1, _filled), _Field("web", 0, 1, _uri), _Field("contact", 0, 1, _filled),
    _Field("parameter", 0, _MANY, fields=_PAIR), _Field("resource", 0, _MANY, fields=_RESOURCE),
    _Field("area", 0, _MANY, fields=_AREA),
)
_ALERT = (
    _Field("identifier", 1, 1, _identity), _Field("sender", 1, 1, _identity), _Field("sent", 1, 1, _moment),
    _Field("status", 1, 1, partial(_one_of, "Actual Exercise System Test Draft")),
    _Field("msgType", 1, 1, partial(_one_of, "Alert Update Cancel Ack Error")),
    _Field("source", 0, 1, _filled),
    _Field("scope", 1, 1, partial(_one_of, "Public Restricted Private")),
    _Field("restriction", 0, 1, _filled), _Field("addresses", 0, 1, _filled), _Field("code", 0, _MANY, _filled),
    _Field("note", 0, 1, _filled), _Field("references", 0, 1, _references), _Field("incidents", 0, 1, _filled),
    _Field("info", 0, _MANY, fields=_INFO),
)


def cap_faults(xml: bytes, within: Box | None = None) -> list[str]:
    """Everything that is wrong with a document, each with the path of its element; none = sound.

    Parameters
    ----------
    xml : bytes
    within : Box, optional
        Where every polygon and circle must lie; shows longitude and latitude in the wrong order.
    """
    root = parsed(xml)
    if root is None:
        return ["it is no well-formed XML without a document type"]
    if root.tag != f"{{{NAMESPACE}}}alert":
        return [f"{root.tag}: the root must be alert of {NAMESPACE}"]
    faults = [*_faults(root, _ALERT, "alert"), *_missing_partners(root)]
    return faults if within is None else [*faults, *_outside(root, within)]


def parsed(xml: bytes) -> Element | None:
    """The root of a document, without entities, document type and network; None for what is no such XML."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    try:
        root: Element = etree.fromstring(xml, parser)
    except etree.XMLSyntaxError:
        return None
    about = root.getroottree().docinfo
    return None if about.doctype else root  # type: ignore[attr-defined]  # the stubs lack it


def text_of(root: Element, path: str) -> str:
    """The text of the first element at a path such as `info/headline`; empty where there is none."""
    steps = "/".join(f"{{{NAMESPACE}}}{name}" for name in path.split("/"))
    return root.findtext(steps) or ""


def _faults(parent: Element, fields: Sequence[_Field], path: str) -> list[str]:
    places = {field.name: number for number, field in enumerate(fields)}
    faults, found, reached = [], Counter[str](), 0
    for child in parent.iterchildren(tag=etree.Element):
        named = etree.QName(child)
        if path == "alert" and named.namespace == SIGNATURE_NAMESPACE:
            reached = len(fields)
            continue
        place = places.get(named.localname) if named.namespace == NAMESPACE else None
        if place is None:
            faults.append(f"{path}/{named.localname}: is no element of CAP 1.2 here")
            continue
        if place < reached:
            faults.append(f"{path}/{named.localname}: stands too late")
        reached = max(reached, place)
        found[named.localname] += 1
        faults += _content_faults(child, fields[place], f"{path}/{named.localname}")
    for field in fields:
        if found[field.name] < field.least:
            faults.append(f"{path}/{field.name}: is missing")
        if found[field.name] > field.most:
            faults.append(f"{path}/{field.name}: stands more than once")
    return faults


def _content_faults(element: Element, field: _Field, path: str) -> list[str]:
    faults = [f"{path}: has attributes"] if element.attrib else []
    if field.text is None:
        return [*faults, *_faults(element, field.fields, path)]
    if len(element):
        return [*faults, f"{path}: holds elements instead of text"]
    fault = field.text(element.text or "")
    return faults if fault is None else [*faults, f"{path}: {fault}"]


def _missing_partners(root: Element) -> list[str]:
    faults = []
    scope, kind = text_of(root, "scope"), text_of(root, "msgType")
    if scope == "Restricted" and not text_of(root, "restriction"):
        faults.append("alert/restriction: scope Restricted needs it")
    if scope == "Private" and not text_of(root, "addresses"):
        faults.append("alert/addresses: scope Private needs it")
    if kind in ("Update", "Cancel", "Ack", "Error") and not text_of(root, "references"):
        faults.append(f"alert/references: msgType {kind} needs it")
    return faults


def _outside(root: Element, within: Box) -> list[str]:
    south, west, north, east = within
    faults = []
    for shape in root.iter(f"{{{NAMESPACE}}}polygon", f"{{{NAMESPACE}}}circle"):
        pairs = [_pair(text) for text in (shape.text or "").split(" ") if "," in text]
        if any(pair and not (south <= pair[0] <= north and west <= pair[1] <= east) for pair in pairs):
            faults.append(f"{etree.QName(shape).localname}: lies outside; is longitude written first?")
    return faults
