# SPDX-License-Identifier: Apache-2.0
"""Service levels of zones: which level a number of counted persons stands for."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.city import City
from streams.core.layout import Layout, PlaceKind
from streams.core.privacy import snapped
from streams.core.thresholds import level_people, view_areas

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
    people : float64 array, zones x levels
        People from which level 1, 2, ... holds; infinity where a zone has no such level.
    """

    area_m2: Floats
    capacity: Floats
    view_m2: Floats
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
    width = max((len(row) for row in limits), default=0)
    return ZoneFigures(
        area_m2=np.array([zone.area_m2 for zone in zones], np.float64),
        capacity=np.array([np.nan if zone.capacity is None else zone.capacity for zone in zones], np.float64),
        view_m2=np.array([views.get(key, 0.0) for key in keys], np.float64),
        people=np.array([row + [np.inf] * (width - len(row)) for row in limits]).reshape(len(keys), width),
    )


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
