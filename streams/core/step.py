# SPDX-License-Identifier: Apache-2.0
"""The fold: `effects = partition.step(message)`, a pure function of the messages before it."""

from collections import Counter

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.city import City
from schemas.errors import RefusedError
from schemas.live import SCHEMAS, LiveTable
from schemas.log import LogMessage
from schemas.reading import Batch
from schemas.refusal import Reason
from streams.core.counts import LONGEST_GAP, LONGEST_SPAN, entry_value
from streams.core.effect import Effect, LiveRows
from streams.core.layout import PlaceKind, Rate, layout
from streams.core.levels import LevelEdges, zone_figures
from streams.core.log_time import STEP_US, UNSET, LogTime, first_step_after
from streams.core.revisions import Revisions
from streams.core.rows import gate_rows, road_rows, zone_rows
from streams.core.rules import LevelRules
from streams.core.slots import Slots
from streams.core.states import States
from streams.core.windows import Windows
from streams.core.zone_windows import ZoneWindows, judged

Mask = npt.NDArray[np.bool_]


class Partition:
    """The state of one partition of `site-log`.

    Parameters
    ----------
    city : City
    partitions, number : int
        How many partitions the deployment has, and which of them this is.

    Attributes
    ----------
    counters : Counter of str
        What became of readings since the start: `readings`, `duplicates`, `corrections`, `overlaps`, `late`,
        `ahead`, `unknown`, `bad-span`, `not-counted`, `revisions` (of road rows). No counts of people.
    """

    STATE = ("_next_step", "counters")
    PARTS = ("_time", "_slots", "_windows", "_revisions", "_states", "_zone_windows", "_rules")
    """Where the rest of the state is; `streams.core.snapshot` copies it out and in."""

    def __init__(self, city: City, partitions: int, number: int) -> None:
        self._city = city
        self._layout = layout(city, partitions, number)
        self._figures = zone_figures(city, self._layout)
        self._level_edges = LevelEdges(self._figures)
        self._zones = len(self._figures.area_m2)
        self._gate_width_m = np.array([
            city.file.gates[key].width_m if kind == PlaceKind.GATE else np.nan
            for key, kind in zip(self._layout.place_key, self._layout.place_kind, strict=True)
        ])
        self._time = LogTime()
        self._next_step = 0
        self._slots = Slots(self._layout)
        self._windows = Windows(self._layout)
        self._revisions = Revisions(self._layout, self._windows)
        self._states = States(self._layout, self._zones)
        self._zone_windows = ZoneWindows(self._zones, self._windows.rings,
                                         self._layout.place_span_us[: self._zones])
        self._rules = LevelRules(city, self._layout, self._figures, self._windows.rings)
        self._rows: dict[LiveTable, list[pa.RecordBatch]] = {table: [] for table in LiveTable}
        self._told: list[Effect] = []
        self.counters: Counter[str] = Counter()

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
            The batch was numbered by another city version; the state is as before.
        """
        if message.batch is not None and message.city_version != self._city.version:
            raise RefusedError(
                Reason.CITY_VERSION, f"batch of city version {message.city_version}; loaded here is "
                f"{self._city.version}: restart with the newer city file"
            )
        started = self._time.now_us != UNSET
        now_us = self._time.advanced(message, append_us)
        if not started:
            self._next_step = first_step_after(now_us)
            self._windows.start(now_us)
            self._revisions.start()
        self._pass_time(now_us)
        if message.batch is not None and len(message.batch) and self._take(message.batch, now_us):
            self._close_due(now_us)
        return self._effects()

    def _pass_time(self, now_us: int) -> None:
        while self._next_step <= now_us:
            step_us = self._next_step
            self._windows.refresh(step_us)
            step = judged(self._states.at_step(step_us, self._slots), self._figures, self._level_edges)
            # The window in which the log begins is never closed: nobody saw all of it.
            counts = self._zone_windows.window_of_step(step_us) >= self._windows.open_start[: self._zones]
            self._zone_windows.add(step_us, step, counts)
            self._told += self._rules.at_step(step_us, step, self._zone_windows, counts)
            self._close_due(step_us)
            self._next_step += STEP_US
        if now_us >= self._windows.next_deadline:
            self._close_due(now_us)

    def _take(self, batch: Batch, now_us: int) -> bool:
        """Put readings into their slots; whether a window that is over became complete by them."""
        self.counters["readings"] += len(batch)
        lookup = self._layout.lookup
        numbered = (batch.sensor >= 0) & (batch.sensor < len(lookup)) & (batch.metric < lookup.shape[1])
        channel = lookup[np.where(numbered, batch.sensor, 0), np.where(numbered, batch.metric, 0)]
        span_us = batch.span_ms.astype(np.int64) * 1000
        known = numbered & (channel >= 0)
        fits = known & (span_us <= LONGEST_SPAN * self._layout.channel_interval_us[channel])
        self.counters["unknown"] += int(len(batch) - known.sum())
        self.counters["bad-span"] += int(known.sum() - fits.sum())
        at = np.flatnonzero(fits)
        if not len(at):
            return False
        return self._store(channel[at].astype(np.intp), batch.begin[at], span_us[at], batch.value[at],
                           batch.weight[at], now_us)

    def _store(self, channel: npt.NDArray[np.intp], begin: npt.NDArray[np.int64],
               span_us: npt.NDArray[np.int64], value: npt.NDArray[np.float64],
               weight: npt.NDArray[np.float32], now_us: int) -> bool:
        open_start = self._windows.open_start[self._layout.channel_place[channel]]
        instant = self._layout.channel_semantics[channel] == Rate.INSTANT
        late = np.where(instant, begin < open_start, begin + span_us <= open_start)
        # A running count is the base of differences for three intervals after it.
        base_us = LONGEST_GAP * self._layout.channel_interval_us[channel]
        late &= (self._layout.channel_semantics[channel] != Rate.CUMULATIVE) | (begin < open_start - base_us)
        ahead = begin >= open_start + self._slots.ring_us[channel]
        held = entry_value(self._layout, channel, span_us, value)
        revising = late & ~ahead & self._revisions.reach(channel, begin)
        put = self._slots.put(channel, begin, span_us, held, weight, ~(late | ahead) | revising)
        self._revise(revising & ~put.duplicate, channel, begin, begin + span_us)
        late &= ~revising
        self.counters["duplicates"] += int(put.duplicate.sum())
        self.counters["corrections"] += int(put.correction.sum())
        self.counters["overlaps"] += int(put.overlap.sum())
        self.counters["late"] += int((late & ~put.duplicate).sum())
        self.counters["ahead"] += int(ahead.sum())
        self.counters["not-counted"] += int((~self._layout.channel_counted[channel]).sum())
        state = instant & ~ahead
        if state.any():
            self._states.sampled(channel[state], begin[state], held[state])
        return self._windows.take(channel, begin, span_us, put.filled, now_us)

    def _revise(self, revising: Mask, channel: npt.NDArray[np.intp], begin: npt.NDArray[np.int64],
                end: npt.NDArray[np.int64]) -> None:
        """Tell road windows again that late readings or corrections changed."""
        if not revising.any():
            return
        road, start_us, revision = self._revisions.touched(channel[revising], begin[revising], end[revising])
        self.counters["revisions"] += len(road)
        self._rows[LiveTable.ROAD].append(road_rows(self._layout, self._slots, road, start_us, revision))

    def _close_due(self, now_us: int) -> None:
        while True:
            due = self._windows.due(now_us)
            due &= self._gates_may_close()
            places = np.flatnonzero(due)
            if not len(places):
                return
            start_us = self._windows.open_start[places].copy()
            kind = self._layout.place_kind[places]
            for wanted, close in ((PlaceKind.ZONE, self._close_zones), (PlaceKind.GATE, self._close_gates),
                                  (PlaceKind.ROAD, self._close_roads)):
                mine = kind == wanted
                if mine.any():
                    close(places[mine], start_us[mine], now_us)
            self._windows.close(places)

    def _gates_may_close(self) -> Mask:
        """A gate waits for the rows of its zones: they say whether its flows may be shown."""
        joined, span = self._layout.gate_zones, self._layout.place_span_us
        end = self._windows.open_start + span
        zone_open = np.where(joined >= 0, self._windows.open_start[joined], np.iinfo(np.int64).max)
        same_rows = (joined < 0) | (span[joined] == span[:, None])
        return np.asarray(((zone_open >= end[:, None]) | ~same_rows).all(axis=1))

    def _close_zones(self, zone: npt.NDArray[np.intp], start_us: npt.NDArray[np.int64], now_us: int) -> None:
        self._rows[LiveTable.ZONE].append(
            zone_rows(self._layout, self._figures, self._zone_windows, zone, start_us))
        self._told += self._rules.at_close(zone, start_us, self._zone_windows, now_us)
        self._zone_windows.close(zone, start_us)

    def _close_gates(self, gate: npt.NDArray[np.intp], start_us: npt.NDArray[np.int64], now_us: int) -> None:
        del now_us
        joined = self._layout.gate_zones[gate]
        low = np.where(joined >= 0, self._zone_windows.last_low[joined], 0)
        self._rows[LiveTable.GATE].append(
            gate_rows(self._layout, self._slots, self._gate_width_m[gate], low, gate, start_us))

    def _close_roads(self, road: npt.NDArray[np.intp], start_us: npt.NDArray[np.int64], now_us: int) -> None:
        del now_us
        self._revisions.closed(road, start_us)
        first = np.zeros(len(road), np.int64)
        self._rows[LiveTable.ROAD].append(road_rows(self._layout, self._slots, road, start_us, first))

    def _effects(self) -> list[Effect]:
        effects, self._told = self._told, []
        for table, batches in self._rows.items():
            if batches:
                rows = pa.Table.from_batches(batches, SCHEMAS[table]).combine_chunks().to_batches()[0]
                effects.append(LiveRows(table, rows))
                batches.clear()
        return effects
