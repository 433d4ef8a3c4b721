# SPDX-License-Identifier: Apache-2.0
"""Areas, lengths and overlaps of a city's shapes, in metres of RD New (EPSG:28992)."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from pyproj import Transformer

from schemas.city import Point

LONGITUDES = (2.5, 8.0)
LATITUDES = (50.0, 54.5)
"""The Netherlands with a margin; RD New holds nowhere else. The two ranges share no value."""

Floats = npt.NDArray[np.float64]


@cache
def _to_rd_new() -> Transformer:
    return Transformer.from_crs("EPSG:4326", "EPSG:28992", always_xy=True)


def in_metres(shapes: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Shapes in WGS 84 (longitude, latitude) as shapes in RD New, metres."""

    def transformed(points: Floats) -> Floats:
        return np.column_stack(_to_rd_new().transform(points[:, 0], points[:, 1]))

    projected: npt.NDArray[Any] = shapely.transform(shapes, transformed)
    return projected


def point_fault(point: Point) -> str | None:
    """What is wrong with a point [longitude, latitude], if anything."""
    longitude, latitude = point
    if LONGITUDES[0] <= longitude <= LONGITUDES[1] and LATITUDES[0] <= latitude <= LATITUDES[1]:
        return None
    if LONGITUDES[0] <= latitude <= LONGITUDES[1] and LATITUDES[0] <= longitude <= LATITUDES[1]:
        return f"[{longitude}, {latitude}] is latitude first; write [longitude, latitude]"
    return (
        f"[{longitude}, {latitude}] lies outside the Netherlands (longitude {LONGITUDES[0]:g} to "
        f"{LONGITUDES[1]:g}, latitude {LATITUDES[0]:g} to {LATITUDES[1]:g}); write WGS 84, longitude first"
    )


def ring_faults(polygons: Sequence[Sequence[Point]]) -> list[str | None]:
    """What is wrong with the outlines of areas, if anything, one each; the first point need not be repeated."""
    faults: list[str | None] = [_too_few(points) for points in polygons]
    closed = [at for at, fault in enumerate(faults) if fault is None]
    shapes = _shapes([polygons[at] for at in closed])
    for at in np.flatnonzero(~shapely.is_valid(shapes)).tolist():
        reason = shapely.is_valid_reason(shapes[at])
        faults[closed[at]] = f"is no simple outline: {reason}; draw it without crossing itself"
    return faults


def _too_few(points: Sequence[Point]) -> str | None:
    return f"has {len(points)} points; an area needs at least 3" if len(points) < 3 else None


def areas_m2(polygons: Sequence[Sequence[Point]]) -> Floats:
    """Gross areas of sound outlines, m2."""
    areas: Floats = shapely.area(in_metres(_shapes(polygons)))
    return areas


def lengths_m(lines: Sequence[tuple[Point, Point]]) -> Floats:
    """Lengths of counting lines, m."""
    points = np.array(lines, dtype=np.float64).reshape(-1, 2, 2)
    lengths: Floats = shapely.length(in_metres(shapely.linestrings(points)))
    return lengths


def overlaps(polygons: Sequence[Sequence[Point]], above_m2: float) -> list[tuple[int, int, float]]:
    """Pairs of sound outlines that share more than `above_m2`.

    Returns
    -------
    list of (int, int, float)
        Two positions, the lower one first, and the shared area in m2; in order.
    """
    if len(polygons) < 2:
        return []
    shapes = in_metres(_shapes(polygons))
    first, second = shapely.STRtree(shapes).query(shapes, predicate="intersects")
    once = first < second
    first, second = first[once], second[once]
    shared = shapely.area(shapely.intersection(shapes[first], shapes[second]))
    large = shared > above_m2
    return sorted(zip(first[large].tolist(), second[large].tolist(), shared[large].tolist(), strict=True))


def _shapes(polygons: Sequence[Sequence[Point]]) -> npt.NDArray[Any]:
    corners = [len(points) for points in polygons]
    points = np.array([point for polygon in polygons for point in polygon], dtype=np.float64).reshape(-1, 2)
    rings = shapely.linearrings(points, indices=np.repeat(np.arange(len(polygons)), corners))
    shapes: npt.NDArray[Any] = shapely.polygons(rings)
    return shapes
