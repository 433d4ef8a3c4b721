# SPDX-License-Identifier: Apache-2.0
"""Measures against closed forms, their bounds against chance, and edges of areas."""

import math
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from benchmarks.truth.pedestrian import TOLERANCE_PER_M2, measured_densities
from schemas.live import Status
from streams.core.measures import (
    NO_LEVEL,
    MeasureStatus,
    area_density,
    band_density,
    between,
    counted,
    flow_per_metre,
    mean_speed,
    occupancy_density,
    people_in_area,
    per,
    percent_of_capacity,
    service_level,
    status_of,
)
from streams.core.poisson import EXACT_BELOW, poisson_interval
from streams.core.road_measures import (
    FREEWAY_DENSITY_LIMITS,
    mean_speed_bounds,
    percent_of_free_flow,
    road_density,
    road_flow,
    speed_excess,
)

FRUIN_WALKWAY = [0.31, 0.43, 0.72, 1.08, 2.15]


def at_most(count: int, mean: float) -> float:
    """Probability of a Poisson count up to `count`."""
    return math.fsum(math.exp(one * math.log(mean) - mean - math.lgamma(one + 1)) for one in range(count + 1))


@pytest.mark.parametrize(
    ("count", "low", "high"),
    [(0, 0.0, 3.68888), (1, 0.0253178, 5.57164), (10, 4.79539, 18.39036), (100, 81.36399, 121.62679)],
)
def test_the_interval_is_garwoods(count: int, low: float, high: float) -> None:
    found_low, found_high = poisson_interval(count)
    assert found_low == pytest.approx(low, abs=1e-5)
    assert found_high == pytest.approx(high, abs=1e-5)


@settings(max_examples=30)
@given(st.integers(1, int(EXACT_BELOW) - 2))
def test_the_interval_leaves_two_and_a_half_percent_on_each_side(count: int) -> None:
    low, high = poisson_interval(count)
    assert 1 - at_most(count - 1, float(low)) == pytest.approx(0.025, abs=1e-9)
    assert at_most(count, float(high)) == pytest.approx(0.025, abs=1e-9)


def test_beyond_the_exact_ones_it_is_as_good() -> None:
    count = int(EXACT_BELOW) + 500
    low, high = poisson_interval(count)
    assert 1 - at_most(count - 1, float(low)) == pytest.approx(0.025, abs=1e-5)
    assert at_most(count, float(high)) == pytest.approx(0.025, abs=1e-5)


@settings(max_examples=20)
@given(arrays.arrays(np.float64, 8, elements=st.floats(0, 50_000)))
def test_an_interval_does_not_hang_on_its_neighbours(count: npt.NDArray[np.float64]) -> None:
    low, high = poisson_interval(count)
    for at in range(len(count)):
        alone_low, alone_high = poisson_interval(count[at : at + 1])
        assert (alone_low[0], alone_high[0]) == (low[at], high[at])
    assert (low <= count).all()
    assert (count <= high).all()


def test_a_part_of_a_count_has_the_interval_of_the_gamma_function() -> None:
    low, high = poisson_interval([1e-300, 0.05, 0.5, 0.999, 1.0])
    assert (np.diff(low) >= 0).all()
    assert (np.diff(high) > 0).all()
    # P(0.5, x) is the error function of the root of x.
    assert math.erf(math.sqrt(low[2])) == pytest.approx(0.025, abs=1e-12)


@settings(max_examples=10)
@given(st.lists(st.integers(0, 2_100), min_size=20, max_size=40), st.floats(0.1, 0.9))
def test_looked_up_intervals_are_those_that_are_solved(counts: list[int], part: float) -> None:
    whole = np.array(counts, np.float64)
    low, high = poisson_interval(whole)
    # The next number that can be written is no whole one, and so it is solved.
    solved_low, solved_high = poisson_interval(np.nextafter(whole, np.inf))
    assert solved_low == pytest.approx(low, rel=1e-9, abs=1e-20)
    assert solved_high == pytest.approx(high, rel=1e-9)
    # A part more counts for more: the looked-up ones lie in line with the others.
    between_low, between_high = poisson_interval(whole + part)
    assert (low <= between_low).all()
    assert (high < between_high).all()


def test_no_count_has_no_interval() -> None:
    low, high = poisson_interval([np.nan, 3])
    assert np.isnan([low[0], high[0]]).all()
    assert not np.isnan([low[1], high[1]]).any()


