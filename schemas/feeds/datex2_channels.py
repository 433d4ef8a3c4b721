# SPDX-License-Identifier: Apache-2.0
"""Which sensor a measured value belongs to: (site, record version, index) to a number of the log."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Self, cast

import numpy as np
import numpy.typing as npt

from schemas.errors import DrukteError
from schemas.feeds.datex2_words import canonical_version
from schemas.ids import IdKind, Ids
from schemas.reading import Metric
from schemas.roads import NDW_SOURCE, RoadTable


@dataclass(frozen=True, slots=True)
class SiteChannels:
    """What is read of one measuring site.

    Parameters
    ----------
    version : str
        Of the site record, in the spelling of `canonical_version`.
    rows : dict of Metric to dict of str to int
        Row in the arrays of `RoadChannels` by metric and index. Two metrics may share an index.
    """

    version: str
    rows: dict[Metric, dict[str, int]]


@dataclass(frozen=True, slots=True)
class RoadChannels:
    """All channels of a city's roads.

    Parameters
    ----------
    source : int
        Number of the source of all of them.
    sites : dict of str to SiteChannels
        By NDW's site id.
    zone : list of str
        Site id by row.
    sensor : int32 array
        Number of the sensor by row.
    metric : uint8 array
        A `Metric` by row.
    span_ms : int32 array
        Measuring period by row.
    other_sites : frozenset of str
        Sites that the site table holds but that are no detectors (routes).
    site_table_version : str, optional
        Of the whole table that the roads were made from; another one is only counted.
    """

    source: int
    sites: dict[str, SiteChannels]
    zone: list[str]
    sensor: npt.NDArray[np.int32]
    metric: npt.NDArray[np.uint8]
    span_ms: npt.NDArray[np.int32]
    other_sites: frozenset[str] = frozenset()
    site_table_version: str | None = None

    @classmethod
    def of(
        cls,
        roads: RoadTable,
        ids: Ids,
        other_sites: Collection[str] = frozenset(),
        site_table_version: str | None = None,
    ) -> Self:
        """Channels of `roads` with the numbers of `ids`.

        Raises
        ------
        DrukteError
            `ids` lacks the source or a sensor.
        """
        zones = cast("list[str]", roads.column("zone"))
        metrics = [Metric(cast("int", number)) for number in roads.column("metric")]
        sites: dict[str, SiteChannels] = {}
        versions, indices = roads.column("record_version"), roads.column("index")
        for row, (zone, version, index, metric) in enumerate(
            zip(zones, versions, indices, metrics, strict=True)
        ):
            site = sites.get(zone)
            if site is None:
                site = sites[zone] = SiteChannels(canonical_version(str(version)), {})
            site.rows.setdefault(metric, {})[str(index)] = row
        period_s = np.array(roads.column("period_s"), np.float64)
        return cls(
            source=_numbers(ids, IdKind.SOURCE, [NDW_SOURCE])[0] if zones else 0,
            sites=sites,
            zone=zones,
            sensor=np.array(_numbers(ids, IdKind.SENSOR, roads.column("sensor")), np.int32),
            metric=np.array(metrics, np.uint8),
            span_ms=np.rint(period_s * 1000).astype(np.int32),
            other_sites=frozenset(other_sites),
            site_table_version=None if site_table_version is None else canonical_version(site_table_version),
        )


def _numbers(ids: Ids, kind: IdKind, keys: list[object] | list[str]) -> list[int]:
    known = ids[kind]
    try:
        return [known[cast("str", key)] for key in keys]
    except KeyError as error:
        raise DrukteError(
            f"CITY.ids has no number for {kind} {error}; run `drukte city check --assign-ids`"
        ) from None
