# SPDX-License-Identifier: Apache-2.0
"""Baselines: the arithmetic from noisy cells, and the fold's holder of the newest ones."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.baseline import HOLIDAY, SLOTS
from schemas.reading import Metric
from streams.core.baseline_figures import (
    LEAST_DAYS,
    Samples,
    Tables,
    count_tables,
    left_in,
    samples_of,
    value_tables,
)
from streams.core.baselines import Baselines
from streams.core.layout import PlaceKind
from streams.core.moves import moves_between
from tests.core.baseline_samples import baseline_rows
from tests.core.places import bare_layout

MONDAY_US = 1_772_409_600_000_000
QUARTER_US = 900_000_000
Floats = npt.NDArray[np.float64]


def samples(values: Floats, noise_sd: float = 0.0, slot: int = 0) -> Samples:
    """Some days of one slot of one row."""
    size = len(values)
    return Samples(np.zeros(size, np.int64), np.full(size, slot), np.asarray(values, np.float64),
                   np.full(size, noise_sd), np.full(size, 900))


def week_of(rng: np.random.Generator, weeks: int, mean: float, cv: float, noise_sd: float) -> Samples:
    slots = np.tile(np.arange(7 * 96), weeks)
    level = rng.gamma(1 / cv**2, mean * cv**2, len(slots)) if cv else np.full(len(slots), mean)
    value = rng.poisson(level) + rng.normal(0, noise_sd, len(slots))
    return Samples(np.zeros(len(slots), np.int64), slots, value, np.full(len(slots), noise_sd),
                   np.full(len(slots), 900))


def middle_of(table: npt.NDArray[np.float32]) -> float:
    return float(np.nanmedian(table[0, : 7 * 96]))


@pytest.mark.parametrize("cv", [0.1, 0.4])
def test_noise_of_the_release_is_not_taken_for_scatter(cv: float) -> None:
    rng = np.random.default_rng(1)
    clean = count_tables(week_of(rng, 8, 120.0, cv, 0.0), 1)
    noisy = count_tables(week_of(rng, 8, 120.0, cv, 20.0), 1)
    assert middle_of(noisy.mean) == pytest.approx(120, rel=0.05)
    # Eight weeks leave the mean itself uncertain: by the noise too, divided by eight.
    for tables, noise in ((clean, 0.0), (noisy, 20.0)):
        wanted = np.sqrt(120**2 * cv**2 + (120 + 120**2 * cv**2 + noise**2) / 8)
        assert middle_of(tables.sd) == pytest.approx(wanted, rel=0.12)


def test_an_event_that_nobody_announced_does_not_become_usual() -> None:
    usual = np.array([100.0, 104, 97, 102, 99, 101, 98])
    assert count_tables(samples(np.append(usual, 900.0)), 1).mean[0, 0] == pytest.approx(usual.mean(), rel=0.01)


def test_noisy_cells_of_an_empty_place_give_no_negative_figures() -> None:
    tables = count_tables(samples(np.array([-6.0, 3, -4, 1, -2, 0]), 5.0), 1)
    for name in ("mean", "sd", "low", "middle", "high"):
        assert getattr(tables, name)[0, 0] >= 0


def test_too_few_days_say_nothing() -> None:
    tables = count_tables(samples(np.full(LEAST_DAYS - 1, 50.0)), 1)
    assert np.isnan(tables.mean).all()
    assert (tables.weeks == 0).all()


def test_a_holiday_is_a_sunday_until_it_was_seen_often_enough() -> None:
    sunday = samples(np.full(8, 60.0), slot=6 * 96 + 40)
    few = samples(np.full(LEAST_DAYS - 1, 500.0), slot=HOLIDAY * 96 + 40)
    many = samples(np.full(LEAST_DAYS, 500.0), slot=HOLIDAY * 96 + 40)

    def joined(one: Samples, other: Samples) -> Tables:
        return count_tables(Samples(*(np.concatenate([getattr(one, name), getattr(other, name)])
                                      for name in ("row", "slot", "value", "noise_sd", "grain_s"))), 1)

    assert joined(sunday, few).mean[0, HOLIDAY * 96 + 40] == pytest.approx(60)
    assert joined(sunday, many).mean[0, HOLIDAY * 96 + 40] == pytest.approx(500)


def test_long_cells_stand_for_their_quarters() -> None:
    one, hour = np.zeros(2, np.int64), np.full(2, 3600)
    found = samples_of(one, np.array([MONDAY_US, MONDAY_US]), hour, np.array([40.0, 40.0]), np.array([5.0, 5.0]),
                       np.array([True, False]), "UTC")
    assert found.slot.tolist() == [0, 1, 2, 3] * 2
    assert found.value.tolist() == [10.0] * 4 + [40.0] * 4
    assert found.noise_sd.tolist() == [1.25] * 4 + [5.0] * 4


def test_a_coarse_cell_is_less_sure_of_a_quarter() -> None:
    def sd(grain_s: int) -> float:
        found = samples(np.full(8, 100.0))
        tables = count_tables(Samples(found.row, found.slot, found.value, found.noise_sd, np.full(8, grain_s)), 1)
        assert tables.grain_s[0, 0] == grain_s
        return float(tables.sd[0, 0])

    assert sd(900) < sd(3600) < sd(21600)


@given(st.lists(st.floats(-50, 5_000), min_size=LEAST_DAYS, max_size=10), st.floats(0, 30))
def test_quantiles_stand_in_their_order(values: list[float], noise_sd: float) -> None:
    for tables in (count_tables(samples(np.array(values), noise_sd), 1), value_tables(samples(np.array(values)), 1)):
        low, middle, high = (float(getattr(tables, name)[0, 0]) for name in ("low", "middle", "high"))
        if middle >= 0:
            assert low <= middle <= high


def test_quantiles_of_a_count_hold_what_they_say() -> None:
    rng = np.random.default_rng(2)
    tables = count_tables(week_of(rng, 8, 80.0, 0.3, 5.0), 1)
    new = week_of(rng, 20, 80.0, 0.3, 0.0).value
    inside = (new >= middle_of(tables.low)) & (new <= middle_of(tables.high))
    assert 0.86 <= inside.mean() <= 0.96


def test_windows_with_an_event_are_left_out_at_their_place_only() -> None:
    place = np.array([1, 1, 1, 2])
    start = np.array([0, 1, 2, 1]) * QUARTER_US
    begins, ends = np.array([QUARTER_US + 1]), np.array([QUARTER_US + 2])
    stays = left_in(place, start, np.full(4, 900), np.array([1]), begins, ends)
    assert stays.tolist() == [True, False, True, True]


def test_the_newest_of_a_place_holds_and_repeats_change_nothing() -> None:
    layout = bare_layout([PlaceKind.ZONE] * 2)
    found = Baselines(layout, "UTC")
    assert np.isnan(found.at(MONDAY_US).mean).all()
    assert found.take(baseline_rows(2, 50.0, computed_at_us=10)) == 2
    assert found.take(baseline_rows(1, 70.0, computed_at_us=20)) == 1
    assert found.take(baseline_rows(2, 90.0, computed_at_us=5)) == 0
    assert found.at(MONDAY_US).mean[0].tolist() == [70.0, 50.0]
    assert found.at(MONDAY_US).weeks[1].tolist() == [0.0, 0.0]


def test_the_time_of_the_week_decides() -> None:
    rows = baseline_rows(1)
    rows.mean[0] = np.arange(SLOTS)
    found = Baselines(bare_layout([PlaceKind.ZONE]), "Europe/Amsterdam")
    found.take(rows)
    assert found.at(MONDAY_US).mean[0, 0] == 4.0  # 01:00 on the city's clocks
    assert found.at(MONDAY_US + 25 * 4 * QUARTER_US).mean[0, 0] == 96 + 8


def test_sides_are_kept_apart_and_other_places_ignored() -> None:
    found = Baselines(bare_layout([PlaceKind.GATE]), "UTC")
    found.take(baseline_rows(3, 30.0, kind=PlaceKind.GATE, measure=Metric.IN))
    found.take(baseline_rows(1, 20.0, kind=PlaceKind.GATE, measure=Metric.OUT))
    assert found.take(baseline_rows(1, kind=PlaceKind.ZONE)) == 0
    assert found.at(MONDAY_US).mean[:, 0].tolist() == [30.0, 20.0]


def test_the_state_is_bytes_that_bring_it_back_in_whatever_order_it_came() -> None:
    layout = bare_layout([PlaceKind.ZONE] * 3)
    one, other = Baselines(layout, "UTC"), Baselines(layout, "UTC")
    rows = baseline_rows(3)
    rows.mean[:, 7] = [1, 2, 3]
    one.take(rows)
    for at in (2, 0, 1):
        other.take(rows.take(np.array([at], np.intp)))
    assert one.encoded == other.encoded
    restored = Baselines(layout, "UTC")
    restored.encoded = one.encoded
    assert restored.at(MONDAY_US + 7 * QUARTER_US).mean[0].tolist() == [1.0, 2.0, 3.0]
    assert restored.encoded == one.encoded


def test_a_new_city_version_keeps_the_places_that_stay() -> None:
    layout, fewer = bare_layout([PlaceKind.ZONE] * 3), bare_layout([PlaceKind.ZONE], first_number=3)
    rows = baseline_rows(3)
    rows.mean[2] = 9.0
    old, new = Baselines(layout, "UTC"), Baselines(fewer, "UTC")
    old.take(rows)
    new.carry(old, moves_between(layout, fewer, MONDAY_US))
    assert new.at(MONDAY_US).mean[0].tolist() == [9.0]
    assert len(new.encoded) < len(old.encoded)
