# SPDX-License-Identifier: Apache-2.0
"""What the steps of a window add up to for each zone: the band of its maximum, its level, its coverage."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.core.levels import LevelEdges, ZoneFigures
from streams.core.log_time import STEP_US
from streams.core.moves import Moves, carry_rings
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

    STATE = ("low", "high", "level", "_share", "_before", "_before_start", "last_low", "last_band")

    def __init__(self, zones: int, rings: int, span_us: Ints) -> None:
        self._span_us = span_us
        self._rings = rings
        self._spans = [(int(span), np.flatnonzero(span_us == span)) for span in np.unique(span_us)]
        self.low = np.full((rings, zones), NO_VALUE, np.int64)
        self.high = np.full((rings, zones), NO_VALUE, np.int64)
        self.level = np.full((rings, zones), NO_VALUE, np.int64)
        self._share = np.zeros((rings, zones))
        self._before = np.full((rings, zones), NO_VALUE, np.int64)
        """Low edges of closed windows."""
        self._before_start = np.full((rings, zones), -1, np.int64)
        self.last_low = np.zeros(zones, np.int64)
        """Low edge of the window closed last; 0 where it was missing or none is closed."""
        self.last_band = np.full((2, zones), NO_VALUE, np.int64)
        """Low and high edge of the same, `NO_VALUE` where it was missing."""

    def carry(self, old: "ZoneWindows", moves: Moves, open_start: Ints) -> None:
        """Go on with the windows of zones that stay; a zone that changed is judged anew from there on.

        `open_start` is the begin of the earliest open window of each zone.
        """
        new, was = moves.zones(len(self._span_us))
        self.last_low[new] = old.last_low[was]
        self.last_band[:, new] = old.last_band[:, was]
        rings = min(self._rings, old._rings)
        first = open_start[new] // self._span_us[new]
        for kept in ("low", "high", "level", "_share"):
            carry_rings(getattr(old, kept), getattr(self, kept), first + np.arange(rings)[:, None], new, was)
        for kept in ("_before", "_before_start"):
            carry_rings(getattr(old, kept), getattr(self, kept), first - np.arange(1, rings)[:, None], new, was)

    def numbers(self, zone: Zones, open_start: Ints) -> Ints:
        """Numbers since 1970 of the windows that zones may have open, windows x zones."""
        return np.asarray(open_start[zone] // self._span_us[zone] + np.arange(self._rings)[:, None])

    def ring(self, zone: Zones, start_us: Ints) -> Zones:
        """Ring position of a zone's window."""
        return (start_us // self._span_us[zone] % self._rings).astype(np.intp)

    def window_of_step(self, step_us: int) -> Ints:
        """Begin of the window of each zone that a step belongs to: the step ends 10 s of it."""
        if len(self._spans) == 1:
            span_us = self._spans[0][0]
            return np.broadcast_to(np.int64((step_us - 1) // span_us * span_us), self._span_us.shape)
        return (step_us - 1) // self._span_us * self._span_us

    def add(self, step_us: int, step: Step, counts: npt.NDArray[np.bool_]) -> None:
        """Let a step raise the maxima of its window, in the zones whose window `counts`."""
        seen = step.present & counts
        low, high, level = (np.where(seen, value, NO_VALUE) for value in (step.low, step.high, step.level))
        share = np.where(seen, step.share, 0.0)
        for span_us, zone in self._spans:
            ring = (step_us - 1) // span_us % self._rings
            # Zones of one row length share a ring position: whole rows, where there is only one.
            at = (ring, slice(None)) if len(self._spans) == 1 else (ring, zone)
            mine = slice(None) if len(self._spans) == 1 else zone
            for kept, value in ((self.low, low), (self.high, high), (self.level, level)):
                kept[at] = np.maximum(kept[at], value[mine])
            self._share[at] += share[mine]

    def coverage(self, zone: Zones, start_us: Ints) -> Floats:
        """Share of area and time that a window's steps saw, 0 to 1."""
        share = self._share[self.ring(zone, start_us), zone]
        return np.asarray(np.minimum(share * STEP_US / self._span_us[zone], 1.0))

    def trend(self, zone: Zones, start_us: Ints) -> npt.NDArray[np.float64]:
        """-1, 0 or 1 against the band of five minutes (or one longer window) before; NaN without one."""
        back = np.maximum(TREND_BACK_US // self._span_us[zone], 1) * self._span_us[zone]
        at = self.ring(zone, start_us - back), zone
        now = self.low[self.ring(zone, start_us), zone]
        known = (self._before_start[at] == start_us - back) & (self._before[at] >= 0) & (now >= 0)
        return np.where(known, np.sign(now - self._before[at]), np.nan)

    def rise_per_min(self, zone: Zones, start_us: Ints) -> Floats:
        """By how many people a minute the low edge rose in five minutes (or one longer window); NaN if not known."""
        back_us = np.maximum(TREND_BACK_US // self._span_us[zone], 1) * self._span_us[zone]
        at = self.ring(zone, start_us - back_us), zone
        now = self.low[self.ring(zone, start_us), zone]
        known = (self._before_start[at] == start_us - back_us) & (self._before[at] >= 0) & (now >= 0)
        return np.where(known, (now - self._before[at]) * 60_000_000 / back_us, np.nan)

    def close(self, zone: Zones, start_us: Ints) -> None:
        """Forget a window's steps; keep its band for trends and gates."""
        at = self.ring(zone, start_us), zone
        self._before[at], self._before_start[at] = self.low[at], start_us
        self.last_low[zone] = np.maximum(self.low[at], 0)
        self.last_band[:, zone] = self.low[at], self.high[at]
        for kept in (self.low, self.high, self.level):
            kept[at] = NO_VALUE
        self._share[at] = 0.0
