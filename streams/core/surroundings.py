# SPDX-License-Identifier: Apache-2.0
"""Which sites a piece of context touches: those with a zone or a road within 500 m of its place."""

import math
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import shapely

from schemas.city import City
from schemas.context import ContextRecord, Spot
from schemas.ids import IdKind
from streams.core.layout import partition_of_site

REACH_M = 500.0
_EARTH_RADIUS_M = 6_371_000.0


class Surroundings:
    """The places of a city version, ready to be asked what is near them.

    Distances are taken on a map that is flat around the city's middle: within a city they are right to a percent.

    Parameters
    ----------
    city : City
    """

    def __init__(self, city: City) -> None:
        sites = city.ids[IdKind.SITE]
        outlines: list[list[Spot]] = [zone.polygon for zone in city.file.zones.values()]
        self._sites = [sites[zone.site] for zone in city.file.zones.values()]
        roads = dict.fromkeys(zip(*map(city.roads.column, ("site", "lon", "lat")), strict=True))
        for site, lon, lat in roads:
            outlines.append([(float(str(lon)), float(str(lat)))])
            self._sites.append(sites[str(site)])
        latitudes = [lat for outline in outlines for _, lat in outline]
        self._shrink = math.cos(math.radians((min(latitudes) + max(latitudes)) / 2)) if latitudes else 1.0
        self._tree = shapely.STRtree([
            shapely.Polygon(self._metres(outline)) if len(outline) > 2 else shapely.Point(self._metres(outline)[0])
            for outline in outlines
        ])

    def sites_near(self, record: ContextRecord) -> frozenset[int]:
        """Numbers of the sites within `REACH_M` of a record's place; none for one without a place."""
        near: set[int] = set()
        for part in record.place:
            spots = self._metres(part)
            shape = shapely.Point(spots[0]) if len(part) == 1 else shapely.LineString(spots)
            found = self._tree.query(shape, predicate="dwithin", distance=REACH_M)
            near.update(self._sites[int(at)] for at in found)
        return frozenset(near)

    def by_partition(self, records: Iterable[ContextRecord], partitions: int) -> dict[int, list[ContextRecord]]:
        """The records that each partition of `partitions` is to have, in their order."""
        wanted: dict[int, list[ContextRecord]] = {}
        for record in records:
            for partition in sorted({partition_of_site(site, partitions) for site in self.sites_near(record)}):
                wanted.setdefault(partition, []).append(record)
        return wanted

    def _metres(self, spots: Iterable[Spot]) -> npt.NDArray[np.float64]:
        degrees = np.array(list(spots), np.float64)
        scale = math.radians(1.0) * _EARTH_RADIUS_M
        metres: npt.NDArray[np.float64] = degrees * np.array([scale * self._shrink, scale])
        return metres
