# SPDX-License-Identifier: Apache-2.0
"""What was true of everything that a rule looks at, without sensors, bands or snapped limits."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.truth.alert_day import MINUTE_US, STEP_US, Day
from schemas.city import City
from schemas.rules import GRID_KINDS, KINDS, RuleKind
from streams.core.cases import Entry, entries_of
from streams.core.events import Events
from streams.core.layout import COUNTED_METRICS, gate_widths_m
from streams.core.levels import zone_figures

UNUSUAL_RATIO, UNUSUAL_PEOPLE = 1.5, 25.0
"""A crowd is not the usual one from so many times the weekday's, and so many people, more."""
RISE_BACK_MIN = 5
NEAR = 0.1
"""Within so much of a limit, as a share of it, a figure is near it."""
JUDGED = frozenset(RuleKind) - {RuleKind.CONGESTION, RuleKind.INCIDENT, RuleKind.EFFECT}
"""The day has no roads, and nobody takes a measure."""

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Episode:
    """A time in which a limit was truly reached; microseconds since 1970, UTC.

    `clear` where the figure went more than `NEAR` beyond it: a sensor that errs by less than that has to see it.
    """

    start_us: int
    end_us: int
    clear: bool


@dataclass(frozen=True, slots=True)
class Truth:
    """What was true of one rule at one place.

    Parameters
    ----------
    entry : Entry
    place : str
    episodes : list of Episode
        Long enough for the rule to be asked for an alert.
    over, near : bool arrays over steps of 10 s
        Where the limit was reached at all, and where at least 90 % of it was (110 % where less is worse).
    """

    entry: Entry
    place: str
    episodes: list[Episode]
    over: Mask
    near: Mask


def truths(city: City, day: Day) -> list[Truth]:
    """The truth of every rule at every place that the rules look at."""
    figures = zone_figures(city, day.layout)
    entries = entries_of(city, day.layout, figures)
    active, limits = _in_force(city, day, entries)
    seen = _Figures(city, day, limits)
    found = []
    for number, entry in enumerate(entries):
        if entry.rule.kind not in JUDGED:
            continue
        figure, limit = seen.of(entry)
        rising = KINDS[entry.rule.kind].rising
        with np.errstate(invalid="ignore"):
            over = (figure >= limit) if rising else (figure <= limit)
            near = (figure >= (1 - NEAR) * limit) if rising else (figure <= (1 + NEAR) * limit)
            beyond = (figure >= (1 + NEAR) * limit) if rising else (figure <= (1 - NEAR) * limit)
            held = (figure >= _clearing(entry, limit)) if rising else (figure <= _clearing(entry, limit))
        over, near, held = over & active[:, number], near & active[:, number], held & active[:, number]
        found.append(Truth(entry, day.layout.place_key[entry.place], _episodes(day, entry, over, held, beyond), over,
                           near))
    return found


def _in_force(city: City, day: Day, entries: list[Entry]) -> tuple[Mask, Floats]:
    """Steps x entries: whether a rule holds; steps x zones x levels: the limits, as events tighten them."""
    figures = zone_figures(city, day.layout)
    events = Events(city, day.layout, figures, entries)
    active = np.ones((len(day.people), len(entries)), np.bool_)
    limits = np.empty((len(day.people), *figures.people.shape))
    for step in range(len(day.people)):
        changed = events.at(day.start_us + (step + 1) * STEP_US)
        active[step] = changed if changed is not None else active[step - 1]
        limits[step] = figures.people
    return active, limits


def _clearing(entry: Entry, limit: Floats) -> Floats:
    """The safe side of a limit: the rule's own, or its hysteresis."""
    rule = entry.rule
    if rule.clear is not None and np.isfinite(rule.raising):
        return np.asarray(limit * (rule.clear / rule.raising if rule.raising else 1.0))
    share = rule.hysteresis_percent / 100
    return np.asarray(limit * (1 - share if KINDS[rule.kind].rising else 1 + share))


