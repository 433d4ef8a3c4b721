# SPDX-License-Identifier: Apache-2.0
import csv
from pathlib import Path

import pytest

from schemas.errors import DrukteError
from schemas.feeds.datex2 import read_site_table
from schemas.ids import IdKind, Ids, format_ids, parse_ids
from schemas.ndw_roads import road_table
from schemas.reading import Metric
from schemas.roads import ANY_VEHICLE, decode_roads, encode_roads, road_ids
from tests.schemas.feeds.documents import ANY, POINT, ROUTE, channel, length_limit, record, site_table

THE_HAGUE = (4.18, 52.00, 4.43, 52.14)


def test_one_row_a_channel_of_flow_or_speed_at_a_point() -> None:
    lorries = length_limit("greaterThan", "12.20")
    roads = road_table(site_table(
        record("B", channel("1"), channel("2", "trafficStatusInformation")),
        record("ROUTE", channel("1", "travelTimeInformation"), location=ROUTE),
        record("A", channel("10"), channel("9", "trafficSpeed", limits=lorries), channel("2", limits=lorries)),
    ))
    assert list(zip(*(roads.column(name) for name in ("zone", "index", "sensor", "metric")), strict=True)) == [
        ("A", "2", "A/lane1/len>12.2", Metric.VEHICLES),
        ("A", "9", "A/lane1/len>12.2", Metric.SPEED),
        ("A", "10", "A/lane1", Metric.VEHICLES),
        ("B", "1", "B/lane1", Metric.VEHICLES),
    ]


def test_a_row_carries_what_the_record_says() -> None:
    roads = road_table(site_table(record("A", channel("1", period="900", lane="hardShoulder"))))
    assert roads.table.to_pylist() == [{
        "site": "roads-16-91", "zone": "A", "record_version": "3", "name": "Name of A", "lon": 4.33, "lat": 52.08,
        "lanes": 2, "computation": "harmonicAverageOfSamplesInATimePeriod", "equipment": "anpr", "index": "1",
        "sensor": "A/hardShoulder", "lane": "hardShoulder", "vehicle_class": ANY_VEHICLE,
        "metric": Metric.VEHICLES, "period_s": 900.0,
    }]
    assert decode_roads(encode_roads(roads)).table.equals(roads.table)


def test_a_site_is_a_square_of_5_km_in_rd_new() -> None:
    # The tower of Amersfoort is the origin of the projection: (155000, 463000) m, the edge of two squares.
    east = POINT.replace("4.33", "5.38763889").replace("52.08", "52.156")
    west = POINT.replace("4.33", "5.3850").replace("52.08", "52.156")
    roads = road_table(site_table(
        record("E", channel("1"), location=east), record("W", channel("1"), location=west)
    ))
    assert roads.column("site") == ["roads-31-92", "roads-30-92"]


def test_the_box_has_its_edges_inside() -> None:
    table = site_table(record("A", channel("1")), record("B", channel("1"), location=POINT.replace("4.33", "4.34")))
    assert road_table(table, (4.33, 52.08, 4.33, 52.08)).column("zone") == ["A"]
    assert len(road_table(table, (5.0, 52.0, 6.0, 53.0))) == 0
    with pytest.raises(DrukteError, match="min lon"):
        road_table(table, (4.4, 52.0, 4.3, 53.0))


def test_a_point_outside_the_netherlands_is_named() -> None:
    far = site_table(record("FAR", channel("1"), location=POINT.replace("4.33", "0").replace("52.08", "0")))
    with pytest.raises(DrukteError, match="FAR"):
        road_table(far)
    assert len(road_table(far, THE_HAGUE)) == 0


def test_keys_go_through_the_ids_file_and_back() -> None:
    roads = road_table(site_table(
        record("TLT01_XP 56 V90118", channel("1"), channel("2", "trafficSpeed")), record("#0x2F%41", channel("1")),
        record("A", channel("1", limits=length_limit("lessThan", "5.6")), channel("2", limits=ANY)),
    ))
    wanted = road_ids(roads)
    ids, added = Ids().extended(wanted)
    assert parse_ids(format_ids(added)).numbers == ids.numbers
    assert wanted == {
        IdKind.SOURCE: ["ndw"], IdKind.SITE: ["roads-16-91"], IdKind.ZONE: ["#0x2F%41", "A", "TLT01_XP 56 V90118"],
        IdKind.SENSOR: ["#0x2F%41/lane1", "A/lane1/len<5.6", "A/lane1", "TLT01_XP 56 V90118/lane1"],
    }


def test_no_roads_want_no_ids() -> None:
    assert not any(road_ids(road_table(site_table())).values())


@pytest.mark.data
def test_the_roads_of_the_hague(data_dir: Path) -> None:
    folder = data_dir / "ndw-denhaag-2016"
    with (folder / "measurement_site_table.xml").open("rb") as stream:
        table = read_site_table(stream)
    with (folder / "sites.csv").open(newline="") as stream_of_text:
        listed = {row["site_id"]: row for row in csv.DictReader(stream_of_text)}
    roads = road_table(table, THE_HAGUE)
    assert set(roads.column("zone")) == {key for key, row in listed.items() if "Flow" in row["value_types"]
                                         or "Speed" in row["value_types"]}
    channels = sum(
        int(row["channels"]) for row in listed.values() if row["value_types"] == "trafficFlow|trafficSpeed"
    )
    flows_and_speeds = [zone for zone in roads.column("zone")
                        if listed[str(zone)]["value_types"] == "trafficFlow|trafficSpeed"]
    assert len(flows_and_speeds) == channels
    _, added = Ids().extended(road_ids(roads))
    assert len(parse_ids(format_ids(added))[IdKind.SENSOR]) == len(set(roads.column("sensor")))
