# SPDX-License-Identifier: Apache-2.0
"""The measures of all simulated sensors as arrays: what each sees, when it is due, what it says."""

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from schemas.city import City, Semantics, Sensor
from schemas.reading import Metric
from streams.simulate.cameras import Cameras, Floats, Indices
from streams.simulate.counters import IN, OUT, Counters
from streams.simulate.crowd import Moves
from streams.simulate.ground import Ground
from streams.simulate.schedule import SECOND_US, DropOuts, Due, Schedule
from streams.simulate.sensor_errors import SensorError
from streams.simulate.shares import Shares

HOUR_US = 3600 * SECOND_US
_WAYS = {Metric.IN.key: IN, Metric.OUT.key: OUT}
_NOBODY = -1
"""Stands where a measure is not of the kind asked for."""


class Measures:
    """All measures of the sensors that stand at the ground, in the order of the city file.

    Parameters
    ----------
    city : City
    ground : Ground
    errors : mapping of str to SensorError
    seed : int

    Attributes
    ----------
    names : list of (sensor, metric, source)
    schedule : Schedule
    span_us : int64 array [measure]
        Length of a reading's interval; 0 for a sample at an instant.
    zone_in_view : intp array [measure]
        Zone of a camera's number of people; -1 for other measures.
    """

    def __init__(self, city: City, ground: Ground, errors: Mapping[str, SensorError], seed: int) -> None:
        zones = {key: index for index, key in enumerate(ground.zones)}
        gates = {key: index for index, key in enumerate(ground.gates) if key is not None}
        standing = {
            key: sensor for key, sensor in city.file.sensors.items()
            if (sensor.zone in zones if sensor.zone is not None else sensor.gate in gates)
        }
        self._sensors = list(standing.values())
        self._errors = [errors[key] for key in standing]
        rows = [(at, metric) for at, sensor in enumerate(self._sensors) for metric in sensor.measures]
        keys = list(standing)
        self.names = [(keys[at], metric, self._sensors[at].source) for at, metric in rows]
        self._sensor = np.array([at for at, _ in rows], np.intp)
        self._metric = [metric for _, metric in rows]
        self._constant = np.array([float(metric == Metric.UPTIME.key) for metric in self._metric], np.float64)
        self._set_times()
        self._drop_outs = DropOuts(self._errors, seed)
        self._was_down = np.zeros(len(rows), np.bool_)
        self._set_cameras(city, ground, zones, seed)
        self._set_counters(ground, gates, seed)

    def _set_times(self) -> None:
        measures = [self._sensors[at].measures[key] for at, key in zip(self._sensor, self._metric, strict=True)]
        interval_us = np.array([round(measure.interval_s * SECOND_US) for measure in measures], np.int64)
        is_instant = np.array([measure.semantics is Semantics.INSTANT for measure in measures], np.bool_)
        is_rate = np.array([measure.semantics is Semantics.RATE for measure in measures], np.bool_)
        skew_us = np.array([error.clock_skew_s * SECOND_US for error in self._errors], np.int64)
        self.span_us = np.where(is_instant, 0, interval_us)
        self.schedule = Schedule(interval_us, skew_us[self._sensor])
        self._factor = np.where(is_rate, HOUR_US / np.maximum(interval_us, 1), 1.0)

    def _set_cameras(self, city: City, ground: Ground, zones: Mapping[str, int], seed: int) -> None:
        is_camera = np.array([metric == Metric.PEOPLE.key for metric in self._metric], np.bool_)
        watching = self._sensor[is_camera]
        cameras = [self._sensors[at] for at in watching]
        zone = np.array([zones[camera.zone or ""] for camera in cameras], np.intp)
        self._camera = _numbered(is_camera)
        self.zone_in_view = np.full(len(is_camera), _NOBODY, np.intp)
        self.zone_in_view[is_camera] = zone
        self._cameras = Cameras(
            zone, _views(city, cameras, zone), self.schedule.interval_us[is_camera] / SECOND_US,
            [self._errors[at] for at in watching],
            np.array([city.file.zones[key].area_m2 for key in ground.zones], np.float64), seed,
        )

    def _set_counters(self, ground: Ground, gates: Mapping[str, int], seed: int) -> None:
        is_counter = np.array([metric in _WAYS for metric in self._metric], np.bool_)
        self._counting = np.unique(self._sensor[is_counter])
        self._way = np.array([_WAYS.get(metric, IN) for metric in self._metric], np.intp)
        self._counter = np.where(is_counter, np.searchsorted(self._counting, self._sensor), _NOBODY)
        counters = [self._sensors[at] for at in self._counting]
        errors = [self._errors[at] for at in self._counting]
        gate = np.array([gates[counter.gate or ""] for counter in counters], np.intp)
        # A swap that the city file knows of and a swap that it does not know of undo each other.
        swapped = [counter.swapped is not error.swapped for counter, error in zip(counters, errors, strict=True)]
        self._counters = Counters(
            gate, _parts(counters, gate), np.array(swapped, np.bool_), errors, ground.width_m, seed
        )

    def watch(self, moves: Moves) -> None:
        """Let the sensors see one second."""
        self._drop_outs.step()
        self._was_down |= ~self._drop_outs.is_up[self._sensor]
        self._counters.count(moves, self._drop_outs.is_up[self._counting])

    def read(
        self, due: Due, people: npt.NDArray[np.int64], second: int
    ) -> tuple[Floats, npt.NDArray[np.bool_]]:
        """What the due measures say, and which of them are sent: those that were up all the while."""
        value = self._constant[due.measure].copy()
        camera, counter = self._camera[due.measure], self._counter[due.measure]
        if (sees := camera != _NOBODY).any():
            value[sees] = self._cameras.values(people, second, camera[sees])
        if (counts := counter != _NOBODY).any():
            value[counts] = self._counters.take(self._way[due.measure[counts]], counter[counts])
        is_now = self.span_us[due.measure] == 0
        is_up = np.where(
            is_now, self._drop_outs.is_up[self._sensor[due.measure]], ~self._was_down[due.measure]
        )
        self._was_down[due.measure] = ~self._drop_outs.is_up[self._sensor[due.measure]]
        return value * self._factor[due.measure], is_up


