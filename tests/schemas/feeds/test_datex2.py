# SPDX-License-Identifier: Apache-2.0
"""The rules N1 to N14 of the feed reference, each one on documents of our own, then on the real ones."""

import gzip
import io
from pathlib import Path

import numpy as np
import pytest

from schemas.errors import DrukteError, RefusedError
from schemas.feeds.datex2 import RoadChannels, TimeMeaning, decode_measured, read_site_table
from schemas.feeds.decoded import Decoded, Tally
from schemas.ids import Ids
from schemas.ndw_roads import road_table
from schemas.reading import Batch, Metric, NoValue
from schemas.refusal import Reason, Refusal
from schemas.roads import RoadTable, road_ids
from tests.schemas.feeds.documents import (
    ANY,
    ROUTE,
    START_US,
    channel,
    channels_of,
    envelope,
    flow,
    length_limit,
    measurements,
    publication,
    record,
    speed,
    table_document,
    value,
)

MINUTE_US = 60_000_000
SITE = record(
    "GDH01_A", channel("1"), channel("2", "trafficSpeed"), channel("4", lane="lane2"),
    channel("7", limits=length_limit("lessThan", "5.6")), channel("9", "trafficStatusInformation"),
)
CHANNELS = channels_of(SITE)
# Sensors by number, in the order of the channels: lane1, lane2, lane1/len<5.6.
LANE_1, LANE_2, LANE_1_SHORT = 1, 2, 3


def decoded(*values: str, version: str = "3", **more: str) -> Decoded:
    return decode_measured(publication(measurements("GDH01_A", *values, version=version, **more)), CHANNELS)


def only(*values: str) -> tuple[float, int]:
    """Value and reason of the one reading."""
    result = decoded(*values)
    assert (len(result.batch), result.refusals) == (1, [])
    return float(result.batch.value[0]), int(result.batch.reason[0])


def runs(result: Decoded) -> dict[tuple[str, str], int]:
    return {(refusal.reason, refusal.where): refusal.count for refusal in result.refusals}


def test_a_reading_in_all_its_columns() -> None:
    result = decoded(flow("1", "840"), speed("2", "71.5", 'numberOfInputValuesUsed="14"'))
    batch = result.batch
    assert batch.sensor.tolist() == [LANE_1, LANE_1]
    assert batch.metric.tolist() == [Metric.VEHICLES, Metric.SPEED]
    assert batch.source.tolist() == [CHANNELS.source] * 2 == [1, 1]
    assert batch.begin.tolist() == [START_US] * 2
    assert batch.span_ms.tolist() == [60_000] * 2
    assert batch.value.tolist() == [840.0, 71.5]
    assert np.isnan(batch.weight[0])
    assert batch.weight[1] == 14
    assert batch.quality.tolist() == [100, 100]
    assert result.refusals == []
    assert result.counts == dict.fromkeys(Tally, 0) | {
        Tally.READINGS: 2, Tally.SITES: 1, Tally.SITES_JOINED: 1, Tally.FLOWS: 1, Tally.SPEEDS: 1,
        Tally.USABLE_SPEEDS: 1,
    }


@pytest.mark.parametrize("error", ["", "true"])
def test_n1_a_negative_speed_is_missing(error: str) -> None:
    number, reason = only(speed("2", "-1", error=error))
    assert np.isnan(number)
    assert reason == (NoValue.DATA_ERROR if error else NoValue.NEGATIVE)
    assert decoded(speed("2", "-1", error=error)).counts[Tally.NEGATIVE_SPEEDS] == 1


def test_n2_a_speed_of_zero_is_missing() -> None:
    number, reason = only(speed("2", "0", 'numberOfInputValuesUsed="0"'))
    assert np.isnan(number)
    assert reason == NoValue.NO_VEHICLES


def test_n3_a_flow_of_zero_is_real_unless_there_is_a_data_error() -> None:
    assert only(flow("1", "0")) == (0.0, NoValue.NONE)
    assert only(flow("1", "0", error="false")) == (0.0, NoValue.NONE)
    number, reason = only(flow("1", "0", error="true"))
    assert np.isnan(number)
    assert reason == NoValue.DATA_ERROR


@pytest.mark.parametrize("text", ["60", "0", "-1", "", "n/a"])
@pytest.mark.parametrize("error", ["true", " TRUE\n", "1"])
def test_n4_a_data_error_is_missing_whatever_the_value(text: str, error: str) -> None:
    for document in (flow("1", text, error=error), speed("2", text, error=error)):
        number, reason = only(document)
        assert np.isnan(number)
        assert reason == NoValue.DATA_ERROR


