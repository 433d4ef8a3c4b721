# SPDX-License-Identifier: Apache-2.0
"""Situations become context records; every record is read, refused or passed under a name; free text never."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.context import POINTS_A_RECORD, ContextKind, ContextRecord
from schemas.errors import RefusedError
from schemas.feeds.situations import FORMAT, RECORDS, Situations, decode_situations, looks_like
from schemas.refusal import Reason
from tests.conftest import ROOT
from tests.schemas.feeds.documents import XSI

PASSED = ("records_of_other_types", "records_not_public", "records_not_real")
BEGINS_US = 1_772_323_200_000_000
"""2026-03-01 00:00 UTC."""
TIMES = (
    "<com:overallStartTime>2026-03-01T01:00:00+01:00</com:overallStartTime>"
    "<com:overallEndTime>2026-03-02T00:00:00Z</com:overallEndTime>"
)
LINE = (
    '<sit:locationReference xsi:type="loc:LinearLocation"><loc:gmlLineString srsName="WGS 84"><loc:posList>52.08 4.32 '
    "52.09 4.33</loc:posList></loc:gmlLineString></sit:locationReference>"
)
CLOSED = "<sit:roadOrCarriagewayOrLaneManagementType>roadClosed</sit:roadOrCarriagewayOrLaneManagementType>"


def situation_record(
    kind: str = "RoadOrCarriagewayOrLaneManagement", key: str = 'id="DH_1" version="7"', times: str = TIMES,
    place: str = LINE, more: str = CLOSED,
) -> str:
    """One record in version 3."""
    return (
        f'<sit:situationRecord xsi:type="sit:{kind}" {key}>'
        "<sit:situationRecordVersionTime>2026-02-27T12:00:00Z</sit:situationRecordVersionTime>"
        "<sit:validity><com:validityStatus>definedByValidityTimeSpec</com:validityStatus>"
        f"<com:validityTimeSpecification>{times}</com:validityTimeSpecification></sit:validity>"
        f"{place}{more}</sit:situationRecord>"
    )


def document(*records: str, header: str = "", publication: str = "sit:SituationPublication") -> bytes:
    """A message container with one situation."""
    spaces = " ".join(
        f'xmlns:{prefix}="http://datex2.eu/schema/3/{name}"' for prefix, name in (
            ("mc", "messageContainer"), ("com", "common"), ("sit", "situation"), ("loc", "locationReferencing")))
    return (
        f'<mc:messageContainer {spaces} {XSI} modelBaseVersion="3"><mc:payload xsi:type="{publication}">'
        f"<com:publicationTime>2026-03-01T00:00:00Z</com:publicationTime><sit:situation id=\"S\">{header}"
        f"{''.join(records)}</sit:situation></mc:payload></mc:messageContainer>"
    ).encode()


def read(*records: str, header: str = "") -> Situations:
    return decode_situations(document(*records, header=header), "ndw-situations")


def only(*records: str) -> ContextRecord:
    found = read(*records)
    assert found.refusals == []
    (one,) = found.records
    return one


def check_all_accounted_for(told: Situations) -> None:
    refused = sum(one.count for one in told.refusals if one.where == "situation records")
    passed = sum(told.counts.get(name, 0) for name in PASSED)
    assert len(told.records) + refused + passed == told.counts[RECORDS]


def test_a_record_in_all_its_fields() -> None:
    assert only(situation_record()) == ContextRecord(
        source="ndw-situations", record="DH_1", version=7, changed_us=BEGINS_US - 129_600_000_000,
        kind=ContextKind.CLOSURE, what="RoadOrCarriagewayOrLaneManagement roadClosed",
        place=[[(4.32, 52.08), (4.33, 52.09)]], begins_us=BEGINS_US, ends_us=BEGINS_US + 86_400_000_000)


@pytest.mark.parametrize(("kind", "more", "expected"), [
    ("MaintenanceWorks", "", ContextKind.ROAD_WORKS), ("PublicEvent", "", ContextKind.EVENT),
    ("Accident", "", ContextKind.INCIDENT), ("SpeedManagement", "", ContextKind.MEASURE),
    ("SpeedManagement", "<sit:cause><sit:causeType>roadMaintenance</sit:causeType></sit:cause>",
     ContextKind.ROAD_WORKS),
    ("RoadOrCarriagewayOrLaneManagement", CLOSED, ContextKind.CLOSURE),
])
def test_kinds(kind: str, more: str, expected: ContextKind) -> None:
    assert only(situation_record(kind, more=more)).kind is expected


def test_other_types_are_passed_and_counted() -> None:
    told = read(situation_record("CarParks"), situation_record())
    assert told.counts["records_of_other_types"] == 1
    assert len(told.records) == 1
    check_all_accounted_for(told)


@pytest.mark.parametrize("more", [
    "<sit:management><sit:lifeCycleManagement><sit:end>true</sit:end></sit:lifeCycleManagement></sit:management>",
    "<sit:management><sit:lifeCycleManagement><sit:cancel>1</sit:cancel></sit:lifeCycleManagement></sit:management>",
])
def test_an_ended_or_cancelled_record_says_so(more: str) -> None:
    assert only(situation_record(more=more)).ended


def test_a_suspended_record_does_not_hold_and_an_open_end_is_none() -> None:
    suspended = situation_record().replace("definedByValidityTimeSpec", "suspended")
    assert only(suspended).ended
    begin_only = re.sub("<com:overallEndTime>.*?</com:overallEndTime>", "", situation_record())
    assert only(begin_only).ends_us is None


@pytest.mark.parametrize("times", [
    "", "<com:overallStartTime>2026-03-01T01:00:00</com:overallStartTime>",
    "<com:overallStartTime>2026-03-01T00:00:00Z</com:overallStartTime><com:overallEndTime>soon</com:overallEndTime>",
    "<com:overallStartTime>2026-03-02T00:00:00Z</com:overallStartTime>"
    "<com:overallEndTime>2026-03-01T00:00:00Z</com:overallEndTime>",
])
def test_times_that_are_none_refuse_the_record(times: str) -> None:
    told = read(situation_record(times=times))
    assert [(one.reason, one.count) for one in told.refusals] == [(Reason.BAD_TIME, 1)]
    check_all_accounted_for(told)


@pytest.mark.parametrize("key", ['version="1"', 'id=" " version="1"', f'id="{"x" * 201}"'])
def test_a_record_without_an_id_is_refused(key: str) -> None:
    told = read(situation_record(key=key))
    assert [one.reason for one in told.refusals] == [Reason.MALFORMED]


def test_a_version_that_is_no_number_leaves_it_to_the_time() -> None:
    assert only(situation_record(key='id="DH_1" version="b2"')).order == (0, BEGINS_US - 129_600_000_000)


@pytest.mark.parametrize(("place", "expected", "tally"), [
    ("", [], "records_without_place"),
    (LINE.replace("WGS 84", "EPSG:28992"), [], "places_not_in_wgs84"),
    (LINE.replace("4.33", "nan"), [], "records_without_place"),
    ("<sit:locationReference><loc:latitude>52.1</loc:latitude><loc:longitude>4.3</loc:longitude>"
     "</sit:locationReference>", [[(4.3, 52.1)]], ""),
    ("<sit:locationReference><loc:latitude>95</loc:latitude><loc:longitude>4.3</loc:longitude>"
     "</sit:locationReference>", [], "records_without_place"),
    (f"<sit:alternativeRoute>{LINE.replace('sit:locationReference', 'loc:location')}</sit:alternativeRoute>", [],
     "records_without_place"),
])
def test_places(place: str, expected: list[object], tally: str) -> None:
    told = read(situation_record(place=place))
    assert told.records[0].place == expected
    assert not tally or told.counts[tally] == 1


def test_a_long_line_is_thinned_and_keeps_its_ends() -> None:
    spots = " ".join(f"52.{number:05d} 4.32" for number in range(3_000))
    place = re.sub("(<loc:posList>).*(</loc:posList>)", rf"\g<1>{spots}\g<2>", LINE)
    line = only(situation_record(place=place)).place[0]
    assert 2 < len(line) <= POINTS_A_RECORD
    assert (line[0], line[-1]) == ((4.32, 52.0), (4.32, 52.02999))


@pytest.mark.parametrize(("header", "tally"), [
    ("<com:confidentiality>restrictedToAuthorities</com:confidentiality>", "records_not_public"),
    ("<com:confidentiality>internal - use</com:confidentiality>", "records_not_public"),
    ("<com:informationStatus>exercise</com:informationStatus>", "records_not_real"),
])
def test_what_is_not_for_all_or_not_real_is_passed(header: str, tally: str) -> None:
    header = f"<sit:headerInformation>{header}</sit:headerInformation>"
    told = read(situation_record(), situation_record(), header=header)
    assert told.records == []
    assert told.counts[tally] == 2
    check_all_accounted_for(told)


@pytest.mark.parametrize("more", ["<sit:x><sit:y><sit:licencePlate>XX</sit:licencePlate></sit:y></sit:x>",
                                  '<sit:x personId="7"/>'])
def test_a_person_at_any_depth_refuses_the_document(more: str) -> None:
    with pytest.raises(RefusedError) as refused:
        read(situation_record(more=more))
    assert refused.value.reason == Reason.PERSON_LEVEL
    assert "XX" not in str(refused.value)


def test_free_text_is_never_read() -> None:
    comment = "<sit:generalPublicComment><sit:comment>Call Jan on 06</sit:comment></sit:generalPublicComment>"
    assert "Jan" not in repr(only(situation_record(more=comment)))


@pytest.mark.parametrize("body", [b"", b"{}", b"<a/>", b"<a><b></a>", b"<!DOCTYPE a><a/>"])
def test_another_document_is_refused(body: bytes) -> None:
    with pytest.raises(RefusedError):
        decode_situations(body, "s")
    assert not looks_like(body)


def test_its_entry_reads_no_readings() -> None:
    from schemas.city import Source
    body = document(situation_record())
    observed = FORMAT.decode(body, Source(format=FORMAT.key), {})
    assert (observed.observations, observed.counts["context_records"]) == ([], 1)
    assert FORMAT.looks_like(body)


def test_the_example_of_the_page() -> None:
    page = (ROOT / "docs" / "feeds" / "situations.md").read_text()
    example = page.split("```xml\n")[1].split("```")[0]
    (one,) = decode_situations(example.encode(), "ndw-situations").records
    assert (one.kind, one.record, one.version) == (ContextKind.CLOSURE, "DH_PRINSESSEGRACHT_1", 2)


GOOD = document(situation_record(), situation_record("PublicEvent", more=""), situation_record(times=""))
PIECES = re.findall(rb"<[^>]*>|[^<]+", GOOD)


@given(st.lists(st.tuples(st.integers(0, len(PIECES) - 1), st.sampled_from(
    [b"", b"x", b"<a/>", b"-1", b"NaN", b"9" * 400, b"2026-99-99T00:00:00Z", "é\u0001".encode(), *PIECES[:40]])),
    max_size=4))
def test_mutations_are_read_or_refused(changes: list[tuple[int, bytes]]) -> None:
    pieces = list(PIECES)
    for at, piece in changes:
        pieces[at] = piece
    try:
        told = decode_situations(b"".join(pieces), "s")
    except RefusedError:
        return
    check_all_accounted_for(told)


@given(st.text(max_size=30), st.text(max_size=30))
def test_any_text_in_a_place_is_read_or_passed(latitude: str, positions: str) -> None:
    def escaped(text: str) -> str:
        return "".join(f"&#{ord(letter)};" for letter in text if letter.isprintable())

    place = (f"<sit:locationReference><loc:latitude>{escaped(latitude)}</loc:latitude><loc:longitude>4</loc:longitude>"
             f"<loc:posList>{escaped(positions)}</loc:posList></sit:locationReference>")
    check_all_accounted_for(read(situation_record(place=place)))


@pytest.mark.data
def test_the_dutch_situations(data_dir: Path) -> None:
    told = decode_situations((data_dir / "datex2" / "netherlands" / "situations.xml").read_bytes(), "ndw-situations")
    assert told.counts == {RECORDS: 11, "records_without_place": 1}
    assert told.refusals == []
    assert {one.kind for one in told.records} == {ContextKind.ROAD_WORKS, ContextKind.CLOSURE}
    check_all_accounted_for(told)


@pytest.mark.data
def test_the_french_event(data_dir: Path) -> None:
    told = decode_situations((data_dir / "datex2" / "france" / "events.xml").read_bytes(), "dir")
    (one,) = told.records
    assert (one.kind, one.ends_us, one.place) == (ContextKind.INCIDENT, None, [[(2.398887, 48.821583)]])
    assert one.what == "VehicleObstruction brokenDownVehicle"


@pytest.mark.data
@pytest.mark.parametrize(("name", "tally", "count"), [
    ("netherlands/datex2v3_drip.xml", "publications_of_signs", 2),
    ("netherlands/truckparking-status.xml", "publications_of_parking", 1),
    ("netherlands/emission-zones.xml", "publications_of_zones", 1),
    ("france/speeds.xml", "publications_of_measurements", 1),
])
def test_other_publications_are_counted_by_kind_and_refused(data_dir: Path, name: str, tally: str, count: int) -> None:
    told = decode_situations((data_dir / "datex2" / name).read_bytes(), "s")
    assert (told.records, told.counts[tally]) == ([], count)
    assert {(one.reason, one.where) for one in told.refusals} == {(Reason.UNUSED_TYPE, tally)}


@pytest.mark.data
def test_a_publication_without_exchange_is_refused(data_dir: Path) -> None:
    with pytest.raises(RefusedError, match="exchange"):
        decode_situations((data_dir / "datex2" / "finland" / "roadworks.xml").read_bytes(), "s")
