# SPDX-License-Identifier: Apache-2.0
"""What cameras and line counters report of a simulated crowd, as native JSON readings."""

import datetime as dt
import math
from dataclasses import dataclass

import msgspec
import numpy as np

from schemas.city import City, Sensor
from schemas.reading import Metric
from streams.simulate.crowd import Crowd, Moves
from streams.simulate.ground import Ground
from streams.simulate.wishes import CYCLE_S

SECOND_US = 1_000_000
OWN_ERROR_SD = 0.005
"""Error of a camera about which the city file says nothing, as a share of the value."""
DRIFT_S = 600.0
"""An error of light or sight stays about so long: it does not jump from one picture to the next."""
MISSED_SHARE = 0.01
"""Passages that a line counter does not see when the city file says nothing."""
OUTAGE_S = (1200.0, 1620.0)
"""Seconds of each cycle in which the cameras of one zone are silent: sensors do break."""
_PASSAGES = (Metric.IN.key, Metric.OUT.key)
_INSTANTS = (Metric.PEOPLE.key, Metric.DEVICE_STATE.key)


class NativeReading(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """One reading as native JSON spells it."""

    sensor: str
    metric: str
    from_: dt.datetime
    to: dt.datetime
    value: float


Readings = dict[str, list[NativeReading]]
"""Readings by key of their source."""


@dataclass(slots=True)
class _Measure:
    """One metric of one sensor: where it stands, when it reports and how it errs."""

    sensor: str
    source: str
    metric: str
    interval_us: int
    place: int
    seen_share: float
    bias: float
    sd: float
    reversed: bool
    counted: int = 0
    drift: float = 0.0
    """The error of the last reading, in standard deviations."""


class WatchedCrowd:
    """A crowd and its sensors, on a clock in microseconds.

    `advance` gives the same readings whatever the length of its steps.

    Parameters
    ----------
    city : City
    seed : int
    start_us : int
        Time of the crowd's start, microseconds since 1970, UTC; rounded up to a whole second.
    outages : bool
        Whether in each cycle the cameras of one zone (never the square) are silent for a while.
    """

    def __init__(self, city: City, seed: int, start_us: int, *, outages: bool = True) -> None:
        self.ground = Ground.of(city)
        self.crowd = Crowd(self.ground, seed)
        self.start_us = -(-start_us // SECOND_US) * SECOND_US
        self._now_us = self.start_us
        self._random = np.random.default_rng([seed, 3])
        self._measures = _measures(city, self.ground)
        self._frail = _frail_zones(self._measures, self.ground) if outages else []

    def advance(self, until_us: int) -> Readings:
        """Let the crowd move on to `until_us` and give all readings that came due on the way."""
        readings: Readings = {}
        while self._now_us + SECOND_US <= until_us:
            moves = self.crowd.step()
            self._now_us += SECOND_US
            for measure in self._measures:
                self._count(measure, moves)
                self._report(measure, readings)
        return readings

    def _count(self, measure: _Measure, moves: Moves) -> None:
        if measure.metric in _PASSAGES:
            forth = (measure.metric == Metric.IN.key) != measure.reversed
            passed = int((moves.forth if forth else moves.back)[measure.place])
            measure.counted += int(self._random.binomial(passed, measure.seen_share))

    def _report(self, measure: _Measure, readings: Readings) -> None:
        """Add what is due in the second that ends now."""
        interval_us = measure.interval_us
        first_us = (self._now_us - SECOND_US) // interval_us * interval_us + interval_us
        for due_us in range(first_us, self._now_us + 1, interval_us):
            value = self._value(measure)
            begin_us = due_us if measure.metric in _INSTANTS else due_us - interval_us
            if begin_us < self.start_us or self._is_silent(measure):
                continue
            reading = NativeReading(
                sensor=measure.sensor, metric=measure.metric,
                from_=_utc(begin_us), to=_utc(due_us), value=value,
            )
            readings.setdefault(measure.source, []).append(reading)

    def _value(self, measure: _Measure) -> float:
        if measure.metric == Metric.PEOPLE.key:
            in_view = int(self._random.binomial(self.crowd.people[measure.place], measure.seen_share))
            kept = math.exp(-measure.interval_us / SECOND_US / DRIFT_S)
            fresh = math.sqrt(1 - kept**2) * self._random.standard_normal()
            measure.drift = kept * measure.drift + fresh
            return float(max(0, round(in_view * (1 + measure.bias + measure.sd * measure.drift))))
        if measure.metric in _PASSAGES:
            counted, measure.counted = measure.counted, 0
            return float(counted)
        return 1.0 if measure.metric == Metric.UPTIME.key else 0.0

    def _is_silent(self, measure: _Measure) -> bool:
        cycle, within_s = divmod(self.crowd.second, int(CYCLE_S))
        if not self._frail or measure.metric != Metric.PEOPLE.key:
            return False
        out = OUTAGE_S[0] <= within_s < OUTAGE_S[1]
        return out and measure.place == self._frail[cycle % len(self._frail)]


def encode_native(readings: list[NativeReading]) -> bytes:
    """As a JSON array."""
    return msgspec.json.encode(readings)


def _measures(city: City, ground: Ground) -> list[_Measure]:
    zones = {key: index for index, key in enumerate(ground.zones)}
    gates = {key: index for index, key in enumerate(ground.gates) if key is not None}
    seen_m2 = _seen_m2(city)
    counters = [sensor.gate for sensor in city.file.sensors.values()]
    measures: list[_Measure] = []
    for key, sensor in city.file.sensors.items():
        place = zones.get(sensor.zone or "", gates.get(sensor.gate or "", -1))
        for metric, measure in sensor.measures.items() if place >= 0 else ():
            error = measure.error
            if sensor.zone is not None:
                # Cameras whose views add up to more than the zone see its parts twice: scale them to one.
                whole_m2 = max(city.file.zones[sensor.zone].area_m2, seen_m2[sensor.zone])
                share = (measure.view_area_m2 or whole_m2) / whole_m2
            else:
                share = (1 + min(0.0, error.bias or -MISSED_SHARE)) / counters.count(sensor.gate)
            measures.append(_Measure(
                key, sensor.source, metric, round(measure.interval_s * SECOND_US), place, share,
                error.bias, error.sd or OWN_ERROR_SD, sensor.swapped,
            ))
    return measures


def _seen_m2(city: City) -> dict[str, float]:
    """Sum of the views of the cameras of each zone."""
    seen = dict.fromkeys(city.file.zones, 0.0)
    for sensor in city.file.sensors.values():
        if sensor.zone is not None:
            seen[sensor.zone] += _view_m2(sensor)
    return seen


def _view_m2(sensor: Sensor) -> float:
    people = sensor.measures.get(Metric.PEOPLE.key)
    return (people.view_area_m2 or 0.0) if people is not None else 0.0


def _frail_zones(measures: list[_Measure], ground: Ground) -> list[int]:
    """Zones with a camera, the smallest numbers of people first, without the square."""
    watched = {measure.place for measure in measures if measure.metric == Metric.PEOPLE.key}
    most = ground.most_people
    return sorted(watched - {ground.square}, key=lambda index: float(most[index]))


def _utc(time_us: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(microseconds=time_us)
