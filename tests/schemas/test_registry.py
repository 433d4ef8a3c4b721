# SPDX-License-Identifier: Apache-2.0
import datetime as dt
from zoneinfo import ZoneInfo

import msgspec
import pytest

from schemas.city import City, Semantics, Sensor, SensorStatus
from schemas.errors import DrukteError
from schemas.ids import IdKind, Ids
from schemas.ndw_roads import road_table
from schemas.reading import METRIC_LIMIT, Metric
from schemas.registry import (
    ALWAYS_US,
    FOREVER_US,
    NOT_MEASURED,
    SEMANTICS,
    UNKNOWN_LANES,
    Registry,
    day_start_us,
)
from tests.cities import small_city, small_file
from tests.schemas.feeds.documents import channel, record, site_table

AMSTERDAM = ZoneInfo("Europe/Amsterdam")


def with_sensor(key: str = "cam-plein", **changes: object) -> City:
    sensors: dict[str, Sensor] = dict(small_file().sensors)
    sensors[key] = msgspec.structs.replace(sensors[key], **changes)
    return small_city(sensors=sensors)


def test_a_sensor_of_the_file() -> None:
    city = small_city()
    registry = Registry.of(city)
    camera = registry.sensors["cam-plein"]
    assert (camera.key, camera.number) == ("cam-plein", city.ids[IdKind.SENSOR]["cam-plein"])
    assert (camera.source, camera.source_number) == ("cameras", city.ids[IdKind.SOURCE]["cameras"])
    assert (camera.zone, camera.gate, camera.status) == ("plein", None, SensorStatus.ACTIVE)
    assert camera.measures[Metric.PEOPLE] is city.file.sensors["cam-plein"].measures["people"]
    assert registry.sensors["teller-straat-uit"].gate == "straat-uit"
    assert set(registry.sensors["teller-straat-uit"].measures) == {Metric.IN, Metric.OUT}
    assert registry.city_version == 1


def test_arrays_say_the_same_by_number() -> None:
    city = small_city(road_table(site_table(record("A", channel("1"), channel("2", "trafficSpeed")))))
    registry = Registry.of(city)
    assert len(registry.sensors) == 5
    for sensor in registry.sensors.values():
        assert registry.key[sensor.number] == sensor.key
        assert registry.source[sensor.number] == sensor.source_number
        assert (registry.start_us[sensor.number], registry.end_us[sensor.number]) == (sensor.start_us, sensor.end_us)
        assert registry.lanes[sensor.number] == sensor.lanes
        for metric in range(METRIC_LIMIT):
            number = registry.semantics[sensor.number, metric]
            if metric in sensor.measures:
                assert SEMANTICS[number] is sensor.measures[Metric(metric)].semantics
                assert registry.slot_of[sensor.key, Metric(metric).key] == sensor.number * METRIC_LIMIT + metric
            else:
                assert number == NOT_MEASURED


def test_a_number_without_a_sensor_is_never_in_service() -> None:
    file = small_file()
    kept = {key: sensor for key, sensor in file.sensors.items() if key == "teller-straat-uit"}
    full = small_city()
    city = City(msgspec.structs.replace(file, sensors=kept), full.ids, full.roads, full.sha256)
    registry = Registry.of(city)
    gone = full.ids[IdKind.SENSOR]["cam-plein"]
    assert registry.key[gone] == ""
    assert registry.source[gone] == -1
    assert registry.start_us[gone] > registry.end_us[gone]
    assert ("cam-plein", "people") not in registry.slot_of


def test_dates_are_local_days_and_the_end_is_inside() -> None:
    camera = Registry.of(with_sensor(start=dt.date(2026, 3, 1), end=dt.date(2026, 3, 29))).sensors["cam-plein"]
    assert camera.start_us == int(dt.datetime(2026, 2, 28, 23, tzinfo=dt.UTC).timestamp()) * 1_000_000
    # The clock went forward on the last day: 22:00 UTC is midnight after it.
    assert camera.end_us == int(dt.datetime(2026, 3, 29, 22, tzinfo=dt.UTC).timestamp()) * 1_000_000
    assert Registry.of(with_sensor(end=dt.date.max)).sensors["cam-plein"].end_us == FOREVER_US


def test_a_day_without_midnight_begins_at_its_first_instant() -> None:
    # Clocks in Beirut went from 0:00 to 1:00 on 31 March 2024.
    beirut = ZoneInfo("Asia/Beirut")
    begin_us = day_start_us(dt.date(2024, 3, 31), beirut)
    first = dt.datetime.fromtimestamp(begin_us / 1_000_000, beirut)
    before = dt.datetime.fromtimestamp(begin_us / 1_000_000 - 1, beirut)
    assert (first.day, before.day) == (31, 30)
    assert first.hour == 1


@pytest.mark.parametrize("day", [dt.date(2026, 3, 29), dt.date(2026, 10, 25), dt.date(2026, 7, 1)])
def test_a_day_begins_at_local_midnight(day: dt.date) -> None:
    begin = dt.datetime.fromtimestamp(day_start_us(day, AMSTERDAM) / 1_000_000, AMSTERDAM)
    assert (begin.date(), begin.time()) == (day, dt.time())


def test_road_sensors_are_rates_and_means_without_dates() -> None:
    roads = road_table(site_table(record(
        "A", channel("1", period="900"), channel("2", "trafficSpeed", period="900"),
        channel("3", lane="allLanesCompleteCarriageway"), lanes="3",
    ), record("B", channel("1", lane="allLanesCompleteCarriageway"), lanes="")))
    city = small_city(roads)
    registry = Registry.of(city)
    lane = registry.sensors["A/lane1"]
    assert (lane.source, lane.source_number) == ("ndw", city.ids[IdKind.SOURCE]["ndw"])
    assert (lane.zone, lane.gate, lane.start_us, lane.end_us) == ("A", None, ALWAYS_US, FOREVER_US)
    assert lane.measures[Metric.VEHICLES].semantics is Semantics.RATE
    assert lane.measures[Metric.SPEED].semantics is Semantics.INTERVAL
    assert {measure.interval_s for measure in lane.measures.values()} == {900.0}
    assert lane.lanes == 1
    assert registry.sensors["A/allLanesCompleteCarriageway"].lanes == 3
    assert registry.sensors["B/allLanesCompleteCarriageway"].lanes == UNKNOWN_LANES


def test_missing_numbers_are_told() -> None:
    city = small_city()
    with pytest.raises(DrukteError, match="assign-ids"):
        Registry.of(City(city.file, Ids(), city.roads, city.sha256))


def test_a_city_without_sensors() -> None:
    registry = Registry.of(small_city(sensors={}))
    assert (registry.sensors, registry.slot_of, len(registry.key)) == ({}, {}, 1)
