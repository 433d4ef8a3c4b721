# SPDX-License-Identifier: Apache-2.0
"""Live rows of closed windows, in the columns of `schemas.live`."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.city import City
from schemas.live import GATE_SCHEMA, ROAD_SCHEMA, ZONE_SCHEMA, Status
from schemas.reading import Metric
from schemas.roads import ANY_VEHICLE
from streams.core.counts import PARTS, ChannelWindow, channel_windows, without
from streams.core.layout import MINUTE_US, Layout, PlaceKind
from streams.core.levels import ZoneFigures
from streams.core.measures import band_density, between, flow_per_metre, mean_speed, percent_of_capacity, service_level
from streams.core.privacy import band, gate_withheld
from streams.core.road_measures import (
    FREEWAY_DENSITY_LIMITS,
    mean_speed_bounds,
    percent_of_free_flow,
    road_density,
    road_flow,
)
from streams.core.slots import Slots
from streams.core.zone_windows import ZoneWindows

FULL = 1.0 - 1e-6
Places = npt.NDArray[np.intp]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def _status(coverage: Floats, has_value: Mask) -> npt.NDArray[np.int16]:
    partial = np.where(coverage >= FULL, Status.OK, Status.PARTIAL)
    return np.where(has_value, partial, Status.MISSING).astype(np.int16)


def batch_of(schema: pa.Schema, columns: dict[str, npt.NDArray[Any]],
           missing: dict[str, Mask]) -> pa.RecordBatch:
    """Columns as a batch of a schema; where `missing` says so a value is null."""
    arrays = []
    for field in schema:
        value = columns[field.name]
        if pa.types.is_timestamp(field.type):
            value = value.astype("datetime64[us]")
        elif not pa.types.is_string(field.type):
            hole = missing.get(field.name)
            safe = value if hole is None else np.where(hole, 0, value)
            value = safe.astype(field.type.to_pandas_dtype())
        arrays.append(pa.array(value, type=field.type, mask=missing.get(field.name)))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


def zone_rows(layout: Layout, figures: ZoneFigures, windows: ZoneWindows, zone: Places,
              start_us: Ints) -> pa.RecordBatch:
    """Rows of zone windows; everything about people follows from the band."""
    at = windows.ring(zone, start_us), zone
    low, high, level = windows.low[at], windows.high[at], windows.level[at]
    coverage, trend = windows.coverage(zone, start_us), windows.trend(zone, start_us)
    has_value = level >= 0
    density_low, density_high = band_density(
        low, high, figures.view_m2[zone], figures.area_m2[zone], coverage, figures.view_bias[zone],
        figures.view_sd[zone])
    percent_low, percent_high = percent_of_capacity(low, high, figures.capacity[zone])
    without = ~has_value
    no_density = without | np.isnan(density_low)
    no_percent = without | np.isnan(percent_low)
    return batch_of(ZONE_SCHEMA, {
        "zone": layout.place_number[zone], "window_start": start_us,
        "span_s": layout.place_span_us[zone] // 1_000_000,
        "people_low": low, "people_high": high,
        "percent_low": percent_low, "percent_high": percent_high,
        "density_low_per_m2": density_low, "density_high_per_m2": density_high,
        "level": level, "trend": trend, "coverage": coverage, "status": _status(coverage, has_value),
    }, {
        "people_low": without, "people_high": without, "percent_low": no_percent, "percent_high": no_percent,
        "density_low_per_m2": no_density, "density_high_per_m2": no_density, "level": without,
        "trend": without | np.isnan(trend),
    })


class _PlaceCounts:
    """Counts of one window of each of several places, added up over their channels.

    What a channel that is not usable says is left out, and its time with it.
    """

    def __init__(self, layout: Layout, slots: Slots, usable: Mask, place: Places, start_us: Ints) -> None:
        position = np.full(len(layout.place_kind), -1, np.intp)
        position[place] = np.arange(len(place))
        mine = layout.channel_counted & (position[layout.channel_place] >= 0)
        self._layout = layout
        self.channel = np.flatnonzero(mine)
        self.at = position[layout.channel_place[self.channel]]
        self.size = len(place)
        self._span = layout.place_span_us[place]
        self.window = channel_windows(layout, slots, self.channel, start_us[self.at], self._span[self.at])
        trusted = usable[self.channel]
        if not trusted.all():
            self.window = without(self.window, ~trusted)

    def of(self, role: Metric) -> Mask:
        """The channels of one role."""
        return np.asarray(self._layout.channel_role[self.channel] == role)

    def count(self, role: Metric) -> Floats:
        """Counts of a role over its channels (exact in 1/3600)."""
        mine = self.of(role)
        parts = np.zeros(self.size, np.int64)
        np.add.at(parts, self.at[mine], self.window.parts[mine])
        return parts / PARTS

    def coverage(self, mine: Mask) -> Floats:
        """Share of these channels' time that was reported with a value; 0 where there are none."""
        covered = np.bincount(self.at[mine], self.window.covered_us[mine], self.size)
        channels = np.bincount(self.at[mine], minlength=self.size)
        return np.asarray(covered / np.maximum(channels * self._span, 1))