def test_flow_is_per_metre_and_minute() -> None:
    found = flow_per_metre([480.0], [1.0], [8.0], [60.0])
    assert found.value[0] == 60
    assert found.low[0] == pytest.approx(54.755, abs=0.01)
    assert found.high[0] == pytest.approx(65.61, abs=0.02)
    assert found.status[0] == MeasureStatus.OK
    five_minutes = flow_per_metre([480.0], [1.0], [8.0], [300.0])
    assert five_minutes.value[0] == 12


def test_what_was_not_covered_is_scaled_up_and_said() -> None:
    whole, half, none = (flow_per_metre([120.0], [share], [2.0], [60.0]) for share in (1.0, 0.5, 0.0))
    assert (whole.value[0], half.value[0]) == (60, 120)
    assert half.high[0] == 2 * whole.high[0]
    assert list(map(int, (whole.status[0], half.status[0], none.status[0]))) == [
        MeasureStatus.OK, MeasureStatus.PARTIAL, MeasureStatus.MISSING]
    assert np.isnan([none.value[0], none.low[0], none.high[0]]).all()


def test_zero_with_coverage_is_data() -> None:
    found = flow_per_metre([0.0], [1.0], [1.0], [60.0])
    assert (found.value[0], found.low[0], found.status[0]) == (0, 0, MeasureStatus.OK)
    assert found.high[0] == pytest.approx(3.689, abs=1e-3)


def test_a_known_bias_is_taken_out_and_the_sensors_error_widens() -> None:
    plain, biased, unsure = counted([930.0], 1.0), counted([930.0], 1.0, bias=-0.07), counted([930.0], 1.0, sd=0.1)
    assert biased.value[0] == pytest.approx(1000)
    assert unsure.low[0] < plain.low[0] < plain.high[0] < unsure.high[0]
    assert unsure.high[0] - 930 == pytest.approx(math.hypot(plain.high[0] - 930, 1.959964 * 93), rel=1e-6)


@settings(max_examples=40)
@given(st.integers(0, 5_000), st.floats(0.01, 1), st.floats(-0.5, 1), st.floats(0, 0.5))
def test_bounds_enclose_the_value(count: int, coverage: float, bias: float, sd: float) -> None:
    found = counted(float(count), coverage, bias, sd)
    assert 0 <= found.low <= found.value <= found.high


@pytest.mark.parametrize("mean", [3.0, 40.0, 600.0])
def test_the_bound_holds_for_counts_of_a_known_mean(mean: float) -> None:
    received = np.random.default_rng(7).poisson(mean, 4_000)
    found = counted(received, 0.5)
    held = ((found.low <= 2 * mean) & (2 * mean <= found.high)).mean()
    assert held >= 0.94


def test_a_bands_bounds_enclose_those_of_all_that_is_in_it() -> None:
    edges = [flow_per_metre([float(edge)], [0.8], [3.0], [60.0], sd=0.05) for edge in (20, 24)]
    low, high = between(*edges)
    for count in range(20, 25):
        inside = flow_per_metre([float(count)], [0.8], [3.0], [60.0], sd=0.05)
        assert low[0] <= inside.low[0] <= inside.high[0] <= high[0]


def test_mean_speed_is_distance_over_time() -> None:
    assert mean_speed([120.0, 0.0], [100.0, 50.0]).tolist() == [1.2, 0.0]
    assert np.isnan(mean_speed([0.0], [0.0])[0])
    # One fast and one slow walker over 10 m: the mean of their speeds would be 1.5.
    assert mean_speed([20.0], [10 / 2.0 + 10 / 1.0])[0] == pytest.approx(4 / 3)


def test_density_of_an_area_that_is_wholly_seen_has_only_the_sensors_error() -> None:
    exact = area_density([50.0], [100.0], [100.0])
    assert (exact.low[0], exact.value[0], exact.high[0]) == (0.5, 0.5, 0.5)
    unsure = area_density([50.0], [100.0], [100.0], sd=0.1)
    # 1.96 times 10 % more or fewer are seen than there are: 0.5 / 1.196 and 0.5 / 0.804.
    assert (unsure.low[0], unsure.high[0]) == pytest.approx((0.418, 0.622), abs=1e-3)
    hopeless = area_density([50.0], [100.0], [100.0], sd=0.9)
    assert hopeless.high[0] == pytest.approx(0.5 / 0.05)