def test_a_negative_flow_is_missing_too() -> None:
    number, reason = only(flow("1", "-1"))
    assert np.isnan(number)
    assert reason == NoValue.NEGATIVE


def test_n5_the_span_is_the_channels_own_and_the_rate_goes_on_as_it_is() -> None:
    slow = channels_of(record("PUT02_A", channel("1", period="900"), channel("2", period="60.0", lane="lane2")))
    batch = decode_measured(publication(measurements("PUT02_A", flow("1", "44"), flow("2", "60"))), slow).batch
    assert batch.span_ms.tolist() == [900_000, 60_000]
    assert batch.value.tolist() == [44.0, 60.0]


def test_n6_norms_are_counted_and_not_read() -> None:
    norm = (
        "<measuredValueExtension><measuredValueExtension><basicDataReferenceValue><trafficData "
        'xsi:type="TrafficFlow"><vehicleFlow><vehicleFlowRate>1234</vehicleFlowRate></vehicleFlow></trafficData>'
        "</basicDataReferenceValue><basicDataReferenceValue/></measuredValueExtension></measuredValueExtension>"
    )
    measured = "<vehicleFlow><vehicleFlowRate>60</vehicleFlowRate></vehicleFlow>"
    result = decoded(value("1", "TrafficFlow", measured, extension=norm))
    assert result.batch.value.tolist() == [60.0]
    assert (result.counts[Tally.REFERENCE_VALUES], result.counts[Tally.REFERENCE_FLOWS]) == (2, 1)
    assert result.refusals == []


def test_n7_the_index_is_resolved_for_each_site() -> None:
    channels = channels_of(record("A", channel("1"), channel("2", lane="lane2")), record("B", channel("2")))
    batch = decode_measured(
        publication(measurements("B", flow("2", "60")), measurements("A", flow("2", "120"), flow("1", "180"))), channels
    ).batch
    assert dict(zip(batch.value.tolist(), batch.sensor.tolist(), strict=True)) == {180.0: 1, 120.0: 2, 60.0: 3}


def test_n7_an_index_of_another_type_is_unknown() -> None:
    result = decoded(flow("2", "60"), speed("1", "60"), flow("3", "60"), flow("", "60"), flow(" 1 ", "60"))
    assert runs(result) == {(Reason.UNKNOWN_CHANNEL, "GDH01_A"): 4}
    assert result.batch.value.tolist() == [60.0]


def test_n8_a_site_joins_by_the_version_of_its_record() -> None:
    result = decode_measured(
        publication(
            measurements("GDH01_A", flow("1", "60"), version="3.0"),
            measurements("GDH01_A", flow("1", "60"), flow("4", "60"), version="4"),
            measurements("GDH01_B", flow("1", "60"), speed("2", "50"), speed("3", "50")),
            measurements("GDH01_C", flow("1", "60")),
        ),
        CHANNELS,
    )
    assert len(result.batch) == 1
    assert runs(result) == {
        (Reason.UNKNOWN_SITE, "2 sites not in this city's roads"): 4, (Reason.SITE_VERSION, "GDH01_A"): 2
    }
    assert (result.counts[Tally.SITES], result.counts[Tally.SITES_JOINED]) == (4, 1)
    assert result.counts[Tally.REFUSED_VALUES] == 6


def test_n8_another_version_of_the_whole_table_is_only_counted() -> None:
    site = measurements("GDH01_A", flow("1", "60"))
    for version, differs in (("868", 0), ("868.0", 0), ("869", 1)):
        result = decode_measured(publication(site, table_version=version), CHANNELS)
        assert (len(result.batch), result.refusals) == (1, [])
        assert result.counts[Tally.TABLE_VERSION_DIFFERS] == differs


def test_n9_a_route_is_no_detector() -> None:
    channels = channels_of(SITE, record("ROUTE", location=ROUTE), other_sites=frozenset({"ROUTE"}))
    result = decode_measured(publication(measurements("ROUTE", value("1", "TravelTimeData", ""))), channels)
    assert runs(result) == {(Reason.NOT_A_POINT, "1 sites along a route, no detectors"): 1}


def test_n10_a_class_is_another_sensor_than_all_vehicles() -> None:
    batch = decoded(flow("1", "600"), flow("7", "540")).batch
    assert dict(zip(batch.sensor.tolist(), batch.value.tolist(), strict=True)) == {
        LANE_1: 600.0, LANE_1_SHORT: 540.0
    }


