# SPDX-License-Identifier: Apache-2.0
"""The fold: `effects = partition.step(message)`, a pure function of the messages before it."""

from collections import Counter
from collections.abc import Callable, Collection
from copy import copy

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.alert import Transition
from schemas.city import City
from schemas.city_change import zone_map
from schemas.command import Adopt, PurgeSensor
from schemas.errors import RefusedError
from schemas.ids import IdKind
from schemas.live import LiveTable
from schemas.log import Clock, Kind, LogMessage
from schemas.reading import Batch
from schemas.refusal import Reason
from streams.core.alarm import Alarm
from streams.core.announced import Announced
from streams.core.context import Context
from streams.core.effect import Effect, taken_rows
from streams.core.grain_plan import QUARTER_US, cell_rows
from streams.core.grains import Grains
from streams.core.health import Health
from streams.core.intake import READING_COUNTERS, Intake
from streams.core.layout import MINUTE_US, PlaceKind, gate_widths_m, layout
from streams.core.levels import LevelEdges, zone_figures
from streams.core.log_time import STEP_US, UNSET, LogTime, first_step_after
from streams.core.moves import changed_places, check_change, moves_between, purged
from streams.core.revisions import Revisions
from streams.core.rows import gate_counts, gate_rows, road_figures, road_rows, zone_rows
from streams.core.sealing import seals_due, seals_of_places
from streams.core.sensor_days import SensorDays
from streams.core.sightings import Sightings
from streams.core.slots import Slots
from streams.core.states import States
from streams.core.waiting import MOST, Waiting
from streams.core.windows import Windows
from streams.core.zone_windows import ZoneWindows, judged

COUNTERS = (*READING_COUNTERS, "revisions")
Mask = npt.NDArray[np.bool_]


