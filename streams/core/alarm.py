# SPDX-License-Identifier: Apache-2.0
"""The alarm of a partition: which figures of a step or a window go to which rules, and what operators say to it."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.alert import Cause, Transition
from schemas.city import City
from schemas.command import (
    Drill,
    GateClosed,
    GateOpen,
    MeasureTaken,
    OperatorCommand,
    Outcome,
    SensorOutOfService,
    SetOccupancy,
    Suppress,
    Unsuppress,
    ZoneEmpty,
)
from schemas.health import UNUSABLE_FROM, SensorState
from schemas.live import LiveTable
from schemas.rules import GRID_KINDS, RuleKind
from schemas.sighting import SightingShown
from streams.core.alerting import ended
from streams.core.cases import CaseBook
from streams.core.desk import Desk, RefusedCommandError
from streams.core.events import Events
from streams.core.health import Health
from streams.core.inside import EMPTY_SD, Anchor, Inside, InsideMinute
from streams.core.layout import COUNTED_METRICS, MINUTE_US, Layout, PlaceKind, gate_widths_m
from streams.core.levels import LevelEdges, ZoneFigures
from streams.core.lookahead import DETECTED, QUARTER_US, LookAhead
from streams.core.measures_taken import MeasuresTaken
from streams.core.moves import Moves
from streams.core.occupancy import Kind
from streams.core.outflow import Outflow
from streams.core.rows import GateCounts
from streams.core.rules import LevelRules
from streams.core.signal_rules import Signal, SignalRules
from streams.core.zone_windows import NO_VALUE, Step, ZoneWindows

REPEAT_US = 3_600_000_000
"""Open alerts and standing orders are told again every hour, so that the topic's retention never forgets one."""
LOST = [state for state in SensorState if state is SensorState.SILENT or state >= UNUSABLE_FROM]
"""States of a sensor that the rule sensor-loss counts."""
SET_SD = 0.05
"""An operator's number is taken as this far off, as a share."""
OLDEST_LOOK_US = 15 * MINUTE_US
"""What an operator saw of a zone is held against the people inside now: longer ago it says nothing of them."""

Places = npt.NDArray[np.intp]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