def _episodes(day: Day, entry: Entry, over: Mask, held: Mask, beyond: Mask) -> list[Episode]:
    """Times from the limit to the safe side of it; left out where the rule's dwell alone is longer."""
    rule = entry.rule
    on_grid = rule.kind in GRID_KINDS
    least = rule.raise_after * (1 if on_grid else MINUTE_US // STEP_US) + 6
    found, step = [], 0
    while step < len(over):
        if not over[step]:
            step += 1
            continue
        end = step
        while end < len(over) and held[end : end + 12].any():
            end += 1
        if over[step:end].sum() >= least:
            found.append(Episode(day.start_us + (step + 1) * STEP_US, day.start_us + end * STEP_US,
                                 bool(beyond[step:end].sum() >= least)))
        step = max(end, step + 1)
    return found


class _Figures:
    """The true figure of each kind at each place, over steps of 10 s, and its limit."""

    def __init__(self, city: City, day: Day, limits: Floats) -> None:
        self._day, self._limits = day, limits
        self._figures = zone_figures(city, day.layout)
        self._width_m = gate_widths_m(city, day.layout)
        self._zone = {key: at for at, key in enumerate(day.ground.zones)}
        self._opening = {key: at for at, key in enumerate(day.ground.gates) if key is not None}

    def of(self, entry: Entry) -> tuple[Floats, Floats]:
        """Figure and limit, both over steps."""
        rule, kind, place = entry.rule, entry.rule.kind, entry.place
        key = self._day.layout.place_key[place]
        if kind in (RuleKind.NO_DATA, RuleKind.SENSOR_LOSS):
            return self._reported(place, lost=kind is RuleKind.SENSOR_LOSS), self._constant(rule.raising)
        if kind is RuleKind.FLOW:
            at = self._opening[key]
            per_min = self._day.passages[:, at].sum(axis=1) / self._width_m[place]
            return self._of_minutes(per_min.astype(np.float64)), self._constant(rule.raising)
        people = self._day.people[:, self._zone[key]].astype(np.float64)
        if kind in (RuleKind.LEVEL, RuleKind.FORECAST):
            return people, self._limits[:, place, rule.level - 1]
        if kind is RuleKind.DENSITY:
            return people, self._constant(max(rule.raising * self._figures.area_m2[place], rule.min_people or 0))
        if kind is RuleKind.OCCUPANCY:
            return 100 * people / self._figures.capacity[place], self._constant(rule.raising)
        if kind is RuleKind.RISE:
            return self._rise(people), self._constant(rule.raising)
        if kind is RuleKind.SURGE:
            usual = self._day.usual[:, self._zone[key]]
            return people, np.maximum(UNUSUAL_RATIO * usual, usual + UNUSUAL_PEOPLE)
        return self._stopped(place, key, people, rule.density_from_per_m2), self._constant(rule.raising)

    def _constant(self, limit: float) -> Floats:
        return np.full(len(self._day.people), limit)

    def _of_minutes(self, per_minute: Floats) -> Floats:
        """Minutes as steps: a minute's figure is known at its end."""
        repeated = np.repeat(per_minute, MINUTE_US // STEP_US)
        return np.concatenate([np.full(5, np.nan), repeated])[: len(self._day.people)]

    @staticmethod
    def _rise(people: Floats) -> Floats:
        back = RISE_BACK_MIN * 6
        found = np.full(len(people), np.nan)
        found[back:] = (people[back:] - people[:-back]) / RISE_BACK_MIN
        return found

    def _stopped(self, place: int, key: str, people: Floats, dense_per_m2: float) -> Floats:
        """Outflow per metre of all ways out while the zone is dense, else far above every limit."""
        day, at = self._day, self._zone[key]
        leaves = day.passages[:, day.ground.side_from == at, 0].sum(axis=1)
        leaves = leaves + day.passages[:, day.ground.side_to == at, 1].sum(axis=1)
        gates = np.flatnonzero((day.layout.gate_zones == place).any(axis=1))
        width_m = max(self._width_m[gates].sum(), 1e-9)
        dense = people >= dense_per_m2 * self._figures.area_m2[place]
        return np.where(dense, self._of_minutes(leaves / width_m), 1e6)

    def _reported(self, place: int, *, lost: bool) -> Floats:
        """Share of the usual readings of a place that was sent; or that was not, or was stuck, of late."""
        day = self._day
        count = day.reported[:, place]
        share = count / max(int(np.median(count)), 1)
        if not lost:
            # What a stuck sensor says is no data.
            return self._of_minutes(np.minimum(share, 1.0)) * (1 - self._stuck_share(place))
        late = np.maximum.reduce([np.roll(share, shift) for shift in range(3)])
        return np.maximum(1 - self._of_minutes(np.minimum(late, 1.0)), self._stuck_share(place))

    def _stuck_share(self, place: int) -> Floats:
        day, city_layout = self._day, self._day.layout
        mine = city_layout.channel_counted & (city_layout.channel_place == place) & np.isin(
            city_layout.channel_role, COUNTED_METRICS)
        sensors = city_layout.channel_sensor[mine]
        at_us = day.start_us + STEP_US * np.arange(1, len(day.people) + 1)
        found = np.zeros(len(at_us))
        for sensor in sensors.tolist():
            found += at_us >= day.stuck.get(sensor, day.end_us + 1)
        return found / max(len(sensors), 1)
