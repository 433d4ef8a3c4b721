# SPDX-License-Identifier: Apache-2.0
"""Which partition and which numbers things have."""

import numpy as np

from schemas.ids import IdKind
from schemas.reading import Metric
from streams.core.layout import PlaceKind, layout, partition_of_sensor
from tests.cities import small_city, small_roads


def test_a_whole_site_lies_in_the_partition_of_its_number() -> None:
    city = small_city(road_table=small_roads())
    partitions = 3
    partition = partition_of_sensor(city, partitions)
    numbers, sites = city.ids[IdKind.SENSOR], city.ids[IdKind.SITE]
    for key in city.file.sensors:
        assert partition[numbers[key]] == sites["centrum"] % partitions
    assert partition[numbers["RWS01_MONIBAS_0120vwg0001ra/lane1"]] == sites["roads-16-91"] % partitions
    assert partition[0] == -1


def test_every_sensor_has_its_channels_in_exactly_one_partition() -> None:
    city = small_city(road_table=small_roads())
    known = sum((layout(city, 3, number).lookup >= 0).astype(np.int64) for number in range(3))
    assert np.asarray(known).max() == 1
    assert np.asarray(known).sum() == 2 + 4 + 4  # cameras, counters in and out, lanes


def test_a_speed_finds_the_counter_of_its_lane() -> None:
    city = small_city(road_table=small_roads())
    found = layout(city, 1, 0)
    [road] = found.places_of(PlaceKind.ROAD)
    mine = np.flatnonzero(found.channel_place == road)
    for channel in mine:
        partner = found.channel_partner[channel]
        if found.channel_role[channel] == Metric.SPEED:
            assert found.channel_role[partner] == Metric.VEHICLES
            assert partner in mine
        else:
            assert partner == -1


def test_gates_know_their_zones_and_outside() -> None:
    city = small_city()
    found = layout(city, 1, 0)
    inner, outer = (found.gate_zones[at] for at in found.places_of(PlaceKind.GATE))
    assert [found.place_key[zone] for zone in inner] == ["plein", "straat"]
    assert (found.place_key[outer[0]], outer[1]) == ("straat", -1)
