# SPDX-License-Identifier: Apache-2.0
"""The surge filter: chances, bands, gaps and what it must not learn."""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.reading import Metric
from streams.core.baselines import SIDES, Baselines
from streams.core.layout import Layout, PlaceKind
from streams.core.moves import moves_between
from streams.core.negative_binomial import GRID, interval_chances, masses
from streams.core.privacy import band
from streams.core.surge import EVENT, LOW, Surges, SurgeStep, transitions
from tests.core.baseline_samples import baseline_rows
from tests.core.places import bare_layout

QUARTER_US = 900_000_000
START_US = 1_772_409_600_000_000


def baselines(layout: Layout, mean: float = 100.0, sd: float = 10.0) -> Baselines:
    found = Baselines(layout, "UTC")
    found.take(baseline_rows(len(layout.place_kind), mean, sd))
    return found


class Filter:
    """One zone, judged each quarter."""

    def __init__(self, mean: float = 100.0, sd: float = 10.0, span_us: int = QUARTER_US) -> None:
        self.layout = bare_layout([PlaceKind.ZONE], span_us)
        self.usual = baselines(self.layout, mean, sd)
        self.surges, self.at_us, self.span_us = Surges(self.layout, QUARTER_US), START_US, span_us

    def see(self, low: float, high: float | None = None, *, seen: bool = True) -> SurgeStep:
        values = np.array([[low], [0.0]]), np.array([[low if high is None else high], [0.0]])
        flags = np.array([[seen], [False]])
        step = self.surges.closed(np.zeros(1, np.intp), np.array([self.at_us]), *values, flags, self.usual)
        self.at_us += self.span_us
        return step

    @property
    def chance(self) -> npt.NDArray[np.float64]:
        return self.surges.chance[:, 0, 0]


def exact(low: int, high: int, mean: float, shape: float) -> float:
    """By the formula, with exact log-gammas."""
    return math.fsum(
        math.exp(math.lgamma(shape + k) - math.lgamma(shape) - math.lgamma(k + 1)
                 + shape * math.log(shape / (shape + mean)) + k * math.log(mean / (shape + mean)))
        for k in range(low, high + 1))


@given(st.integers(0, 400), st.integers(0, 60), st.floats(0.1, 300), st.floats(0.3, 500))
def test_a_bands_chance_is_the_sum_over_its_values(low: int, width: int, mean: float, shape: float) -> None:
    found, _ = interval_chances(
        np.array([low]), np.array([low + width]), np.array([mean]), np.array([shape]), None, None)
    assert found[0] == pytest.approx(exact(low, low + width, mean, shape), rel=1e-7, abs=1e-12)


@given(st.integers(0, 40), st.integers(0, 20), st.floats(0.5, 40), st.floats(0.5, 50), st.floats(1, 40))
def test_two_counts_together_are_the_sum_over_what_the_second_may_be(
        low: int, width: int, mean: float, shape: float, more: float) -> None:
    _, found = interval_chances(np.array([low]), np.array([low + width]), np.array([mean]), np.array([shape]),
                                np.array([more]), np.array([2.0]))
    first = masses(low + width + 1, np.array([mean]), np.array([shape]))[0]
    second = masses(low + width + 1, np.array([more]), np.array([2.0]))[0]
    wanted = sum(first[n] * second[k - n] for k in range(low, low + width + 1) for n in range(k + 1))
    assert found[0] == pytest.approx(wanted, rel=1e-6, abs=1e-12)


def test_large_counts_in_bins_come_near_the_exact_sum() -> None:
    low, high = np.array([4 * GRID]), np.array([5 * GRID])
    found, _ = interval_chances(low, high, np.array([2_300.0]), np.array([50.0]), None, None)
    assert found[0] == pytest.approx(exact(4 * GRID, 5 * GRID, 2_300.0, 50.0), abs=0.01)


def test_chances_of_all_values_are_one() -> None:
    assert masses(2_000, np.array([3.0, 80.0]), np.array([0.7, 9.0])).sum(axis=1) == pytest.approx(1.0)


@given(st.lists(st.tuples(st.integers(0, 100_000), st.integers(0, 500), st.booleans()), max_size=12),
       st.floats(0, 5_000), st.floats(0, 900))
def test_chances_sum_to_one_whatever_comes(
        seen: Sequence[tuple[int, int, bool]], mean: float, sd: float) -> None:
    one = Filter(mean, sd)
    for low, width, is_seen in seen:
        step = one.see(low, low + width, seen=is_seen)
        assert one.chance.sum() == pytest.approx(1.0, abs=1e-9)
        assert (one.chance >= 0).all()
        assert step.judged[0, 0] == is_seen


def test_a_surge_is_told_at_the_end_of_its_slot_and_ends() -> None:
    one = Filter()
    for _ in range(8):
        assert not one.see(100, 104).onset.any()
    first = one.see(220, 224)
    assert first.onset[0, 0]
    assert first.end_us[0] == one.at_us
    assert not one.see(230, 234).onset.any()
    ends = [one.see(100, 104).ended[0, 0] for _ in range(4)]
    assert sum(ends) == 1