def test_n11_every_site_has_its_own_time() -> None:
    times = ["2026-03-01T11:04:00Z", "2026-03-01T11:02:20.16Z", "2026-03-01T12:03:00+01:00"]
    result = decode_measured(
        publication(*(measurements("GDH01_A", flow("1", "60"), time=time) for time in times)), CHANNELS
    )
    assert (result.batch.begin - START_US).tolist() == [0, -99_840_000, -MINUTE_US]


def test_a_value_may_have_a_time_of_its_own() -> None:
    own = "<measurementOrCalculationTime>2026-03-01T11:03:00Z</measurementOrCalculationTime>"
    result = decoded(flow("1", "60", more=own), flow("4", "60"))
    assert (result.batch.begin - START_US).tolist() == [-MINUTE_US, 0]
    assert result.counts[Tally.OWN_TIMES] == 1


def test_n12_white_space_is_trimmed() -> None:
    result = decoded(flow("1", "\n  60\t"), time="\n 2026-03-01T11:04:00Z\n ")
    assert (result.batch.value.tolist(), result.batch.begin.tolist()) == ([60.0], [START_US])


def test_n13_what_is_not_known_is_passed_over() -> None:
    odd = (
        '<siteMeasurements new="1"><!-- comment --><newElement><basicData/></newElement>'
        '<measurementSiteReference id="GDH01_A" version="3"/><measurementTimeDefault>2026-03-01T11:04:00Z'
        '</measurementTimeDefault><measuredValue index="1"><measuredValue><measurementEquipmentTypeUsed/>'
        '<basicData xsi:type="D2:trafficFLOW"><pertinentLocation/><vehicleFlow accuracy="3"><new/>'
        "<vehicleFlowRate>60</vehicleFlowRate></vehicleFlow></basicData></measuredValue></measuredValue>"
        "<siteMeasurementsExtension/></siteMeasurements>"
    )
    result = decode_measured(publication(odd), CHANNELS)
    assert result.batch.value.tolist() == [60.0]
    assert result.refusals == []


def test_n14_the_computation_method_stands_in_the_roads() -> None:
    roads = road_table(read_site_table(table_document(SITE)))
    assert set(roads.column("computation")) == {"harmonicAverageOfSamplesInATimePeriod"}


def test_other_types_are_counted_by_name() -> None:
    result = decoded(
        value("9", "TrafficStatus", "<trafficStatus/>"), value("1", "TrafficConcentration", "<occupancy/>"),
        value("1", "TrafficFlow", "<axleFlow/>"), value("1", "", ""), flow("1", "60"),
    )
    assert runs(result) == {(Reason.UNUSED_TYPE, "GDH01_A"): 3}
    assert result.counts["loop_occupancies"] == 1
    assert len(result.batch) == 1


@pytest.mark.parametrize("time", ["", "2026-03-01T11:04:00", "yesterday", "1970-01-01T00:00:00Z"])
def test_a_time_that_is_none_refuses_the_sites_values(time: str) -> None:
    result = decoded(flow("1", "60"), speed("2", "-1"), time=time)
    assert runs(result) == {(Reason.BAD_TIME, "GDH01_A"): 2}
    assert len(result.batch) == 0


@pytest.mark.parametrize("text", ["", "n/a", "NaN", "INF", "-INF", "1_000", "٣", "0x10", "1,5"])
def test_a_value_that_is_no_number_is_refused(text: str) -> None:
    result = decoded(flow("1", text), speed("2", text), flow("4", "60"))
    assert runs(result) == {(Reason.BAD_VALUE, "GDH01_A"): 2}
    assert result.batch.sensor.tolist() == [LANE_2]


def test_another_period_than_the_channels_is_refused() -> None:
    def with_period(seconds: str) -> str:
        return flow("1", "60", more=f"<measurementOrCalculationPeriod>{seconds}</measurementOrCalculationPeriod>")

    assert len(decoded(with_period("60.0")).batch) == 1
    for seconds in ("300", "", "?"):
        assert runs(decoded(with_period(seconds))) == {(Reason.BAD_SPAN, "GDH01_A"): 1}


def test_weight_and_quality() -> None:
    result = decoded(
        flow("1", "60", 'supplierCalculatedDataQuality="47.5" numberOfInputValuesUsed="9"'),
        speed("2", "50", 'supplierCalculatedDataQuality="0" numberOfInputValuesUsed="9"'),
        flow("4", "60", 'supplierCalculatedDataQuality="101"'),
        flow("7", "60", 'supplierCalculatedDataQuality="good" numberOfInputValuesUsed="-2"'),
    )
    assert result.batch.quality.tolist() == [48, 0, 100, 100]
    assert np.isnan(result.batch.weight).tolist() == [True, False, True, True]
    assert result.counts[Tally.UNREADABLE_ATTRIBUTES] == 3


