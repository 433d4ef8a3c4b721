# SPDX-License-Identifier: Apache-2.0
"""How many people want to be in each zone at a time: arrival, a plateau with waves, egress; then again."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from streams.simulate.ground import Ground

CYCLE_S = 3600.0
"""From one quiet spell to the next: three minutes at twenty times the wall clock."""
ARRIVAL_S = (20.0, 620.0)
"""The square fills between these seconds of its cycle."""
EGRESS_S = (1800.0, 2400.0)
"""And empties between these."""
WAVE_S = 420.0
WAVE_SHARE = 0.02
SQUARE_PEAK = (1.20, 1.28)
"""Peak of the square in shares of its highest level's threshold: above it by more than a camera's error."""
QUIET_SHARE = (0.10, 0.25)
"""People of a quiet zone in shares of the threshold of level 1."""
LEVEL_CHANCES = (0.35, 0.4, 0.25)
"""How often another zone peaks within level 0, 1 and 2; the highest level is the square's alone."""
SHIFT_S = 420.0
"""Other zones come so much later at most; never earlier, so that a cycle begins and ends quiet."""


@dataclass(frozen=True, slots=True)
class _Cycle:
    quiet: npt.NDArray[np.float64]
    peak: npt.NDArray[np.float64]
    shift_s: npt.NDArray[np.float64]
    stretch: npt.NDArray[np.float64]
    phase: npt.NDArray[np.float64]


@dataclass(slots=True)
class Wishes:
    """Wished number of people per zone as a function of the second since the start.

    The same seed gives the same wishes; each cycle is drawn by itself, so that none depends on what was asked
    before.

    Parameters
    ----------
    ground : Ground
    seed : int
    """

    ground: Ground
    seed: int
    _cycles: dict[int, _Cycle] = field(default_factory=dict)

    def at(self, second: float) -> npt.NDArray[np.float64]:
        """Wished people [zone] so many seconds after the start."""
        number, within_s = divmod(second, CYCLE_S)
        cycle = self._cycle(int(number))
        along_s = (within_s - cycle.shift_s) * cycle.stretch
        come = smooth(along_s, *ARRIVAL_S)
        gone = smooth(along_s, *EGRESS_S)
        wave = WAVE_SHARE * np.sin(2 * np.pi * second / WAVE_S + cycle.phase)
        share = come * (1 - gone) * (1 + wave)
        # The quiet level glides into that of the next cycle: nobody vanishes at the turn.
        following = self._cycle(int(number) + 1).quiet
        quiet = cycle.quiet + (following - cycle.quiet) * smooth(np.float64(within_s), EGRESS_S[0], CYCLE_S)
        wished: npt.NDArray[np.float64] = quiet + np.maximum(cycle.peak - quiet, 0) * share
        return wished

    def _cycle(self, number: int) -> _Cycle:
        if number not in self._cycles:
            self._cycles = {known: self._cycles[known] for known in self._cycles if abs(known - number) <= 1}
            self._cycles[number] = self._drawn(number)
        return self._cycles[number]

    def _drawn(self, number: int) -> _Cycle:
        random = np.random.default_rng([self.seed, 1, number])
        levels = self.ground.level_people
        zones = len(levels)
        bounds = np.concatenate([np.zeros((zones, 1)), levels], axis=1)
        highest = np.isfinite(levels).sum(axis=1)
        drawn = random.choice(len(LEVEL_CHANCES), zones, p=LEVEL_CHANCES)
        level = np.minimum(drawn, np.maximum(highest - 1, 0))
        rows = np.arange(zones)
        low = bounds[rows, level]
        high = bounds[rows, np.minimum(level + 1, highest)]
        peak = low + (high - low) * random.uniform(0.45, 0.7, zones)
        quiet = random.uniform(*QUIET_SHARE, zones) * bounds[rows, np.minimum(1, highest)]
        shift_s = random.uniform(0, SHIFT_S, zones)
        stretch = random.uniform(0.9, 1.15, zones)
        square_peak, square_shift_s = random.uniform(*SQUARE_PEAK), random.uniform(-20, 20)
        if self.ground.square >= 0:
            at = self.ground.square
            peak[at] = square_peak * bounds[at, highest[at]]
            shift_s[at], stretch[at] = square_shift_s, 1.0
        return _Cycle(quiet, peak, shift_s, stretch, random.uniform(0, 2 * np.pi, zones))


def smooth(along: npt.NDArray[np.float64] | np.float64, begin: float, end: float) -> npt.NDArray[np.float64]:
    """0 before `begin`, 1 after `end`, without a jump in slope between (the cubic 3x^2 - 2x^3)."""
    x = np.clip((along - begin) / (end - begin), 0.0, 1.0)
    smooth: npt.NDArray[np.float64] = x * x * (3 - 2 * x)
    return smooth
