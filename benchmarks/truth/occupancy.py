# SPDX-License-Identifier: Apache-2.0
"""People inside from counts at gates, beside running sums, on simulated event days."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from benchmarks.truth.occupancy_devices import Receivers
from benchmarks.truth.occupancy_ground import (
    EMPTY_MINUTE,
    FROM,
    MINUTES,
    STATED_BIAS,
    STATED_SD,
    TO,
    ZONES,
    Counters,
    Days,
    Floats,
    Ints,
    Scenario,
    gates,
    lived,
)
from benchmarks.truth.section import Goal, Section
from streams.core.conservation import Swapped
from streams.core.fusion import Fusion
from streams.core.layout import MINUTE_US
from streams.core.occupancy import Kind, Occupancy

SEEDS, SHORT_SEEDS = 200, 10
SCENARIOS = (
    Scenario("constant errors"),
    Scenario("misses grow with flow, both ways", misses=0.15),
    Scenario("misses grow with flow, one way", misses=0.15, one_way=True),
    Scenario("drop-outs", drop_outs=True),
    Scenario("a swapped gate", swapped=True),
    Scenario("swapped, one way, drop-outs", misses=0.15, one_way=True, drop_outs=True, swapped=True),
)
CAMERA_ZONE, CAMERA_SD, CAMERA_EVERY_MIN = 1, 0.10, 10
SIGHTING_SD, SIGHTING_EVERY_MIN = 0.15, 180
EMPTY_SD = 4.0
LOOKED_AT = (0, 2, 3)
"""With receivers: the camera's zone teaches them, the others have to be looked at."""
START_SD = 5.0
"""At 06:00 nobody is there, give or take."""


@dataclass(slots=True)
class Score:
    """What one scenario came to."""

    squares: Floats
    held: Floats
    width: float
    found: int
    false: int
    swapped: int


def sections(*, short: bool, seed: int) -> list[Section]:
    """The table of all scenarios."""
    seeds = SHORT_SEEDS if short else SEEDS
    days = lived(seeds, np.random.default_rng([seed, 1]))
    scores = [run(one, days, seeds, np.random.default_rng([seed, 2, at])) for at, one in enumerate(SCENARIOS)]
    rows = [_row(one, score) for one, score in zip(SCENARIOS, scores, strict=True)]
    goals = [
        Goal(f"occupancy, {one.name}: 95 % bound holds, % of minutes", 100 * float(score.held.mean()), 93.0,
             97.0 if at == 0 else None)
        for at, (one, score) in enumerate(zip(SCENARIOS, scores, strict=True))
    ]
    false = sum(one.false for one in scores)
    goals.append(Goal("occupancy: gates wrongly called swapped, all scenarios", false, None, 0))
    return [Section(
        title="Occupancy from counts at gates",
        text=f"{seeds} event days of 34 hours, four zones, eight gates, people conserved. The city file says "
        f"bias {100 * STATED_BIAS:g} % and sd {100 * STATED_SD:g} % of every counter, in and out drawn apart; the "
        f"filter knows no more of the scenario. One zone has a camera (sd {100 * CAMERA_SD:g} %, its error the same "
        f"all day), another is looked at every {SIGHTING_EVERY_MIN // 60} hours (sd {100 * SIGHTING_SD:g} %), all are "
        "empty at 04:00. Held: share of zone minutes in which the truth lies within the bounds; worst: the zone where "
        "that is least. The sums correct the stated bias; with reset they are set to 0 at 04:00. False: gates wrongly "
        "called swapped, or called so again.",
        columns=("scenario", "RMSE Drukte", "RMSE running sum", "RMSE with daily reset", "held",
                 "held, a day in ten below", "worst zone", "mean width", "swapped found", "false"),
        rows=rows, goals=goals), _devices(days, seeds, seed)]


def _devices(days: Days, seeds: int, seed: int) -> Section:
    """The same days with and without receivers of devices, of which nothing is known at the start."""
    rows, goals = [], []
    for at, scenario in enumerate((SCENARIOS[0], SCENARIOS[5])):
        with_devices, without = (
            run(scenario, days, seeds, np.random.default_rng([seed, 3, at]),
                Receivers(seeds, np.random.default_rng([seed, 4, at]), hears=hears), LOOKED_AT)
            for hears in (True, False))
        errors = [float(np.sqrt(one.squares[0])) for one in (without, with_devices)]
        held = [100 * float(one.held.mean()) for one in (without, with_devices)]
        rows.append((scenario.name, *(f"{one:.0f}" for one in errors), *(f"{one:.1f} %" for one in held),
                     *(f"{one.width:.0f}" for one in (without, with_devices))))
        goals.append(Goal(f"occupancy with devices, {scenario.name}: 95 % bound holds, % of minutes", held[1], 93.0))
        goals.append(Goal(f"occupancy with devices, {scenario.name}: RMSE of that without", errors[1] / errors[0],
                          None, 1.0))
    return Section(
        title="Counts of devices in the occupancy estimate", text=f"{seeds} of the days above; every zone has a "
        f"receiver that counts {Receivers.TEXT}. Its ratio is not known at the start: it is learned from the "
        "camera and from looks at the other zones (all three of them, every three hours), and says people in between.",
        columns=("scenario", "RMSE without", "RMSE with", "held without", "held with", "mean width without",
                 "mean width with"),
        rows=rows, goals=goals)


