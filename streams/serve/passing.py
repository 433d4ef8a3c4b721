# SPDX-License-Identifier: Apache-2.0
"""What the page says of gates and roads: what passes, how dense and how fast. Pure."""

import datetime as dt

import msgspec

from streams.serve.ahead import Ahead
from streams.serve.places import Place
from streams.serve.ranges import Range, Row, band_of, range_of, status_name, window_end

SERVICE_LEVELS = "ABCDEF"
"""The letters of the Highway Capacity Manual."""


class GateItem(msgspec.Struct, frozen=True, kw_only=True):
    """A gate's newest window: passages in bands, null where missing or withheld.

    `flow_per_m_min` is the flow of both ways together per metre of effective width and minute: bounds (95 %), made
    from the bands. `coverage` is the share of the window that its counters reported.
    """

    key: str
    name: str
    site: str
    zones: tuple[str, ...]
    status: str
    stale: bool
    stale_after_s: float
    window_end: dt.datetime | None
    withheld: bool
    inward: Range | None
    outward: Range | None
    flow_per_m_min: Range | None
    coverage: float


class RoadItem(msgspec.Struct, frozen=True, kw_only=True):
    """A road's newest window, all vehicles; exact, since its source is public.

    `speed_bounds_km_h` and `density_veh_km_lane` are bounds (95 %); `percent_of_free_flow` is the speed in percent of
    the highest usual one, `service_level` a letter, A to F, of the upper bound of the density.
    """

    key: str
    name: str
    site: str
    status: str
    stale: bool
    stale_after_s: float
    window_end: dt.datetime | None
    vehicles_per_min: float | None
    speed_km_h: float | None
    speed_bounds_km_h: Range | None
    percent_of_free_flow: float | None
    flow_veh_h_lane: float | None
    density_veh_km_lane: Range | None
    service_level: str | None
    coverage: float
    ahead: list[Ahead] = []


def gate_item(place: Place, row: Row | None, stale: bool, stale_after_s: float) -> GateItem:
    """A gate by its newest row; without one it has no value."""
    return GateItem(
        key=place.key, name=place.name, site=place.site, zones=place.zones, status=status_name(row), stale=stale,
        stale_after_s=stale_after_s, window_end=window_end(row), withheld=row is not None and row["withheld"],
        inward=band_of(row, "in_low", "in_high"), outward=band_of(row, "out_low", "out_high"),
        flow_per_m_min=range_of(row, "flow_lower_per_m_min", "flow_upper_per_m_min", 1),
        coverage=0.0 if row is None else row["coverage"],
    )


def road_item(place: Place, row: Row | None, stale: bool, stale_after_s: float, ahead: list[Ahead]) -> RoadItem:
    """A road by its newest row of all vehicles; without one it has no value."""
    told: Row = row or {}
    vehicles, level = told.get("vehicles"), told.get("service_level")
    return RoadItem(
        key=place.key, name=place.name, site=place.site, status=status_name(row), stale=stale,
        stale_after_s=stale_after_s, window_end=window_end(row),
        vehicles_per_min=None if vehicles is None else vehicles * 60 / told["span_s"],
        speed_km_h=told.get("speed_km_h"), speed_bounds_km_h=range_of(row, "speed_low_km_h", "speed_high_km_h", 0),
        percent_of_free_flow=told.get("percent_of_free_flow"), flow_veh_h_lane=told.get("flow_veh_h_lane"),
        density_veh_km_lane=range_of(row, "density_low_veh_km_lane", "density_high_veh_km_lane", 0),
        service_level=None if level is None else SERVICE_LEVELS[level], coverage=told.get("coverage", 0.0), ahead=ahead,
    )
