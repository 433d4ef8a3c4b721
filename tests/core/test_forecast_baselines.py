# SPDX-License-Identifier: Apache-2.0
"""Amsterdam's rule and the seasonal naive forecast in closed form."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.amsterdam_rule import WEIGHTS, amsterdam_rule, factor, smoothed
from streams.core.seasonal_naive import usual

WEEK = 7 * 4
"""Slots, with four a day."""


def test_the_weights_sum_to_one() -> None:
    assert len(WEIGHTS) == 12
    assert sum(WEIGHTS) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize(("ratios", "wanted"), [
    ([1.0] * 12, 1.0), ([2.0] * 12, 2.0), ([1.0] * 11 + [2.0], 1.311), ([9.0] * 12, 4.0),
    ([0.0] * 12, 1.0), ([float("nan")] * 12, 1.0), ([2.0] + [1.0] * 11, 1.008),
])
def test_the_factor_of_printed_cases(ratios: list[float], wanted: float) -> None:
    assert factor(100 * np.array([ratios]), np.full((1, 12), 100.0)) == pytest.approx([wanted])


def test_a_usual_value_of_nothing_counts_as_usual() -> None:
    assert factor(np.full((1, 12), 50.0), np.zeros((1, 12))) == pytest.approx([1.0])


def test_the_curve_is_smoothed_scaled_and_rounded_half_up() -> None:
    ahead = np.array([[0.0, 4.0, 8.0, 8.0]])
    assert smoothed(ahead).tolist() == [[4.0, 7.0]]
    said = amsterdam_rule(np.full((1, 12), 300.0), np.full((1, 12), 200.0), ahead)
    assert said.tolist() == [[6.0, 11.0]]  # 6 and 10.5


def test_a_missing_median_is_no_forecast() -> None:
    ahead = np.array([[1.0, 1.0, np.nan, 1.0, 1.0, 1.0]])
    said = amsterdam_rule(np.ones((1, 12)), np.ones((1, 12)), ahead)
    assert np.isnan(said).tolist() == [[True, True, True, False]]


@given(st.lists(st.floats(0, 1e4), min_size=8, max_size=8))
def test_mean_and_median_of_eight_weeks(values: list[float]) -> None:
    history = np.zeros((1, 8 * WEEK))
    target = 8 * WEEK + 3
    history[0, [target - WEEK * back for back in range(1, 9)]] = values
    found = usual(history, 8 * WEEK, np.array([target]), 4)
    assert found.weeks.tolist() == [[8]]
    assert found.mean[0, 0] == pytest.approx(np.mean(values))
    assert found.median[0, 0] == pytest.approx(np.median(values))


def test_weeks_left_out_do_not_count_and_without_any_there_is_no_figure() -> None:
    history = np.full((1, 8 * WEEK), np.nan)
    history[0, [WEEK, 2 * WEEK, 3 * WEEK]] = [10.0, 40.0, 20.0]
    found = usual(history, 8 * WEEK, np.array([8 * WEEK, 8 * WEEK + 1]), 4)
    assert found.weeks.tolist() == [[3, 0]]
    assert (found.median[0, 0], found.mean[0, 0]) == (20.0, pytest.approx(70 / 3))
    assert np.isnan([found.median[0, 1], found.mean[0, 1]]).all()


def test_neither_the_future_nor_the_last_two_days_are_looked_at() -> None:
    draw = np.random.default_rng(1)
    history = draw.uniform(1, 9, (2, 12 * WEEK))
    origin = 9 * WEEK
    other = history.copy()
    other[:, origin - 2 * 4 :] = 1e6
    targets = np.arange(origin - 12, origin + 9)
    one, two = usual(history, origin, targets, 4), usual(other, origin, targets, 4)
    assert np.array_equal(one.mean, two.mean)
    assert np.array_equal(one.median, two.median)
