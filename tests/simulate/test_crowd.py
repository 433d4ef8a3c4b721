# SPDX-License-Identifier: Apache-2.0
"""Nobody is made or lost; the same seed gives the same crowd; the square fills and comes back."""

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.city import City, Facility, Gate, Zone
from streams.simulate.crowd import OUTSIDE_PEOPLE, Crowd
from streams.simulate.ground import Ground
from streams.simulate.wishes import ARRIVAL_S, CYCLE_S, EGRESS_S, Wishes
from tests.cities import small_city

seeds = st.integers(0, 2**32 - 1)


def without_gates() -> City:
    city = small_city(gates={})
    kept = {key: sensor for key, sensor in city.file.sensors.items() if sensor.zone is not None}
    return small_city(gates={}, sensors=kept)


@st.composite
def cities(draw: st.DrawFn) -> City:
    """Cities of up to six zones with gates anywhere between them and outside."""
    model = small_city().file.zones["plein"]
    keys = [f"zone-{number}" for number in range(draw(st.integers(1, 6)))]
    zones = {
        key: msgspec.structs.replace(
            model, capacity=draw(st.integers(50, 30_000)), area_m2=draw(st.floats(100, 20_000))
        )
        for key in keys
    }
    sides = st.sampled_from([*keys, "outside"])
    pairs = draw(st.lists(st.tuples(sides, sides).filter(lambda pair: pair[0] != pair[1]), max_size=8))
    line = small_city().file.gates["straat-uit"].line
    gates = {
        f"gate-{number}": Gate(site="centrum", from_=one, to=other, width_m=draw(st.floats(0.5, 60)), line=line)
        for number, (one, other) in enumerate(pairs)
    }
    return small_city(zones=zones, gates=gates, sensors={})


@settings(max_examples=30, deadline=None)
@given(cities(), seeds)
def test_people_are_conserved_and_counted_moves_explain_every_change(city: City, seed: int) -> None:
    ground = Ground.of(city)
    crowd = Crowd(ground, seed)
    total = crowd.people.sum()
    for _ in range(60):
        before = crowd.people.copy()
        moves = crowd.step()
        change = np.zeros(len(before), np.int64)
        np.add.at(change, ground.side_to, moves.forth - moves.back)
        np.add.at(change, ground.side_from, moves.back - moves.forth)
        assert (crowd.people == before + change).all()
        assert crowd.people.min() >= 0
        assert moves.forth.min(initial=0) >= 0
        assert moves.back.min(initial=0) >= 0
    assert crowd.people.sum() == total == OUTSIDE_PEOPLE


@settings(max_examples=10, deadline=None)
@given(seeds)
def test_the_same_seed_gives_the_same_crowd(seed: int) -> None:
    ground = Ground.of(small_city())
    one, other = Crowd(ground, seed), Crowd(ground, seed)
    for _ in range(120):
        assert (one.step().forth == other.step().forth).all()
    assert (one.people == other.people).all()


def test_another_seed_gives_another_crowd() -> None:
    ground = Ground.of(small_city())
    one, other = Crowd(ground, 1), Crowd(ground, 2)
    for _ in range(300):
        one.step()
        other.step()
    assert (one.people != other.people).any()


@pytest.mark.parametrize("seed", range(2))
def test_the_square_reaches_its_highest_level_and_comes_back_in_every_cycle(seed: int) -> None:
    ground = Ground.of(small_city())
    crowd = Crowd(ground, seed)
    threshold = ground.most_people[ground.square]
    for cycle in range(2):
        people = []
        while crowd.second < (cycle + 1) * CYCLE_S:
            crowd.step()
            people.append(int(crowd.people[ground.square]))
        assert people[0] < 0.5 * threshold
        # All the plateau, not just a peak: alerts need some time above.
        assert min(people[int(ARRIVAL_S[1]) + 300 : int(EGRESS_S[0])]) >= 1.05 * threshold
        assert max(people[int(EGRESS_S[1]) + 300 :]) < 0.5 * threshold


@settings(max_examples=20, deadline=None)
@given(seeds, st.integers(0, 20))
def test_wishes_do_not_depend_on_what_was_asked_before(seed: int, cycle: int) -> None:
    ground = Ground.of(small_city())
    second = cycle * CYCLE_S + 1234.0
    asked = Wishes(ground, seed)
    for earlier in (0.0, 50_000.0, 7_000.0):
        asked.at(earlier)
    assert (asked.at(second) == Wishes(ground, seed).at(second)).all()


@given(seeds)
@settings(max_examples=20, deadline=None)
def test_wishes_do_not_jump_at_the_turn_of_a_cycle(seed: int) -> None:
    wishes = Wishes(Ground.of(small_city()), seed)
    assert np.abs(wishes.at(CYCLE_S) - wishes.at(CYCLE_S - 1)).max() < 2


def test_a_zone_without_gates_gets_an_uncounted_way_in() -> None:
    ground = Ground.of(without_gates())
    assert ground.gates == (None, None)
    crowd = Crowd(ground, 1)
    for _ in range(900):
        crowd.step()
    assert (crowd.people[:-1] > 50).all()


def test_only_the_largest_of_joined_zones_gets_the_uncounted_way_in() -> None:
    gates = {"plein-straat": small_city().file.gates["plein-straat"]}
    ground = Ground.of(small_city(gates=gates, sensors={}))
    assert ground.gates == ("plein-straat", None)
    assert ground.zones[ground.side_to[1]] == "plein"
    assert ground.depth.tolist() == [1, 2, 0]


def test_roads_hold_no_people() -> None:
    file = small_city().file
    road: Zone = msgspec.structs.replace(file.zones["straat"], facility=Facility.ROAD)
    ground = Ground.of(small_city(zones={"plein": file.zones["plein"], "straat": road}, gates={}, sensors={}))
    assert ground.zones == ("plein",)


def test_the_square_is_one_that_a_camera_sees() -> None:
    city = small_city()
    assert Ground.of(city).zones[Ground.of(city).square] == "straat"
    seen = {key: sensor for key, sensor in city.file.sensors.items() if sensor.zone == "plein"}
    ground = Ground.of(small_city(sensors=seen))
    assert ground.zones[ground.square] == "plein"


def test_a_city_without_zones_has_no_square_and_nobody_in_it() -> None:
    city = small_city(zones={}, gates={}, sensors={})
    crowd = Crowd(Ground.of(city), 1)
    crowd.step()
    assert crowd.ground.square == -1
    assert crowd.people.tolist() == [OUTSIDE_PEOPLE]
