# SPDX-License-Identifier: Apache-2.0
"""Rules at places: which cases there are in a partition, and what steps and windows mean for them."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from schemas.alert import Cause, Transition, alert_id
from schemas.city import City, Rule
from streams.core.adoption import adopt, ended
from streams.core.alerting import Case, Change, Fall, Parameters, Rise, fall, rise
from streams.core.layout import Layout, PlaceKind
from streams.core.levels import ZoneFigures, edges
from streams.core.moves import Moves, carry_rings
from streams.core.privacy import STEP_RULE_FROM, clearing_edge
from streams.core.thresholds import rules_of_zone
from streams.core.zone_windows import Step, ZoneWindows

Zones = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


class LevelRules:
    """All level rules of a partition: one case for each (rule, zone)."""

    STATE = ("cases", "_busy", "_over_up", "_over_down", "_level_before", "_window_level_before")

    def __init__(self, city: City, layout: Layout, figures: ZoneFigures, rings: int) -> None:
        self._city, self._layout, self._figures = city, layout, figures
        self._keys: list[str] = []
        self._rules: list[Rule] = []
        zones: list[int] = []
        for zone in layout.places_of(PlaceKind.ZONE):
            for key, rule in rules_of_zone(city.file, layout.place_key[zone]).items():
                if figures.view_m2[zone] > 0 and rule.level <= figures.people.shape[1]:
                    self._keys.append(key)
                    self._rules.append(rule)
                    zones.append(int(zone))
        self._zone = np.array(zones, np.intp)
        self._level = np.array([rule.level for rule in self._rules], np.int64)
        self._share = np.array([1 - rule.hysteresis_percent / 100 for rule in self._rules])
        self._parameters = [
            Parameters(rule.level, rule.raise_after, rule.clear_after, rule.skip_levels)
            for rule in self._rules
        ]
        self.cases = [Case() for _ in self._rules]
        self._busy = np.zeros(len(zones), np.bool_)
        """Cases that are not wholly at rest: only they and those that are over need a look."""
        self._over_up = np.zeros((rings, len(zones)), np.bool_)
        self._over_down = np.zeros((rings, len(zones)), np.bool_)
        self._level_before = np.zeros(len(layout.places_of(PlaceKind.ZONE)), np.int64)
        self._window_level_before = self._level_before.copy()
        self._gain = np.full(len(figures.area_m2), np.nan)
        self._up, self._down = np.empty(0), np.empty(0)
        nominal = figures.gain(figures.view_m2)
        self._on_grid = self._edges(nominal)[0] >= STEP_RULE_FROM

    def _edges(self, gain: Floats) -> tuple[Floats, Floats]:
        """Raising and clearing edges of every case in counted persons; made anew only when a gain moves."""
        if not np.array_equal(gain, self._gain):
            self._gain, (self._up, self._down) = gain, self._edges_anew(gain)
        return self._up, self._down

    def _edges_anew(self, gain: Floats) -> tuple[Floats, Floats]:
        if not len(self._zone):
            return np.empty(0), np.empty(0)
        limit = self._figures.people[self._zone, self._level - 1]
        finite = np.isfinite(limit)
        up = edges(limit[:, None], gain[self._zone])[:, 0]
        safe = np.where(finite, limit * self._share, 0.0)
        down = clearing_edge(safe, gain[self._zone], np.where(finite, up, 0.0))
        return up, np.where(finite, down, np.inf)

    def at_step(self, step_us: int, step: Step, windows: ZoneWindows, counts: Mask) -> list[Transition]:
        """Let a step raise alerts, and remember what it means for its window (where that one `counts`)."""
        up, down = self._edges(step.gain)
        present, counted = step.present[self._zone], step.counted[self._zone]
        over_up, over_down = present & (counted >= up), present & (counted >= down)
        kept = counts[self._zone]
        start = windows.window_of_step(step_us)
        # Nearly always few cases are over an edge: only their windows are touched.
        over = np.flatnonzero(over_down & kept)
        ring = windows.ring(self._zone[over], start[self._zone[over]])
        self._over_up[ring, over] |= over_up[over]
        self._over_down[ring, over] = True
        told: list[Transition] = []
        for number in np.flatnonzero(self._on_grid & present & (over_up | self._busy)).tolist():
            zone = self._zone[number]
            seen = Rise(bool(over_up[number]), bool(step.fresh[zone]), int(step.level[zone]),
                        int(self._level_before[zone]))
            changes = rise(self.cases[number], self._parameters[number], seen)
            self._busy[number] = not self.cases[number].at_rest
            told += [self._told(number, change, step_us, int(start[zone]), int(step.low[zone]),
                                int(step.high[zone]), float(step.share[zone])) for change in changes]
        self._level_before = np.where(step.present, step.level, self._level_before)
        return told

    def carry(self, old: "LevelRules", moves: Moves, windows: ZoneWindows,
              open_start: npt.NDArray[np.int64]) -> list[Transition]:
        """Go on with the cases whose rule and zone stay; end the others, and say so.

        `open_start` is the begin of the earliest open window of each zone.
        """
        new_zone, was_zone = moves.zones(len(self._level_before))
        for name in ("_level_before", "_window_level_before"):
            getattr(self, name)[new_zone] = getattr(old, name)[was_zone]
        held = {key: number for number, key in enumerate(old._case_keys())}
        stays = [(number, held.pop(key)) for number, key in enumerate(self._case_keys()) if key in held]
        for number, was in stays:
            self.cases[number] = old.cases[was]
        new, was_case = np.array(stays, np.intp).reshape(-1, 2).T
        self._busy[new] = old._busy[was_case]
        ring_numbers = windows.numbers(self._zone[new], open_start)[: min(len(self._over_up), len(old._over_up))]
        carry_rings(old._over_up, self._over_up, ring_numbers, new, was_case)
        carry_rings(old._over_down, self._over_down, ring_numbers, new, was_case)
        gone = [old.cases[number] for number in held.values()]
        return [ended(case.last, Cause.CITY, moves.at_us) for case in gone if case.open and case.last is not None]

    def _case_keys(self) -> list[tuple[str, str]]:
        """Place and rule of every case."""
        places = [self._layout.place_key[zone] for zone in self._zone.tolist()]
        return list(zip(places, self._keys, strict=True))

    def open_alerts(self) -> list[Transition]:
        """What was told last of every alert that is open: said again, it lasts as long as the alert."""
        return [case.last for case in self.cases if case.open and case.last is not None]

    def adopt(self, alerts: Sequence[Transition], now_us: int) -> list[Transition]:
        """Give alerts that were open before a cold start back to their cases; see `streams.core.adoption`."""
        told = adopt(dict(zip(self._case_keys(), self.cases, strict=True)), alerts, now_us)
        self._busy = np.array([not case.at_rest for case in self.cases], np.bool_)
        return told

    def at_close(self, zone: Zones, start_us: npt.NDArray[np.int64], windows: ZoneWindows,
                 now_us: int) -> list[Transition]:
        """Let closed windows clear alerts, and raise those that are decided at the close."""
        position = np.full(len(self._level_before), -1, np.intp)
        position[zone] = np.arange(len(zone))
        ring = windows.ring(zone, start_us)
        coverage = windows.coverage(zone, start_us)
        closed = np.flatnonzero(position[self._zone] >= 0)
        case_ring = ring[position[self._zone[closed]]]
        over_up, over_down = self._over_up[case_ring, closed], self._over_down[case_ring, closed]
        self._over_up[case_ring, closed] = self._over_down[case_ring, closed] = False
        told: list[Transition] = []
        for index in np.flatnonzero(self._busy[closed] | over_up).tolist():
            number = int(closed[index])
            at = int(position[self._zone[number]])
            told += self._closed(number, bool(over_up[index]), bool(over_down[index]), int(start_us[at]),
                                 int(ring[at]), float(coverage[at]), windows, now_us)
            self._busy[number] = not self.cases[number].at_rest
        level = windows.level[ring, zone]
        self._window_level_before[zone] = np.where(level >= 0, level, self._window_level_before[zone])
        return told

    def _closed(self, number: int, over_up: bool, over_down: bool, start_us: int, ring: int,
                coverage: float, windows: ZoneWindows, now_us: int) -> list[Transition]:
        case, parameters, zone = self.cases[number], self._parameters[number], int(self._zone[number])
        level = int(windows.level[ring, zone])
        missing = level < 0
        changes: list[Change] = []
        if not self._on_grid[number] and not missing:
            before = int(self._window_level_before[zone])
            changes += rise(case, parameters, Rise(over_up, True, level, before))
        changes += fall(case, parameters, Fall(missing, over_up, over_down, level, coverage))
        low, high = int(windows.low[ring, zone]), int(windows.high[ring, zone])
        return [self._told(number, change, now_us, start_us, low, high, coverage) for change in changes]

    def _told(self, number: int, change: Change, at_us: int, start_us: int, low: int, high: int,
              coverage: float) -> Transition:
        case, zone, rule = self.cases[number], int(self._zone[number]), self._rules[number]
        place, site = self._layout.place_key[zone], self._layout.place_site[zone]
        if change.state_from not in ("firing", "recovering"):
            case.alert_id = alert_id(site, place, self._keys[number], at_us)
            case.seq, case.opened_at_us = 0, at_us
        case.seq += 1
        capacity = float(self._figures.capacity[zone])
        known = not np.isnan(capacity) and low >= 0
        case.last = Transition(
            alert_id=case.alert_id, seq=case.seq, site=site, place=place, rule=self._keys[number],
            severity=rule.severity, measure="people", unit="persons",
            level_from=change.level_from, level_to=change.level_to,
            state_from=change.state_from, state_to=change.state_to, stale=case.stale,
            window_start_us=start_us, window_end_us=start_us + int(self._layout.place_span_us[zone]),
            people_low=low if low >= 0 else None, people_high=high if high >= 0 else None,
            percent_low=round(100 * low / capacity, 1) if known else None,
            percent_high=round(100 * high / capacity, 1) if known else None,
            coverage=round(coverage, 4), profile=self._city.file.zones[place].profile,
            city_version=self._city.version, cause=change.cause, opened_at_us=case.opened_at_us, at_us=at_us,
        )
        return case.last