@dataclass(frozen=True, slots=True)
class GateCounts:
    """What gates counted in one window each, exactly; float64 arrays over the gates.

    Parameters
    ----------
    way_in, way_out : arrays
        Passages.
    coverage : array
        Share of the window that was reported.
    """

    way_in: Floats
    way_out: Floats
    coverage: Floats

    def with_shut(self, shut: Mask) -> "GateCounts":
        """With gates that somebody closed: what they do not report did not pass."""
        return GateCounts(self.way_in, self.way_out, np.where(shut, 1.0, self.coverage))


def gate_counts(layout: Layout, slots: Slots, usable: Mask, gate: Places, start_us: Ints) -> GateCounts:
    """Count the passages of gate windows; `usable` (over channels) says whose readings may be used."""
    counts = _PlaceCounts(layout, slots, usable, gate, start_us)
    coverage = counts.coverage(counts.of(Metric.IN) | counts.of(Metric.OUT))
    return GateCounts(counts.count(Metric.IN), counts.count(Metric.OUT), coverage)


def gate_rows(layout: Layout, counts: GateCounts, width_m: Floats, errors: tuple[Floats, Floats], last_low: Ints,
              gate: Places, start_us: Ints) -> pa.RecordBatch:
    """Rows of gate windows.

    Parameters
    ----------
    counts : GateCounts
        Over `gate`.
    width_m : float64 array over `gate`
        Effective widths.
    errors : tuple of float64 arrays over `gate`
        Stated bias of the counters, and how far it may be from that.
    last_low : int64 array over the zones
        Low edges of their last bands; `outside` counts as 0.
    """
    joined = layout.gate_zones[gate]
    coverage = counts.coverage
    has_value = coverage > 0
    withheld = gate_withheld(np.where(joined >= 0, last_low[joined], 0))
    in_low, in_high = band(counts.way_in)
    out_low, out_high = band(counts.way_out)
    metre_minutes = width_m * (layout.place_span_us[gate] / MINUTE_US)
    # Of the band's edges: no exact count is in them.
    edges = (flow_per_metre(edge, coverage, width_m, layout.place_span_us[gate] / 1e6, *errors)
             for edge in (in_low + out_low, in_high + out_high))
    lower, upper = between(*edges)
    hidden = ~has_value | withheld
    columns: dict[str, npt.NDArray[Any]] = {
        "gate": layout.place_number[gate], "window_start": start_us,
        "span_s": layout.place_span_us[gate] // 1_000_000,
        "in_low": in_low, "in_high": in_high, "out_low": out_low, "out_high": out_high,
        "flow_low_per_m_min": (in_low + out_low) / metre_minutes,
        "flow_high_per_m_min": (in_high + out_high) / metre_minutes,
        "flow_lower_per_m_min": lower, "flow_upper_per_m_min": upper,
        "withheld": withheld, "coverage": coverage, "status": _status(coverage, has_value),
    }
    banded = ("in_low", "in_high", "out_low", "out_high", "flow_low_per_m_min", "flow_high_per_m_min",
              "flow_lower_per_m_min", "flow_upper_per_m_min")
    return batch_of(GATE_SCHEMA, columns, dict.fromkeys(banded, hidden))


@dataclass(frozen=True, slots=True)
class RoadFigures:
    """What a partition's roads are; arrays over all places.

    Parameters
    ----------
    lanes : int array
        Channels that count vehicles.
    is_whole : bool array
        Whether the place counts all classes together.
    is_harmonic : bool array
        Whether its mean speed is harmonic.
    """

    lanes: Ints
    is_whole: Mask
    is_harmonic: Mask


def road_figures(city: City, layout: Layout) -> RoadFigures:
    """Collect the figures of a layout's roads."""
    counting = layout.channel_counted & (layout.channel_role == Metric.VEHICLES)
    lanes = np.bincount(layout.channel_place[counting], minlength=len(layout.place_kind)).astype(np.int64)
    computed = {zone: str(kind).startswith("harmonic") for zone, kind in zip(
        city.roads.column("zone"), city.roads.column("computation"), strict=True)}
    whole = np.array([name in ("", ANY_VEHICLE) for name in layout.place_class], np.bool_)
    whole &= (layout.place_kind == PlaceKind.ROAD) & (lanes > 0)
    harmonic = [computed.get(key, False) for key in layout.place_key]
    return RoadFigures(lanes, whole, np.array(harmonic, np.bool_))


