# SPDX-License-Identifier: Apache-2.0
"""From profiles and permits to edges."""

import msgspec
import pytest

from schemas.city import Profile
from streams.core.thresholds import level_people, threshold_faults, zone_thresholds
from tests.cities import small_file


def test_the_lower_of_permit_and_density_counts() -> None:
    file = small_file()
    plein, profile = file.zones["plein"], file.profiles["nl-evenement"]
    assert level_people(plein, profile) == [280, 340, 400]
    crowded = msgspec.structs.replace(plein, capacity=10_000)
    assert level_people(crowded, profile) == [2000, 2500, 4700]


def test_a_zone_without_permit_is_judged_by_density_alone() -> None:
    file = small_file()
    assert level_people(file.zones["straat"], file.profiles["amsterdam-peak"]) == [360, 540, 1085]


def test_edges_are_in_counted_persons() -> None:
    plein, straat = zone_thresholds(small_file())
    assert (plein.zone, plein.gain, plein.up) == ("plein", 1.0, [280, 340, 400])
    assert plein.down == [250, 305, 360]
    assert (straat.zone, straat.gain, straat.up) == ("straat", 2.0, [180, 270, 540])


def test_the_small_city_has_no_faults() -> None:
    assert threshold_faults(small_file()) == []


@pytest.mark.parametrize(("capacity", "text"), [(18, "both begin at"), (17, "no band")])
def test_limits_that_snap_together_or_leave_no_hysteresis_are_faults(capacity: int, text: str) -> None:
    file = small_file()
    plein = msgspec.structs.replace(file.zones["plein"], capacity=capacity)
    faults = threshold_faults(msgspec.structs.replace(file, zones={**file.zones, "plein": plein}))
    assert any(path == "zones.plein" and text in fault for path, fault in faults), faults


def test_a_zone_without_any_limit_is_a_fault() -> None:
    file = small_file()
    bare = Profile(levels=["groen", "rood"], percent_of_capacity=[0, 100], source="test")
    faults = threshold_faults(msgspec.structs.replace(file, profiles={**file.profiles, "amsterdam-peak": bare}))
    assert [path for path, _ in faults] == ["zones.straat"]
