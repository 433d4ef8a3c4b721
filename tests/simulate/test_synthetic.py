# SPDX-License-Identifier: Apache-2.0
"""An invented city of any size is sound, numbered in its own order, and people can get everywhere."""

import pytest

from schemas.city_load import wanted_ids
from schemas.ids import Ids
from schemas.roads import RoadTable
from streams.core.thresholds import threshold_faults
from streams.simulate.ground import Ground
from streams.simulate.synthetic import SyntheticFiles


@pytest.mark.parametrize("zones", [1, 10, 37, 1020])
def test_it_is_sound_and_whole(zones: int) -> None:
    city = SyntheticFiles.of(zones).city()
    assert len(city.file.zones) == zones
    assert list(threshold_faults(city.file)) == []
    assert city.ids == Ids().extended(wanted_ids(city.file, RoadTable.empty()))[0]
    watched = {sensor.zone or sensor.gate for sensor in city.file.sensors.values()}
    assert watched == {*city.file.zones, *city.file.gates}


def test_every_zone_can_be_reached_through_counted_gates() -> None:
    ground = Ground.of(SyntheticFiles.of(37).city())
    assert None not in ground.gates
    assert ground.depth.max() <= 4
