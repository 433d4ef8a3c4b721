# SPDX-License-Identifier: Apache-2.0
"""Devices in the estimate of people inside: learned from who saw the people, used where less is known."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.device_ratio import KEPT, DeviceRatio, DeviceSources
from streams.core.fusion import Fusion
from streams.core.inside import Inside
from streams.core.layout import MINUTE_US, layout
from streams.core.levels import zone_figures
from streams.core.moves import moves_between
from streams.core.occupancy import Kind, Occupancy
from streams.core.occupancy_gates import Gates
from tests.devices import city_with_devices

ONE = np.array([0])


def fusion(start_sd: float = 500.0) -> tuple[Fusion, Occupancy, DeviceRatio]:
    """One zone with a gate, and one receiver."""
    gates = Gates(place=ONE, zones=np.array([[-1], [0]]), width_m=np.array([4.0]), bias=np.zeros(2),
                  sd=np.full(2, 0.04), crowding_sd=np.full(2, 0.04))
    occupancy, devices = Occupancy(gates, np.array([start_sd])), DeviceRatio(DeviceSources(ONE, ONE), 1)
    return Fusion(occupancy, devices), occupancy, devices


def count(devices: DeviceRatio, minute: int, value: float) -> None:
    devices.counted(ONE, np.array([(minute + 1) * MINUTE_US]), np.array([value]), minute)


def see(one: Fusion, minute: int, people: float, sd: float, kind: Kind = Kind.SIGHTING) -> None:
    one.anchor(minute * MINUTE_US, kind, ONE, np.array([people]), np.array([sd]))


def test_what_was_learned_at_a_sighting_says_people_later() -> None:
    one, occupancy, devices = fusion()
    see(one, 0, 800.0, 40.0)
    count(devices, 0, 400.0)
    assert one.by_devices(0) == []
    # Hundreds come and go unseen.
    occupancy.covariance[0, 0, 0] = 1e6
    count(devices, 1, 600.0)
    told = one.by_devices(1)
    assert [correction.kind for correction in told][:1] == [Kind.DEVICES]
    estimate = occupancy.estimate()
    assert estimate.mean[0] == pytest.approx(1200, rel=0.08)
    assert estimate.lower[0] < 1200 < estimate.upper[0]


def test_nothing_is_said_before_somebody_saw_the_people() -> None:
    one, occupancy, devices = fusion()
    see(one, 0, 0.0, 4.0, Kind.EMPTY_HOUR)
    for minute in range(30):
        occupancy.minute(minute * MINUTE_US, np.array([20.0]), np.zeros(1), np.ones(1))
        count(devices, minute, 300.0)
        assert one.by_devices(minute) == []
    assert devices.own[0] == 100.0


@pytest.mark.parametrize("value", [np.nan, 0.0, 5.0])
def test_a_receiver_without_a_count_adds_nothing(value: float) -> None:
    one, occupancy, devices = fusion()
    see(one, 0, 800.0, 40.0)
    count(devices, 0, 400.0)
    one.by_devices(0)
    occupancy.covariance[0, 0, 0] = 1e6
    before = occupancy.mean[0, 0], occupancy.covariance[0, 0, 0]
    count(devices, 1, value)
    assert one.by_devices(1) == []
    assert (occupancy.mean[0, 0], occupancy.covariance[0, 0, 0]) == before


@given(st.lists(st.tuples(st.floats(20, 50_000), st.floats(0.01, 0.29), st.floats(20, 60_000)), max_size=20))
def test_it_grows_no_surer_than_its_best_witness(seen: list[tuple[float, float, float]]) -> None:
    _, _, devices = fusion()
    for minute, (people, error, value) in enumerate(seen):
        devices.witnessed(ONE, np.array([people]), np.array([error * people]))
        count(devices, minute, value)
        devices.minute(minute, np.zeros(1), np.ones(1))
        assert np.sqrt(devices.common[0]) >= min(one[1] for one in seen[: minute + 1]) * 0.97
        assert devices.own[0] > 0


def test_it_widens_with_time_and_a_count_too_late_is_left_out() -> None:
    one, _, devices = fusion()
    see(one, 0, 800.0, 40.0)
    count(devices, 0, 400.0)
    one.by_devices(0)
    before = devices.own[0]
    devices.counted(ONE, np.array([MINUTE_US]), np.array([1e4]), KEPT)
    for minute in range(1, KEPT + 1):
        assert one.by_devices(minute) == []
    assert devices.own[0] > before


def test_the_sources_of_a_city_and_a_new_version() -> None:
    city = city_with_devices()
    found = layout(city, 1, 0)
    inside = Inside(city, found, zone_figures(city, found))
    channels = DeviceSources.of(city, found).channel
    assert len(channels) == 2
    inside.start(np.zeros(len(found.place_kind), np.int64))
    inside.devices.counted(channels, np.full(2, MINUTE_US), np.array([300.0, 90.0]), 0)
    again = Inside(city, found, zone_figures(city, found))
    inside.devices.log_ratio[:] = (0.5, -0.5)
    again.carry(inside, moves_between(found, found, MINUTE_US))
    for name in DeviceRatio.STATE:
        assert np.array_equal(getattr(again.devices, name), getattr(inside.devices, name), equal_nan=True)
    again.devices.witnessed(ONE * 0 + inside.zone[0], np.array([600.0]), np.array([30.0]))
    again.devices.minute(0, np.zeros(2), np.ones(2))
    assert (again.devices.own < 1).any()
