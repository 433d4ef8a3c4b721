# SPDX-License-Identifier: Apache-2.0
"""Bounds of a zone's density as rows tell them, against the density that is really there."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.truth.section import Goal, Section
from streams.core.measures import band_density
from streams.core.privacy import band

DRAWS, DRAWS_SHORT = 20_000, 2_000
AREA_M2 = 2_000.0
FEWEST, MOST = 200, 8_000
"""People in the zone: from 0.1 to 4 a square metre."""
HOLDS_AT_LEAST, HOLDS_AT_MOST = 0.93, 0.97

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Scenario:
    """How a zone is seen.

    Parameters
    ----------
    name : str
    seen : float
        Share of the zone that its cameras see while all report.
    cameras : int
        Of equal views.
    bias, sd : float
        Stated error of each.
    together : bool
        Whether they all err the same way, as they are taken to.
    coverage : float
        Share of that view that reports.
    is_exact : bool
        Whether all that makes the bounds is as it is taken to be: then they should hold neither less nor more.
    """

    name: str
    seen: float
    cameras: int
    bias: float
    sd: float
    together: bool = True
    coverage: float = 1.0
    is_exact: bool = True


SCENARIOS = (
    Scenario("all in view, one camera, sd 8 %", 1.0, 1, 0.0, 0.08),
    Scenario("all in view, one camera, bias -5 %, sd 10 %", 1.0, 1, -0.05, 0.10),
    Scenario("a third in view, one camera, bias -5 %, sd 10 %", 1 / 3, 1, -0.05, 0.10),
    Scenario("a third in view, an exact camera", 1 / 3, 1, 0.0, 0.0),
    Scenario("all in view, four cameras that err together, sd 10 %", 1.0, 4, 0.0, 0.10),
    Scenario("all in view, four cameras that err apart, sd 10 %", 1.0, 4, 0.0, 0.10, together=False, is_exact=False),
    Scenario("four cameras, one of them silent, sd 10 %", 1.0, 4, 0.0, 0.10, coverage=0.75),
)


def sections(short: bool, seed: int) -> list[Section]:
    """One table: how often the bounds hold, and how wide they are, beside the band alone."""
    rows, goals = [], []
    for number, one in enumerate(SCENARIOS):
        random = np.random.default_rng([seed, number])
        holds, width, band_holds = _scored(one, random, DRAWS_SHORT if short else DRAWS)
        rows.append((one.name, f"{100 * holds:.1f} %", f"{100 * width:.0f} %", f"{100 * band_holds:.1f} %"))
        goals.append(Goal(f"bounds hold, {one.name}", round(holds, 4), low=HOLDS_AT_LEAST,
                          high=HOLDS_AT_MOST if one.is_exact else None))
    return [Section(
        title="Bounds of a zone's density",
        text=f"{DRAWS:,} crowds of {FEWEST} to {MOST:,} people on {AREA_M2:,.0f} m2, each person in view or not by "
             "chance. Cameras count what they see with their stated error, drawn once for each crowd; the row's bounds "
             "are made from the band of that count. Holds = the true density lies within them; width = high less low, "
             "as a share of the truth; the band alone is the two edges over the area.",
        columns=("scenario", "holds", "width", "the band alone holds"), rows=rows, goals=goals)]


def _scored(one: Scenario, random: np.random.Generator, draws: int) -> tuple[float, float, float]:
    truth = random.integers(FEWEST, MOST, draws, endpoint=True)
    share = one.seen * one.coverage
    cameras = max(1, round(one.cameras * one.coverage))
    parts = random.multinomial(truth, [share / cameras] * cameras + [1 - share])[:, :-1]
    error = random.normal(1 + one.bias, one.sd, (draws, 1 if one.together else cameras))
    counted = np.maximum(np.round(parts * error), 0.0).sum(axis=1)
    low, high = band(counted, np.full(draws, 1 / share))
    lower, upper = band_density(low, high, one.seen * AREA_M2, AREA_M2, np.full(draws, one.coverage), one.bias, one.sd)
    density = truth / AREA_M2
    return (_share(lower, density, upper), float(np.mean((upper - lower) / density)),
            _share(low / AREA_M2, density, high / AREA_M2))


def _share(low: Floats, truth: Floats, high: Floats) -> float:
    return float(np.mean((low <= truth) & (truth <= high)))