class Partition:
    """The state of one partition of `site-log`.

    Parameters
    ----------
    city : City
    partitions, number : int
        How many partitions the deployment has, and which of them this is.
    awaiting_adoption : bool
        After a cold start: no transition is told until the alerts that were open before are adopted.
    purged, resting : collections of str
        Keys of sensors that were purged before, and of those that operators took out of service.
    seals_only : bool
        Tell seals, the same as without it, and no row or alert of a place: what these alone need is not judged.

    Attributes
    ----------
    city : City
        The version in force.
    layout : Layout
        Its places and channels in this partition.
    counters : Counter of str
        What became of the readings that were taken in since the start, by `COUNTERS` (`revisions` are of road rows;
        `missed` came too late for research as well). No counts of people.
    """

    STATE = ("_next_step", "counters", "_awaiting_adoption", "_purged", "_resting")
    PARTS = ("_time", "_announced", "_slots", "_windows", "_revisions", "_states", "_zone_windows", "_grains",
             "_sightings", "_context", "_health", "_sensor_days", *(f"_alarm.{name}" for name in Alarm.PARTS))
    """Where the rest of the state is; `streams.core.snapshot` copies it out and in."""

    def __init__(self, city: City, partitions: int, number: int, awaiting_adoption: bool = False,
                 purged: Collection[str] = (), resting: Collection[str] = (), seals_only: bool = False) -> None:
        self._partitions, self._number, self._seals_only = partitions, number, seals_only
        self._awaiting_adoption, self._is_recorded = awaiting_adoption, False
        self._time, self._context = LogTime(), Context()
        self._purged, self._resting = sorted(purged), sorted(resting)
        self._next_step, self._announced, self._waiting = 0, Announced(), Waiting()
        self._rows: dict[LiveTable, list[pa.RecordBatch]] = {table: [] for table in LiveTable}
        self._told: list[Effect] = []
        self.counters: Counter[str] = Counter(dict.fromkeys(COUNTERS, 0))
        self._build(city)

    def _build(self, city: City) -> None:
        self.city = city
        self.layout = layout(city, self._partitions, self._number, [*self._purged, *self._resting])
        self._figures = zone_figures(city, self.layout)
        self._level_edges = LevelEdges(self._figures)
        self._zones = len(self._figures.area_m2)
        self._gate_width_m, self._roads = gate_widths_m(city, self.layout), road_figures(city, self.layout)
        self._slots = Slots(self.layout)
        self._windows = Windows(self.layout)
        self._revisions = Revisions(self.layout, self._windows)
        self._states = States(self.layout, self._zones)
        self._health = Health(city, self.layout)
        self._sensor_days = SensorDays(self.layout)
        self._zone_windows = ZoneWindows(self._zones, self._windows.rings,
                                         self.layout.place_span_us[: self._zones])
        self._alarm = Alarm(
            city, self.layout, self._figures, self._level_edges, self._windows.rings, self._rows)
        self._grains = Grains(self.layout, cell_rows(city, self.layout), int(zone_map(city.file), 16))
        self._sightings = Sightings(city, self.layout, self._figures)
        self._intake = Intake(
            self.layout, self._slots, self._windows, self._revisions, self._states, self._health, self._sensor_days,
            self._grains, self._alarm.inside)

    @property
    def log_time_us(self) -> int:
        """Log time, microseconds since 1970, UTC; -1 before the first message."""
        return self._time.now_us

    def step(self, message: LogMessage, append_us: int) -> list[Effect]:
        """Fold one message in.

        Time passes first: what a message brings is not known before it was taken in.

        Parameters
        ----------
        message : LogMessage
        append_us : int
            When the broker appended it, microseconds since 1970, UTC.

        Returns
        -------
        list of Effect
            Transitions in the order of their decisions, then at most one `LiveRows` a table.

        Raises
        ------
        RefusedError
            The batch was numbered by a city version that is not known, or a change of version does not fit; the
            state is as before.
        """
        if message.batch is not None and message.city_version > self._announced.newest(self.city):
            raise RefusedError(
                Reason.CITY_VERSION, f"batch of city version {message.city_version}; the newest known here is "
                f"{self._announced.newest(self.city)}: publish the newer one with `drukte city publish`"
            )
        if message.change is not None:
            check_change(message.change, message.city, self.city, self._announced.changes)
        if message.sighting is not None:
            self._sightings.check(message.sighting)
        started = self._time.now_us != UNSET
        now_us = self._time.advanced(message, append_us)
        if self._is_recorded is not (message.clock is Clock.DATA):
            self.settle()
            self._is_recorded = message.clock is Clock.DATA
        if not started:
            self._next_step = first_step_after(now_us)
            self._windows.start(now_us)
            self._revisions.start()
            self._grains.start(self._windows.open_start)
            self._health.start(now_us)
            self._alarm.inside.start(self._windows.open_start)
            self._sensor_days.start(now_us)
        self._pass_time(now_us)
        if message.batch is None:
            if message.kind is not Kind.TICK:
                self.settle()
        elif len(message.batch):
            self._receive(message.batch, now_us)
        if self._awaiting_adoption:
            self._told = [effect for effect in self._told if not isinstance(effect, Transition)]
        if message.context is not None:
            self._told += self._context.take(message.context, now_us)
        if message.change is not None and message.city is not None:
            self._announced.take(message.change, message.city, self.city)
        if isinstance(message.command, Adopt):
            self._awaiting_adoption = False
            self._told += self._alarm.adopt(message.command.alerts, now_us)
        elif isinstance(message.command, PurgeSensor):
            self._purge(message.command.sensor, now_us)
        elif message.command is not None:
            self._told += self._alarm.command(message.command, now_us, not self._awaiting_adoption)
            self._rest(now_us)
        if message.baseline is not None:
            self._alarm.ahead.know_usual(message.baseline)
        if message.sighting is not None:
            shown = self._sightings.take(message.sighting)
            self._told += shown
            for one in shown:
                self._alarm.sighted(one, now_us)
        effects, self._told = self._told, []
        return effects + taken_rows(self._rows)

    def settle(self) -> None:
        """Take in the readings that wait; nobody can tell when it was done."""
        if len(self._waiting):
            self._take(*self._waiting.taken(), self._time.now_us)

    def _receive(self, batch: Batch, now_us: int) -> None:
        """Let readings wait for the next step or deadline, where they cannot make a window close or be revised."""
        may_wait = self._windows.may_wait(batch, now_us) and len(batch) <= MOST
        if not may_wait or len(batch) + len(self._waiting) > MOST:
            self.settle()
        if may_wait:
            self._waiting.add(batch, now_us)
        elif self._take(batch, np.full(len(batch), now_us), now_us):
            self._close_due(now_us)

    def _pass_time(self, now_us: int) -> None:
        if now_us >= self._next_step or now_us >= self._windows.next_deadline:
            self.settle()
        while self._next_step <= now_us:
            step_us = self._next_step
            self._windows.refresh(step_us)
            if not self._seals_only:
                self._judge_zones(step_us)
            self._judge_sensors(step_us)
            self._told += self._context.at_step(step_us)
            self._close_due(step_us)
            if step_us % QUARTER_US == 0:
                self._told += seals_due(self._grains, self.layout, step_us)
            while (city := self._announced.due(step_us)) is not None:
                self._succeed(city, step_us)
            self._rest(step_us)
            self._next_step += STEP_US
        if now_us >= self._windows.next_deadline:
            self._close_due(now_us)

    def _judge_zones(self, step_us: int) -> None:
        self._alarm.begin_step(step_us)
        states = self._states.at_step(step_us, self._slots, self._health.usable)
        step = judged(states, self._figures, self._level_edges)
        # The window in which the log begins is never closed: nobody saw all of it.
        counts = self._zone_windows.window_of_step(step_us) >= self._windows.open_start[: self._zones]
        self._zone_windows.add(step_us, step, counts)
        self._told += self._alarm.at_step(step_us, step, self._zone_windows, counts, self._windows.open_start)

    def _judge_sensors(self, step_us: int) -> None:
        if step_us % MINUTE_US == 0:
            self._told += self._health.at_minute(step_us, self._windows, self._slots, self._sensor_days)
            if not self._seals_only:
                self._told += self._alarm.sensors_judged(step_us, self._health)
        if step_us % QUARTER_US == 0:
            self._told += self._sensor_days.at_quarter(step_us)

    def know(self, cities: Callable[[str], City]) -> None:
        """Give a restored partition the content of the versions that are announced; `KeyError` where one lacks."""
        self._announced.know(cities)
        self._alarm.begin_step(self._next_step - STEP_US)

    def _succeed(self, city: City, at_us: int) -> None:
        """Let a city version take over: windows that are over close by the old one, the others by the new one."""
        old = copy(self)
        self._build(city)
        self._close_changed(old, changed_places(old.city, old.layout, city, self.layout), at_us)
        moves = moves_between(old.layout, self.layout, at_us)
        gone = ~np.isin(np.arange(len(old.layout.place_kind)), moves.place)
        self._told += seals_of_places(old._grains, old.layout, gone, at_us)
        for name in ("_slots", "_windows", "_revisions", "_states"):
            getattr(self, name).carry(getattr(old, name), moves)
        open_start = self._windows.open_start
        self._zone_windows.carry(old._zone_windows, moves, open_start[: self._zones])
        self._alarm.begin_step(at_us // STEP_US * STEP_US)  # the step judged last
        self._told += self._alarm.carry(old._alarm, moves, self._zone_windows, open_start[: self._zones])
        self._grains.carry(old._grains, moves, open_start)
        for name in ("_health", "_sensor_days", "_sightings"):
            getattr(self, name).carry(getattr(old, name), moves)

    def _rest(self, now_us: int) -> None:
        """Lay the partition out anew where an operator took a sensor out of service, or that time is over."""
        resting = self._alarm.desk.resting(now_us)
        if resting != self._resting:
            self._resting = resting
            self._succeed(self.city, now_us)

    def _purge(self, key: str, now_us: int) -> None:
        """Forget a sensor: its slots, held samples and what it alone brought to cells; its readings are refused."""
        if (told := purged(self.city, self.layout, key, now_us)) is None:
            return
        self._grains.forget_rows_of(np.flatnonzero(self.layout.channel_sensor == self.city.ids[IdKind.SENSOR][key]))
        self._purged = sorted([*self._purged, key])
        self._succeed(self.city, now_us)
        self._told.append(told)

    @staticmethod
    def _close_changed(old: "Partition", changed: Mask, at_us: int) -> None:
        """Close what is over of places that the new version changes; its rows must not mix two versions."""
        while True:
            due = changed & (old._windows.open_start + old.layout.place_span_us <= at_us)
            if not due.any():
                return
            old._close(np.flatnonzero(due), at_us)

    def _take(self, batch: Batch, received_us: npt.NDArray[np.int64], now_us: int) -> bool:
        """Put readings into their slots; whether a window that is over became complete by them."""
        complete = self._intake.take(batch, received_us, now_us, self._is_recorded, self.counters)
        self._revise()
        return complete

    def _revise(self) -> None:
        """Tell road windows again that late readings or corrections changed, each once."""
        road, start_us, revision = self._revisions.noted()
        if len(road):
            self.counters["revisions"] += len(road)
            if not self._seals_only:
                self._tell_roads(road, start_us, revision)

    def _close_due(self, now_us: int) -> None:
        while True:
            due = self._windows.due(now_us)
            if not due.any():
                return
            places = np.flatnonzero(due & self._windows.gates_may_close())
            if not len(places):
                return
            self._close(places, now_us)

    def _close(self, places: npt.NDArray[np.intp], now_us: int) -> None:
        """Tell the earliest open window of places and go on to the next."""
        start_us = self._windows.open_start[places].copy()
        kind = self.layout.place_kind[places]
        for wanted, close in ((PlaceKind.ZONE, self._close_zones), (PlaceKind.GATE, self._close_gates),
                              (PlaceKind.ROAD, self._close_roads)):
            mine = kind == wanted
            if mine.any():
                close(places[mine], start_us[mine], now_us)
        self._windows.close(places)
        self._grains.closed(places, self._windows.open_start[places], self._slots, self._health.usable)

    def _close_zones(self, zone: npt.NDArray[np.intp], start_us: npt.NDArray[np.int64], now_us: int) -> None:
        if self._seals_only:
            return
        self._rows[LiveTable.ZONE].append(
            zone_rows(self.layout, self._figures, self._zone_windows, zone, start_us))
        self._told += self._alarm.zones_closed(zone, start_us, self._zone_windows, now_us)
        self._told += self._sightings.closed(zone, start_us, self._zone_windows)
        self._zone_windows.close(zone, start_us)

    def _close_gates(self, gate: npt.NDArray[np.intp], start_us: npt.NDArray[np.int64], now_us: int) -> None:
        if self._seals_only:
            return
        counts = gate_counts(self.layout, self._slots, self._health.usable, gate, start_us)
        errors = self._alarm.inside.gates.errors(gate)
        rows = gate_rows(
            self.layout, counts, self._gate_width_m[gate], errors, self._zone_windows.last_low, gate, start_us)
        self._rows[LiveTable.GATE].append(rows)
        self._told += self._alarm.gates_closed(gate, start_us, counts, rows, self._zone_windows.last_band[0], now_us)

    def _close_roads(self, road: npt.NDArray[np.intp], start_us: npt.NDArray[np.int64], now_us: int) -> None:
        self._revisions.closed(road, start_us)
        if not self._seals_only:
            rows = self._tell_roads(road, start_us)
            self._told += self._alarm.roads_closed(road, start_us, rows, now_us)

    def _tell_roads(self, road: npt.NDArray[np.intp], start_us: npt.NDArray[np.int64],
                    revision: npt.NDArray[np.int64] | None = None) -> pa.RecordBatch:
        rows = road_rows(self.layout, self._roads, self._slots, self._health.usable, road, start_us, revision,
                         self._alarm.ahead.baselines.free_flow_km_h[road])
        self._rows[LiveTable.ROAD].append(rows)
        return rows