def test_the_stamp_may_be_the_end_of_the_period() -> None:
    document = publication(measurements("GDH01_A", flow("1", "60")))
    assert decode_measured(document, CHANNELS, TimeMeaning.END).batch.begin.tolist() == [START_US - MINUTE_US]


def test_bytes_files_gzip_and_soap_make_no_difference() -> None:
    site = measurements("GDH01_A", flow("1", "60"), speed("2", "50"))
    plain = publication(site)
    for stream in (plain, io.BytesIO(plain), gzip.compress(plain), publication(site, soap=False)):
        batch = decode_measured(stream, CHANNELS).batch
        assert batch.value.tolist() == [60.0, 50.0]


def test_an_empty_publication_is_no_error() -> None:
    for document in (publication(), publication(measurements("GDH01_A"))):
        result = decode_measured(document, CHANNELS)
        assert (len(result.batch), result.refusals) == (0, [])


@pytest.mark.parametrize("document", [
    table_document(SITE), envelope("SituationPublication", measurements("GDH01_A")), b"<a/>", b"", b"{}",
    publication(measurements("GDH01_A", flow("1", "60")))[:-40],
])
def test_another_document_is_refused_whole(document: bytes) -> None:
    with pytest.raises(RefusedError) as refused:
        decode_measured(document, CHANNELS)
    assert refused.value.reason == Reason.MALFORMED


def test_a_city_without_roads_knows_no_site() -> None:
    channels = RoadChannels.of(RoadTable.empty(), Ids())
    result = decode_measured(publication(measurements("GDH01_A", flow("1", "60"))), channels)
    assert result.refusals == [Refusal(
        reason=Reason.UNKNOWN_SITE, where="1 sites not in this city's roads", count=1,
        detail=result.refusals[0].detail,
    )]


def test_roads_without_numbers_are_an_error_that_says_what_to_do() -> None:
    roads = road_table(read_site_table(table_document(SITE)))
    with pytest.raises(DrukteError, match="assign-ids"):
        RoadChannels.of(roads, Ids())


# The publisher of this one uses index 0 for flow and speed, no SOAP, local offsets and stamps at the end.
FRENCH = channels_of(*(
    record(key, channel("0", limits=ANY, period="360"), channel("0", "trafficSpeed", period="360"), version="1")
    for key in ("MUM76.h1", "A0001011200")
))


@pytest.mark.data
def test_a_french_publication(data_dir: Path) -> None:
    with (data_dir / "datex2" / "france" / "speeds.xml").open("rb") as stream:
        batch = decode_measured(stream, FRENCH, TimeMeaning.END).batch
    assert batch.metric.tolist() == [Metric.VEHICLES, Metric.SPEED] * 2
    assert batch.value.tolist() == [1010.0, 112.0, 1420.0, 85.0]
    assert batch.weight.tolist()[1::2] == [101.0, 142.0]
    # 08:30 in summer time is 06:30 UTC, less the six minutes measured.
    assert set(batch.begin.tolist()) == {1_784_961_000_000_000 - 360_000_000}
    # 101 inputs at 1,010 an hour are six minutes.
    assert (batch.value[0] * batch.span_ms[0] / 3_600_000) == 101


@pytest.mark.data
@pytest.mark.parametrize("name", [
    "france/events.xml", "netherlands/situations.xml", "netherlands/emission-zones.xml",
    "netherlands/truckparking-status.xml", "netherlands/datex2v3_drip.xml", "finland/roadworks.xml",
])
def test_other_publications_are_refused_by_name(data_dir: Path, name: str) -> None:
    document = (data_dir / "datex2" / name).read_bytes()
    for read in (lambda: decode_measured(document, CHANNELS), lambda: read_site_table(document)):
        with pytest.raises(RefusedError) as refused:
            read()
        assert refused.value.reason == Reason.MALFORMED


def hague(data_dir: Path) -> tuple[RoadTable, RoadChannels]:
    with (data_dir / "ndw-denhaag-2016" / "measurement_site_table.xml").open("rb") as stream:
        table = read_site_table(stream)
    roads = road_table(table)
    ids, _ = Ids().extended(road_ids(roads))
    return roads, RoadChannels.of(roads, ids, table.itineraries, table.version)


