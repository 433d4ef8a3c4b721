# SPDX-License-Identifier: Apache-2.0
"""From NDW's site table to a city's road sensors: one row for each channel that counts or measures speed."""

import math
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
from pyproj import Transformer

from schemas.errors import DrukteError
from schemas.feeds.datex2_sites import Channel, SiteRecord, SiteTable
from schemas.feeds.datex2_words import METRIC_OF_VALUE_TYPE
from schemas.roads import ANY_VEHICLE, SCHEMA, RoadTable

SQUARE_M = 5_000.0
"""Side of the square of RD New that makes a site of roads."""
WGS_84 = 4326
RD_NEW = 28992

BoundingBox = tuple[float, float, float, float]
"""Least longitude, least latitude, greatest longitude, greatest latitude; WGS 84, edges inside."""
RD_NEW_AREA: BoundingBox = (3.1, 50.65, 7.32, 53.8)
"""Where RD New means something: its area of use in the EPSG register and 0.1 degree around it."""


def road_table(sites: SiteTable, bbox: BoundingBox | None = None) -> RoadTable:
    """Road sensors of the Points of a site table, sorted by zone and index.

    Parameters
    ----------
    sites : SiteTable
    bbox : tuple of float, optional
        Only Points within it.

    Returns
    -------
    RoadTable
        A row for each channel of flow or speed. `sensor` is `ZONE/LANE`, or `ZONE/LANE/CLASS` where the
        class is not all vehicles; `site` is `roads-X-Y`, X and Y the square's RD coordinates / 5000 m.

    Raises
    ------
    DrukteError
        The box is turned round, or a Point lies outside the area of RD New (EPSG:28992).
    """
    if bbox is not None and not (bbox[0] <= bbox[2] and bbox[1] <= bbox[3]):
        raise DrukteError(f"bounding box {bbox} is empty; give min lon, min lat, max lon, max lat")
    records = sorted(
        (record for record in sites.records.values() if record.is_point and _within(record, bbox)),
        key=lambda record: record.id,
    )
    squares = _squares(records)
    rows = [
        _row(record, square, channel)
        for record, square in zip(records, squares, strict=True)
        for channel in sorted(_road_channels(record), key=_by_index)
    ]
    return RoadTable(pa.Table.from_pylist(rows, schema=SCHEMA))


def _within(record: SiteRecord, bbox: BoundingBox | None) -> bool:
    if bbox is None:
        return True
    least_lon, least_lat, greatest_lon, greatest_lat = bbox
    return least_lon <= record.lon <= greatest_lon and least_lat <= record.lat <= greatest_lat


def _squares(records: list[SiteRecord]) -> list[str]:
    """Site key of each record."""
    outside = [record for record in records if not _within(record, RD_NEW_AREA)]
    if outside:
        raise DrukteError(
            f"{len(outside)} sites, {outside[0].id} the first, lie outside the Netherlands "
            f"({outside[0].lon}, {outside[0].lat}), where RD New has no squares; give a bounding box"
        )
    transformer = Transformer.from_crs(WGS_84, RD_NEW, always_xy=True)
    x_m, y_m = transformer.transform(
        np.array([record.lon for record in records]), np.array([record.lat for record in records])
    )
    return [
        f"roads-{int(x)}-{int(y)}"
        for x, y in zip(np.floor(x_m / SQUARE_M), np.floor(y_m / SQUARE_M), strict=True)
    ]


def _road_channels(record: SiteRecord) -> Iterator[Channel]:
    return (channel for channel in record.channels if channel.value_type in METRIC_OF_VALUE_TYPE)


def _by_index(channel: Channel) -> tuple[float, str, str]:
    number = int(channel.index) if channel.index.isdecimal() and len(channel.index) < 10 else math.inf
    return number, channel.index, channel.value_type


def _row(record: SiteRecord, square: str, channel: Channel) -> dict[str, object]:
    place = f"{record.id}/{channel.lane}"
    any_vehicle = channel.vehicle_class == ANY_VEHICLE
    return {
        "site": square,
        "zone": record.id,
        "record_version": record.version,
        "name": record.name,
        "lon": record.lon,
        "lat": record.lat,
        "lanes": record.lanes,
        "computation": record.computation,
        "equipment": record.equipment,
        "index": channel.index,
        "sensor": place if any_vehicle else f"{place}/{channel.vehicle_class}",
        "lane": channel.lane,
        "vehicle_class": channel.vehicle_class,
        "metric": METRIC_OF_VALUE_TYPE[channel.value_type].value,
        "period_s": channel.period_s,
    }
