# SPDX-License-Identifier: Apache-2.0
"""Density, flow, speed and percent of people, each with 95 % bounds and a status; arrays in, arrays out.

Exact counts give exact bounds, and those stay in memory: a count can be read back from its interval. What leaves is
made from a band's two edges (`between`, `percent_of_capacity`).
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from streams.core.poisson import Z, poisson_interval

FULL = 1.0 - 1e-6
"""Coverage from here up is all there is."""
MINUTE_S = 60.0
ROUNDING = 1e-6
"""Persons: what a whole number may be off by for having been a share of an area."""
LEAST_SEEN = 0.05
"""A sensor however bad is taken to see at least this share of what it sees on average."""
NO_LEVEL = -1

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


class MeasureStatus(IntEnum):
    """How a value came to be. The first three are those of `schemas.live.Status`."""

    OK = 0
    """Measured, and every sensor that should have reported did."""
    PARTIAL = 1
    """Measured, but only a part of the sensors or of the time."""
    MISSING = 2
    """No value. Never to be read as calm."""
    ESTIMATED = 3
    """Not measured itself: it follows from another measure and an assumption."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A measure with its bounds; arrays of one shape, NaN where missing.

    Parameters
    ----------
    value, low, high : float64 arrays
        `low` <= `value` <= `high`; the bounds hold 95 %.
    status : int16 array
        `MeasureStatus`.
    """

    value: Floats
    low: Floats
    high: Floats
    status: npt.NDArray[np.int16]


def status_of(coverage: npt.ArrayLike, is_measured: npt.ArrayLike = True) -> npt.NDArray[np.int16]:
    """The status of values with this coverage (0 to 1); `is_measured` is false for what follows from elsewhere."""
    share = np.asarray(coverage, np.float64)
    whole = np.where(np.asarray(is_measured), MeasureStatus.OK, MeasureStatus.ESTIMATED)
    part = np.where(np.asarray(is_measured), MeasureStatus.PARTIAL, MeasureStatus.ESTIMATED)
    return np.where(share > 0, np.where(share >= FULL, whole, part), MeasureStatus.MISSING).astype(np.int16)


def counted(received: npt.ArrayLike, coverage: npt.ArrayLike, bias: npt.ArrayLike = 0.0,
            sd: npt.ArrayLike = 0.0) -> Estimate:
    """What was to be counted, from what was received.

    The exact Poisson interval of the received count, divided by coverage, and the sensors' own error beside it (as
    independent: roots of sums of squares, on each side). A known bias is taken out; an unknown one is in no bound.

    Parameters
    ----------
    received : array
        Counts, at least 0.
    coverage : array
        Share of sensors and time that reported, 0 to 1.
    bias, sd : arrays
        Shares of the value: -0.07 = 7 % too few are seen; above -1.
    """
    count, share = np.asarray(received, np.float64), np.asarray(coverage, np.float64)
    scale = np.where(share > 0, 1 / np.where(share > 0, share, 1.0), np.nan) / (1 + np.asarray(bias, np.float64))
    value = count * scale
    low, high = poisson_interval(count)
    own = Z * np.asarray(sd, np.float64) * value
    return Estimate(
        value=value,
        low=np.maximum(value - np.hypot(value - low * scale, own), 0.0),
        high=value + np.hypot(high * scale - value, own),
        status=np.broadcast_to(status_of(share), value.shape).copy(),
    )


def per(estimate: Estimate, divisor: npt.ArrayLike) -> Estimate:
    """An estimate per square metre, per metre and minute, ...; `divisor` is exact and above 0."""
    by = np.asarray(divisor, np.float64)
    return Estimate(estimate.value / by, estimate.low / by, estimate.high / by, estimate.status)


def between(low: Estimate, high: Estimate) -> tuple[Floats, Floats]:
    """Bounds of what lies in a band, from the estimates of its two edges: no exact count is in them."""
    return low.low, high.high


def flow_per_metre(received: npt.ArrayLike, coverage: npt.ArrayLike, width_m: npt.ArrayLike, span_s: npt.ArrayLike,
                   bias: npt.ArrayLike = 0.0, sd: npt.ArrayLike = 0.0) -> Estimate:
    """Passages per metre of effective width and minute, p/m/min.

    Parameters
    ----------
    received : array
        Passages of both directions (or of one) in the window.
    coverage, bias, sd : arrays
        As `counted`.
    width_m : array
        Effective widths.
    span_s : array
        Lengths of the windows.
    """
    metre_minutes = np.asarray(width_m, np.float64) * np.asarray(span_s, np.float64) / MINUTE_S
    return per(counted(received, coverage, bias, sd), metre_minutes)


def mean_speed(distance: npt.ArrayLike, time: npt.ArrayLike) -> Floats:
    """Sum of distances over sum of times, the space mean, in the units given; NaN where nobody moved.

    Never a mean of means: whoever is slow is on the way for longer.
    """
    far, long = np.asarray(distance, np.float64), np.asarray(time, np.float64)
    return np.where(long > 0, far / np.where(long > 0, long, 1.0), np.nan)


def area_density(people: npt.ArrayLike, view_m2: npt.ArrayLike, area_m2: npt.ArrayLike, coverage: npt.ArrayLike = 1.0,
                 bias: npt.ArrayLike = 0.0, sd: npt.ArrayLike = 0.0) -> Estimate:
    """Persons/m2 of a zone at an instant, from the people in the part of it that sensors see.

    The part in view is sure but for the sensors' own error; the rest is taken to be as full, and as uncertain as an
    independent crowd (Poisson). People who stand together make it more uncertain than that.

    Parameters
    ----------
    people : array
        Persons counted in view.
    view_m2, area_m2 : arrays
        Area in view now, and the zone's net area.
    coverage : array
        Share of the zone's usual view that reports, 0 to 1: for the status.
    bias, sd : arrays
        As `counted`.
    """
    count, view, area = (np.asarray(given, np.float64) for given in (people, view_m2, area_m2))
    seen = np.where(view > 0, np.minimum(view / area, 1.0), np.nan)
    corrected = 1 / (1 + np.asarray(bias, np.float64))
    value = count * corrected / seen
    low, high = poisson_interval(count)
    # How well the part in view tells the mean, and how far the rest may be from that mean.
    unseen = corrected * np.sqrt(1 - seen) / seen
    fewer, more = _own_error(value, bias, sd)
    bounded = Estimate(
        value=value,
        low=np.maximum(value - np.hypot((count - low) * unseen, fewer), 0.0),
        high=value + np.hypot((high - count) * unseen, more),
        status=np.broadcast_to(status_of(np.where(view > 0, coverage, 0.0)), value.shape).copy(),
    )
    return per(bounded, area)


def _own_error(value: Floats, bias: npt.ArrayLike, sd: npt.ArrayLike) -> tuple[Floats, Floats]:
    """How far below and above a corrected value the truth may be, by the sensors' own error.

    A sensor that sees a share too few may be off by more people upwards than one that sees it too many downwards.
    """
    mean, off = 1 + np.asarray(bias, np.float64), Z * np.asarray(sd, np.float64)
    least = np.maximum(mean - off, LEAST_SEEN * mean)
    return value * (1 - mean / (mean + off)), value * (mean / least - 1)


def band_density(people_low: npt.ArrayLike, people_high: npt.ArrayLike, view_m2: npt.ArrayLike,
                 area_m2: npt.ArrayLike, coverage: npt.ArrayLike, bias: npt.ArrayLike = 0.0,
                 sd: npt.ArrayLike = 0.0) -> tuple[Floats, Floats]:
    """Persons/m2 of a zone from the band of its people only: the area is public, and exact/area would be the count.

    Parameters
    ----------
    people_low, people_high : arrays
        Edges of the band, for all of the zone.
    view_m2, area_m2 : arrays
        Area in view of all its sensors, and its net area.
    coverage : array
        Share of that view and of the time that was seen, 0 to 1.
    bias, sd : arrays
        As `counted`.

    Returns
    -------
    low, high : float64 arrays
        Bounds (95 %); NaN where nothing was seen.
    """
    view, area, share = (np.asarray(given, np.float64) for given in (view_m2, area_m2, coverage))
    seen_m2 = np.minimum(view, area) * share
    counted_low, counted_high = (np.asarray(edge, np.float64) * seen_m2 / area for edge in (people_low, people_high))
    # Whole persons, outwards: intervals of these are looked up.
    return between(*(area_density(count, seen_m2, area, share, bias, sd)
                     for count in (np.floor(counted_low + ROUNDING), np.ceil(counted_high - ROUNDING))))


def occupancy_density(people_low: npt.ArrayLike, people_high: npt.ArrayLike, area_m2: npt.ArrayLike,
                      coverage: npt.ArrayLike) -> tuple[Floats, Floats, npt.NDArray[np.int16]]:
    """Persons/m2 of a zone from the people inside by its gates, of which bounds are known. Never measured itself.

    Parameters
    ----------
    people_low, people_high : arrays
        Bounds (95 %) of the people inside.
    area_m2 : array
        Net areas.
    coverage : array
        Share of the gates' time that was seen; where it is 0 there is no density.

    Returns
    -------
    low, high, status : arrays
        Persons/m2, NaN where missing; `MeasureStatus`.
    """
    area, share = np.asarray(area_m2, np.float64), np.asarray(coverage, np.float64)
    low, high = (np.where(share > 0, np.maximum(edge, 0.0) / area, np.nan) for edge in (people_low, people_high))
    return low, high, status_of(share, is_measured=False)


def percent_of_capacity(people_low: npt.ArrayLike, people_high: npt.ArrayLike,
                        capacity: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Percent of the permitted number from a band's edges; NaN (both) where no number is permitted (NaN)."""
    permitted = np.asarray(capacity, np.float64)
    return 100 * np.asarray(people_low) / permitted, 100 * np.asarray(people_high) / permitted