@pytest.mark.data
def test_the_hague(data_dir: Path) -> None:
    _, channels = hague(data_dir)
    with (data_dir / "ndw-denhaag-2016" / "traffic_speed.xml").open("rb") as stream:
        result = decode_measured(stream, channels)
    counts = result.counts
    assert (counts[Tally.SITES], counts[Tally.SITES_JOINED], counts[Tally.TABLE_VERSION_DIFFERS]) == (390, 390, 0)
    assert counts[Tally.READINGS] == counts[Tally.FLOWS] + counts[Tally.SPEEDS] == len(result.batch)
    assert {refusal.reason for refusal in result.refusals} <= {Reason.UNUSED_TYPE}


@pytest.mark.data
def test_the_whole_country_seen_from_the_hague(data_dir: Path) -> None:
    _, channels = hague(data_dir)
    with (data_dir / "ndw-denhaag-2016" / "traffic_speed.xml").open("rb") as stream:
        of_the_hague = decode_measured(stream, channels)
    with (data_dir / "ndw-2016" / "traffic_speed.xml.gz").open("rb") as stream:
        result = decode_measured(stream, channels)
    assert (result.counts[Tally.SITES], result.counts[Tally.SITES_JOINED]) == (16_975, 390)
    unknown = [refusal for refusal in result.refusals if refusal.reason == Reason.UNKNOWN_SITE]
    assert [refusal.where for refusal in unknown] == ["16585 sites not in this city's roads"]
    assert result.counts[Tally.READINGS] + result.counts[Tally.REFUSED_VALUES] == 163_698
    assert in_order(result.batch) == in_order(of_the_hague.batch)


def in_order(batch: Batch) -> list[tuple[object, ...]]:
    columns = (batch.sensor, batch.metric, batch.begin, batch.span_ms, np.nan_to_num(batch.value, nan=-9), batch.reason)
    return sorted(zip(*(column.tolist() for column in columns), strict=True))


@pytest.mark.data
def test_the_national_figures(data_dir: Path) -> None:
    folder = data_dir / "ndw-2016"
    with (folder / "measurement_site_table.xml.gz").open("rb") as stream:
        roads = road_table(read_site_table(stream))
    ids, _ = Ids().extended(road_ids(roads))
    channels = RoadChannels.of(roads, ids, site_table_version="868")
    with (folder / "traffic_speed.xml.gz").open("rb") as stream:
        result = decode_measured(stream, channels)
    assert result.counts == dict.fromkeys(Tally, 0) | {
        Tally.READINGS: 162_425,
        Tally.READINGS_WITHOUT_VALUE: 15_405 + 16_406 + 10_421,
        Tally.REFUSED_VALUES: 1_273,
        Tally.SITES: 16_975,
        Tally.SITES_JOINED: 16_975,
        Tally.FLOWS: 87_663,
        Tally.SPEEDS: 74_762,
        Tally.USABLE_SPEEDS: 42_951,
        Tally.NEGATIVE_SPEEDS: 15_405,
        Tally.ZERO_SPEEDS: 16_406,
        Tally.ZERO_FLOWS: 10_421 + 27_772,
        Tally.ZERO_FLOWS_WITH_DATA_ERROR: 10_421,
        Tally.DATA_ERRORS: 10_421 + (15_405 - 10_285) + 4_308,
        Tally.OWN_TIMES: 24,
        Tally.REFERENCE_VALUES: 686,
        Tally.REFERENCE_FLOWS: 353,
    }
    assert {refusal.reason for refusal in result.refusals} == {Reason.UNUSED_TYPE}
    check_national_readings(result.batch, channels)


def check_national_readings(batch: Batch, channels: RoadChannels) -> None:
    flow_rows = (batch.metric == Metric.VEHICLES) & (batch.reason != NoValue.NEGATIVE)
    slow = batch.span_ms == 900_000
    assert set(np.unique(batch.span_ms)) == {60_000, 900_000}
    # Rates of all 900 s flows, with or without a value: each is whole vehicles in 15 minutes.
    assert int(np.count_nonzero(slow & flow_rows)) == 4_921
    zone_of = dict(zip(channels.sensor.tolist(), channels.zone, strict=True))
    assert len({zone_of[number] for number in batch.sensor[slow].tolist()}) == 449
    rates = batch.value[slow & flow_rows & ~np.isnan(batch.value)]
    assert not np.any(rates % 4)
    assert np.any(rates % 60)
    fast = batch.value[~slow & flow_rows & ~np.isnan(batch.value)]
    assert not np.any(fast % 60)
    # Nine stamps of the sites; a value's own time is one of them.
    assert len(np.unique(batch.begin)) == 9
