# SPDX-License-Identifier: Apache-2.0
"""The release policy: what is protected how, and which seals cannot be released."""

import math
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import RefusedError
from schemas.live import Status
from schemas.reading import Metric
from schemas.seal import GRAINS_S, METRICS, Group, Seal
from streams.core import release
from streams.core.release import MEASURES, PLACES, Mechanism, checked_grid, protection
from tests.writer.seals import MIDNIGHT_US, cell, passages_seal, people_seal, seal_of, vehicles_seal

POLICY_HASHES = {"1": "3c5d33b89560174044969a557dc1f0f85ab555fd36fc9dde3c98dfd905d31ed5"}
"""A change of the policy needs a new version, and a line here."""


def test_the_version_names_one_policy() -> None:
    assert release.policy_hash() == POLICY_HASHES[release.POLICY_VERSION]


@pytest.mark.parametrize("grain_s", GRAINS_S)
@pytest.mark.parametrize("group", Group)
def test_noise_is_five_sensitivities_and_costs_what_the_policy_says(group: Group, grain_s: int) -> None:
    protected = protection(group, grain_s)
    if group is Group.VEHICLES:
        assert (protected.mechanism, protected.sigma, protected.rho) == (Mechanism.NONE, 0, 0)
        assert protected.public_source
    else:
        assert protected.sensitivity == (grain_s if group is Group.PEOPLE else 1)
        assert protected.sigma == 5 * protected.sensitivity
        assert math.isclose(protected.rho, protected.sensitivity**2 / (2 * protected.sigma**2))
        assert not protected.public_source


def test_every_metric_has_a_name_and_every_group_a_place() -> None:
    assert {metric for metrics in METRICS.values() for metric in metrics} == set(MEASURES)
    assert set(PLACES) == set(Group)


@given(st.lists(st.one_of(st.none(), st.integers(0, 2**40).map(float)), max_size=20))
def test_a_grid_is_the_seal(values: list[float | None]) -> None:
    grid = checked_grid(people_seal(values))
    assert [None if math.isnan(value) else value for value in grid.exact.tolist()] == values
    assert grid.statuses() == ["O" if value is None else "A" for value in values]
    assert grid.known.tolist() == [value is not None for value in values]
    assert grid.place.tolist() == list(range(1, len(values) + 1))


def test_a_speed_of_no_vehicle_is_missing() -> None:
    grid = checked_grid(vehicles_seal(0.0, None))
    assert grid.statuses() == ["A", "O"]


WRONG: dict[str, Callable[[], Seal]] = {
    "fraction of a person": lambda: people_seal([1.5]),
    "negative": lambda: people_seal([-1.0]),
    "infinite": lambda: people_seal([math.inf]),
    "too large": lambda: people_seal([2.0**53]),
    "cell twice": lambda: seal_of(Group.PEOPLE, [cell(1, Metric.PEOPLE, 1.0)] * 2),
    "metric of another group": lambda: seal_of(Group.PEOPLE, [cell(1, Metric.IN, 1.0)]),
    "unknown metric": lambda: seal_of(Group.PEOPLE, [cell(1, Metric.PEOPLE, 1.0) | {"metric": 15}]),
    "class of people": lambda: seal_of(Group.PEOPLE, [cell(1, Metric.PEOPLE, 1.0, vehicle_class="bicycle")]),
    "missing with a value": lambda: seal_of(Group.PEOPLE, [cell(1, Metric.PEOPLE, 1.0, status=Status.MISSING)]),
    "coverage above 1": lambda: seal_of(
        Group.PEOPLE, [cell(1, Metric.PEOPLE, 1.0, coverage=1.5)]),
    "weight below 0": lambda: seal_of(Group.PEOPLE, [cell(1, Metric.PEOPLE, 1.0, weight=-1.0)]),
    "unknown grain": lambda: passages_seal([(1.0, 1.0)], grain_s=1800),
    "begins within a grain": lambda: people_seal([1.0], start_us=MIDNIGHT_US + 1),
    "negative part": lambda: people_seal([1.0], part=-1),
    "far future": lambda: people_seal([1.0], start_us=8_000_000_000_000_000_000 // 900_000_000 * 900_000_000),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_seal_is_refused_without_its_values(name: str) -> None:
    with pytest.raises(RefusedError) as refused:
        checked_grid(WRONG[name]())
    assert refused.value.reason in ("bad-value", "bad-time")
    assert not any(text in str(refused.value) for text in ("1.5", "-1", "9007199254740992"))
