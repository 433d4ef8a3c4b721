# SPDX-License-Identifier: Apache-2.0
"""Rules about levels and densities: decided on the 10 s grid, on exact values against snapped thresholds."""

import numpy as np
import numpy.typing as npt

from schemas.alert import Transition
from schemas.rules import GRID_KINDS, RuleKind
from streams.core.alerting import Change, Fall, Rise, fall, rise
from streams.core.cases import CaseBook, Shown
from streams.core.layout import Layout, PlaceKind
from streams.core.levels import ZoneFigures, edges
from streams.core.moves import Moves, carry_rings
from streams.core.privacy import STEP_RULE_FROM, clearing_edge
from streams.core.thresholds import safe_share
from streams.core.zone_windows import Step, ZoneWindows

Zones = npt.NDArray[np.intp]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


class LevelRules:
    """The cases of a book whose rules are decided on the grid; they are the book's first ones.

    Parameters
    ----------
    book : CaseBook
    layout : Layout
    figures : ZoneFigures
        Its limits may change while events come and go; call `forget_limits` then.
    rings : int
        Windows that a zone may have open at once.
    """

    STATE = ("_over_up", "_over_down", "_level_before", "_window_level_before")

    def __init__(self, book: CaseBook, layout: Layout, figures: ZoneFigures, rings: int) -> None:
        self._book, self._figures = book, figures
        entries = [entry for entry in book.entries if entry.rule.kind in GRID_KINDS]
        rules = [entry.rule for entry in entries]
        self._zone = np.array([entry.place for entry in entries], np.intp)
        self._level = np.array([rule.level for rule in rules], np.int64)
        self._is_level = np.array([rule.kind is RuleKind.LEVEL for rule in rules], np.bool_)
        self._density_per_m2 = np.array([rule.raising for rule in rules], np.float64)
        self._min_people = np.array([rule.min_people or 0 for rule in rules], np.float64)
        self._share = np.array([safe_share(rule) for rule in rules], np.float64)
        self._over_up = np.zeros((rings, len(entries)), np.bool_)
        self._over_down = np.zeros((rings, len(entries)), np.bool_)
        self._level_before = np.zeros(len(layout.places_of(PlaceKind.ZONE)), np.int64)
        self._window_level_before = self._level_before.copy()
        self._active = np.ones(len(entries), np.bool_)
        self.forget_limits(self._active)

    def forget_limits(self, active: Mask) -> None:
        """The figures' limits changed, or which of these cases are `active` (an event began or ended)."""
        self._active = active
        self._gain = np.full(len(self._figures.area_m2), np.nan)
        self._up, self._down = np.empty(0), np.empty(0)
        # A limit that an event tightens below the smallest for the grid is decided at the close from there on.
        self._on_grid = self._edges(self._figures.gain(self._figures.view_m2))[0] >= STEP_RULE_FROM

    def _edges(self, gain: Floats) -> tuple[Floats, Floats]:
        """Raising and clearing edges of every case in counted persons; made anew only when a gain moves."""
        if not np.array_equal(gain, self._gain):
            self._gain, (self._up, self._down) = gain, self._edges_anew(gain)
        return self._up, self._down

    def _edges_anew(self, gain: Floats) -> tuple[Floats, Floats]:
        if not len(self._zone):
            return np.empty(0), np.empty(0)
        limit = self._limits()
        finite = np.isfinite(limit)
        up = edges(limit[:, None], gain[self._zone])[:, 0]
        safe = np.where(finite, limit * self._share, 0.0)
        down = clearing_edge(safe, gain[self._zone], np.where(finite, up, 0.0))
        return up, np.where(finite, down, np.inf)

    def _limits(self) -> Floats:
        """People from which each case is over: its level's limit, or its own density and number of people."""
        limits = np.column_stack([self._figures.people, np.full(len(self._figures.people), np.inf)])
        by_level = limits[self._zone, np.minimum(self._level - 1, limits.shape[1] - 1)]
        by_density = np.maximum(self._density_per_m2 * self._figures.area_m2[self._zone], self._min_people)
        return np.asarray(np.where(self._is_level, by_level, by_density))

    def at_step(self, step_us: int, step: Step, windows: ZoneWindows, counts: Mask) -> list[Transition]:
        """Let a step raise alerts, and remember what it means for its window (where that one `counts`)."""
        up, down = self._edges(step.gain)
        present, counted = step.present[self._zone], step.counted[self._zone]
        over_up, over_down = present & (counted >= up) & self._active, present & (counted >= down) & self._active
        kept = counts[self._zone]
        start = windows.window_of_step(step_us)
        # Nearly always few cases are over an edge: only their windows are touched.
        over = np.flatnonzero(over_down & kept)
        ring = windows.ring(self._zone[over], start[self._zone[over]])
        self._over_up[ring, over] |= over_up[over]
        self._over_down[ring, over] = True
        busy = self._book.busy[: len(self._zone)]
        told: list[Transition] = []
        for number in np.flatnonzero(self._on_grid & present & (over_up | busy)).tolist():
            zone = int(self._zone[number])
            seen = self._rise(number, bool(over_up[number]), bool(step.fresh[zone]), int(step.level[zone]),
                              int(self._level_before[zone]))
            changes = rise(self._book.cases[number], self._book.parameters[number], seen, step_us)
            shown = Shown(int(start[zone]), float(step.share[zone]), int(step.low[zone]), int(step.high[zone]))
            told += self._book.told(number, changes, step_us, shown)
        self._level_before = np.where(step.present, step.level, self._level_before)
        return told

    def carry(self, old: "LevelRules", moves: Moves, windows: ZoneWindows, open_start: Ints,
              stays: tuple[Zones, Zones]) -> None:
        """Go on with what the open windows have seen for the cases that stay.

        `open_start` is the begin of the earliest open window of each zone, `stays` what `CaseBook.carry` gave.
        """
        new_zone, was_zone = moves.zones(len(self._level_before))
        for name in ("_level_before", "_window_level_before"):
            getattr(self, name)[new_zone] = getattr(old, name)[was_zone]
        both = (stays[0] < len(self._zone)) & (stays[1] < len(old._zone))
        new, was = stays[0][both], stays[1][both]
        ring_numbers = windows.numbers(self._zone[new], open_start)[: min(len(self._over_up), len(old._over_up))]
        carry_rings(old._over_up, self._over_up, ring_numbers, new, was)
        carry_rings(old._over_down, self._over_down, ring_numbers, new, was)

    def at_close(self, zone: Zones, start_us: Ints, windows: ZoneWindows, now_us: int) -> list[Transition]:
        """Let closed windows clear alerts, and raise those that are decided at the close."""
        position = np.full(len(self._level_before), -1, np.intp)
        position[zone] = np.arange(len(zone))
        ring = windows.ring(zone, start_us)
        coverage, trend = windows.coverage(zone, start_us), windows.trend(zone, start_us)
        closed = np.flatnonzero(position[self._zone] >= 0)
        case_ring = ring[position[self._zone[closed]]]
        over_up, over_down = self._over_up[case_ring, closed], self._over_down[case_ring, closed]
        self._over_up[case_ring, closed] = self._over_down[case_ring, closed] = False
        told: list[Transition] = []
        for index in np.flatnonzero(self._book.busy[closed] | over_up).tolist():
            number = int(closed[index])
            at = int(position[self._zone[number]])
            here = ring[at], zone[at]
            shown = Shown(int(start_us[at]), float(coverage[at]), int(windows.low[here]), int(windows.high[here]),
                          trend=float(trend[at]))
            told += self._closed(number, bool(over_up[index]), bool(over_down[index]), int(windows.level[here]),
                                 shown, now_us)
        level = windows.level[ring, zone]
        self._window_level_before[zone] = np.where(level >= 0, level, self._window_level_before[zone])
        return told

    def _closed(self, number: int, over_up: bool, over_down: bool, level: int, shown: Shown,
                now_us: int) -> list[Transition]:
        case, parameters = self._book.cases[number], self._book.parameters[number]
        missing = level < 0
        changes: list[Change] = []
        if not self._on_grid[number] and not missing:
            before = int(self._window_level_before[self._zone[number]])
            changes += rise(case, parameters, self._rise(number, over_up, True, level, before), now_us)
        if not self._is_level[number]:
            level = case.level if over_down else 0
        changes += fall(case, parameters, Fall(missing, over_up, over_down, level, shown.coverage), now_us)
        return self._book.told(number, changes, now_us, shown)

    def _rise(self, number: int, over: bool, fresh: bool, level: int, before: int) -> Rise:
        """A rule about a level carries the zone's level; another one its own, and skips its dwell as the zone does."""
        if self._is_level[number]:
            return Rise(over, fresh, level, before)
        own = int(self._level[number])
        return Rise(over, fresh, own, own - (level - before))
