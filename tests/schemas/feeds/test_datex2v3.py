# SPDX-License-Identifier: Apache-2.0
"""Measured data and site tables of version 3 say what the same ones of version 2 say."""

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import RefusedError
from schemas.feeds.datex2 import RoadChannels, TimeMeaning, decode_measured, read_site_table
from schemas.feeds.decoded import Decoded, Tally
from schemas.ids import Ids
from schemas.ndw_roads import road_table
from schemas.refusal import Reason
from schemas.roads import road_ids
from tests.conftest import ROOT
from tests.schemas.feeds.documents import START_US, XSI

MINUTE_US = 60_000_000
SPACES = " ".join(
    f'xmlns:{prefix}="http://datex2.eu/schema/3/{name}"' for prefix, name in (
        ("con", "messageContainer"), ("com", "common"), ("loc", "locationReferencing"), ("roa", "roadTrafficData"),
        ("d2", "d2Payload"))) + f" {XSI}"
PASSED = ("loop_occupancies", "headways")


def container(publication: str, content: str, plain: bool = False) -> bytes:
    """NDW's envelope, or the standard's plain one."""
    head, tail = ("d2:payload", "") if plain else ("con:messageContainer", "con:payload")
    kind = f'xsi:type="roa:{publication}" modelBaseVersion="3"'
    inner = f"<com:publicationTime>2026-03-01T11:05:00Z</com:publicationTime>{content}"
    if plain:
        return f"<{head} {SPACES} {kind}>{inner}</{head}>".encode()
    return f"<{head} {SPACES}><{tail} {kind}>{inner}</{tail}></{head}>".encode()


def channel(index: str, value_type: str) -> str:
    return (
        f'<roa:measurementSpecificCharacteristics index="{index}"><roa:measurementSpecificCharacteristics>'
        "<roa:period>60</roa:period><roa:specificLane>lane1</roa:specificLane>"
        f"<roa:specificMeasurementValueType>{value_type}</roa:specificMeasurementValueType>"
        "<roa:specificVehicleCharacteristics><com:vehicleType>anyVehicle</com:vehicleType>"
        "</roa:specificVehicleCharacteristics></roa:measurementSpecificCharacteristics>"
        "</roa:measurementSpecificCharacteristics>"
    )


TABLE = container("MeasurementSiteTablePublication", (
    '<roa:measurementSiteTable id="GDH01_Table" version="latest"><roa:measurementSite id="GDH01_A" version="3">'
    f"{channel('0', 'trafficFlow')}{channel('0', 'trafficSpeed')}"
    '<roa:measurementSiteLocation xsi:type="loc:PointLocation"><loc:coordinatesForDisplay><loc:latitude>52.08'
    "</loc:latitude><loc:longitude>4.33</loc:longitude></loc:coordinatesForDisplay></roa:measurementSiteLocation>"
    "</roa:measurementSite></roa:measurementSiteTable>"))


def channels() -> RoadChannels:
    table = read_site_table(TABLE)
    assert (table.id, table.records["GDH01_A"].is_point, table.records["GDH01_A"].lon) == ("GDH01_Table", True, 4.33)
    roads = road_table(table)
    ids, _ = Ids().extended(road_ids(roads))
    return RoadChannels.of(roads, ids)


def quantity(index: str, kind: str, content: str) -> str:
    return (f'<roa:physicalQuantity index="{index}"><roa:physicalQuantity xsi:type="roa:SinglePhysicalQuantity">'
            f'<roa:basicData xsi:type="roa:{kind}">{content}</roa:basicData></roa:physicalQuantity>'
            "</roa:physicalQuantity>")


def flow(rate: str = "840", attributes: str = "", more: str = "") -> str:
    return quantity("0", "TrafficFlow", f"<roa:vehicleFlow {attributes}>{more}<com:vehicleFlowRate>{rate}"
                                        "</com:vehicleFlowRate></roa:vehicleFlow>")


SPEED = quantity("0", "TrafficSpeed", '<roa:averageVehicleSpeed numberOfInputValuesUsed="14"><com:speed>50</com:speed>'
                                      "</roa:averageVehicleSpeed>")


def site(*quantities: str, version: str = "3", meaning: str = "beginTime", key: str = "GDH01_A") -> str:
    said = f"<com:timeMeaning>{meaning}</com:timeMeaning>" if meaning else ""
    return (
        f'<roa:siteMeasurements><roa:measurementSiteReference id="{key}" version="{version}"/>'
        f"{''.join(quantities)}<roa:measurementTimeDefault timePrecision=\"minute\">{said}"
        "<com:timeValue>2026-03-01T11:04:00Z</com:timeValue></roa:measurementTimeDefault></roa:siteMeasurements>"
    )


def decoded(*sites: str, means: TimeMeaning = TimeMeaning.START, plain: bool = False) -> Decoded:
    return decode_measured(container("MeasuredDataPublication", "".join(sites), plain), channels(), means)


