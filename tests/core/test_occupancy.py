# SPDX-License-Identifier: Apache-2.0
"""People inside: bounds that mean something, corrections that are recorded, and one filter beside a plain one."""

import math
from dataclasses import replace
from itertools import pairwise
from statistics import NormalDist

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.city import City
from schemas.ids import IdKind
from streams.core.layout import MINUTE_US, PlaceKind, layout
from streams.core.moves import moves_between
from streams.core.occupancy import Kind, Occupancy
from streams.core.occupancy_filter import bounds, condition, first_covariance, hold_positive, measure, predict
from streams.core.occupancy_gates import Gates, gates_of
from tests.cities import small_city

Floats = npt.NDArray[np.float64]
SIDES = ((-1, 0), (0, 1), (1, 2), (2, -1))
"""Four gates in a row: outside, three zones, outside."""
COUNTS = st.lists(st.lists(st.integers(0, 200), min_size=8, max_size=8), min_size=1, max_size=30)


def gates(sd: float = 0.04, bias: float = 0.0, crowding_sd: float = 0.04) -> Gates:
    many = len(SIDES)
    return Gates(place=np.arange(many), zones=np.array(SIDES).T.copy(), width_m=np.full(many, 4.0),
                 bias=np.full(2 * many, bias), sd=np.full(2 * many, sd), crowding_sd=np.full(2 * many, crowding_sd))


def play(occupancy: Occupancy, counts: list[list[int]]) -> None:
    for minute, row in enumerate(counts):
        occupancy.minute(minute * MINUTE_US, np.array(row[:4], float), np.array(row[4:], float), np.ones(4))


def anchor(occupancy: Occupancy, people: float, sd: float, kind: Kind = Kind.SIGHTING) -> None:
    occupancy.anchor(0, kind, np.arange(3), np.full(3, people), np.full(3, sd))


@settings(deadline=None, max_examples=60)
@given(COUNTS, st.floats(0, 5000))
def test_bounds_lie_in_order_and_never_below_nobody(counts: list[list[int]], people: float) -> None:
    occupancy = Occupancy(gates(), np.full(3, 50.0))
    play(occupancy, counts)
    anchor(occupancy, people, 10.0)
    told = occupancy.estimate()
    assert (told.lower >= 0).all()
    assert (told.lower <= told.mean).all()
    assert (told.mean <= told.upper).all()
    assert np.isfinite(told.upper).all()


@settings(deadline=None, max_examples=40)
@given(st.lists(st.lists(st.integers(0, 50), min_size=4, max_size=4), min_size=1, max_size=20))
def test_gates_without_error_are_followed_exactly(ins: list[list[int]]) -> None:
    occupancy = Occupancy(gates(sd=0.0, crowding_sd=0.0), np.zeros(3))
    people = np.zeros(3)
    for minute, wanted in enumerate(ins):
        moved = np.array(wanted, float)
        moved[1:] = np.minimum(moved[1:], people)
        people += moved[:3] - moved[1:]
        occupancy.minute(minute * MINUTE_US, moved, np.zeros(4), np.ones(4))
        told = occupancy.estimate()
        for one in (told.mean, told.lower, told.upper):
            assert one == pytest.approx([*people, people.sum()], abs=1e-4)


def test_inner_passages_change_the_zones_and_not_their_area() -> None:
    occupancy = Occupancy(gates(), np.zeros(3))
    anchor(occupancy, 500.0, 0.0, Kind.SET_OCCUPANCY)
    before = occupancy.estimate()
    play(occupancy, [[0, 40, 30, 0, 0, 5, 0, 0]] * 5)
    after = occupancy.estimate()
    assert after.mean[3] == pytest.approx(before.mean[3])
    assert after.upper[3] == pytest.approx(before.upper[3])
    assert after.mean[:3] == pytest.approx([325.0, 525.0, 650.0], rel=1e-6)