def service_level(value: npt.ArrayLike, limits: npt.ArrayLike) -> Ints:
    """Which level a value stands for; a value on a limit belongs to the worse one.

    Parameters
    ----------
    value : array
        NaN gives `NO_LEVEL`.
    limits : array
        From which value each level after the calmest holds, calm to bad.
    """
    given, steps = np.asarray(value, np.float64), np.asarray(limits, np.float64)
    reached = (given[..., None] >= steps).sum(axis=-1)
    return np.where(np.isnan(given), NO_LEVEL, reached).astype(np.int64)


def people_in_area(x: npt.ArrayLike, y: npt.ArrayLike, corners: npt.ArrayLike) -> Mask:
    """Who stands in a polygon; of areas that share an edge, a person on it is in exactly one.

    The rule: an edge belongs to the area on its right (greater x), a horizontal one to the area above it (greater y).
    So a rectangle holds its left and lower edges, not its right and upper ones.

    Parameters
    ----------
    x, y : arrays
        In metres.
    corners : float array, corners x 2
        In order, either way round; the first is not repeated.
    """
    at_x, at_y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    ring = np.asarray(corners, np.float64)
    inside = np.zeros(np.broadcast(at_x, at_y).shape, np.bool_)
    for first, second in zip(ring, np.roll(ring, -1, axis=0), strict=True):
        # From below to above: neighbours that share an edge then cut it at the same place to the last bit.
        (low_x, low_y), (high_x, high_y) = (first, second) if first[1] <= second[1] else (second, first)
        if low_y == high_y:
            continue
        crosses = (low_y <= at_y) & (at_y < high_y)
        edge_x = low_x + (at_y - low_y) * ((high_x - low_x) / (high_y - low_y))
        inside ^= crosses & (at_x < edge_x)
    return inside
