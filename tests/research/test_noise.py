# SPDX-License-Identifier: Apache-2.0
"""The noise is the noise: measured as anybody could who knows the exact values."""

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from schemas.errors import FatalError
from schemas.seal import GRAINS_S, Group
from streams.core.release import Grid, checked_grid, protection
from streams.research.noise import code_hash, noised, published_values
from tests.writer.seals import people_seal, vehicles_seal

PASSAGES = protection(Group.PASSAGES, GRAINS_S[0])
CELLS = 45_000
EDGE = 15
"""Everything from three standard deviations on is one class."""


def chi_square(noise: npt.NDArray[np.int64]) -> float:
    """Of the counts of -14 to 14 and both tails against the discrete Gaussian of sd 5."""
    weights = np.exp(-np.arange(-200, 201) ** 2 / 50)
    shares = weights / weights.sum()
    clipped = np.clip(np.arange(-200, 201), -EDGE, EDGE) + EDGE
    expected = np.bincount(clipped, weights=shares) * noise.size
    found = np.bincount(np.clip(noise, -EDGE, EDGE) + EDGE, minlength=2 * EDGE + 1)
    return float((((found - expected) ** 2) / expected).sum())


def probability_above(chi: float, degrees: int) -> float:
    """Wilson and Hilferty's approximation, good to a few percent of itself at 30 degrees."""
    spread = 2 / (9 * degrees)
    return 0.5 * math.erfc(((chi / degrees) ** (1 / 3) - (1 - spread)) / math.sqrt(2 * spread))


def is_the_noise(noise: npt.NDArray[np.int64]) -> bool:
    return abs(noise.std() - 5) < 0.05 and probability_above(chi_square(noise), 2 * EDGE) > 0.001


def test_the_noise_is_a_discrete_gaussian_of_five_sensitivities() -> None:
    exact = np.arange(CELLS, dtype=np.int64) % 40
    # A right sampler fails one try in a thousand (shape) or in four hundred (spread): one repeat.
    assert any(is_the_noise(noised(exact, PASSAGES) - exact) for _ in range(2))


@pytest.mark.parametrize("wrong", [
    lambda noise: noise + np.arange(noise.size) % 5 - 2,
    lambda noise: np.maximum(noise, -10),
    lambda noise: noise + (np.arange(noise.size) % 3 == 0),
], ids=["wider", "clamped", "shifted"])
def test_another_noise_would_be_noticed(wrong: object) -> None:
    # Each is so far off that no draw hides it: spread or chi-square by five standard errors beyond the limit, or more.
    noise = noised(np.zeros(CELLS, dtype=np.int64), PASSAGES)
    assert callable(wrong)
    assert not is_the_noise(wrong(noise))


@pytest.mark.parametrize("grain_s", GRAINS_S)
def test_person_seconds_get_the_grain_as_sensitivity(grain_s: int) -> None:
    people = protection(Group.PEOPLE, grain_s)
    noise = noised(np.full(4_000, 10**12), people) - 10**12
    assert abs(noise.std() / (5 * grain_s) - 1) < 0.08  # seven standard errors
    assert len(set((noise % grain_s).tolist())) > 300  # no lattice of whole persons


def test_two_draws_differ_and_every_cell_has_its_own() -> None:
    exact = np.zeros(200, dtype=np.int64)
    first, second = noised(exact, PASSAGES), noised(exact, PASSAGES)
    assert (first != second).any()
    assert len(set(first.tolist())) > 5


def test_what_is_missing_gets_no_draw_and_what_is_public_no_noise() -> None:
    grid = checked_grid(people_seal([None, 10.0, None]))
    published = published_values(grid, protection(Group.PEOPLE, GRAINS_S[0]))
    assert np.isnan(published).tolist() == [True, False, True]
    roads = checked_grid(vehicles_seal(10.5, 30.0))
    assert published_values(roads, protection(Group.VEHICLES, GRAINS_S[0])).tolist() == [10.5, 30.0]


def test_nothing_to_draw_is_drawn_from_nothing() -> None:
    empty = Grid(np.zeros(0, np.int32), [], [], np.zeros(0), np.zeros(0), np.zeros(0))
    assert published_values(empty, PASSAGES).size == 0


def test_a_public_mechanism_does_not_draw() -> None:
    with pytest.raises(FatalError):
        noised(np.zeros(1, dtype=np.int64), protection(Group.VEHICLES, GRAINS_S[0]))


def test_a_policy_that_costs_more_than_it_says_is_fatal() -> None:
    with pytest.raises(FatalError, match="contradicts"):
        noised(np.zeros(1, dtype=np.int64), replace(PASSAGES, sigma=4))


def test_the_code_has_a_hash() -> None:
    assert len(code_hash()) == 64
    assert code_hash() == code_hash()
