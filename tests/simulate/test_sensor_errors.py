# SPDX-License-Identifier: Apache-2.0
"""Errors are chosen per sensor, always the same for a seed, and have the effect that they state."""

from collections.abc import Sequence

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.errors import FatalError
from streams.simulate.cameras import Cameras, rounded
from streams.simulate.counters import IN, OUT, Counters
from streams.simulate.crowd import Moves
from streams.simulate.schedule import DropOuts
from streams.simulate.sensor_errors import (
    FULL_DENSITY_PER_M2,
    FULL_FLOW_PER_M_MIN,
    NO_ERROR,
    Directions,
    Mix,
    SensorError,
    chosen_errors,
)
from streams.simulate.shares import Shares
from tests.cities import small_city

SECONDS = 2000
PER_SECOND = 20
FULL_WIDTH_M = 2 * PER_SECOND * 60 / FULL_FLOW_PER_M_MIN
"""A gate of this width is fully crowded with PER_SECOND passages each way."""

seeds = st.integers(0, 2**32 - 1)


def test_the_same_seed_chooses_the_same_errors_and_another_seed_others() -> None:
    one, again, other = (chosen_errors(small_city(), seed, Mix.TYPICAL) for seed in (1, 1, 2))
    assert one == again
    assert one != other


def test_a_sensor_more_changes_no_other_ones_error() -> None:
    whole = chosen_errors(small_city(), 1, Mix.TYPICAL)
    sensors = {key: small_city().file.sensors[key] for key in ("teller-straat-uit", "cam-plein")}
    fewer = chosen_errors(small_city(sensors=sensors), 1, Mix.TYPICAL)
    assert fewer == {key: whole[key] for key in fewer}


def test_given_errors_replace_the_drawn_ones() -> None:
    mine = SensorError(bias=0.5)
    found = chosen_errors(small_city(), 1, Mix.NONE, {"cam-plein": mine})
    assert found.pop("cam-plein") == mine
    assert set(found.values()) == {NO_ERROR}


@pytest.mark.parametrize(("key", "error"), [
    ("nobody", NO_ERROR), ("cam-plein", SensorError(swapped=True)),
    ("teller-straat-uit", SensorError(stuck_from_s=1)),
    ("cam-straat", SensorError(drop_out_share=0.9, drop_out_s=5)),
])
def test_an_error_that_a_sensor_cannot_have_is_refused(key: str, error: SensorError) -> None:
    with pytest.raises(FatalError, match=key):
        chosen_errors(small_city(), 1, Mix.NONE, {key: error})


def test_the_typical_mix_holds_all_kinds_of_error() -> None:
    drawn = [error for seed in range(150) for error in chosen_errors(small_city(), seed, Mix.TYPICAL).values()]
    for part in ("swapped", "drop_out_share", "clock_skew_s", "stuck_from_s", "crowding_misses", "bias"):
        assert any(getattr(error, part) for error in drawn), part
    assert {error.directions for error in drawn} == set(Directions)


def test_what_the_city_file_says_of_a_sensor_is_its_error() -> None:
    sensors = dict(small_city().file.sensors)
    measure = sensors["cam-plein"].measures["people"]
    known = msgspec.structs.replace(measure, error=msgspec.convert({"bias": -0.2, "sd": 0.1}, type(measure.error)))
    sensors["cam-plein"] = msgspec.structs.replace(sensors["cam-plein"], measures={"people": known})
    found = chosen_errors(small_city(sensors=sensors), 1, Mix.CITY)
    assert found["cam-plein"] == SensorError(bias=-0.2, noise_sd=0.1)


