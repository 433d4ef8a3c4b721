# SPDX-License-Identifier: Apache-2.0
"""Bands and thresholds: what the crowd's privacy and the alarm's truth both stand on."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.privacy import (
    band,
    clearing_edge,
    gate_withheld,
    snapped,
)

COUNTED = st.floats(0, 1e6, allow_nan=False)
GAINS = st.floats(1, 500, allow_nan=False)


@pytest.mark.parametrize(("counted", "low", "high"), [
    (0, 0, 9), (1, 0, 9), (9, 0, 9), (9.99, 0, 9), (10, 10, 14), (14.9, 10, 14), (15, 15, 19), (1003, 1000, 1004),
])
def test_bands_are_below_ten_and_then_fives(counted: float, low: int, high: int) -> None:
    assert [int(edge) for edge in band(counted)] == [low, high]


@pytest.mark.parametrize(("counted", "low", "high"), [(9, 0, 99), (10, 100, 149), (15, 150, 199), (40, 400, 449)])
def test_a_camera_that_sees_a_tenth_shows_bands_ten_times_as_wide(counted: int, low: int, high: int) -> None:
    assert [int(edge) for edge in band(counted, 10.0)] == [low, high]


@given(st.integers(0, 5000), GAINS)
def test_no_band_is_narrower_than_four_counted_persons(counted: int, gain: float) -> None:
    low, high = (int(edge) for edge in band(counted, gain))
    assert (high + 1 - low) / gain >= 5 - 2 / gain
    assert low - 1 <= counted * gain < high + 1


@given(COUNTED, st.floats(0, 1e4), GAINS)
def test_bands_rise_with_the_count_and_never_overlap(counted: float, more: float, gain: float) -> None:
    low, high = band(counted, gain)
    more_low, more_high = band(counted + more, gain)
    assert (more_low, more_high) == (low, high) or more_low > high


@given(st.integers(0, 100_000), st.floats(0.1, 1e5), GAINS)
def test_a_threshold_decides_the_same_on_the_count_and_on_its_band(
    counted: int, people: float, gain: float
) -> None:
    edge = snapped(people, gain)
    shown_low = band(counted)[0]
    assert (counted >= edge) == (shown_low >= edge)


@given(st.floats(10, 1e5), GAINS)
def test_snapping_warns_earlier_and_never_later(people: float, gain: float) -> None:
    edge = int(snapped(people, gain))
    assert edge * gain <= people + 1e-6 or edge == 10
    assert edge % 5 == 0


@given(st.floats(1, 1e5), GAINS, st.floats(0.01, 0.99))
def test_the_clearing_edge_is_a_band_below_the_raising_one(people: float, gain: float, share: float) -> None:
    up = int(snapped(people, gain))
    down = int(clearing_edge(people * share, gain, up))
    assert down <= up - 5 or down == up == 10
    assert down % 5 == 0


def test_a_gate_is_shown_only_beside_a_zone_of_fifty() -> None:
    beside = np.array([[0, 0], [45, 45], [50, 0], [0, 50], [500, 600]])
    assert gate_withheld(beside).tolist() == [True, True, False, False, False]
