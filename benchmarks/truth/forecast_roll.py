# SPDX-License-Identifier: Apache-2.0
"""Forecasts with a rolling origin: each model sees a slot only after it has ended; figures are made each midnight."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.core.amsterdam_rule import WEIGHTS, amsterdam_rule
from streams.core.forecast import Forecast, Outlook, QuarterSeen
from streams.core.forecast_series import Series
from streams.core.own_forecast import Origin, Targets
from streams.core.seasonal_naive import usual

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

OWN, ALONE, AMSTERDAM, NAIVE = "Drukte", "Drukte without plan and gates", "Amsterdam's rule", "seasonal naive"
MODELS = (OWN, ALONE, AMSTERDAM, NAIVE)


@dataclass(frozen=True, slots=True)
class Recorded:
    """What happened, slot by slot; float64 arrays, series x slots.

    Parameters
    ----------
    pool : int array over series
    low, high, net_low, net_high, planned : arrays
        As `QuarterSeen` and `Outlook` take them.
    figures : array
        Values that baselines are made of; NaN where an event was on.
    slots_a_day : int
    level : float64 array over series
    """

    pool: npt.NDArray[np.intp]
    low: Floats
    high: Floats
    net_low: Floats
    net_high: Floats
    planned: Floats
    figures: Floats
    slots_a_day: int
    level: Floats

    @property
    def slots(self) -> int:
        """How many slots there are."""
        return int(self.low.shape[1])


@dataclass(frozen=True, slots=True)
class Said:
    """Of one model: quantiles, origins x series x horizons x 3, and the probability of the level in the next slot."""

    quantiles: Floats
    probability: Floats


class GivenMiddle(Forecast):
    """A baseline's points with the scales and residuals of our own forecast: the same intervals for all."""

    given: Floats

    def _middle(self, origin: Origin, targets: Targets) -> Floats:
        known = ~origin.missing() & (targets.expected >= 0)
        return np.where(known, self.given, np.nan)


def rolled(recorded: Recorded, horizons: int, warm_from: int, first: int, models: tuple[str, ...]) -> dict[str, Said]:
    """Every model's forecasts for origins from slot `first` on; all learn from slot `warm_from` on."""
    series = Series(np.arange(len(recorded.pool)), [], np.empty(0, np.intp), recorded.pool,
                    [("people", str(at)) for at in range(int(recorded.pool.max()) + 1)])
    running = {name: (GivenMiddle if name in (AMSTERDAM, NAIVE) else Forecast)(series, horizons) for name in models}
    quantiles: dict[str, list[Floats]] = {name: [] for name in models}
    chances: dict[str, list[Floats]] = {name: [] for name in models}
    day = recorded.slots_a_day
    mean, median = np.empty(0), np.empty(0)
    for slot in range(warm_from, recorded.slots - horizons):
        if slot % day == 0 or slot == warm_from:
            mean, median = _figures(recorded, slot - slot % day, horizons)
        at = len(WEIGHTS) + slot % day
        for name, model in running.items():
            if isinstance(model, GivenMiddle):
                model.given = _given(name, recorded, slot, mean, median, at, horizons)
            model.at_quarter(*_inputs(name, recorded, slot, mean, at, horizons))
            if slot >= first:
                quantiles[name].append(model.forecast())
                chances[name].append(model.probability_of(recorded.level))
    return {name: Said(np.stack(quantiles[name]), np.stack(chances[name])) for name in models}


def _figures(recorded: Recorded, midnight: int, horizons: int) -> tuple[Floats, Floats]:
    """Means and medians from twelve slots before midnight to `horizons` + 1 after the next one."""
    targets = np.arange(midnight - len(WEIGHTS), midnight + recorded.slots_a_day + horizons + 2)
    found = usual(recorded.figures[:, :midnight], midnight, targets, recorded.slots_a_day)
    return found.mean, found.median


def _inputs(name: str, recorded: Recorded, slot: int, mean: Floats, at: int, horizons: int
            ) -> tuple[QuarterSeen, Outlook]:
    now = slice(slot, slot + horizons + 1)
    nothing = np.full(len(recorded.pool), np.nan)
    alone = name == ALONE
    seen = QuarterSeen(
        recorded.low[:, slot], recorded.high[:, slot], nothing if alone else recorded.net_low[:, slot],
        nothing if alone else recorded.net_high[:, slot])
    planned = recorded.planned[:, now]
    return seen, Outlook(mean[:, at : at + horizons + 1], np.zeros_like(planned) if alone else planned)


def _given(name: str, recorded: Recorded, slot: int, mean: Floats, median: Floats, at: int, horizons: int) -> Floats:
    if name == NAIVE:
        return mean[:, at + 1 : at + 1 + horizons]
    past = slice(slot + 1 - len(WEIGHTS), slot + 1)
    actual = 0.5 * (recorded.low[:, past] + recorded.high[:, past])
    return amsterdam_rule(actual, median[:, at + 1 - len(WEIGHTS) : at + 1], median[:, at : at + horizons + 2])
