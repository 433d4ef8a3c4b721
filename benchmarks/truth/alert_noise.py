# SPDX-License-Identifier: Apache-2.0
"""A zone whose number of people sits on a limit for an hour, under sensors that are not sure of it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from benchmarks.truth.alert_day import MINUTE_US, STEP_US, UNDERWAY_US
from schemas.alert import State, Transition
from schemas.city import City, SensorStatus
from schemas.ids import IdKind
from schemas.log import Clock, Kind, LogMessage
from schemas.reading import Batch, Metric
from schemas.rules import RuleKind
from streams.core.step import Partition
from streams.core.thresholds import level_people

LEVEL = 2
START_US = 1_772_409_600_000_000  # a Monday in March, 00:00 UTC: no event lasts
CALM_MIN, HOUR_MIN = 5, 60
CALM_SHARE = 0.3
"""People before the hour, as a share of the limit."""


@dataclass(frozen=True, slots=True)
class Noise:
    """How the reported number differs from the true one, as a share.

    Parameters
    ----------
    name : str
    sd : float
    memory_s : float
        After so long it is hardly related to what it was; 0 = new in every reading.
    is_goal : bool
        Whether one alert an hour is demanded.
    """

    name: str
    sd: float
    memory_s: float
    is_goal: bool

    def drawn(self, steps: int, random: np.random.Generator) -> npt.NDArray[np.float64]:
        """Its course over steps of 10 s."""
        kept = np.exp(-STEP_US / 1e6 / self.memory_s) if self.memory_s else 0.0
        shocks = self.sd * np.sqrt(1 - kept**2) * random.standard_normal(steps)
        found = np.empty(steps)
        now = self.sd * float(random.standard_normal())
        for step in range(steps):
            now = kept * now + float(shocks[step])
            found[step] = now
        return found


NOISES = (Noise("new in each reading", 0.02, 0.0, True), Noise("new in each reading", 0.05, 0.0, True),
          Noise("drifts over 10 min", 0.03, 600.0, True), Noise("drifts over 10 min", 0.1, 600.0, False))


def noisy_hour(city: City, noise: Noise, seed: int) -> int:
    """How many alerts of the level opened in the hour."""
    random = np.random.default_rng([seed, 32])
    zone, sensors, share, people = _watched(city)
    rule = next(key for key, one in city.file.rules.items() if one.kind is RuleKind.LEVEL and one.level == LEVEL)
    partition, opened = Partition(city, 1, 0), 0
    steps = (CALM_MIN + HOUR_MIN) * MINUTE_US // STEP_US
    course = 1 + noise.drawn(steps, random)
    for step in range(steps):
        begin_us = START_US + step * STEP_US
        true = people * (CALM_SHARE if step < CALM_MIN * 6 else 1.0)
        batch = Batch.of(sensor=sensors, metric=int(Metric.PEOPLE), begin=begin_us,
                         value=np.rint(np.maximum(true * share * course[step], 0)))
        message = LogMessage(
            Kind.READINGS, begin_us + UNDERWAY_US, Clock.SIMULATED, city.version, "cameras", str(step), batch)
        opened += sum(
            isinstance(one, Transition) and (one.place, one.rule) == (zone, rule) and one.seq == 1
            and one.state_to is State.FIRING for one in partition.step(message, begin_us))
    return opened


def _watched(city: City) -> tuple[str, list[int], npt.NDArray[np.float64], float]:
    """The zone with the most cameras: they, the share of its people that each sees, and its limit."""
    seeing: dict[str, list[str]] = {}
    for key, sensor in city.file.sensors.items():
        if sensor.zone is not None and Metric.PEOPLE.key in sensor.measures and sensor.status is SensorStatus.ACTIVE:
            seeing.setdefault(sensor.zone, []).append(key)
    zone = max(seeing, key=lambda key: len(seeing[key]))
    place = city.file.zones[zone]
    view_m2 = [city.file.sensors[key].measures[Metric.PEOPLE.key].view_area_m2 or place.area_m2
               for key in seeing[zone]]
    limit = level_people(place, city.file.profiles[place.profile])[LEVEL - 1]
    return (zone, [city.ids[IdKind.SENSOR][key] for key in seeing[zone]],
            np.array(view_m2) / place.area_m2, float(limit))