def _numbered(mask: npt.NDArray[np.bool_]) -> Indices:
    """0, 1, 2, ... where the mask is true, `_NOBODY` elsewhere."""
    numbers: Indices = np.where(mask, np.cumsum(mask) - 1, _NOBODY)
    return numbers


def _views(city: City, cameras: Sequence[Sensor], zone: Indices) -> Shares:
    """Which part of its zone each camera sees; a trial camera sees what others see as well."""
    group = [(sensor.zone, sensor.status) for sensor in cameras]
    view_m2 = [_view_m2(city, sensor) for sensor in cameras]
    seen_m2 = dict.fromkeys(group, 0.0)
    for key, part_m2 in zip(group, view_m2, strict=True):
        seen_m2[key] += part_m2
    # Cameras whose views add up to more than the zone see its parts twice: scale them to one.
    whole_m2 = [max(city.file.zones[key[0] or ""].area_m2, seen_m2[key]) for key in group]
    return Shares(zone, [part / whole for part, whole in zip(view_m2, whole_m2, strict=True)], group)


def _view_m2(city: City, sensor: Sensor) -> float:
    return sensor.measures[Metric.PEOPLE.key].view_area_m2 or city.file.zones[sensor.zone or ""].area_m2


def _parts(counters: Sequence[Sensor], gate: Indices) -> Shares:
    """Counters at one gate stand side by side over equal parts of its width."""
    group = [(sensor.gate, sensor.status) for sensor in counters]
    at_each = Counter(group)
    return Shares(gate, [1 / at_each[key] for key in group], group)