def test_density_of_an_area_that_is_seen_in_part() -> None:
    found = area_density([50.0], [100.0], [400.0], coverage=0.5)
    low, high = poisson_interval(50)
    assert found.value[0] == 0.5
    # The 150 out of view vary by themselves, and around a mean that the 50 tell: together sqrt(3/4) / (1/4) of 50's.
    assert found.low[0] == pytest.approx((200 - math.sqrt(12) * (50 - low)) / 400)
    assert found.high[0] == pytest.approx((200 + math.sqrt(12) * (high - 50)) / 400)
    assert found.status[0] == MeasureStatus.PARTIAL
    blind = area_density([0.0], [0.0], [400.0])
    assert np.isnan(blind.value[0])
    assert blind.status[0] == MeasureStatus.MISSING


def test_density_of_a_band_is_from_its_low_edge_to_its_high_one_with_the_cameras_own_error() -> None:
    low, high = band_density([310, 310], [314, 314], [1_000.0, 1_000.0], [1_000.0] * 2, [1.0, 1.0], bias=[0.0, -0.05])
    assert (low[0], high[0]) == (0.310, 0.314)
    assert (low[1], high[1]) == pytest.approx((0.310 / 0.95, 0.314 / 0.95))
    wide = band_density([310], [314], [1_000.0], [1_000.0], [1.0], sd=0.1)
    part = band_density([310], [314], [1_000.0], [1_000.0], [0.5], sd=0.1)
    assert part[0][0] < wide[0][0] < 0.310 < 0.314 < wide[1][0] < part[1][0]
    assert np.isnan(band_density([310], [314], [1_000.0], [1_000.0], [0.0])).all()


@settings(max_examples=30, deadline=None)
@given(edge=st.integers(0, 5_000), share=st.floats(0.05, 1), bias=st.floats(-0.5, 0.5), sd=st.floats(0, 0.9))
def test_bounds_of_a_bands_density_are_finite_and_in_order(edge: int, share: float, bias: float, sd: float) -> None:
    low, high = band_density([edge], [edge + 4], [400.0], [1_000.0], [share], bias, sd)
    assert 0 <= low[0] <= edge / (1_000 * (1 + bias)) * (1 + 1e-9)
    assert (edge + 4) / (1_000 * (1 + bias)) * (1 - 1e-9) <= high[0] < np.inf


def test_density_from_occupancy_is_an_estimate_and_missing_where_no_gate_was_seen() -> None:
    low, high, status = occupancy_density([-20.0, 40.0, 40.0], [180.0, 60.0, 60.0], [200.0] * 3, [1.0, 0.4, 0.0])
    assert (low[:2].tolist(), high[:2].tolist()) == ([0.0, 0.2], [0.9, 0.3])
    assert np.isnan([low[2], high[2]]).all()
    assert status.tolist() == [MeasureStatus.ESTIMATED, MeasureStatus.ESTIMATED, MeasureStatus.MISSING]


def test_percent_of_the_permitted_number_has_a_low_and_a_high() -> None:
    low, high = percent_of_capacity([70, 70], [74, 74], [100.0, np.nan])
    assert (low[0], high[0]) == (70, 74)
    assert np.isnan([low[1], high[1]]).all()


def test_statuses_agree_with_those_of_the_live_rows() -> None:
    assert {one.name: one.value for one in Status}.items() <= {one.name: one.value for one in MeasureStatus}.items()
    assert status_of([1.0, 0.4, 0.0]).tolist() == [0, 1, 2]
    assert status_of([1.0, 0.4, 0.0], is_measured=False).tolist() == [3, 3, 2]


@pytest.mark.parametrize(
    ("value", "level"), [(0.0, 0), (0.309, 0), (0.31, 1), (0.43, 2), (1.08, 4), (2.15, 5), (9.0, 5), (np.nan, NO_LEVEL)]
)
def test_a_value_on_a_limit_belongs_to_the_worse_level(value: float, level: int) -> None:
    assert service_level([value], FRUIN_WALKWAY).tolist() == [level]


@given(st.floats(0, 10), st.floats(0, 10))
def test_levels_are_monotone(one: float, other: float) -> None:
    less, more = sorted((one, other))
    low, high = service_level([less, more], FRUIN_WALKWAY)
    assert 0 <= low <= high <= 5


RECTANGLE = [(0.0, 0.0), (4.0, 0.0), (4.0, 2.0), (0.0, 2.0)]


