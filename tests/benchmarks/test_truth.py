# SPDX-License-Identifier: Apache-2.0
"""The short form of parts of the truth table runs, fits its columns, and holds what has to hold.

`occupancy` is left out: its short form takes half a minute, and tests/core/test_occupancy*.py hold what it shows.
"""

from functools import cache
from pathlib import Path

import pytest

from benchmarks.truth.__main__ import PAGE, PARTS, read_results, sections_of
from benchmarks.truth.page import page
from benchmarks.truth.section import Goal, Recorded, Section

ON_DATA = ("pedestrian", "forecast")
"""Parts that read the folder of real data."""
SIMULATED = ("density", "surge", "alerts")


@cache
def short(part: str) -> tuple[Section, ...]:
    return tuple(sections_of(part, short=True, seed=1))


def goals(part: str, *begins: str) -> list[Goal]:
    """Goals of a part whose names begin so; at least one of each."""
    found = [[one for section in short(part) for one in section.goals if one.name.startswith(name)]
             for name in begins]
    assert all(found)
    return [one for some in found for one in some]


def missed(found: list[Goal]) -> list[str]:
    return [f"{one.name}: {one.value:g}" for one in found if not one.reached]


def fits(part: str) -> None:
    """Its rows have as many cells as columns, and all of it stands on the page."""
    sections = short(part)
    text = page([Recorded(1, list(sections))])
    for section in sections:
        assert section.rows
        assert section.title in text
        assert {len(row) for row in section.rows} == {len(section.columns)}


def test_every_part_is_known_here() -> None:
    assert {*ON_DATA, *SIMULATED, "occupancy"} == set(PARTS)


@pytest.mark.parametrize("part", SIMULATED)
def test_a_simulated_part_fits_its_page(part: str) -> None:
    fits(part)


@pytest.mark.data
@pytest.mark.parametrize("part", ON_DATA)
def test_a_part_on_real_data_fits_its_page(part: str, data_dir: Path) -> None:
    assert data_dir.is_dir()
    fits(part)


@pytest.mark.data
def test_the_published_densities_are_ours(data_dir: Path) -> None:
    assert data_dir.is_dir()
    assert missed(goals("pedestrian", "frames")) == []


@pytest.mark.data
def test_the_forecast_beats_both_baselines(data_dir: Path) -> None:
    assert data_dir.is_dir()
    assert missed(goals("forecast", "pinball loss", "Brier score", "inside the 90 % interval")) == []


def test_surges_are_found_more_often_than_by_thresholds() -> None:
    assert missed(goals("surge", "surges found")) == []


def test_no_level_that_is_clearly_reached_goes_untold_and_none_is_made_up() -> None:
    assert missed(goals("alerts", "alerts: levels truly passed", "alerts: false ones")) == []


def test_noise_around_a_limit_is_one_alert() -> None:
    assert missed(goals("alerts", "noise around a limit")) == []


def test_the_page_is_what_was_recorded() -> None:
    known = read_results()
    assert set(known) == set(PARTS)
    assert PAGE.read_text() == page([known[part] for part in PARTS if part in known])
