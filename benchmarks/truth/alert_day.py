# SPDX-License-Identifier: Apache-2.0
"""An event day in a whole city, played in simulated time through the real fold, and what was true meanwhile."""

import datetime as dt
from collections import Counter
from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from schemas.alert import Transition
from schemas.baseline import BaselineRows
from schemas.city import City
from schemas.events import Event as CityEvent
from schemas.feeds.native import decode
from schemas.ids import IdKind
from schemas.log import Clock, Kind, LogMessage
from schemas.reading import Batch, Metric
from schemas.registry import Registry
from streams.core.baseline_figures import count_tables, samples_of
from streams.core.layout import Layout, layout
from streams.core.step import Partition
from streams.simulate.crowd import Moves
from streams.simulate.crowd_sensors import WatchedCrowd, encode_native
from streams.simulate.event import Event, Programme
from streams.simulate.ground import Ground
from streams.simulate.sensor_errors import Mix, SensorError, chosen_errors

STEP_US, MINUTE_US, QUARTER_US = 10_000_000, 60_000_000, 900_000_000
UNDERWAY_US = 1_500_000
"""From a reading's end to the gateway."""
HISTORY_WEEKS, WEEK_QUARTERS = 8, 672
RELEASE_SD = 5.0
WEATHER_SD = 0.15
USUAL_PEAK = (0.15, 0.45)
"""What a zone sees on a usual day at its busiest, as a share of its first level."""
BEFORE_H, AFTER_H, LONGEST_H = 1.0, 1.0, 12.0
"""Around the city file's event: people come before it and leave after it."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Day:
    """What happened and what was told.

    Parameters
    ----------
    start_us, end_us : int
    people : int64 array, steps of 10 s x zones of the ground
    passages : int64 array, minutes x openings x 2
        From side `from` to `to`, and back.
    reported : int64 array, minutes x places of the layout
        Readings of counting sensors.
    stuck : dict of int to int
        Numbers of sensors that repeat their last value, from when on, microseconds since 1970, UTC.
    usual : float64 array, steps x zones
        People whom the weekday and hour would bring, without weather.
    told : list of Transition
    """

    start_us: int
    end_us: int
    ground: Ground
    layout: Layout
    people: Ints
    passages: Ints
    reported: Ints
    stuck: dict[int, int]
    usual: Floats
    told: list[Transition]

    @property
    def hours(self) -> float:
        """Its length."""
        return (self.end_us - self.start_us) / 3.6e9


class Usual:
    """The people of days without an event: two humps, busier at the weekend, each zone of its own size.

    Parameters
    ----------
    ground : Ground
    timezone : str
    random : Generator
    """

    def __init__(self, ground: Ground, timezone: str, random: np.random.Generator) -> None:
        first = np.where(np.isfinite(ground.level_people[:, 0]), ground.level_people[:, 0], 100.0)
        self._size = first * random.uniform(*USUAL_PEAK, len(first))
        self._timezone = ZoneInfo(timezone)

    def at(self, at_us: int) -> Floats:
        """Expected people by zone at an instant, microseconds since 1970, UTC."""
        local = dt.datetime.fromtimestamp(at_us / 1e6, self._timezone)
        hour = local.hour + local.minute / 60 + local.second / 3600
        shape = 0.08 + np.exp(-((hour - 14) / 3.5) ** 2) + 0.6 * np.exp(-((hour - 20) / 2) ** 2)
        return np.asarray(self._size * shape * (1.3 if local.weekday() >= 5 else 1.0) / 1.5)


class _Wishes:
    """The event's programme on top of the usual people of a day with its own weather."""

    def __init__(self, start_us: int, usual: Usual, programme: Programme, weather: Floats, takes_part: Mask) -> None:
        self._start_us, self._usual, self._programme, self._weather = start_us, usual, programme, weather
        self._takes_part = takes_part

    def at(self, second: float) -> Floats:
        usual = self._usual.at(self._start_us + round(second * 1e6)) * self._weather
        return np.where(self._takes_part, np.maximum(usual, self._programme.at(second)), usual)


