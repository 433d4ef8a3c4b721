# SPDX-License-Identifier: Apache-2.0
"""The forecast of a partition: what it says, what it learns, and what it may not know."""

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.city import City
from streams.core.calibration import Calibrated
from streams.core.forecast import HORIZONS, Forecast, Outlook, QuarterSeen
from streams.core.forecast_series import Series, forecast_series
from streams.core.layout import layout
from streams.core.moves import moves_between
from streams.core.privacy import band
from tests.cities import small_city

Floats = npt.NDArray[np.float64]
DAY = 96


def series(pools: list[int]) -> Series:
    none = np.empty(0, np.intp)
    named = [("people", str(at)) for at in range(max(pools) + 1)]
    return Series(np.arange(len(pools)), [], none, np.array(pools, np.intp), named)


def curve(quarters: int) -> Floats:
    """A usual day of two zones, so long."""
    at = np.arange(quarters)
    day = 200 - 150 * np.cos(2 * np.pi * at / DAY)
    return np.stack([day, 0.5 * day])


def seen(people: Floats, net: Floats | None = None) -> QuarterSeen:
    known = ~np.isnan(people)
    low, high = band(np.where(known, people, 0.0))
    missing = np.full(len(people), np.nan)
    flows = missing if net is None else net
    return QuarterSeen(np.where(known, low, np.nan), np.where(known, high, np.nan), flows, flows)


def played(people: Floats, usual: Floats, planned: Floats | None = None, net: Floats | None = None,
           model: Forecast | None = None) -> tuple[Forecast, list[Floats]]:
    """A forecast that saw all quarters of `people`, and what it said after each."""
    model = model or Forecast(series([0] * len(people)))
    plan = np.zeros_like(usual) if planned is None else planned
    said = []
    for at in range(people.shape[1]):
        ahead = slice(at, at + HORIZONS + 1)
        flow = None if net is None else net[:, at]
        model.at_quarter(seen(people[:, at], flow), Outlook(usual[:, ahead], plan[:, ahead]))
        said.append(model.forecast())
    return model, said


def state(model: Forecast) -> dict[str, Any]:
    return {name: getattr(model, name) for name in Forecast.STATE}


def test_an_ordinary_day_is_forecast_as_usual() -> None:
    usual = curve(2 * DAY + HORIZONS + 1)
    _, said = played(usual[:, : 2 * DAY], usual)
    middle = said[-1][:, :, 1]
    assert np.allclose(middle, usual[:, 2 * DAY : 2 * DAY + HORIZONS], rtol=0.05, atol=3)


def test_a_busier_day_is_forecast_busier_and_the_interval_holds_it() -> None:
    draw = np.random.default_rng(3)
    usual = curve(7 * DAY + HORIZONS + 1)
    days = np.exp(0.3 * draw.standard_normal(8)).repeat(DAY)[: usual.shape[1]]
    people = usual * days * np.exp(0.05 * draw.standard_normal(usual.shape))
    _, said = played(people[:, : 7 * DAY], usual)
    later = range(4 * DAY, 7 * DAY - HORIZONS)
    ours = np.mean([np.abs(said[at][:, 1, 1] - people[:, at + 2]).mean() for at in later])
    plain = np.mean([np.abs(usual[:, at + 2] - people[:, at + 2]).mean() for at in later])
    assert ours < 0.7 * plain
    held = [(said[at][:, 1, 0] <= people[:, at + 2]) & (people[:, at + 2] <= said[at][:, 1, 2]) for at in later]
    assert 0.85 < np.mean(held) < 0.98


def test_the_plan_of_an_event_is_seen_ahead() -> None:
    usual = curve(60 + HORIZONS + 1)
    planned = np.zeros_like(usual)
    planned[0, 63:] = 500.0
    _, with_plan = played(usual[:, :60], usual, planned)
    _, without = played(usual[:, :60], usual)
    assert with_plan[-1][0, 3, 1] > without[-1][0, 3, 1] + 400
    assert with_plan[-1][0, 2, 1] < without[-1][0, 2, 1] + 50
    assert np.allclose(with_plan[-1][1], without[-1][1])