@pytest.mark.parametrize("plain", [False, True])
def test_flow_and_speed_of_one_site_share_index_0(plain: bool) -> None:
    told = decoded(site(flow('840', 'supplierCalculatedDataQuality="90"'), SPEED), plain=plain)
    assert told.batch.value.tolist() == [840.0, 50.0]
    assert told.batch.begin.tolist() == [START_US, START_US]
    assert told.batch.quality.tolist() == [90, 100]
    assert told.batch.weight.tolist()[1] == 14
    assert told.published_us == START_US + MINUTE_US
    assert told.refusals == []


@pytest.mark.parametrize(("meaning", "means", "begin_us"), [
    ("beginTime", TimeMeaning.END, START_US), ("endTime", TimeMeaning.START, START_US - MINUTE_US),
    ("", TimeMeaning.START, START_US), ("", TimeMeaning.END, START_US - MINUTE_US),
])
def test_the_document_says_what_its_time_means_else_the_source_does(
    meaning: str, means: TimeMeaning, begin_us: int
) -> None:
    assert decoded(site(flow(), meaning=meaning), means=means).batch.begin.tolist() == [begin_us]


def test_sites_stamped_at_different_ends_stand_in_one_document() -> None:
    told = decoded(site(flow("60")), site(flow("120"), meaning="endTime"))
    assert dict(zip(told.batch.value.tolist(), told.batch.begin.tolist(), strict=True)) == {
        60.0: START_US, 120.0: START_US - MINUTE_US}


def test_an_unknown_meaning_is_no_time() -> None:
    told = decoded(site(flow(), meaning="midTime"))
    assert [(one.reason, one.count) for one in told.refusals] == [(Reason.BAD_TIME, 1)]


@pytest.mark.parametrize(("version", "key", "reason"), [
    ("4", "GDH01_A", Reason.SITE_VERSION), ("3", "GDH01_B", Reason.UNKNOWN_SITE),
])
def test_the_version_of_the_site_decides(version: str, key: str, reason: Reason) -> None:
    told = decoded(site(flow(), SPEED, version=version, key=key))
    assert (len(told.batch), [(one.reason, one.count) for one in told.refusals]) == (0, [(reason, 2)])
    assert len(decoded(site(flow(), version="3.0")).batch) == 1


def test_a_data_error_is_missing_and_loops_other_values_are_passed() -> None:
    told = decoded(site(
        flow(more="<com:dataError>true</com:dataError>"), quantity("0", "TrafficConcentration", "<roa:occupancy/>"),
        quantity("0", "TrafficHeadway", "")))
    assert told.counts[Tally.READINGS_WITHOUT_VALUE] == 1
    assert [told.counts[name] for name in PASSED] == [1, 1]
    assert told.refusals == []


@pytest.mark.parametrize("key", ["GDH01_A", "GDH01_B"])
def test_single_vehicles_refuse_the_document(key: str) -> None:
    with pytest.raises(RefusedError) as refused:
        decoded(site(quantity("0", "IndividualVehicleDataValues", ""), key=key))
    assert refused.value.reason == Reason.PERSON_LEVEL


def test_the_example_of_the_page() -> None:
    page = (ROOT / "docs" / "feeds" / "datex2.md").read_text()
    example = page.split("```xml\n")[1].split("```")[0]
    told = decode_measured(example.encode(), channels())
    assert told.batch.value.tolist() == [840.0]


GOOD = container("MeasuredDataPublication", site(flow(), SPEED) + site(flow(), key="X", meaning="endTime"))
PIECES = re.findall(rb"<[^>]*>|[^<]+", GOOD)
CHANNELS: list[RoadChannels] = []


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(PIECES) - 1), st.sampled_from(
    [b"", b"x", b"<a/>", b"-1", b"NaN", b"9" * 400, b"endTime", *PIECES])), max_size=4))
def test_mutations_are_accounted_for(changes: list[tuple[int, bytes]]) -> None:
    pieces = list(PIECES)
    for at, piece in changes:
        pieces[at] = piece
    body = b"".join(pieces)
    if not CHANNELS:
        CHANNELS.append(channels())
    try:
        told = decode_measured(body, CHANNELS[0])
    except RefusedError:
        return
    assert told.counts[Tally.READINGS] == len(told.batch)
    assert told.counts[Tally.REFUSED_VALUES] == sum(one.count for one in told.refusals)


@pytest.mark.data
def test_the_french_publication_joins_a_table_of_ours(data_dir: Path) -> None:
    """Two dialects in one: version 1.0, index 0 for flow and speed, and a stamp that is the period's end."""
    body = (data_dir / "datex2" / "france" / "speeds.xml").read_bytes()
    table = TABLE.replace(b"GDH01_A", b"MUM76.h1").replace(b'version="3"', b'version="1"').replace(
        b"<roa:period>60<", b"<roa:period>360<")
    roads = road_table(read_site_table(table))
    ids, _ = Ids().extended(road_ids(roads))
    told = decode_measured(body, RoadChannels.of(roads, ids), TimeMeaning.END)
    assert told.batch.value.tolist() == [1010.0, 112.0]
    assert told.published_us is not None
    # Stamped 08:30 local: the six minutes before it begin with the publication.
    assert told.batch.begin.tolist() == [told.published_us] * 2
    refused = sum(one.count for one in told.refusals)
    assert (refused, {one.reason for one in told.refusals}) == (body.count(b"<basicData") - 2, {Reason.UNKNOWN_SITE})