class _Witness:
    """Keeps the truth while it happens."""

    def __init__(self, openings: int) -> None:
        self.people: list[Ints] = []
        self.passages: list[Ints] = []
        self._passages = np.zeros((openings, 2), np.int64)

    def see(self, now_us: int, people: Ints, moves: Moves | None) -> None:
        if moves is None:
            return
        self._passages += np.stack([moves.forth, moves.back], axis=1)
        if now_us % STEP_US == 0:
            self.people.append(people[:-1].copy())
        if now_us % MINUTE_US == 0:
            self.passages.append(self._passages.copy())
            self._passages[:] = 0


def event_of(city: City, number: int) -> CityEvent | None:
    """The event of the city file that the day of this number plays; None where the file has none."""
    events = [city.file.events[key] for key in sorted(city.file.events)]
    return events[number % len(events)] if events else None


def played(city: City, seed: int, *, everywhere: bool = True, hours: float | None = None) -> Day:
    """Play one day: an event that fills zones, its main zone to the highest level, and a surge there.

    Parameters
    ----------
    city : City
    seed : int
        Of the crowd and the sensors' errors; it also chooses the event of the city file.
    everywhere : bool
        Whether every zone of the city takes part, or only those of the event's sites.
    hours : float, optional
        A shorter programme; else as long as the event with the time around it.
    """
    event = event_of(city, seed)
    start_us, length_s = _times(city, event, hours)
    ground = _ground(city, event)
    random = np.random.default_rng([seed, 31])
    usual = Usual(ground, city.file.timezone, random)
    wanted = Event(length_s=length_s, seed=seed, level=ground.level_people.shape[1], peaks=1 if hours else 2,
                   surge_at_s=round(0.6 * length_s), surge_s=600)
    errors = chosen_errors(city, seed, Mix.TYPICAL)
    witness = _Witness(len(ground.gates))
    sites = None if everywhere or event is None else event.sites
    wishes = _Wishes(
        start_us, usual, Programme(ground, wanted), random.lognormal(0, WEATHER_SD, len(ground.zones)),
        np.array([sites is None or city.file.zones[key].site in sites for key in ground.zones]))
    crowd = WatchedCrowd(city, seed, start_us, outages=False, errors=errors, wishes=wishes, witness=witness)
    told, reported = _folded(city, crowd, start_us, length_s, _baselines(city, ground, usual, start_us, random))
    at_us = range(start_us + STEP_US, start_us + length_s * 1_000_000 + 1, STEP_US)
    return Day(
        start_us, at_us[-1], ground, layout(city, 1, 0), np.array(witness.people), np.array(witness.passages),
        reported, _stuck(city, errors, start_us), np.array([usual.at(at) for at in at_us]), told)