def road_rows(layout: Layout, figures: RoadFigures, slots: Slots, usable: Mask, road: Places, start_us: Ints,
              revision: Ints | None = None, free_flow_km_h: Floats | None = None) -> pa.RecordBatch:
    """Rows of road windows: vehicles summed over lanes, and the speed of all.

    `usable` (over channels) says whose readings may be used, `revision` how often each row was told before (None:
    never); `free_flow_km_h` (over `road`, NaN = not known) is the speed without traffic.
    """
    counts = _PlaceCounts(layout, slots, usable, road, start_us)
    is_vehicles, is_speed = counts.of(Metric.VEHICLES), counts.of(Metric.SPEED)
    coverage, speed_coverage = counts.coverage(is_vehicles), counts.coverage(is_speed)
    speed, behind = _mean_speed(layout, counts, figures.is_harmonic[road])
    only_speed = np.bincount(counts.at[is_vehicles], minlength=len(road)) == 0
    has_vehicles = coverage > 0
    judged = np.where(only_speed, speed_coverage, coverage)
    columns: dict[str, npt.NDArray[Any]] = {
        "zone": layout.place_number[road],
        "vehicle_class": np.array([layout.place_class[at] for at in road], object),
        "window_start": start_us, "span_s": layout.place_span_us[road] // 1_000_000,
        "vehicles": counts.count(Metric.VEHICLES), "speed_km_h": speed,
        "coverage": coverage, "speed_coverage": speed_coverage, "status": _status(judged, judged > 0),
        "revision": np.zeros(len(road), np.int64) if revision is None else revision,
    }
    flow = road_flow(columns["vehicles"], coverage, columns["span_s"], np.maximum(figures.lanes[road], 1))
    density = road_density(flow, speed, figures.is_harmonic[road])
    columns |= {
        "flow_veh_h_lane": flow.value, "density_low_veh_km_lane": density.low,
        "density_high_veh_km_lane": density.high, "service_level": service_level(density.high, FREEWAY_DENSITY_LIMITS),
    }
    speed_low, speed_high = mean_speed_bounds(speed, behind)
    percent = percent_of_free_flow(speed, np.full(len(road), np.nan) if free_flow_km_h is None else free_flow_km_h)
    columns |= {"speed_low_km_h": speed_low, "speed_high_km_h": speed_high, "percent_of_free_flow": percent}
    no_speed = np.isnan(speed)
    no_flow = ~figures.is_whole[road] | ~has_vehicles
    no_level = no_flow | np.isnan(density.value)
    return batch_of(ROAD_SCHEMA, columns, {
        "vehicles": ~has_vehicles, "speed_km_h": no_speed, "flow_veh_h_lane": no_flow,
        "density_low_veh_km_lane": no_level, "density_high_veh_km_lane": no_level, "service_level": no_level,
        "speed_low_km_h": no_speed, "speed_high_km_h": no_speed, "percent_of_free_flow": np.isnan(percent),
    })


def _mean_speed(layout: Layout, counts: _PlaceCounts, is_harmonic: Mask) -> tuple[Floats, Floats]:
    """Mean over a place's lanes (NaN without one), and the vehicles behind it.

    Space means are joined as distance over time: all vehicles pass the same stretch, a slow lane's for longer. Others
    can only be weighted with each lane's vehicles.
    """
    at = np.full(len(layout.channel_place), -1, np.intp)
    at[counts.channel] = counts.at
    place, mean, weight = mean_speeds(layout, counts.channel, counts.window, at)
    distance = np.bincount(place, weight, counts.size)
    time = np.bincount(place, weight / np.where(mean > 0, mean, 1.0), counts.size)
    stands = np.bincount(place, mean <= 0, counts.size) > 0
    space_mean = np.where(stands, 0.0, mean_speed(distance, time))
    weighted = np.bincount(place, weight * mean, counts.size) / np.where(distance > 0, distance, np.nan)
    speed = np.where(is_harmonic & (distance > 0), space_mean, weighted)
    return speed, distance.astype(np.float64)


def mean_speeds(layout: Layout, channel: Places, window: ChannelWindow,
                into: Places) -> tuple[Places, Floats, Floats]:
    """The mean speed of each lane that has one, and what it weighs: the vehicles it counted.

    A lane whose vehicles are not known weighs what its sensor says stands behind the mean, else 1.

    Parameters
    ----------
    channel : int array
        Channels of any role.
    window : ChannelWindow
        Over `channel`.
    into : int array over all channels of the layout
        What the lanes are added up to.

    Returns
    -------
    into, mean, weight : arrays over lanes with a speed
    """
    position = np.full(len(layout.channel_place), -1, np.intp)
    position[channel] = np.arange(len(channel))
    speed = np.flatnonzero((layout.channel_role[channel] == Metric.SPEED) & ~np.isnan(window.mean))
    partner = layout.channel_partner[channel[speed]]
    vehicles_at = np.where(partner >= 0, position[partner], -1)
    vehicles = np.where(vehicles_at >= 0, window.parts[vehicles_at] / PARTS, 0.0)
    stated = np.nan_to_num(window.weight[speed], nan=0.0)
    weight = np.where(vehicles > 0, vehicles, np.where(stated > 0, stated, 1.0))
    return into[channel[speed]], window.mean[speed], weight