def counted(error: SensorError, width_m: float = 1e9, swapped: bool = False) -> npt.NDArray[np.float64]:
    """In and out of one counter as shares of the truth, over many seconds with the same passages."""
    counters = Counters(
        np.array([0]), Shares(np.array([0]), [1.0], ["gate"]), np.array([swapped]), [error],
        np.array([width_m]), 1,
    )
    moves = Moves(np.array([PER_SECOND]), np.array([PER_SECOND // 2]))
    for _ in range(SECONDS):
        counters.count(moves, np.array([True]))
    shown = [counters.take(np.array([way]), np.array([0]))[0] for way in (IN, OUT)]
    truth = [SECONDS * PER_SECOND, SECONDS * PER_SECOND // 2]
    shares: npt.NDArray[np.float64] = np.array(shown) / np.array(truth)
    return shares


@pytest.mark.parametrize(("error", "width_m", "expected"), [
    (NO_ERROR, 1.0, (1.0, 1.0)),
    (SensorError(bias=-0.07), 1e9, (0.93, 0.93)),
    (SensorError(bias=0.1), 1e9, (1.1, 1.1)),
    (SensorError(bias=-0.07, directions=Directions.OUT), 1e9, (1.0, 0.93)),
    (SensorError(crowding_misses=0.2), 1e9, (1.0, 1.0)),
    (SensorError(crowding_misses=0.2), FULL_WIDTH_M, (0.85, 0.85)),
    (SensorError(crowding_misses=0.2), 0.1, (0.8, 0.8)),
    (SensorError(crowding_misses=0.2, directions=Directions.IN), 0.1, (0.8, 1.0)),
    (SensorError(bias=-0.1, crowding_misses=0.2), 0.1, (0.72, 0.72)),
])
def test_a_counter_errs_by_its_stated_share(
    error: SensorError, width_m: float, expected: Sequence[float]
) -> None:
    # 30 passages a second against 40 of a full gate: three quarters crowded at FULL_WIDTH_M.
    assert counted(error, width_m) == pytest.approx(expected, abs=0.015)


def test_an_error_free_counter_is_exact_and_a_swapped_one_is_exactly_reversed() -> None:
    assert counted(NO_ERROR).tolist() == [1.0, 1.0]
    assert counted(NO_ERROR, swapped=True).tolist() == [0.5, 2.0]


def shown(error: SensorError, density_per_m2: float, readings: int = 3000) -> npt.NDArray[np.float64]:
    """What a camera shows of a thousand people standing still, as shares of them."""
    people = np.array([1000, 10**7])
    cameras = Cameras(
        np.array([0]), Shares(np.array([0]), [1.0], ["zone"]), np.array([600.0]), [error],
        np.array([1000 / density_per_m2]), 1,
    )
    return np.array([cameras.values(people, second, np.array([0]))[0] for second in range(readings)]) / 1000


@pytest.mark.parametrize(("error", "density", "mean", "spread"), [
    (NO_ERROR, 6.0, 1.0, 0.0),
    (SensorError(bias=-0.07), 1.0, 0.93, 0.0),
    (SensorError(crowding_misses=0.2), FULL_DENSITY_PER_M2 / 2, 0.9, 0.0095),
    (SensorError(crowding_misses=0.2), 2 * FULL_DENSITY_PER_M2, 0.8, 0.0126),
    (SensorError(noise_sd=0.05), 1.0, 1.0, 0.05),
])
def test_a_camera_errs_by_its_stated_share(
    error: SensorError, density: float, mean: float, spread: float
) -> None:
    shares = shown(error, density)
    assert shares.mean() == pytest.approx(mean, abs=0.01)
    assert shares.std() == pytest.approx(spread, rel=0.15, abs=1e-3)


def test_a_stuck_camera_repeats_its_last_value() -> None:
    shares = shown(SensorError(noise_sd=0.05, stuck_from_s=50), 1.0, 200)
    assert len(set(shares[:50].tolist())) > 20
    assert set(shares[50:].tolist()) == {shares[49]}


@settings(max_examples=50, deadline=None)
@given(seeds, st.integers(0, 10**6), st.lists(st.floats(0.01, 1.0), min_size=1, max_size=6))
def test_parts_of_sensors_that_see_all_add_up_to_all(seed: int, people: int, weights: list[float]) -> None:
    place = np.zeros(len(weights), np.intp)
    parts = [weight / sum(weights) for weight in weights]
    split = Shares(place, parts, ["zone"] * len(weights)).split(np.array([people]), np.random.default_rng(seed))
    assert split.min() >= 0
    assert split.sum() == people


def test_a_sensor_of_another_group_sees_the_same_people_again() -> None:
    shares = Shares(np.array([0, 0, 0]), [0.5, 0.5, 1.0], ["active", "active", "trial"])
    one, other, trial = shares.split(np.array([1000]), np.random.default_rng(1)).tolist()
    assert one + other == trial == 1000
    assert one == pytest.approx(500, abs=80)


def test_drop_outs_take_their_stated_share_and_length() -> None:
    drop_outs = DropOuts([SensorError(drop_out_share=0.1, drop_out_s=30), NO_ERROR], 1)
    states = []
    for _ in range(100_000):
        drop_outs.step()
        states.append(drop_outs.is_up.tolist())
    up = np.array(states)
    assert up[:, 1].all()
    assert 1 - up[:, 0].mean() == pytest.approx(0.1, abs=0.02)
    falls = int((up[:-1, 0] & ~up[1:, 0]).sum())
    assert (~up[:, 0]).sum() / falls == pytest.approx(30, rel=0.2)


@settings(max_examples=30, deadline=None)
@given(seeds, st.floats(0, 1000))
def test_rounding_keeps_the_mean_and_whole_numbers(seed: int, value: float) -> None:
    random = np.random.default_rng(seed)
    found = rounded(np.full(4000, value), random)
    assert found.mean() == pytest.approx(value, abs=0.06)
    assert (rounded(np.floor(np.full(10, value)), random) == np.floor(value)).all()
