# SPDX-License-Identifier: Apache-2.0
"""What the steps of a window add up to for each zone: the band of its maximum, its level, its coverage."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.core.levels import LevelEdges, ZoneFigures
from streams.core.log_time import STEP_US
from streams.core.privacy import band
from streams.core.states import ZoneStates

NO_VALUE = -1
TREND_BACK_US = 300_000_000
"""A trend compares with the band of five minutes before."""

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Zones = npt.NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class Step:
    """Zones at one step of the grid, judged; arrays over zones.

    Parameters
    ----------
    counted, gain : float64 arrays
        Persons counted and for how many people each stands.
    low, high : int64 arrays
        Their band.
    level : int64 array
        `NO_VALUE` where no sensor has a value.
    share : float64 array
        Share of the sensors' area that was in view, 0 to 1.
    fresh : bool array
        Whether the value is new.
    """

    counted: Floats
    gain: Floats
    low: Ints
    high: Ints
    level: Ints
    share: Floats
    fresh: npt.NDArray[np.bool_]

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        """Zones that have a value."""
        return self.level >= 0


def judged(states: ZoneStates, figures: ZoneFigures, level_edges: LevelEdges) -> Step:
    """Bands and levels of the zones at a step."""
    present = states.view_m2 > 0
    gain = figures.gain(states.view_m2)
    low, high = band(states.counted, gain)
    level = np.where(present, level_edges.levels(states.counted, gain), NO_VALUE)
    share = states.view_m2 / np.where(figures.view_m2 > 0, figures.view_m2, 1.0)
    return Step(states.counted, gain, low, high, level, share, states.fresh & present)


class ZoneWindows:
    """Running maxima of the windows that are open, and the band of those closed last."""

    STATE = ("low", "high", "level", "_share", "_before", "_before_start", "last_low")

    def __init__(self, zones: int, rings: int, span_us: Ints) -> None:
        self._span_us = span_us
        self._rings = rings
        self.low = np.full((zones, rings), NO_VALUE, np.int64)
        self.high = np.full((zones, rings), NO_VALUE, np.int64)
        self.level = np.full((zones, rings), NO_VALUE, np.int64)
        self._share = np.zeros((zones, rings))
        self._before = np.full((zones, rings), NO_VALUE, np.int64)
        """Low edges of closed windows."""
        self._before_start = np.full((zones, rings), -1, np.int64)
        self.last_low = np.zeros(zones, np.int64)
        """Low edge of the window closed last; 0 where it was missing or none is closed."""

    def ring(self, zone: Zones, start_us: Ints) -> Zones:
        """Ring position of a zone's window."""
        return (start_us // self._span_us[zone] % self._rings).astype(np.intp)

    def window_of_step(self, step_us: int) -> Ints:
        """Begin of the window of each zone that a step belongs to: the step ends 10 s of it."""
        return (step_us - 1) // self._span_us * self._span_us

    def add(self, step_us: int, step: Step, counts: npt.NDArray[np.bool_]) -> None:
        """Let a step raise the maxima of its window, in the zones whose window `counts`."""
        zone = np.flatnonzero(step.present & counts)
        at = zone, self.ring(zone, self.window_of_step(step_us)[zone])
        for kept, value in ((self.low, step.low), (self.high, step.high), (self.level, step.level)):
            kept[at] = np.maximum(kept[at], value[zone])
        self._share[at] += step.share[zone]

    def coverage(self, zone: Zones, start_us: Ints) -> Floats:
        """Share of area and time that a window's steps saw, 0 to 1."""
        share = self._share[zone, self.ring(zone, start_us)]
        return np.asarray(np.minimum(share * STEP_US / self._span_us[zone], 1.0))

    def trend(self, zone: Zones, start_us: Ints) -> npt.NDArray[np.float64]:
        """-1, 0 or 1 against the band of five minutes (or one longer window) before; NaN without one."""
        back = np.maximum(TREND_BACK_US // self._span_us[zone], 1) * self._span_us[zone]
        at = zone, self.ring(zone, start_us - back)
        now = self.low[zone, self.ring(zone, start_us)]
        known = (self._before_start[at] == start_us - back) & (self._before[at] >= 0) & (now >= 0)
        return np.where(known, np.sign(now - self._before[at]), np.nan)

    def close(self, zone: Zones, start_us: Ints) -> None:
        """Forget a window's steps; keep its band for trends and gates."""
        at = zone, self.ring(zone, start_us)
        self._before[at], self._before_start[at] = self.low[at], start_us
        self.last_low[zone] = np.maximum(self.low[at], 0)
        for kept in (self.low, self.high, self.level):
            kept[at] = NO_VALUE
        self._share[at] = 0.0
