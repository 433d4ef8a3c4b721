# SPDX-License-Identifier: Apache-2.0
"""CAP documents and our checks of them."""

from enum import StrEnum
from typing import Any

import msgspec
import pytest
from lxml import etree

from schemas.cap import (
    Area,
    Category,
    Certainty,
    Circle,
    Document,
    Info,
    MessageType,
    Named,
    Reference,
    Resource,
    ResponseType,
    Scope,
    Severity,
    Status,
    Urgency,
    cap_time,
    encode_cap,
)
from schemas.cap_check import cap_faults, parsed

NOON_US = 1_780_315_200_000_000
SQUARE = [(4.3155, 52.0796), (4.3161, 52.0796), (4.3161, 52.07984), (4.3155, 52.07984)]
NETHERLANDS = (50.7, 3.2, 53.7, 7.3)
INFO = Info(
    language="nl-NL", categories=(Category.SAFETY,), event="drukte", response_types=(ResponseType.MONITOR,),
    urgency=Urgency.IMMEDIATE, severity=Severity.SEVERE, certainty=Certainty.OBSERVED, audience="operators",
    event_codes=(Named("a", "b"),), effective_us=NOON_US, onset_us=NOON_US, expires_us=NOON_US,
    sender_name="Centrale", headline="Plein: nu oranje", description="Regel <oranje> & meer", instruction="Kijk",
    web="https://drukte.example/1", contact="centrale", parameters=(Named("people_band", "340-344"),),
    resources=(Resource(description="kaart", mime_type="image/png", size_bytes=3, uri="https://a/b", deref_uri="YQ==",
                        digest="00"),),
    areas=(Area(description="Plein", polygons=(SQUARE,), circles=(Circle(centre=SQUARE[0], radius_km=0.1),),
                geocodes=(Named("CBS-buurt-2026", "BU00000000"),), altitude=3.0, ceiling=9.5),),
)
DOCUMENT = Document(
    identifier="drukte-1-2", sender="drukte@example.org", sent_us=NOON_US, status=Status.ACTUAL,
    message_type=MessageType.UPDATE, source="drukte", restriction="operators", addresses="a b", codes=("x", "y"),
    note="n", references=(Reference(sender="drukte@example.org", identifier="drukte-1-1", sent_us=NOON_US),),
    incidents="i", infos=(INFO, INFO),
)


def changed(**changes: Any) -> bytes:
    """The full document with other values."""
    return encode_cap(msgspec.structs.replace(DOCUMENT, **changes))


def with_info(**changes: Any) -> bytes:
    """The full document with one block of other values."""
    return changed(infos=(msgspec.structs.replace(INFO, **changes),))


def test_a_full_document_has_no_fault() -> None:
    xml = encode_cap(DOCUMENT)
    assert cap_faults(xml, NETHERLANDS) == []
    root = etree.fromstring(xml)
    spaces = {"c": "urn:oasis:names:tc:emergency:cap:1.2"}
    assert root.xpath("string(c:references)", namespaces=spaces) == (
        "drukte@example.org,drukte-1-1,2026-06-01T12:00:00-00:00"
    )
    polygon = "52.079600,4.315500 52.079600,4.316100 52.079840,4.316100 52.079840,4.315500 52.079600,4.315500"
    assert root.xpath("string(.//c:polygon)", namespaces=spaces) == polygon
    assert root.xpath("string(.//c:circle)", namespaces=spaces) == "52.079600,4.315500 0.100"
    assert root.xpath("string(.//c:description)", namespaces=spaces) == "Regel <oranje> & meer"


@pytest.mark.parametrize(("field", "value"), [
    *(("status", one) for one in Status), *(("message_type", one) for one in MessageType),
    *(("scope", one) for one in Scope),
])
def test_every_value_of_the_message(field: str, value: StrEnum) -> None:
    xml = changed(**{field: value})
    assert cap_faults(xml) == []
    assert f">{value}<".encode() in xml


@pytest.mark.parametrize(("field", "value"), [
    *(("categories", one) for one in Category), *(("response_types", one) for one in ResponseType),
    *(("urgency", one) for one in Urgency), *(("severity", one) for one in Severity),
    *(("certainty", one) for one in Certainty),
])
def test_every_value_of_a_block(field: str, value: StrEnum) -> None:
    xml = with_info(**{field: (value,) if field in ("categories", "response_types") else value})
    assert cap_faults(xml) == []
    assert f">{value}<".encode() in xml