def test_what_comes_in_at_the_gates_is_used_once_it_has_proved_right() -> None:
    draw = np.random.default_rng(5)
    usual = np.full((2, 700 + HORIZONS + 1), 300.0)
    lead = np.zeros(700)
    for at in range(1, 700):
        lead[at] = 0.8 * lead[at - 1] + 10 * draw.standard_normal()
    people = np.stack([300 + np.roll(lead, 1), 300 + np.roll(lead, 1)])
    # The gates tell the step that the cameras will see a quarter later.
    net = np.stack([lead - np.roll(lead, 1)] * 2)
    errors = []
    for flow in (net, None):
        _, said = played(people, usual, net=flow)
        errors.append(np.mean([np.abs(said[at][:, 0, 1] - people[:, at + 1]).mean() for at in range(400, 690)]))
    assert errors[0] < 0.85 * errors[1]


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.one_of(st.just(float("nan")), st.floats(0, 1e5)), min_size=2, max_size=2),
                min_size=1, max_size=30),
       st.lists(st.one_of(st.just(float("nan")), st.floats(0, 1e5)), min_size=39, max_size=39))
def test_quantiles_rise_and_are_never_negative_or_infinite(people: list[list[float]], usual: list[float]) -> None:
    _, said = played(np.array(people).T, np.array([usual, usual]))
    for quantiles in said:
        known = quantiles[~np.isnan(quantiles).any(axis=2)]
        assert (known >= 0).all()
        assert np.isfinite(known).all()
        assert (np.diff(known, axis=-1) >= 0).all()


def test_a_missing_quarter_is_no_forecast_and_the_next_one_is() -> None:
    usual = curve(40 + HORIZONS + 1)
    people = usual[:, :40].copy()
    people[0, 38] = np.nan
    _, said = played(people, usual)
    assert np.isnan(said[38][0]).all()
    assert not np.isnan(said[38][1]).any()
    assert not np.isnan(said[39]).any()


def test_without_a_baseline_the_last_hours_stand_in_and_the_first_quarter_says_something() -> None:
    people = np.full((2, 20), 120.0)
    _, said = played(people, np.full((2, 29), np.nan))
    assert np.allclose(said[-1][:, :, 1], 122, rtol=0.1)
    assert not np.isnan(said[0]).any()


def test_the_future_does_not_change_a_past_forecast() -> None:
    usual = curve(150 + HORIZONS + 1)
    draw = np.random.default_rng(7)
    one, other = usual[:, :150].copy(), usual[:, :150].copy()
    other[:, 100:] *= draw.uniform(0, 3, (2, 50))
    _, said_one = played(one, usual)
    _, said_other = played(other, usual)
    assert all(np.array_equal(said_one[at], said_other[at]) for at in range(100))
    assert not np.array_equal(said_one[100], said_other[100])


def test_the_same_quarters_give_the_same_bits_also_from_a_copy_of_the_state() -> None:
    usual = curve(80 + HORIZONS + 1)
    people = usual[:, :80] * np.random.default_rng(2).uniform(0.8, 1.3, (2, 80))
    whole, _ = played(people, usual)
    half, _ = played(people[:, :40], usual)
    again = Forecast(series([0, 0]))
    for name, value in state(half).items():
        setattr(again, name, np.frombuffer(value.tobytes(), value.dtype).reshape(value.shape).copy())
    played(people[:, 40:], usual[:, 40:], model=again)
    for name, value in state(whole).items():
        assert value.tobytes() == state(again)[name].tobytes(), name


def test_pools_learn_apart() -> None:
    usual = curve(100 + HORIZONS + 1)
    people = usual[:, :100].copy()
    people[1] *= np.random.default_rng(1).uniform(0.2, 2.0, 100)
    _, apart = played(people, usual, model=Forecast(series([0, 1])))
    _, calm = played(usual[:, :100], usual, model=Forecast(series([0, 1])))
    assert np.array_equal(apart[-1][0], calm[-1][0])
    _, together = played(people, usual)
    assert not np.array_equal(together[-1][0], calm[-1][0])