class Alarm:
    """The book of cases, the rules that move them and the desk at which operators do.

    Parameters
    ----------
    city : City
    layout : Layout
    figures : ZoneFigures
    level_edges : LevelEdges
        Is told when an event changes the limits.
    rings : int
        Windows that a zone may have open at once.
    rows : dict of LiveTable to list of RecordBatch
        Where rows of people inside and of what is ahead go.
    """

    PARTS = ("book", "levels", "desk", "outflow", "measures", "inside", "inside.occupancy", "inside.occupancy.watch",
             "inside.occupancy.exchange", "inside.devices", *(f"ahead.{name}" for name in LookAhead.PARTS))
    """Where its state is."""

    def __init__(self, city: City, layout: Layout, figures: ZoneFigures, level_edges: LevelEdges, rings: int,
                 rows: dict[LiveTable, list[pa.RecordBatch]]) -> None:
        self._city, self._layout, self._figures, self._level_edges = city, layout, figures, level_edges
        self.book = CaseBook(city, layout, figures)
        self.levels = LevelRules(self.book, layout, figures, rings)
        self.signals = SignalRules(self.book, layout)
        self.desk = Desk(city, layout, self.book)
        self.outflow = Outflow(layout, gate_widths_m(city, layout))
        self.measures = MeasuresTaken(city, layout, len(figures.area_m2))
        self.inside = Inside(city, layout, figures)
        self.ahead = LookAhead(city, layout, figures, [kind for kind in DETECTED if self.signals.wants(kind)])
        self._rows = rows
        self._zone_number = {layout.place_key[at]: int(at) for at in layout.places_of(PlaceKind.ZONE)}
        self._forecast_cases = self.signals.forecast_cases()
        self._events = Events(city, layout, figures, self.book.entries)
        self._stop_and_go_cases = self.signals.stop_and_go_cases()

    def carry(self, old: "Alarm", moves: Moves, windows: ZoneWindows, open_start: Ints) -> list[Transition]:
        """Go on with the cases whose rule and place stay; the ends of the others."""
        new, was, told = self.book.carry(old.book, moves)
        self.levels.carry(old.levels, moves, windows, open_start, (new, was))
        self.desk.carry(old.desk)
        self.outflow.carry(old.outflow, moves)
        self.measures.carry(old.measures, moves)
        self.inside.carry(old.inside, moves)
        self.ahead.carry(old.ahead, moves)
        return told

    def begin_step(self, step_us: int) -> None:
        """Let events come and go before a step is judged."""
        active = self._events.at(step_us)
        if active is None:
            return
        self._level_edges.forget()
        grid = sum(entry.rule.kind in GRID_KINDS for entry in self.book.entries)
        self.levels.forget_limits(active[:grid])
        self.signals.active = active

    def at_step(self, step_us: int, step: Step, windows: ZoneWindows, counts: Mask,
                open_start: Ints) -> list[Transition | Outcome]:
        """Let a step of the grid raise alerts, and time move their flags; then what belongs to its minute."""
        told: list[Transition | Outcome] = [
            *self._events_over(step_us), *self.desk.drills_over(step_us),
            *self.levels.at_step(step_us, step, windows, counts)]
        if step_us % REPEAT_US == 0:
            told += [*self.book.open_alerts(), *self.desk.standing_at(step_us)]
        self.inside.at_step(step_us, step.counted * step.gain, step.present)
        if step_us % MINUTE_US == 0:
            for minute in self.inside.minutes(open_start):
                told += self._inside_known(minute, step_us)
        if step_us % QUARTER_US == MINUTE_US:
            told += self._look_ahead(step_us - MINUTE_US, windows, step_us)
        return [*told, *self.desk.at_step(step_us)]

    def _events_over(self, now_us: int) -> list[Transition]:
        """End what rules of events left open: they say no more, neither that it is calm nor that it is not."""
        told: list[Transition] = []
        for number in np.flatnonzero(self.book.busy & ~self.signals.active).tolist():
            told += self.book.told_again(number, ended(self.book.cases[number], Cause.TIMER), now_us)
        return told

    def _inside_known(self, minute: InsideMinute, now_us: int) -> list[Transition]:
        """A minute that all gates have closed: its rows, and whether the capacity is reached."""
        if len(minute.zone):
            self._rows[LiveTable.INSIDE].append(minute.rows)
        capacity = self._figures.capacity[minute.zone]
        return self.signals.at_close(Signal(
            RuleKind.OCCUPANCY, minute.zone, np.full(len(minute.zone), minute.start_us),
            100 * minute.low / capacity, 100 * minute.high / capacity, minute.coverage, minute.low, minute.high,
        ), now_us)

    def _look_ahead(self, quarter_us: int, windows: ZoneWindows, now_us: int) -> list[Transition]:
        """The quarter hour that is over: what is ahead of each zone."""
        low, high = windows.last_band
        ahead = self.ahead.at_quarter(quarter_us, (low, high))
        if ahead.rows.num_rows:
            self._rows[LiveTable.OUTLOOK].append(ahead.rows)
        self.book.know_next(ahead.next_level, ahead.next_us)
        told: list[Transition] = []
        zones = np.arange(len(low))
        for (level, lead_min), numbers in self._forecast_cases.items():
            probability = self.ahead.probability(np.full(len(zones), level), lead_min)
            told += self.signals.at_close(Signal(
                RuleKind.FORECAST, zones, np.full(len(zones), quarter_us - QUARTER_US), probability, probability,
                np.ones(len(zones)), low, high), now_us, numbers)
        return told

    def zones_closed(self, zone: Places, start_us: Ints, windows: ZoneWindows, now_us: int) -> list[Transition]:
        """Closed windows of zones, before `windows` forgets them."""
        told = self.levels.at_close(zone, start_us, windows, now_us)
        at = windows.ring(zone, start_us), zone
        low, high, coverage = windows.low[at], windows.high[at], windows.coverage(zone, start_us)
        missing = windows.level[at] < 0
        if self.signals.wants(RuleKind.RISE):
            rise = np.where(missing, np.nan, windows.rise_per_min(zone, start_us))
            told += self.signals.at_close(
                Signal(RuleKind.RISE, zone, start_us, rise, rise, coverage, low, high), now_us)
        lacking = self.measures.lacking(zone, np.where(missing, np.nan, high), now_us)
        told += self.signals.at_close(
            Signal(RuleKind.EFFECT, zone, start_us, lacking, lacking, coverage, low, high), now_us)
        told += self._surges(zone, start_us, low, high, missing, now_us)
        return told + self._no_data(zone, start_us, coverage, now_us, low, high)

    def _surges(self, zone: Places, start_us: Ints, low: Ints, high: Ints, missing: Mask,
                now_us: int) -> list[Transition]:
        """Judge slots of five minutes that ended with these windows."""
        place, chance = self.ahead.zones_closed(zone, start_us, low, high, missing)
        at = np.searchsorted(zone, place)
        return self.signals.at_close(Signal(
            RuleKind.SURGE, place, start_us[at], chance, chance, np.ones(len(place)), low[at], high[at]), now_us)

    def _no_data(self, place: Places, start_us: Ints, coverage: Floats, now_us: int, people_low: Ints | None = None,
                 people_high: Ints | None = None) -> list[Transition]:
        """Windows that were not seen, or hardly: evidence of its own, never of calm."""
        none = np.full(len(place), NO_VALUE, np.int64)
        seen = np.ones(len(place))
        low = none if people_low is None else people_low
        high = none if people_high is None else people_high
        return self.signals.at_close(
            Signal(RuleKind.NO_DATA, place, start_us, coverage, coverage, seen, low, high), now_us)

    def gates_closed(self, gate: Places, start_us: Ints, counts: GateCounts, rows: pa.RecordBatch, last_low: Ints,
                     now_us: int) -> list[Transition]:
        """Closed windows of gates, as their rows tell them; `last_low` is the zones' last band, negative without."""
        closed = self._shut(gate, now_us)
        self.inside.gates_closed(gate, start_us, counts.with_shut(closed))
        span_min = self._layout.place_span_us[gate] / MINUTE_US
        ways = {name: _column(rows, name) for name in ("in_low", "in_high", "out_low", "out_high")}
        ways = {name: np.where(closed & np.isnan(way), 0.0, way) for name, way in ways.items()}
        self.measures.gates_closed(gate, ways["in_high"], span_min)
        self.ahead.gates_closed(gate, (ways["in_low"], ways["in_high"]), (ways["out_low"], ways["out_high"]))
        coverage = np.where(closed, 1.0, _column(rows, "coverage"))
        none = np.full(len(gate), NO_VALUE, np.int64)
        low, high = (np.where(closed, 0.0, _column(rows, f"flow_{edge}_per_m_min")) for edge in ("low", "high"))
        told = self.signals.at_close(
            Signal(RuleKind.FLOW, gate, start_us, low, high, coverage, none, none), now_us)
        told += self._no_data(gate, start_us, coverage, now_us)
        if self._stop_and_go_cases:
            in_high, out_high = (np.where(closed, 0.0, ways[name]) for name in ("in_high", "out_high"))
            told += self._standing(*self.outflow.closed(gate, start_us, in_high, out_high, span_min), last_low, now_us)
        return told

    def _standing(self, zone: Places, start_us: Ints, outflow: Floats, last_low: Ints, now_us: int) -> list[Transition]:
        """Zones that are dense by their rule's own density, and whose people hardly leave."""
        told: list[Transition] = []
        people = last_low[zone]
        for density_per_m2, numbers in self._stop_and_go_cases.items():
            # An empty zone has no outflow either: only a dense one that does not empty stands still.
            # Seen and not dense is calm, though its gates' counts are then withheld; not seen is no evidence.
            dense = people >= density_per_m2 * self._figures.area_m2[zone]
            told += self.signals.at_close(Signal.plain(
                RuleKind.STOP_AND_GO, zone, start_us, np.where(dense, outflow, np.nan), np.ones(len(zone)),
                (people >= 0) & ~dense), now_us, numbers)
        return told

    def _shut(self, gate: Places, now_us: int) -> Mask:
        """Gates that an operator closed: nobody passes, and their silence is no fault."""
        shut = self.desk.closed_gates(now_us)
        return np.array([self._layout.place_key[at] in shut for at in gate] if shut else [False] * len(gate), np.bool_)

    def roads_closed(self, road: Places, start_us: Ints, rows: pa.RecordBatch, now_us: int) -> list[Transition]:
        """Closed windows of roads, as their rows tell them."""
        speed, coverage = _column(rows, "speed_km_h"), _column(rows, "speed_coverage")
        vehicles = _column(rows, "vehicles")
        empty = np.isnan(speed) & (vehicles == 0)  # nobody drives: no speed, and no congestion
        told = self.signals.at_close(Signal.plain(
            RuleKind.CONGESTION, road, start_us, speed, np.where(empty, _column(rows, "coverage"), coverage), empty),
            now_us)
        score = self.ahead.roads_closed(road, start_us, speed, vehicles)
        told += self.signals.at_close(Signal.plain(RuleKind.INCIDENT, road, start_us, score, coverage), now_us)
        return told + self._no_data(road, start_us, np.maximum(coverage, _column(rows, "coverage")), now_us)

    def sensors_judged(self, now_us: int, health: Health) -> list[Transition]:
        """The health of a minute: which share of each place's sensors cannot be used."""
        if not self.signals.wants(RuleKind.SENSOR_LOSS):
            return []
        counts = np.isin(self._layout.channel_role, COUNTED_METRICS) & self._layout.channel_counted
        place = self._layout.channel_place[counts]
        lost = np.isin(health.state[counts], LOST)
        total = np.bincount(place, minlength=len(self._layout.place_kind))
        share = np.bincount(place[lost], minlength=len(total)) / np.maximum(total, 1)
        places = np.flatnonzero(total)
        mine = self._layout.place_kind[places] == PlaceKind.GATE
        share[places[mine]] = np.where(self._shut(places[mine], now_us), 0.0, share[places[mine]])
        start_us = now_us - self._layout.place_span_us[places]
        return self.signals.at_close(
            Signal.plain(RuleKind.SENSOR_LOSS, places, start_us, share[places], np.ones(len(places))), now_us)

    def command(self, command: OperatorCommand, now_us: int, ready: bool) -> list[Any]:
        """Do an operator's command; its transitions and its one outcome. Not `ready`: open alerts are not known yet."""
        return self.desk.settle(command, now_us, lambda: self._done(command, now_us, ready))

    def _done(self, command: OperatorCommand, now_us: int, ready: bool) -> tuple[list[Transition], str]:
        if not ready:
            raise RefusedCommandError("the engine has just begun anew and reads what is open; give it again")
        if isinstance(command, Suppress | Unsuppress):
            return self.desk.suppress(command, now_us)
        if isinstance(command, Drill):
            return self.desk.drill(command, now_us)
        if isinstance(command, GateClosed | GateOpen):
            return self.desk.gate(command, now_us)
        if isinstance(command, MeasureTaken):
            return [], self.measures.take(command, now_us)
        if isinstance(command, ZoneEmpty | SetOccupancy):
            return [], self._anchored(command, now_us)
        if isinstance(command, SensorOutOfService):
            return [], self.desk.out_of_service(command, now_us)
        return self.desk.about_alert(command, now_us)

    def _anchored(self, command: ZoneEmpty | SetOccupancy, now_us: int) -> str:
        """Correct the people inside by what an operator knows, from now on."""
        zone = self._zone_number.get(command.zone)
        if zone is None:
            raise RefusedCommandError("the city file has no such zone")
        if command.at_us < now_us - OLDEST_LOOK_US:
            raise RefusedCommandError("it was seen more than a quarter of an hour ago: look again")
        kind, people = Kind.ZONE_EMPTY, 0.0
        if isinstance(command, SetOccupancy):
            kind, people = Kind.SET_OCCUPANCY, float(command.persons)
        at_us = min(command.at_us, now_us)
        if not self.inside.anchor(Anchor(at_us, kind, command.zone, people, SET_SD * people + EMPTY_SD)):
            raise RefusedCommandError("the zone has no gates: nothing is estimated there")
        return self._layout.place_site[zone]

    def sighted(self, shown: SightingShown, now_us: int) -> None:
        """Let what somebody saw correct the people inside: a range with a wide error."""
        high = shown.people_low * 1.5 + 10 if shown.people_high is None else shown.people_high
        sd = max((high - shown.people_low) / 2, EMPTY_SD)
        self.inside.anchor(Anchor(
            min(shown.at_us, now_us), Kind.SIGHTING, shown.zone, (shown.people_low + high) / 2, sd))

    def adopt(self, alerts: Sequence[Transition], now_us: int) -> list[Transition]:
        """Give alerts that were open before a cold start back to their cases."""
        return self.book.adopt(alerts, now_us)


def _column(rows: pa.RecordBatch, name: str) -> Floats:
    """A column as numbers; NaN where it is null."""
    return np.asarray(rows.column(name).to_numpy(zero_copy_only=False), np.float64)
