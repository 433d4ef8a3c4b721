# SPDX-License-Identifier: Apache-2.0
"""What is forecast: every zone and road of a partition, and every site as the sum of its zones."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.lesson import PEOPLE, ROADS
from streams.core.layout import Layout, PlaceKind
from streams.core.moves import Moves

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Series:
    """The series of one partition: first its zones and roads, then its sites.

    Parameters
    ----------
    place : int array
        The place of each zone and road series; the sites come behind them.
    sites : list of str
        Keys of the sites that have zones, sorted.
    zone_site : int array over the zones
        Position in `sites`.
    pool : int array over series
        Which ones learn together: the zones of a site and the site itself, and the roads of a site.
    pools : list of (str, str)
        What each pool is about, `schemas.lesson.PEOPLE` or `ROADS`, and the key of its site.
    """

    place: Indices
    sites: list[str]
    zone_site: Indices
    pool: Indices
    pools: list[tuple[str, str]]

    def __len__(self) -> int:
        return len(self.pool)

    def of_places(self, values: Floats, counted: Mask) -> Floats:
        """Values over places as values over series.

        Parameters
        ----------
        values : float64 array, places or places x anything
        counted : bool array over the zones
            Zones that have a sensor at all: a site is their sum, and missing where one of them is missing.
        """
        zones = values[: len(self.zone_site)]
        site = np.zeros((len(self.sites), *values.shape[1:]))
        for number in range(len(self.sites)):
            mine = (self.zone_site == number) & counted
            site[number] = zones[mine].sum(axis=0) if mine.any() else np.nan
        return np.concatenate([values[self.place], site])

    def moved(self, old: "Series", moves: Moves) -> tuple[Indices, Indices]:
        """New and old positions of the series that stay: places by `moves`, sites by key."""
        then = {int(place): at for at, place in enumerate(old.place)}
        pairs = [(at, then[was]) for at, was in enumerate(moves.place[self.place].tolist()) if was in then]
        known = {site: len(old.place) + at for at, site in enumerate(old.sites)}
        pairs += [(len(self.place) + at, known[site]) for at, site in enumerate(self.sites) if site in known]
        return np.array([new for new, _ in pairs], np.intp), np.array([was for _, was in pairs], np.intp)

    def moved_pools(self, old: "Series") -> tuple[Indices, Indices]:
        """New and old numbers of the pools that stay."""
        known = {key: at for at, key in enumerate(old.pools)}
        pairs = [(at, known[key]) for at, key in enumerate(self.pools) if key in known]
        return np.array([new for new, _ in pairs], np.intp), np.array([was for _, was in pairs], np.intp)


def forecast_series(layout: Layout) -> Series:
    """The series of a layout."""
    zones, roads = layout.places_of(PlaceKind.ZONE), layout.places_of(PlaceKind.ROAD)
    place = np.concatenate([zones, roads])
    sites = sorted({layout.place_site[zone] for zone in zones})
    number_of = {site: number for number, site in enumerate(sites)}
    keys = [(PEOPLE, layout.place_site[zone]) for zone in zones]
    keys += [(ROADS, layout.place_site[road]) for road in roads]
    keys += [(PEOPLE, site) for site in sites]
    pools: dict[tuple[str, str], int] = {}
    pool = [pools.setdefault(key, len(pools)) for key in keys]
    zone_site = np.array([number_of[layout.place_site[zone]] for zone in zones], np.intp)
    return Series(place, sites, zone_site, np.array(pool, np.intp), list(pools))