@settings(deadline=None, max_examples=30)
@given(COUNTS)
def test_variance_grows_with_passages_and_shrinks_with_an_anchor(counts: list[list[int]]) -> None:
    occupancy = Occupancy(gates(), np.full(3, 10.0))
    anchor(occupancy, 50_000.0, 1.0, Kind.SET_OCCUPANCY)
    spread = []
    for row in counts:
        play(occupancy, [row])
        spread.append(occupancy.covariance[0, 0, :3].copy())
    assert all((later >= earlier - 1e-9).all() for earlier, later in pairwise(spread))
    mean = occupancy.mean[0, :3].copy()
    occupancy.anchor(0, Kind.SIGHTING, np.arange(3), mean, np.full(3, 20.0))
    assert (occupancy.covariance[0, 0, :3] < np.maximum(spread[-1], 1e-9)).all()


def test_a_minute_that_was_not_seen_adds_nobody_and_widens_the_bounds() -> None:
    occupancy = Occupancy(gates(), np.full(3, 5.0))
    anchor(occupancy, 1000.0, 5.0)
    play(occupancy, [[30, 20, 20, 20, 20, 10, 10, 10]] * 10)
    before, people = occupancy.estimate(), occupancy.mean[0].copy()
    occupancy.minute(0, np.full(4, np.nan), np.full(4, np.nan), np.zeros(4))
    first = occupancy.estimate()
    occupancy.minute(0, np.full(4, np.nan), np.full(4, np.nan), np.zeros(4))
    second = occupancy.estimate()
    assert occupancy.mean[0].tolist() == people.tolist()
    assert (first.upper > before.upper).all()
    assert (second.upper > first.upper).all()


def test_more_misses_may_come_with_more_flow_per_metre() -> None:
    widths = []
    for width_m in (2.0, 20.0):
        occupancy = Occupancy(replace(gates(), width_m=np.full(4, width_m)), np.full(3, 5.0))
        anchor(occupancy, 5000.0, 5.0)
        play(occupancy, [[100, 90, 80, 70, 10, 10, 10, 10]] * 20)
        told = occupancy.estimate()
        widths.append((told.upper - told.lower)[0])
    assert widths[0] > 1.1 * widths[1]


def test_a_camera_that_says_the_same_again_makes_it_no_surer() -> None:
    occupancy = Occupancy(gates(), np.full(3, 5000.0))
    for _ in range(50):
        anchor(occupancy, 1000.0, 100.0, Kind.AREA_SENSOR)
    assert occupancy.covariance[0, 0, :3] == pytest.approx(np.full(3, 1e4))
    for _ in range(4):
        anchor(occupancy, 1000.0, 100.0, Kind.SIGHTING)
    assert occupancy.covariance[0, 0, :3] == pytest.approx(np.full(3, 2e3))


def test_corrections_are_recorded_in_bands_with_a_version_each() -> None:
    occupancy = Occupancy(gates(), np.full(3, 300.0))
    told = [one for people in (203.0, 0.0)
            for one in occupancy.anchor(7, Kind.ZONE_EMPTY, np.array([1]), np.array([people]), np.array([0.5]))[0]
            if one.row == 1]
    assert [one.kind for one in told if one.kind is not Kind.NOT_NEGATIVE] == [Kind.ZONE_EMPTY] * 2
    assert [one.version for one in told] == list(range(1, len(told) + 1))
    assert told[0].after == (200, 204)
    assert told[1].before == (200, 204)
    assert {one.at_us for one in told} == {7}


def test_late_counts_change_what_is_inside_from_now_on() -> None:
    occupancy = Occupancy(gates(), np.zeros(3))
    anchor(occupancy, 400.0, 1.0)
    occupancy.minute(0, np.array([25.0, 0, 0, 0]), np.zeros(4), np.array([1.0, 0, 0, 0]))
    assert occupancy.mean[0, 0] == pytest.approx(425.0, abs=0.5)


def test_carrying_over_to_the_same_city_changes_nothing() -> None:
    city = small_city()
    here = layout(city, 1, 0)
    old = _of(city)
    many = len(here.places_of(PlaceKind.GATE))
    for minute in range(30):
        old.minute(minute * MINUTE_US, np.full(many, 9.0), np.full(many, 4.0), np.ones(many))
    new = _of(city)
    new.carry(old, moves_between(here, here, 0))
    for part, was in ((new, old), (new.watch, old.watch)):
        for name in part.STATE:
            assert getattr(part, name).tolist() == getattr(was, name).tolist(), name


