# SPDX-License-Identifier: Apache-2.0
from collections import Counter
from pathlib import Path

import pytest

from schemas.errors import RefusedError
from schemas.feeds.datex2 import SiteTable, read_site_table
from schemas.feeds.datex2_sites import Channel, SiteTally
from schemas.feeds.datex2_words import canonical_version, spelled
from schemas.refusal import Reason
from tests.schemas.feeds.documents import (
    ANY,
    POINT,
    ROUTE,
    XSI,
    channel,
    envelope,
    length_limit,
    publication,
    record,
    site_table,
    table_document,
)


def classes(*limits: str) -> list[str]:
    channels = [channel(str(index), limits=text) for index, text in enumerate(limits)]
    return [read.vehicle_class for read in site_table(record("GDH01_A", *channels)).records["GDH01_A"].channels]


def test_a_record_as_it_stands() -> None:
    table = site_table(record("GDH01_A", channel("2"), channel("5", "trafficSpeed", period="60.0"), version="3.0"))
    assert (table.id, table.version) == ("NDW01_MT", "868")
    site = table.records["GDH01_A"]
    assert (site.version, site.name, site.is_point, site.lon, site.lat, site.lanes) == (
        "3", "Name of GDH01_A", True, 4.33, 52.08, 2
    )
    assert (site.computation, site.equipment) == ("harmonicAverageOfSamplesInATimePeriod", "anpr")
    assert site.channels == (
        Channel("2", "trafficFlow", "lane1", "anyVehicle", 60.0),
        Channel("5", "trafficSpeed", "lane1", "anyVehicle", 60.0),
    )


def test_a_class_has_one_spelling_whatever_its_numbers_and_order() -> None:
    low, high = length_limit("greaterThanOrEqualTo", "5.60"), length_limit("lessThanOrEqualTo", "12.2")
    assert classes(low + high) == classes(high + low) == ["len>=5.6,<=12.2"]
    assert classes(length_limit("LESSTHAN", " 2.40 ")) == ["len<2.4"]
    assert classes(length_limit("greaterThan", "12")) == ["len>12"]
    assert classes("<vehicleType>ANYVEHICLE</vehicleType>") == ["anyVehicle"]
    assert classes(ANY + low) == ["len>=5.6"]
    assert classes("<vehicleType>lorry</vehicleType><vehicleType>bus</vehicleType>") == ["bus,lorry"]


@pytest.mark.parametrize("limits", [
    "", "<heightCharacteristic/>", length_limit("near", "5.6"), length_limit("lessThan", "long"),
    length_limit("lessThan", "nan"), "<vehicleType></vehicleType>", "<vehicleType>a&#10;b</vehicleType>",
])
def test_a_class_that_is_not_understood_drops_the_channel(limits: str) -> None:
    table = site_table(record("GDH01_A", channel("1", limits=limits), channel("2", lane="lane2")))
    assert [read.index for read in table.records["GDH01_A"].channels] == ["2"]
    assert table.counts[SiteTally.CHANNELS_WITHOUT_CLASS] == 1
    assert table.counts[SiteTally.CHANNELS] == 1


@pytest.mark.parametrize("period", ["", "0", "-60", "soon", "nan", "inf", "86401"])
def test_a_channel_without_a_usable_period_is_dropped(period: str) -> None:
    table = site_table(record("GDH01_A", channel("1", period=period)))
    assert table.records["GDH01_A"].channels == ()
    assert table.counts[SiteTally.CHANNELS_WITHOUT_PERIOD] == 1


def test_words_are_compared_without_case() -> None:
    site = site_table(record("A", channel("1", "TRAFFICFLOW", "Lane1"), channel("2", "other", "vluchtstrook")))
    assert [(read.value_type, read.lane) for read in site.records["A"].channels] == [
        ("trafficFlow", "lane1"), ("other", "vluchtstrook")
    ]
    assert spelled(" ALLLANESCOMPLETECARRIAGEWAY\n") == "allLanesCompleteCarriageway"


def test_a_lane_is_needed_at_a_point_only() -> None:
    travel_time = channel("1", "travelTimeInformation", lane="")
    table = site_table(
        record("ROUTE", travel_time, location=ROUTE), record("POINT", travel_time, channel("2", lane=""))
    )
    assert len(table.records["ROUTE"].channels) == 1
    assert [read.index for read in table.records["POINT"].channels] == ["1"]
    assert table.counts[SiteTally.CHANNELS_WITHOUT_LANE] == 1