@pytest.mark.parametrize(("old", "new", "fault"), [
    (b"<sender>", b"<note>early</note><sender>", "alert/sender: stands too late"),
    (b"<status>Actual</status>", b"", "alert/status: is missing"),
    (b"<scope>Restricted</scope>", b"<scope>Restricted</scope><scope>Restricted</scope>", "stands more than once"),
    (b">Actual<", b">actual<", "alert/status: 'actual' is none of"),
    (b">Update<", b">Alarm<", "alert/msgType"),
    (b">Severe<", b">severe<", "alert/info/severity"),
    (b">Safety<", b">Crowd<", "alert/info/category"),
    (b">Monitor<", b">Look<", "alert/info/responseType"),
    (b">Immediate<", b">Now<", "alert/info/urgency"),
    (b">Observed<", b">Seen<", "alert/info/certainty"),
    (b"<sent>2026-06-01T12:00:00-00:00", b"<sent>2026-06-01T12:00:00Z", "alert/sent"),
    (b"<onset>2026-06-01T12:00:00-", b"<onset>2026-06-01T12:00:00.5-", "alert/info/onset"),
    (b"<expires>2026-06-01", b"<expires>2026-06-31", "no date and time that exists"),
    (b"<identifier>drukte-1-2", b"<identifier>drukte 1,2", "alert/identifier"),
    (b"<sender>drukte@", b"<sender>drukte&amp;@", "alert/sender"),
    (b",drukte-1-1,", b",drukte-1-1 ", "alert/references"),
    (b"<restriction>operators</restriction>", b"", "scope Restricted needs it"),
    (b"<scope>Restricted</scope><restriction>operators</restriction><addresses>a b</addresses>",
     b"<scope>Private</scope>", "scope Private needs it"),
    (b"<language>nl-NL</language>", b"", "alert/info/language: is missing"),
    (b"<event>drukte</event>", b"<event> </event>", "alert/info/event: is empty"),
    (b"<polygon>52.079600,4.315500 ", b"<polygon>52.079601,4.315500 ", "does not end where it begins"),
    (b"<polygon>52.079600,4.315500 52.079600,4.316100 52.079840,4.316100 52.079840,4.315500 52.079600,4.315500",
     b"<polygon>52.0,4.3 52.1,4.3 52.0,4.3", "less than 4 points"),
    (b"52.079840,4.316100", b"152.079840,4.316100", "is no latitude,longitude"),
    (b"0.100</circle>", b"near</circle>", "radius"),
    (b"<size>3<", b"<size>3.5<", "whole number"),
    (b"<altitude>3.0<", b"<altitude>high<", "decimal number"),
    (b"<web>https://", b"<web>drukte ", "absolute URI"),
    (b"<value>340-344</value>", b"", "alert/info/parameter/value: is missing"),
    (b"<areaDesc>Plein</areaDesc>", b"", "alert/info/area/areaDesc: is missing"),
    (b"<headline>", b"<headline lang='nl'>", "has attributes"),
    (b"<note>n</note>", b"<note><b/></note>", "elements instead of text"),
    (b"<note>n</note>", b"<note>n</note><level>2</level>", "alert/level: is no element of CAP 1.2 here"),
])
def test_each_fault_is_named(old: bytes, new: bytes, fault: str) -> None:
    xml = etree.tostring(etree.fromstring(encode_cap(DOCUMENT), etree.XMLParser(remove_blank_text=True)))
    assert old in xml
    found = cap_faults(xml.replace(old, new))
    assert any(fault in one for one in found), found


@pytest.mark.parametrize("kind", [MessageType.UPDATE, MessageType.CANCEL, MessageType.ACK, MessageType.ERROR])
def test_what_speaks_of_earlier_messages_names_them(kind: MessageType) -> None:
    assert cap_faults(changed(message_type=kind, references=())) == [f"alert/references: msgType {kind} needs it"]


def test_longitude_first_lies_outside() -> None:
    swapped = [(lat, lon) for lon, lat in SQUARE]
    xml = with_info(areas=(Area(description="Plein", polygons=(swapped,)),))
    assert cap_faults(xml) == []
    assert cap_faults(xml, NETHERLANDS) == ["polygon: lies outside; is longitude written first?"]


@pytest.mark.parametrize("xml", [
    b"", b"<alert>", b"<?xml version='1.0'?><!DOCTYPE alert [<!ENTITY a 'b'>]><alert>&a;</alert>",
])
def test_what_is_no_plain_xml(xml: bytes) -> None:
    assert parsed(xml) is None
    assert len(cap_faults(xml)) == 1


def test_another_namespace_is_refused_and_a_signature_at_the_end_is_not() -> None:
    assert "the root must be alert" in cap_faults(encode_cap(DOCUMENT).replace(b"cap:1.2", b"cap:1.1"))[0]
    signature = b"<Signature xmlns='http://www.w3.org/2000/09/xmldsig#'/>"
    assert cap_faults(encode_cap(DOCUMENT).replace(b"</alert>", signature + b"</alert>")) == []
    early = encode_cap(DOCUMENT).replace(b"<sender>", signature + b"<sender>")
    assert "alert/sender: stands too late" in cap_faults(early)


def test_times_are_whole_seconds_with_an_offset() -> None:
    assert cap_time(NOON_US + 999_999) == "2026-06-01T12:00:00-00:00"


def test_characters_that_no_xml_can_hold() -> None:
    xml = with_info(headline="Plein\x00\x0b: vol")
    assert cap_faults(xml) == []
    assert "Plein\ufffd\ufffd: vol".encode() in xml
