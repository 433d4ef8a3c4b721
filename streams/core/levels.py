# SPDX-License-Identifier: Apache-2.0
"""Service levels of zones: which level a number of counted persons stands for."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.city import City, CityFile, SensorStatus
from schemas.reading import Metric
from streams.core.layout import Layout, PlaceKind
from streams.core.privacy import snapped
from streams.core.thresholds import level_people, view_areas

UNSTATED_VIEW_SD = 0.08
"""Error of a camera about whose error the city file says nothing, as a share of what it sees."""

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class ZoneFigures:
    """What a partition's zones are, as arrays over its zone places.

    Parameters
    ----------
    area_m2 : float64 array
    capacity : float64 array
        Permitted number of people; NaN where none is permitted.
    view_m2 : float64 array
        Area that the counted sensors see together while all report.
    view_bias, view_sd : float64 arrays
        By which share these sensors see too many together, and how far it may be from that: the stated errors.
    people : float64 array, zones x levels
        People from which level 1, 2, ... holds; infinity where a zone has no such level.
    """

    area_m2: Floats
    capacity: Floats
    view_m2: Floats
    view_bias: Floats
    view_sd: Floats
    people: Floats

    def gain(self, view_m2: Floats) -> Floats:
        """For how many people one counted person stands, given the area in view; at least 1."""
        return np.maximum(self.area_m2 / np.where(view_m2 > 0, view_m2, self.area_m2), 1.0)



def zone_figures(city: City, layout: Layout) -> ZoneFigures:
    """Collect the figures of a layout's zones."""
    keys = [layout.place_key[at] for at in layout.places_of(PlaceKind.ZONE)]
    zones = [city.file.zones[key] for key in keys]
    views = view_areas(city.file)
    limits = [level_people(zone, city.file.profiles[zone.profile]) for zone in zones]
    view_bias, view_sd = _view_errors(city.file, keys)
    width = max((len(row) for row in limits), default=0)
    return ZoneFigures(
        area_m2=np.array([zone.area_m2 for zone in zones], np.float64),
        capacity=np.array([np.nan if zone.capacity is None else zone.capacity for zone in zones], np.float64),
        view_m2=np.array([views.get(key, 0.0) for key in keys], np.float64),
        view_bias=view_bias, view_sd=view_sd,
        people=np.array([row + [np.inf] * (width - len(row)) for row in limits]).reshape(len(keys), width),
    )


def _view_errors(file: CityFile, keys: list[str]) -> tuple[Floats, Floats]:
    """Bias and sd of what the counted cameras of each zone see together, by their areas.

    They are taken to err the same way, as those of one maker do in the same light and crowd: nothing averages out.
    """
    summed, people = dict.fromkeys(keys, np.zeros(3)), Metric.PEOPLE.key
    for sensor in file.sensors.values():
        measure = sensor.measures.get(people)
        if sensor.zone in summed and measure is not None and sensor.status is SensorStatus.ACTIVE:
            error, view_m2 = measure.error, measure.view_area_m2 or 0.0
            sd = error.sd if error.sd or error.bias else UNSTATED_VIEW_SD
            summed[sensor.zone] = summed[sensor.zone] + view_m2 * np.array([1.0, error.bias, sd])
    view, biases, sds = np.array([summed[key] for key in keys]).reshape(-1, 3).T
    seen = np.where(view > 0, view, 1.0)
    return biases / seen, sds / seen


class LevelEdges:
    """The snapped thresholds of the zones; made anew only when a gain moves (a sensor came or went)."""

    def __init__(self, figures: ZoneFigures) -> None:
        self._figures = figures
        self._gain = np.full(len(figures.area_m2), np.nan)
        self._edges = np.empty(figures.people.shape).T
        """Levels x zones: each level's edges side by side."""

    def forget(self) -> None:
        """The figures' limits have changed."""
        self._gain = np.full(len(self._figures.area_m2), np.nan)

    def levels(self, counted: Floats, gain: Floats) -> Ints:
        """The level of each zone: how many of its snapped thresholds the counted persons reach."""
        if not np.array_equal(gain, self._gain):
            self._gain, self._edges = gain, np.ascontiguousarray(edges(self._figures.people, gain).T)
        level = np.zeros(len(counted), np.int64)
        for edge in self._edges:
            level += counted >= edge
        return level


def edges(people: Floats, gain: Floats) -> Floats:
    """Thresholds snapped to edges in counted persons (zones x levels); infinity stays."""
    finite = np.isfinite(people)
    return np.where(finite, snapped(np.where(finite, people, 0.0), gain[:, None]), np.inf)