def _of(city: City) -> Occupancy:
    here = layout(city, 1, 0)
    return Occupancy(gates_of(city, here), np.full(len(here.places_of(PlaceKind.ZONE)), 50.0))


def test_gates_are_read_from_the_city_file() -> None:
    city = small_city()
    found = gates_of(city, layout(city, 1, 0))
    assert len(found) == len(city.file.gates)
    assert len(city.ids[IdKind.GATE]) >= len(found)
    assert found.width_m.tolist() == [gate.width_m for gate in city.file.gates.values()]
    assert (found.sd > 0).all()


def _plain(start_sd: float, steps: list[tuple[float, list[float], float]], seen: list[tuple[float, float]]
           ) -> tuple[float, float]:
    """One row the plain way, with matrices written out: mean and variance of N."""
    x, p = np.zeros(5), np.eye(5)
    p[0, 0] = start_sd**2
    for (net, error, variance), (people, sd) in zip(steps, seen, strict=True):
        f = np.eye(5)
        f[0, 1:] = error
        x = f @ x
        x[0] += net
        p = f @ p @ f.T + np.diag([variance, *[0.1 / 1440] * 4])
        p[0, 0] = max(p[0, 0], (people - x[0]) ** 2 / 9 - sd**2)
        gain = p[:, 0] / (p[0, 0] + sd**2)
        x = x + gain * (people - x[0])
        p = p - np.outer(gain, p[0])
    return float(x[0]), float(p[0, 0])


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.floats(-50, 50), st.lists(st.floats(-9, 9), min_size=4, max_size=4), st.floats(0, 30),
                          st.floats(0, 500), st.floats(1, 60)), min_size=1, max_size=15))
def test_the_filter_over_all_rows_is_the_plain_filter_of_each(rows: list[tuple[float, list[float], float, float, float]]
                                                               ) -> None:
    mean, covariance = np.zeros((5, 2)), first_covariance(np.array([100.0, 7.0]))
    for net, error, variance, people, sd in rows:
        predict(mean, covariance, np.full(2, net), np.repeat(np.array(error)[:, None], 2, axis=1), np.full(2, variance))
        measure(mean, covariance, np.arange(2), np.full(2, people), np.full(2, sd), repeats=False)
    for row, start_sd in enumerate((100.0, 7.0)):
        wanted = _plain(start_sd, [one[:3] for one in rows], [one[3:] for one in rows])
        assert (mean[0, row], covariance[0, 0, row]) == pytest.approx(wanted, rel=1e-6, abs=1e-6)


@given(st.floats(-290, 2000), st.floats(100, 400))
def test_moments_of_the_cut_normal_are_right(people: float, sd: float) -> None:
    mean, covariance = np.zeros((5, 1)), first_covariance(np.array([sd]))
    mean[0] = people
    hold_positive(mean, covariance, np.arange(1))
    grid = (np.arange(200_000) + 0.5) * (8000 / 200_000)
    weight = np.exp(-(((grid - people) / sd) ** 2) / 2)
    weight /= weight.sum()
    wanted = float((weight * grid).sum())
    assert mean[0, 0] == pytest.approx(wanted, rel=1e-3)
    assert covariance[0, 0, 0] == pytest.approx(float((weight * (grid - wanted) ** 2).sum()), rel=1e-3)


@given(st.floats(-500, 2000), st.floats(170, 400))
def test_bounds_hold_95_percent_of_the_cut_normal(people: float, sd: float) -> None:
    unit = NormalDist(people, sd)
    _, lower, upper = (float(one[0]) for one in bounds(np.array([people]), np.array([sd**2])))
    inside = (unit.cdf(upper) - unit.cdf(lower)) / (1 - unit.cdf(0))
    assert math.isclose(inside, 0.95, abs_tol=2e-3)


def test_learned_errors_follow_what_is_learned_of_the_people() -> None:
    mean, covariance = np.zeros((5, 1)), first_covariance(np.array([1.0]))
    predict(mean, covariance, np.array([100.0]), np.array([[20.0], [0.0], [0.0], [0.0]]), np.zeros(1))
    condition(mean, covariance, np.arange(1), np.array([140.0]), np.array([1.0]))
    assert mean[1, 0] == pytest.approx(2.0, rel=0.01)
    assert covariance[1, 1, 0] < 0.01
