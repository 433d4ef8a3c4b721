# SPDX-License-Identifier: Apache-2.0
"""The story in which a gate counts the wrong way round: carried, believed and held within the bounds."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.core.exchange import PRIOR
from streams.core.layout import MINUTE_US
from streams.core.occupancy import Kind, Occupancy
from streams.core.occupancy_gates import Gates


def one_gate(people: float = 0.0) -> Occupancy:
    """A zone of so many people with one gate to outside, known to be good to 2 %."""
    occupancy = Occupancy(Gates(
        place=np.zeros(1, np.intp), zones=np.array([[-1], [0]]), width_m=np.ones(1), bias=np.zeros(2),
        sd=np.full(2, 0.02), crowding_sd=np.zeros(2)), np.array([5.0]))
    if people:
        occupancy.anchor(0, Kind.SET_OCCUPANCY, np.zeros(1, np.intp), np.array([people]), np.array([2.0]))
    return occupancy


def count(occupancy: Occupancy, minutes: int, way_in: float, way_out: float) -> None:
    for minute in range(minutes):
        occupancy.minute(minute * MINUTE_US, np.array([way_in]), np.array([way_out]), np.ones(1))


def see(occupancy: Occupancy, people: float, kind: Kind = Kind.SIGHTING) -> None:
    occupancy.anchor(0, kind, np.zeros(1, np.intp), np.array([people]), np.array([0.15 * people + 1]))


@given(st.integers(1, 20), st.integers(5, 30), st.integers(0, 4))
def test_the_story_holds_what_exchanged_counts_would_have_made(minutes: int, way_in: int, way_out: int) -> None:
    occupancy = one_gate(2000.0)
    count(occupancy, minutes, way_out, way_in)
    told = occupancy.exchange.shift[0, 2, 0]
    assert np.isclose(told, 2 * minutes * (way_in - way_out))


def test_a_look_that_an_exchange_explains_widens_the_bounds_to_hold_it() -> None:
    occupancy = one_gate(300.0)
    count(occupancy, 10, 2.0, 12.0)
    see(occupancy, 400.0)
    assert occupancy.exchange.belief[0] > PRIOR + 2
    count(occupancy, 20, 2.0, 12.0)
    before = occupancy.mean[0, 0]
    assert occupancy.estimate().upper[0] > before + 150


def test_a_look_that_an_exchange_would_spoil_lowers_the_belief_and_the_bounds_stay_narrow() -> None:
    occupancy = one_gate()
    count(occupancy, 10, 20.0, 2.0)
    see(occupancy, 180.0)
    assert occupancy.exchange.belief[0] < PRIOR - 1
    told, sd = occupancy.estimate(), np.sqrt(occupancy.covariance[0, 0, 0])
    assert told.upper[0] - told.lower[0] < 4 * sd


def test_a_camera_that_says_the_same_again_is_no_new_evidence() -> None:
    occupancy = one_gate(300.0)
    count(occupancy, 10, 2.0, 12.0)
    see(occupancy, 400.0, Kind.AREA_SENSOR)
    believed = occupancy.exchange.belief[0]
    for _ in range(50):
        see(occupancy, 400.0, Kind.AREA_SENSOR)
    assert occupancy.exchange.belief[0] == believed


def test_the_story_knows_that_nobody_is_less_than_nobody() -> None:
    occupancy = one_gate()
    count(occupancy, 30, 20.0, 0.0)
    assert occupancy.mean[0, 0] + occupancy.exchange.shift[0, 2, 0] >= -1e-9
