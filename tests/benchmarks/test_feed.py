# SPDX-License-Identifier: Apache-2.0
"""The bench cities are sound and their feeds are what the figures say."""

from pathlib import Path

import msgspec
import pytest

from benchmarks.city import camera_city, counter_city, crowded_city, write_city
from benchmarks.feed import START_US, log_messages, native_readings
from schemas.alert import Transition
from schemas.feeds.native import decode_messages
from schemas.log import decode_log
from schemas.registry import Registry
from streams.core.layout import partition_of_sensor
from streams.core.step import Partition

ZONES, STEPS, PARTITIONS = 40, 120, 4


@pytest.mark.parametrize(("sites", "readings_a_message"), [(1, 40), (1, 7), (4, 10), (4, 9)])
def test_every_reading_of_the_feed_is_folded_in_time(tmp_path: Path, sites: int, readings_a_message: int) -> None:
    city = write_city(tmp_path / "city.toml", camera_city(ZONES, sites))
    states = [Partition(city, PARTITIONS, number) for number in range(PARTITIONS)]
    kinds = set()
    for number, headers, value in log_messages(city, ZONES, sites, PARTITIONS, STEPS, readings_a_message):
        message = decode_log(headers, value)
        assert message.batch is None or len(message.batch) <= readings_a_message
        kinds |= {type(effect) for effect in states[number].step(message, 0)}
    counted = {name: sum(state.counters[name] for state in states) for name in states[0].counters}
    assert {name: count for name, count in counted.items() if count} == {"readings": ZONES * STEPS}
    assert Transition in kinds, "the rules have to have something to do"
    assert len(kinds) > 1


def test_the_same_seed_gives_the_same_log(tmp_path: Path) -> None:
    city = write_city(tmp_path / "city.toml", camera_city(ZONES))
    assert list(log_messages(city, ZONES, 1, 1, 5, 10)) == list(log_messages(city, ZONES, 1, 1, 5, 10))


def test_native_readings_are_taken_without_a_refusal(tmp_path: Path) -> None:
    city = write_city(tmp_path / "city.toml", camera_city(ZONES))
    decoded = decode_messages([body for _, body in native_readings(ZONES, 3)], Registry.of(city), "bench")
    assert decoded.refusals == []
    assert len(decoded.batch) == 3 * ZONES
    assert sorted(set(decoded.batch.begin.tolist())) == [START_US + step * 10_000_000 for step in range(3)]


def test_a_city_of_counters_keeps_each_sensor_in_the_partition_of_its_site(tmp_path: Path) -> None:
    sensors = [["a-1", "a-2"], ["b-1"], ["c-1"]]
    city = write_city(tmp_path / "city.toml", counter_city(sensors))
    partition = partition_of_sensor(city, 3)
    numbers = msgspec.to_builtins(city.ids.numbers)["sensor"]
    assert [{int(partition[numbers[key]]) for key in mine} for mine in sensors] == [{1}, {2}, {0}]


def test_a_crowded_city_is_sound(tmp_path: Path) -> None:
    city = write_city(tmp_path / "city.toml", crowded_city(60, 3))
    assert {sensor.zone for sensor in city.file.sensors.values()} == {"zone-0", "zone-1", "zone-2"}