def test_left_and_lower_edges_belong_to_an_area() -> None:
    x = [2.0, 0.0, 2.0, 0.0, 4.0, 2.0, 4.0, 5.0]
    y = [1.0, 1.0, 0.0, 0.0, 1.0, 2.0, 2.0, 1.0]
    expected = [True, True, True, True, False, False, False, False]
    assert people_in_area(x, y, RECTANGLE).tolist() == expected
    assert people_in_area(x, y, RECTANGLE[::-1]).tolist() == expected


@given(st.floats(0, 1), st.floats(-3, 3), st.floats(-3, 3), st.floats(-3, 3))
def test_somebody_on_a_shared_edge_is_in_exactly_one_area(share: float, x0: float, x1: float, tilt: float) -> None:
    lower, upper = (x0, 0.0), (x1, 2.0 + tilt / 10)
    left = [(-9.0, 0.0), lower, upper, (-9.0, upper[1])]
    right = [lower, (9.0, 0.0), (9.0, upper[1]), upper]
    x, y = x0 + share * (x1 - x0), share * upper[1]
    inside = [bool(people_in_area([x], [y], area)[0]) for area in (left, right)]
    assert sum(inside) == (1 if y < upper[1] else 0)


def test_per_divides_all_three() -> None:
    found = per(counted([4.0], 1.0), 2.0)
    assert found.value[0] == 2
    assert found.high[0] == poisson_interval(4)[1] / 2


def test_road_flow_and_density_per_lane() -> None:
    flow = road_flow([60.0], [1.0], [60.0], [2.0])
    assert flow.value[0] == 1800
    density = road_density(flow, [90.0], [True])
    assert density.value[0] == 20
    assert density.status[0] == MeasureStatus.OK
    assert service_level(density.value, FREEWAY_DENSITY_LIMITS).tolist() == [3]


def test_an_arithmetic_speed_is_said_to_be_one_and_widens_the_upper_bound() -> None:
    flow = road_flow([60.0], [1.0], [60.0], [2.0])
    harmonic, assumed, told = (road_density(flow, [90.0], [which], sd) for which, sd in
                               ((True, np.nan), (False, np.nan), (False, 9.0)))
    assert assumed.status[0] == MeasureStatus.ESTIMATED
    assert assumed.high[0] == pytest.approx(harmonic.high[0] * 1.09)
    assert told.high[0] == pytest.approx(harmonic.high[0] * 1.01)
    assert harmonic.low[0] == assumed.low[0]


@given(st.lists(st.floats(20, 140), min_size=2, max_size=50))
def test_the_excess_of_the_arithmetic_mean_is_the_square_of_the_variation(speeds: list[float]) -> None:
    # Space mean speed s and the variance about it give the time mean exactly: t = s + var / s (Wardrop).
    by_space = np.array(speeds)
    space_mean, sd = by_space.mean(), by_space.std()
    time_mean = (by_space**2).sum() / by_space.sum()
    assert time_mean / space_mean - 1 == pytest.approx(float(speed_excess(space_mean, sd)), abs=1e-9)


def test_standing_traffic_and_no_speed_have_no_density() -> None:
    found = road_density(road_flow([60.0, 60.0], [1.0, 1.0], [60.0, 60.0], [2.0, 2.0]), [0.0, np.nan], [True, True])
    assert np.isnan(found.high).all()
    assert found.status.tolist() == [MeasureStatus.MISSING] * 2


def test_percent_of_free_flow_needs_both_speeds() -> None:
    found = percent_of_free_flow([45.0, 45.0, np.nan, 45.0], [50.0, np.nan, 50.0, 0.0])
    assert found[0] == 90
    assert np.isnan(found[1:]).all()


def test_a_mean_over_more_vehicles_is_surer() -> None:
    low, high = mean_speed_bounds([80.0, 80.0, 80.0], [4.0, 400.0, 0.0], [16.0, 16.0, 16.0])
    assert high[0] - low[0] == pytest.approx(2 * 1.959964 * 8)
    assert high[1] - low[1] == pytest.approx(2 * 1.959964 * 0.8)
    assert np.isnan([low[2], high[2]]).all()


@pytest.mark.data
def test_published_densities_are_found_again(data_dir: Path) -> None:
    published, ours = measured_densities(data_dir / "pedestrian-corner")
    assert len(published) == 833
    assert published.max() > 1.5
    assert (np.abs(published - ours) <= TOLERANCE_PER_M2).all()