def test_usual_days_raise_nothing() -> None:
    one, rng = Filter(sd=15.0), np.random.default_rng(3)
    told = 0
    for _ in range(400):
        low, high = band(rng.poisson(100))
        told += int(one.see(float(low), float(high)).onset.any())
    assert told <= 1


def test_a_missing_slot_advances_the_prior_only() -> None:
    one = Filter()
    one.see(220)
    before = one.chance.copy()
    step = one.see(0, 0, seen=False)
    assert one.chance == pytest.approx(before @ transitions(QUARTER_US))
    assert not step.judged.any()


def test_a_gap_of_slots_passes_as_much_time_as_missing_ones() -> None:
    one, other = Filter(), Filter()
    for each in (one, other):
        each.see(220)
    for _ in range(5):
        one.see(0, 0, seen=False)
    other.at_us += 5 * QUARTER_US
    assert one.see(120).chance == pytest.approx(other.see(120).chance)


def test_an_empty_run_lowers_the_chance_of_an_event_and_tells_a_low() -> None:
    one = Filter()
    one.see(150, 154)
    before = one.chance[EVENT]
    for _ in range(3):
        one.see(0, 9)
    assert one.chance[EVENT] < min(before, 1e-6)
    assert one.chance[LOW] > 0.9


def test_what_is_usual_is_not_learned_from_a_surge() -> None:
    quiet, busy = Filter(), Filter()
    for one in (quiet, busy):
        one.see(100)
    for _ in range(8):
        quiet.see(0, 0, seen=False)
        busy.see(400)
    usual = busy.see(400).expected[0, 0]
    assert usual <= quiet.see(100).expected[0, 0] * 1.05


def test_a_day_that_is_busier_as_a_whole_becomes_usual() -> None:
    one = Filter(sd=20.0)
    first = one.see(115).expected[0, 0]
    step = [one.see(115) for _ in range(10)][-1]
    assert step.expected[0, 0] > first + 5
    assert not step.surging.any()


def test_without_a_baseline_nothing_is_judged() -> None:
    one = Filter()
    one.usual = Baselines(one.layout, "UTC")
    step = one.see(10_000)
    assert not step.judged.any()
    assert np.isnan(step.expected[0, 0])
    assert one.chance[EVENT] < 0.05


def test_priors_are_rescaled_to_the_slot() -> None:
    thrice = np.linalg.matrix_power(transitions(QUARTER_US // 3), 3)
    assert thrice == pytest.approx(transitions(QUARTER_US), abs=0.01)
    assert transitions(QUARTER_US).sum(axis=1) == pytest.approx(1.0)


def test_minutes_make_a_slot_and_half_of_them_are_enough() -> None:
    one = Filter(span_us=60_000_000)
    steps = [one.see(230, 234, seen=minute >= 7) for minute in range(15)]
    assert [len(step.place) for step in steps] == [0] * 14 + [1]
    assert steps[-1].judged[0, 0]
    steps = [one.see(100, 104, seen=minute >= 8) for minute in range(15)]
    assert not steps[-1].judged[0, 0]


def test_passages_of_a_slot_are_added_and_scaled_to_it() -> None:
    layout = bare_layout([PlaceKind.GATE])
    usual = Baselines(layout, "UTC")
    usual.take(baseline_rows(1, 300.0, 30.0, kind=PlaceKind.GATE, measure=Metric.IN))
    surges = Surges(layout)
    values = np.full((SIDES, 1), 20.0)
    step = [
        surges.closed(np.zeros(1, np.intp), np.array([START_US + minute * 60_000_000]), values, values,
                      np.array([[minute != 2], [False]]), usual)
        for minute in range(5)
    ][-1]
    assert step.expected[0, 0] == pytest.approx(100.0)
    assert step.chance[0, 0] < 0.05


def test_the_same_windows_give_the_same_bits_and_places_keep_theirs() -> None:
    layout = bare_layout([PlaceKind.ZONE] * 3)
    old = Surges(layout)
    old.chance[:, :, 2] = [[0.2, 0.2], [0.7, 0.7], [0.1, 0.1]]
    old.surging[0, 2] = True
    fewer = bare_layout([PlaceKind.ZONE], first_number=3)
    new = Surges(fewer)
    new.carry(old, moves_between(layout, fewer, START_US))
    assert new.chance[:, 0, 0].tolist() == [0.2, 0.7, 0.1]
    assert new.surging[:, 0].tolist() == [True, False]
    one, other = Filter(), Filter()
    for value in (100, 130, 260, 90):
        one.see(value, value + 4)
        other.see(value, value + 4)
    assert one.surges.chance.tobytes() == other.surges.chance.tobytes()