def _row(scenario: Scenario, score: Score) -> tuple[str, ...]:
    rmse = np.sqrt(score.squares)
    return (scenario.name, *(f"{one:.0f}" for one in rmse), f"{100 * score.held.mean():.1f} %",
            f"{100 * np.quantile(score.held.mean(axis=1), 0.1):.0f} %",
            f"{100 * score.held.mean(axis=0).min():.1f} %", f"{score.width:.0f}",
            f"{score.found} of {score.swapped}" if score.swapped else "-", str(score.false))


def run(scenario: Scenario, days: Days, seeds: int, random: np.random.Generator,
        receivers: Receivers | None = None, looked_at: Sequence[int] = (2,)) -> Score:
    """Play all days of a scenario at once: each has zones and gates of its own."""
    counters, occupancy = Counters(scenario, seeds, random), Occupancy(gates(seeds), np.full(seeds * ZONES, START_SD))
    receivers = receivers or Receivers(seeds, random, hears=False)
    fusion = Fusion(occupancy, receivers.ratio)
    camera = random.normal(1, CAMERA_SD, seeds)
    sums, squares = np.zeros((2, seeds, ZONES)), np.zeros(3)
    held, width = np.zeros((seeds, ZONES)), 0.0
    turned = np.zeros(counters.swapped.size, np.bool_)
    false = 0
    for minute in range(MINUTES):
        counts, coverage = counters.seen(minute, days.passages[minute])
        flat = counts.reshape(2, -1).astype(np.float64)
        found = occupancy.minute(minute * MINUTE_US, flat[0], flat[1], coverage.ravel())[1]
        truth = days.people[minute]
        found += _anchors(fusion, minute, truth, camera, random, looked_at)
        receivers.count(minute, truth)
        fusion.by_devices(minute)
        for one in found:
            turned[one.gate] = one.reversed
            false += not counters.swapped.ravel()[one.gate]
        sums += _net(counts)
        if minute == EMPTY_MINUTE:
            sums[1] = 0.0
        told = occupancy.estimate()
        mean, lower, upper = (one[: seeds * ZONES].reshape(seeds, ZONES) for one in (told.mean, told.lower, told.upper))
        # Whole people: the bounds hold a number that rounds to them.
        held += (np.floor(lower) <= truth) & (truth <= np.ceil(upper))
        width += float((upper - lower).mean())
        squares += [float(((one - truth) ** 2).mean()) for one in (mean, sums[0], sums[1])]
    return Score(squares / MINUTES, held / MINUTES, width / MINUTES, int((turned & counters.swapped.ravel()).sum()),
                 false, int(counters.swapped.sum()))


def _net(counts: Ints) -> Floats:
    """What a running sum adds to every zone."""
    net = (counts[0] - counts[1]) / (1 + STATED_BIAS)
    change = np.zeros((len(net), ZONES))
    for gate, (source, target) in enumerate(zip(FROM, TO, strict=True)):
        change[:, target] += net[:, gate]
        if source >= 0:
            change[:, source] -= net[:, gate]
    return change


def _anchors(fusion: Fusion, minute: int, truth: Ints, camera: Floats,
             random: np.random.Generator, looked_at: Sequence[int]) -> list[Swapped]:
    """Correct by what else is known in this minute."""
    found: list[Swapped] = []
    seeds = len(truth)
    first = np.arange(seeds) * ZONES
    if minute % CAMERA_EVERY_MIN == 0:
        seen = truth[:, CAMERA_ZONE] * camera
        found += fusion.anchor(minute * MINUTE_US, Kind.AREA_SENSOR, first + CAMERA_ZONE, seen,
                                  CAMERA_SD * seen + 1)[1]
    if minute % SIGHTING_EVERY_MIN == SIGHTING_EVERY_MIN - 1:
        for zone in looked_at:
            said = np.maximum(truth[:, zone] * random.normal(1, SIGHTING_SD, seeds), 0)
            found += fusion.anchor(minute * MINUTE_US, Kind.SIGHTING, first + zone, said, SIGHTING_SD * said + 5)[1]
    if minute == EMPTY_MINUTE:
        every = np.arange(seeds * ZONES)
        found += fusion.anchor(minute * MINUTE_US, Kind.EMPTY_HOUR, every, np.zeros(len(every)),
                                  np.full(len(every), EMPTY_SD))[1]
    return found
