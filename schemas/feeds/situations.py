# SPDX-License-Identifier: Apache-2.0
"""Situations of DATEX II v3 and v2 (road works, closures, events, incidents) as context records.

They are no readings. Free text of a record (comments, names of contacts) is never read.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import BinaryIO, Final

from lxml.etree import _Element as Element

from schemas.city import Source
from schemas.context import ContextKind, ContextRecord
from schemas.errors import RefusedError
from schemas.feeds import datex2v3
from schemas.feeds.datex2_words import NAMESPACE, PAYLOAD, XSI_TYPE, canonical_version
from schemas.feeds.format import Context, Format
from schemas.feeds.instants import NO_INSTANT, parse_instant
from schemas.feeds.observed import Observed
from schemas.feeds.situation_places import place_of
from schemas.feeds.xml_stream import elements, local_name
from schemas.refusal import PERSON_LEVEL_FIELDS, Reason, Refusal, normalised

FORMAT_KEY: Final = "datex2-situations"
DECOMPRESSED_LIMIT_BYTES: Final = 200_000_000
RECORDS = "records"
"""Tally: all records of the document = context records + refused + passed under names of their own."""
PUBLICATIONS: Final = {
    "vmstablepublication": "publications_of_signs", "vmspublication": "publications_of_signs",
    "parkingtablepublication": "publications_of_parking", "parkingstatuspublication": "publications_of_parking",
    "controlledzonetablepublication": "publications_of_zones",
    "measureddatapublication": "publications_of_measurements",
    "measurementsitetablepublication": "publications_of_sites",
}
"""Publications that hold no situations, and the names under which they are counted."""
OTHER_PUBLICATIONS: Final = "publications_of_other_kinds"
_SITUATIONS = "situationpublication"
_SITUATION: Final = (NAMESPACE + "situation", datex2v3.VERSION_3 + "situation}situation")
_EXCHANGE = NAMESPACE + "exchange"
_MODEL = NAMESPACE + "d2LogicalModel"

_WORKS = ("maintenanceworks", "constructionworks", "roadworks")
_INCIDENTS = (
    "accident", "vehicleobstruction", "generalobstruction", "animalpresenceobstruction", "environmentalobstruction",
    "infrastructuredamageobstruction", "abnormaltraffic", "nonweatherrelatedroadconditions",
    "weatherrelatedroadconditions", "poorenvironmentconditions", "equipmentorsystemfault", "disturbanceactivity",
    "authorityoperation", "conditions",
)
_MANAGEMENT = "roadorcarriagewayorlanemanagement"
_MEASURES = (
    _MANAGEMENT, "speedmanagement", "reroutingmanagement", "generalnetworkmanagement", "winterdrivingmanagement",
    "generalinstructionormessagetoroadusers", "roadsideassistance", "serviceinformation", "servicedisruption",
    "transitinformation",
)
_KINDS: Final = {
    **dict.fromkeys(_WORKS, ContextKind.ROAD_WORKS), **dict.fromkeys(_INCIDENTS, ContextKind.INCIDENT),
    **dict.fromkeys(_MEASURES, ContextKind.MEASURE), "publicevent": ContextKind.EVENT,
}
_MANAGEMENT_TYPE = "roadOrCarriagewayOrLaneManagementType"
_WORDS = (
    _MANAGEMENT_TYPE, "roadMaintenanceType", "constructionWorkType", "publicEventType", "accidentType",
    "vehicleObstructionType", "obstructionType", "abnormalTrafficType", "speedManagementType",
    "reroutingManagementType", "disturbanceActivityType", "causeType",
)
"""Elements whose text comes from a fixed list."""
_WORKS_CAUSES = ("roadmaintenance", "roadworks")
_FOR_ALL = (
    ("confidentiality", "noRestriction", "records_not_public"), ("informationStatus", "real", "records_not_real"))
"""What a situation says where its records are for all to see, and under which name others are counted."""
_TRUE = ("true", "1")


@dataclass(slots=True)
class Situations:
    """One document.

    Parameters
    ----------
    records : list of ContextRecord
        In the document's order, each version that is in it.
    refusals : list of Refusal
    counts : dict of str to int
    """

    records: list[ContextRecord] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)


def decode_situations(
    stream: bytes | BinaryIO, source: str, limit_bytes: int = DECOMPRESSED_LIMIT_BYTES
) -> Situations:
    """Read SituationPublications of version 2 or 3, gzipped or not.

    Publications of other kinds are counted by kind; where the document holds nothing else that is a refusal too.

    Parameters
    ----------
    stream : bytes or binary file
    source : str
        Key of the source that sent it.
    limit_bytes : int
        Of the document, after decompression.

    Raises
    ------
    RefusedError
        As `schemas.feeds.xml_stream.elements`; `malformed` where it holds no publication at all, or one of version
        2 without `exchange`, which says who sends it; `person-level`.
    """
    reader = _Reader(source)
    payloads = (PAYLOAD, *datex2v3.PAYLOADS)
    for kind, element in elements(stream, _SITUATION, payloads, payloads, limit_bytes):
        if kind == "item":
            reader.add(element)
        else:
            _check_exchange(element)
            reader.begin(local_name(element.get(XSI_TYPE)))
    return reader.read()


def looks_like(body: bytes) -> bool:
    """Whether an uncompressed body holds situations, by its first bytes; never raises."""
    head = body[:4096]
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") and b"SituationPublication" in head


def _check_exchange(payload: Element) -> None:
    above = payload.getparent()
    if payload.tag == PAYLOAD and (above is None or above.tag != _MODEL or above.find(_EXCHANGE) is None):
        raise RefusedError(
            Reason.MALFORMED, "document of DATEX II v2 has no `exchange` before its publication, which the format asks "
            "for; tell the supplier")


class _Reader:
    def __init__(self, source: str) -> None:
        self._source = source
        self._found = Situations()
        self._tally: Counter[str] = Counter({RECORDS: 0})
        self._refused: Counter[tuple[Reason, str]] = Counter()
        self._publications: Counter[str] = Counter()

    def begin(self, publication: str) -> None:
        """Note the kind of a publication."""
        self._publications[publication] += 1
        if publication != _SITUATIONS:
            self._tally[PUBLICATIONS.get(publication, OTHER_PUBLICATIONS)] += 1

    def add(self, situation: Element) -> None:
        """Take in the records of a situation, or count why not."""
        _refuse_persons(situation)
        records = [part for part in situation if _name(part) == "situationRecord"]
        self._tally[RECORDS] += len(records)
        held_back = _held_back(situation)
        for record in records:
            if held_back:
                self._tally[held_back] += 1
            else:
                self._add_record(record)

    def _add_record(self, element: Element) -> None:
        kind = _KINDS.get(local_name(element.get(XSI_TYPE)))
        if kind is None:
            self._tally["records_of_other_types"] += 1
            return
        key = element.get("id", "").strip()
        if not key or len(key) > 200 or not key.isprintable():
            self._refuse(Reason.MALFORMED)
            return
        changed_us = _instant(element, "situationRecordVersionTime")
        begins_us, ends_us = (_instant(element, name) for name in ("overallStartTime", "overallEndTime"))
        if begins_us is None or begins_us == NO_INSTANT or changed_us == NO_INSTANT or ends_us == NO_INSTANT:
            self._refuse(Reason.BAD_TIME)
            return
        if ends_us is not None and ends_us < begins_us:
            self._refuse(Reason.BAD_TIME)
            return
        words = [_text(element, name) for name in _WORDS]
        place, unread = place_of(element)
        self._tally.update(unread)
        self._found.records.append(ContextRecord(
            source=self._source, record=key, version=_version(element.get("version")),
            changed_us=begins_us if changed_us is None else changed_us, kind=_kind(element, kind),
            what=" ".join(dict.fromkeys([_word(element), *filter(None, words)]))[:200], place=place,
            begins_us=begins_us, ends_us=ends_us, ended=_is_ended(element),
        ))

    def _refuse(self, reason: Reason) -> None:
        self._refused[reason, _DETAILS[reason]] += 1

    def read(self) -> Situations:
        """Everything; raises where it held no publication."""
        if not self._publications:
            raise RefusedError(Reason.MALFORMED, "document holds no publication of DATEX II; check the address")
        found = self._found
        found.refusals = [
            Refusal(reason=reason, where="situation records", detail=detail, count=count)
            for (reason, detail), count in sorted(self._refused.items())
        ]
        if _SITUATIONS not in self._publications:
            found.refusals += [
                Refusal(reason=Reason.UNUSED_TYPE, where=PUBLICATIONS.get(kind, OTHER_PUBLICATIONS), count=count,
                        detail="nothing is read from such a publication; give the source another address")
                for kind, count in sorted(self._publications.items())
            ]
        found.counts = dict(self._tally)
        return found


_DETAILS = {
    Reason.MALFORMED: "a record without a readable id; tell the supplier",
    Reason.BAD_TIME: "no begin, or a time without an offset, or an end before the begin; tell the supplier",
}


def _name(element: Element) -> str:
    return str(element.tag).rpartition("}")[2]


def _refuse_persons(situation: Element) -> None:
    for element in situation.iter("{*}*"):
        for name in (_name(element), *map(str, element.attrib)):
            if normalised(name) in PERSON_LEVEL_FIELDS:
                raise RefusedError(
                    Reason.PERSON_LEVEL, f"element {name} of a situation describes one person or vehicle; ask the "
                    "sender to leave it out")


def _held_back(situation: Element) -> str:
    """The tally of a situation that is not for the public, or not real; empty for one that is."""
    for name, wanted, tally in _FOR_ALL:
        if any((element.text or "").strip() != wanted for element in situation.iter("{*}" + name)):
            return tally
    return ""


def _kind(element: Element, kind: ContextKind) -> ContextKind:
    """A measure that shuts something is a closure, another one for road works belongs to them."""
    if kind is not ContextKind.MEASURE:
        return kind
    managed = _text(element, _MANAGEMENT_TYPE).casefold()
    if "clos" in managed:
        return ContextKind.CLOSURE
    return ContextKind.ROAD_WORKS if _text(element, "causeType").casefold() in _WORKS_CAUSES else kind


def _word(element: Element) -> str:
    return element.get(XSI_TYPE, "").rpartition(":")[2].strip()


def _text(element: Element, name: str) -> str:
    """Text of the first element of a name below, where it is one plain word of at most 60 letters."""
    found = next(element.iter("{*}" + name), None)
    text = "" if found is None else (found.text or "").strip()
    return text if text.isalnum() and len(text) <= 60 else ""


def _instant(element: Element, name: str) -> int | None:
    """None where it is not said, `NO_INSTANT` where it cannot be read."""
    found = next(element.iter("{*}" + name), None)
    return None if found is None else parse_instant(found.text or "")


def _version(text: str | None) -> int:
    version = canonical_version(text)
    return int(version) if version.isascii() and version.isdecimal() and len(version) <= 15 else 0


def _is_ended(element: Element) -> bool:
    """Ended, cancelled or suspended: what else is said of its validity no longer holds."""
    for cycle in element.iter("{*}lifeCycleManagement"):
        if any(_name(part) in ("end", "cancel") and (part.text or "").strip().casefold() in _TRUE for part in cycle):
            return True
    return _text(element, "validityStatus") == "suspended"


def decode(body: bytes, source: Source, context: Context) -> Observed:
    """What a body says of readings: nothing, but for what was refused and passed. Records need the source's key.

    Raises
    ------
    RefusedError
        As `decode_situations`.
    """
    del source, context
    told = decode_situations(body, "unnamed")
    return Observed(refusals=told.refusals, counts={**told.counts, "context_records": len(told.records)})


FORMAT = Format(
    key=FORMAT_KEY, title="DATEX II situations (v2, v3)",
    semantics="no readings: road works, closures, events and incidents as context", decode=decode,
    looks_like=looks_like,
    notes="NDW's situations (v3) and French events (v2) were read whole. Comments and contacts are never read; "
    "sign, parking and zone publications are counted by kind.",
)