def city_series(city: City) -> tuple[Series, Any]:
    laid_out = layout(city, 1, 0)
    return forecast_series(laid_out), laid_out


def test_a_site_is_the_sum_of_its_zones_and_missing_with_one_of_them() -> None:
    found, laid_out = city_series(small_city())
    values = np.arange(1.0, 1.0 + len(laid_out.place_kind))
    zones = len(found.zone_site)
    sums = found.of_places(values, np.ones(zones, np.bool_))[len(found.place):]
    assert sums.sum() == values[:zones].sum()
    values[0] = np.nan
    assert np.isnan(found.of_places(values, np.ones(zones, np.bool_))[len(found.place) + found.zone_site[0]])
    counted = np.ones(zones, np.bool_)
    counted[0] = False
    rest = found.of_places(values, counted)[len(found.place):]
    assert np.nansum(rest) == values[1:zones].sum()


def test_a_new_city_version_goes_on_with_what_stays() -> None:
    found, laid_out = city_series(small_city())
    old = Forecast(found)
    people = np.full((len(found), 30), 200.0) + np.arange(30.0)
    played(people, np.full((len(found), 30 + HORIZONS + 1), 210.0), model=old)
    same = Forecast(found)
    same.carry(old, moves_between(laid_out, laid_out, 0))
    assert all(np.array_equal(value, state(same)[name], equal_nan=True) for name, value in state(old).items())
    gone = replace(moves_between(laid_out, laid_out, 0), place=np.full(len(laid_out.place_kind), -1, np.intp))
    fresh = Forecast(found)
    fresh.carry(old, gone)
    assert np.isnan(fresh.low[: len(found.place)]).all()
    assert not np.isnan(fresh.low[len(found.place):]).all()


def test_the_chance_of_a_level_falls_with_the_level_and_agrees_with_the_quantiles() -> None:
    usual = curve(200 + HORIZONS + 1)
    model, said = played(usual[:, :200] * np.random.default_rng(4).uniform(0.8, 1.2, (2, 200)), usual)
    lower, middle, upper = said[-1][:, 0].T
    assert np.allclose(model.probability_of(upper), 0.05, atol=1e-6)
    assert np.allclose(model.probability_of(middle), 0.5, atol=1e-6)
    assert np.allclose(model.probability_of(lower), 0.95, atol=1e-6)
    assert model.probability_of(np.array([1e9, -1e9])) == pytest.approx([0, 1])
    assert np.isnan(model.probability_of(np.full(2, np.nan))).all()


def test_intervals_become_as_wide_as_the_errors_were() -> None:
    draw = np.random.default_rng(6)
    calibrated = Calibrated(np.zeros(4, np.intp), 2)
    middle, scale = np.full((4, 2), 1000.0), np.full((4, 2), 10.0)
    inside = []
    for at in range(1500):
        said = calibrated.issue(middle, scale, np.zeros((4, 2), np.bool_))
        actual = 1000 + 40 * draw.standard_normal(4)
        if at > 500:
            inside.append((said[:, 0, 0] <= actual) & (actual <= said[:, 0, 2]))
        calibrated.learn(actual, actual)
    assert 0.87 < np.mean(inside) < 0.93


def test_a_place_that_fills_up_right_after_a_start_gets_no_boundless_interval() -> None:
    people = np.stack([np.array([1_500.0, 5_400, 9_400, 11_100, 12_600, 10_200])] * 3)
    _, said = played(people, np.full((3, people.shape[1] + HORIZONS + 1), np.nan))
    for at, quantiles in enumerate(said):
        assert (quantiles[:, 0, 2] <= 4 * np.maximum(people[:, at], quantiles[:, 0, 1]) + 10).all()


def test_whom_a_plan_brought_already_does_not_count_twice_without_a_usual_day() -> None:
    usual, planned = np.full((1, 12 + HORIZONS + 1), np.nan), np.full((1, 12 + HORIZONS + 1), 3_000.0)
    _, said = played(np.full((1, 12), 3_000.0), usual, planned)
    assert np.allclose(said[0][0, :, 1], 3_000, rtol=0.05)
    assert np.allclose(said[-1][0, :, 1], 3_000, rtol=0.05)