def test_routes_are_known_but_are_no_points() -> None:
    table = site_table(record("ROUTE", location=ROUTE), record("POINT"))
    assert table.itineraries == {"ROUTE"}
    assert (table.counts[SiteTally.POINTS], table.counts[SiteTally.ITINERARIES]) == (1, 1)


def test_a_point_needs_a_place() -> None:
    by_coordinates = POINT.replace("locationForDisplay>", "pointCoordinates>").replace(
        '"Point">', '"Point"><pointByCoordinates>'
    ).replace("</measurementSiteLocation>", "</pointByCoordinates></measurementSiteLocation>")
    nowhere = '<measurementSiteLocation xsi:type="Point"/>'
    table = site_table(
        record("A", location=by_coordinates), record("B", location=nowhere),
        record("C", location=POINT.replace("52.08", "152.08")), record("D", location=POINT.replace("4.33", "?")),
    )
    assert list(table.records) == ["A"]
    assert table.records["A"].lat == 52.08
    assert table.counts[SiteTally.POINTS_WITHOUT_PLACE] == 3


def test_ids_that_cannot_be_keys_are_dropped() -> None:
    table = site_table(
        record("with space"), record(""), record("line&#10;break"), record("tab&#9;"), record("a&#9;b"),
        record("a&#x2028;b"), record("a&#x85;b"),
    )
    # White space around an id is trimmed, within it only the plain space may stand.
    assert set(table.records) == {"with space", "tab"}
    assert table.counts[SiteTally.RECORDS_WITHOUT_ID] == 5


def test_repetitions_are_counted() -> None:
    table = site_table(
        record("A", channel("1"), channel("1"), channel("2"), channel("1", "trafficSpeed")), record("A", version="4")
    )
    assert table.counts[SiteTally.CHANNELS_REPEATED] == 2
    assert table.counts[SiteTally.RECORDS_REPEATED] == 1
    assert table.records["A"].version == "4"


def test_every_record_is_counted_under_one_head() -> None:
    table = site_table(record("A"), record(""), record("R", location=ROUTE), record("B", location=""))
    counts = table.counts
    assert counts[SiteTally.RECORDS] == sum(counts[name] for name in (
        SiteTally.POINTS, SiteTally.ITINERARIES, SiteTally.RECORDS_WITHOUT_ID, SiteTally.POINTS_WITHOUT_PLACE
    )) == 4


@pytest.mark.parametrize("document", [
    publication(), envelope("SituationPublication", ""), b"<a/>",
    f'<messageContainer xmlns="http://datex2.eu/schema/3/messageContainer" {XSI}/>'.encode(),
    table_document(record("A"))[:-30],
])
def test_another_document_is_refused(document: bytes) -> None:
    with pytest.raises(RefusedError) as refused:
        read_site_table(document)
    assert refused.value.reason == Reason.MALFORMED


def test_versions_are_compared_as_numbers() -> None:
    assert canonical_version(" 3.0\n") == canonical_version("3") == canonical_version("3.") == "3"
    assert canonical_version("3.10") == "3.10"
    assert canonical_version(None) == ""


def all_channels(table: SiteTable) -> list[Channel]:
    return [channel for site in table.records.values() for channel in site.channels]


@pytest.mark.data
def test_the_table_of_the_hague(data_dir: Path) -> None:
    with (data_dir / "ndw-denhaag-2016" / "measurement_site_table.xml").open("rb") as stream:
        table = read_site_table(stream)
    assert (table.id, table.version, len(table.records)) == ("NDW01_MT", "868", 753)
    assert table.counts == dict.fromkeys(SiteTally, 0) | {
        SiteTally.RECORDS: 753, SiteTally.POINTS: 390, SiteTally.ITINERARIES: 363,
        SiteTally.CHANNELS: 2_953, SiteTally.EXTENSIONS: 437,
    }
    # One class a set of limits: no `2.4` beside a `2.40`.
    assert not [text for text in Counter(read.vehicle_class for read in all_channels(table)) if "0," in text]
