# SPDX-License-Identifier: Apache-2.0
"""Sensors report the true state with small errors, on time, in native JSON that the door takes."""

from collections.abc import Iterable

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.city import City, Sensor
from schemas.feeds import native
from schemas.ids import IdKind
from schemas.registry import Registry
from streams.simulate.crowd_sensors import OUTAGE_S, NativeReading, WatchedCrowd, encode_native
from streams.simulate.schedule import SECOND_US
from tests.cities import small_city

START_US = 1_780_000_000 * SECOND_US


def watched(city: City, seed: int = 1, *, outages: bool = False) -> WatchedCrowd:
    return WatchedCrowd(city, seed, START_US, outages=outages)


def with_sensor(key: str, **changes: object) -> City:
    sensors = dict(small_city().file.sensors)
    sensors[key] = msgspec.structs.replace(sensors[key], **changes)
    return small_city(sensors=sensors)


def of_sensor(readings: Iterable[NativeReading], sensor: str, metric: str) -> list[NativeReading]:
    return [reading for reading in readings if (reading.sensor, reading.metric) == (sensor, metric)]


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 90_000_000), min_size=1, max_size=8))
def test_readings_do_not_depend_on_how_time_is_cut(seed: int, steps_us: list[int]) -> None:
    whole, cut = watched(small_city(), seed), watched(small_city(), seed)
    pieces: dict[str, list[NativeReading]] = {}
    until_us = START_US
    for step_us in steps_us:
        until_us += step_us
        for source, readings in cut.advance(until_us).items():
            pieces.setdefault(source, []).extend(readings)
    assert whole.advance(until_us) == pieces


def test_every_sensor_reports_at_its_interval_and_nothing_from_before_the_start() -> None:
    readings = watched(small_city()).advance(START_US + 600 * SECOND_US)
    start = START_US / SECOND_US
    for source, sensor, metric, expected in (
        ("cameras", "cam-plein", "people", 60), ("counters", "teller-straat-uit", "in", 9),
    ):
        found = of_sensor(readings[source], sensor, metric)
        assert len(found) in (expected, expected + 1)
        assert all(reading.from_.timestamp() >= start for reading in found)
    spans = {
        reading.metric: (reading.to - reading.from_).total_seconds()
        for reported in readings.values() for reading in reported
    }
    assert spans == {"people": 0.0, "in": 60.0, "out": 60.0}


def test_intervals_below_a_second_are_kept() -> None:
    measure = small_city().file.sensors["cam-plein"].measures["people"]
    city = with_sensor("cam-plein", measures={"people": msgspec.structs.replace(measure, interval_s=0.25)})
    found = of_sensor(watched(city).advance(START_US + 10 * SECOND_US)["cameras"], "cam-plein", "people")
    assert len(found) == 40


def test_the_door_takes_every_reading() -> None:
    city = small_city()
    registry = Registry.of(city)
    for source, readings in watched(city).advance(START_US + 300 * SECOND_US).items():
        decoded = native.decode(encode_native(readings), registry, source)
        assert decoded.refusals == []
        assert len(decoded.batch) == len(readings)
        numbers = {city.ids[IdKind.SENSOR][reading.sensor] for reading in readings}
        assert set(decoded.batch.sensor.tolist()) == numbers


def test_a_camera_that_sees_all_is_right_within_its_error() -> None:
    crowd = watched(small_city())
    for minute in range(1, 20):
        readings = crowd.advance(START_US + minute * 60 * SECOND_US)["cameras"]
        reported = of_sensor(readings, "cam-plein", "people")[-1].value
        true = int(crowd.crowd.people[crowd.ground.zones.index("plein")])
        assert reported == pytest.approx(true, rel=0.1, abs=15)


def test_a_camera_that_sees_half_reports_half() -> None:
    crowd = watched(small_city())
    shares = []
    for minute in range(10, 25):
        readings = crowd.advance(START_US + minute * 60 * SECOND_US)["cameras"]
        true = int(crowd.crowd.people[crowd.ground.zones.index("straat")])
        shares.append(of_sensor(readings, "cam-straat", "people")[-1].value / true)
    assert np.mean(shares) == pytest.approx(0.5, abs=0.03)


def test_counters_add_up_to_the_change_of_the_zone() -> None:
    crowd = watched(small_city())
    at = crowd.ground.zones.index("plein")
    begin = int(crowd.crowd.people[at])
    readings = crowd.advance(-(-START_US // (60 * SECOND_US)) * 60 * SECOND_US + 1500 * SECOND_US)["counters"]
    into = sum(reading.value for reading in of_sensor(readings, "teller-plein-straat", "out"))
    out_of = sum(reading.value for reading in of_sensor(readings, "teller-plein-straat", "in"))
    change = int(crowd.crowd.people[at]) - begin
    assert change > 100
    assert into - out_of == pytest.approx(change, abs=0.05 * (into + out_of) + 30)


def test_a_swapped_counter_reports_reversed() -> None:
    until_us = START_US + 900 * SECOND_US

    def totals(city: City) -> tuple[float, float]:
        found = watched(city).advance(until_us)["counters"]
        one, other = (of_sensor(found, "teller-straat-uit", metric) for metric in ("in", "out"))
        return sum(reading.value for reading in one), sum(reading.value for reading in other)

    right, swapped = totals(small_city()), totals(with_sensor("teller-straat-uit", swapped=True))
    assert right[1] > 2 * right[0]
    assert swapped[0] > 2 * swapped[1]


def test_counters_at_one_gate_share_its_passages() -> None:
    sensors: dict[str, Sensor] = dict(small_city().file.sensors)
    sensors["teller-extra"] = sensors["teller-straat-uit"]
    found = watched(small_city(sensors=sensors)).advance(START_US + 900 * SECOND_US)["counters"]
    alone = watched(small_city()).advance(START_US + 900 * SECOND_US)["counters"]
    together = sum(
        reading.value for key in ("teller-straat-uit", "teller-extra") for reading in of_sensor(found, key, "out")
    )
    assert together == pytest.approx(
        sum(reading.value for reading in of_sensor(alone, "teller-straat-uit", "out")), rel=0.05
    )


def test_in_an_outage_one_zone_is_silent_and_the_square_never() -> None:
    crowd = watched(small_city(), outages=True)
    crowd.advance(START_US + round(OUTAGE_S[0]) * SECOND_US)
    silent = crowd.advance(START_US + round(OUTAGE_S[1] - 1) * SECOND_US)["cameras"]
    assert {reading.sensor for reading in silent} == {"cam-straat"}
    assert crowd.ground.zones[crowd.ground.square] == "straat"
    back = crowd.advance(START_US + round(OUTAGE_S[1] + 60) * SECOND_US)["cameras"]
    assert {reading.sensor for reading in back} == {"cam-straat", "cam-plein"}