def _times(city: City, event: CityEvent | None, hours: float | None) -> tuple[int, int]:
    """Begin in microseconds on a whole minute, and length in whole minutes, as seconds."""
    if event is None:
        day = max(sensor.start for sensor in city.file.sensors.values())
        begin = dt.datetime.combine(day, dt.time(12), ZoneInfo(city.file.timezone))
        length_h = hours or LONGEST_H - BEFORE_H - AFTER_H
    else:
        begin = event.from_ - dt.timedelta(hours=0 if hours else BEFORE_H)
        lasts_h = (event.until - event.from_).total_seconds() / 3600
        length_h = hours or min(lasts_h + BEFORE_H + AFTER_H, LONGEST_H)
    return round(begin.timestamp() // 60 * 60) * 1_000_000, round(length_h * 60) * 60


def _ground(city: City, event: CityEvent | None) -> Ground:
    """The city's ground, with the largest zone of the event's sites as its main one."""
    ground = Ground.of(city)
    if event is None:
        return ground
    mine = [at for at, key in enumerate(ground.zones) if city.file.zones[key].site in event.sites]
    return replace(ground, square=max(mine, key=lambda at: float(ground.most_people[at]))) if mine else ground


def _stuck(city: City, errors: dict[str, SensorError], start_us: int) -> dict[int, int]:
    return {city.ids[IdKind.SENSOR][key]: start_us + error.stuck_from_s * 1_000_000 for key, error in errors.items()
            if error.stuck_from_s is not None}


def _baselines(city: City, ground: Ground, usual: Usual, start_us: int, random: np.random.Generator) -> BaselineRows:
    """What the daily job makes of eight weeks of published quarter hours: weather, counting and release noise."""
    zones, quarters = len(ground.zones), HISTORY_WEEKS * WEEK_QUARTERS
    first_us = start_us // QUARTER_US * QUARTER_US - quarters * QUARTER_US
    at_us = first_us + QUARTER_US * np.arange(quarters)
    week = np.array([usual.at(int(at)) for at in at_us[:WEEK_QUARTERS]])
    weather = np.repeat(random.lognormal(0, WEATHER_SD, (HISTORY_WEEKS * 7, zones)), 96, axis=0)
    people = random.poisson(np.tile(week, (HISTORY_WEEKS, 1)) * weather)
    cells = (people + np.rint(random.normal(0, RELEASE_SD, people.shape))).T.reshape(-1).astype(np.float64)
    samples = samples_of(
        np.repeat(np.arange(zones), quarters), np.tile(at_us, zones), np.full(len(cells), 900), cells,
        np.full(len(cells), RELEASE_SD), np.zeros(len(cells), np.bool_), city.file.timezone)
    tables = count_tables(samples, zones)
    return BaselineRows(
        np.zeros(zones, np.uint8), np.array([city.ids[IdKind.ZONE][key] for key in ground.zones], np.int32),
        [""] * zones, np.full(zones, int(Metric.PEOPLE), np.uint8), np.full(zones, start_us), tables.mean, tables.sd,
        tables.low, tables.middle, tables.high, tables.weeks, tables.grain_s)


def _folded(city: City, crowd: WatchedCrowd, start_us: int, length_s: int,
            baselines: BaselineRows) -> tuple[list[Transition], Ints]:
    """Send everything through the gateway's decoder into one partition that holds the whole city."""
    partition, registry = Partition(city, 1, 0), Registry.of(city)
    reports = _Reports(partition.layout, start_us, length_s // 60)
    told: list[Transition] = []
    number: Counter[str] = Counter()

    def fold(kind: Kind, at_us: int, source: str, batch: Batch | None = None,
             rows: BaselineRows | None = None) -> None:
        number[source] += 1
        message = LogMessage(
            kind, at_us, Clock.SIMULATED, city.version, source, str(number[source]), batch, baseline=rows)
        told.extend(one for one in partition.step(message, at_us) if isinstance(one, Transition))

    fold(Kind.BASELINE, start_us, "baselines", rows=baselines)
    for now_us in range(start_us + STEP_US, start_us + length_s * 1_000_000 + 1, STEP_US):
        for source, readings in sorted(crowd.advance(now_us).items()):
            batch = decode(encode_native(readings), registry, source).batch
            reports.take(batch)
            fold(Kind.READINGS, now_us + UNDERWAY_US, source, batch)
        fold(Kind.TICK, now_us + UNDERWAY_US, "gateway")
    return told, reports.count


class _Reports:
    """Readings that were sent, by minute and place."""

    def __init__(self, places: Layout, start_us: int, minutes: int) -> None:
        self._layout, self._start_us = places, start_us
        self.count = np.zeros((minutes, len(places.place_kind)), np.int64)

    def take(self, batch: Batch) -> None:
        channel = self._layout.channels_of(batch.sensor, batch.metric)
        minute = (batch.end - 1 - self._start_us) // MINUTE_US
        known = (channel >= 0) & (minute >= 0) & (minute < len(self.count))
        np.add.at(self.count, (minute[known], self._layout.channel_place[channel[known]]), 1)
