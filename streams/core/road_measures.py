# SPDX-License-Identifier: Apache-2.0
"""Flow, speed and density of roads, and their service levels after the Highway Capacity Manual.

Density is flow / speed, and only the space mean (harmonic) speed makes that true. Most of NDW's speeds are arithmetic
means, which are too high, so that a density from them is too low: by the square of how much speeds vary. The bound
covers that, the value leaves it in, and the status says `ESTIMATED`.
"""

import numpy as np
import numpy.typing as npt

from streams.core.measures import Estimate, MeasureStatus, status_of
from streams.core.poisson import Z, poisson_interval

HOUR_S = 3600.0
KM_PER_MILE = 1.609344
FREEWAY_DENSITY_LIMITS = tuple(limit / KM_PER_MILE for limit in (11.0, 18.0, 26.0, 35.0, 45.0))
"""HCM basic freeway, from A/B to E/F, in pc/km/lane. Vehicles are not passenger cars: a lorry counts as one here."""
ASSUMED_SPEED_VARIATION = 0.3
"""Standard deviation of speeds / their mean where a site does not tell it: an assumption, high for free traffic."""

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


def road_flow(vehicles: npt.ArrayLike, coverage: npt.ArrayLike, span_s: npt.ArrayLike,
              lanes: npt.ArrayLike) -> Estimate:
    """Vehicles per hour and lane.

    Parameters
    ----------
    vehicles : array
        Reported in the window, over all lanes that reported.
    coverage : array
        Share of lanes and time that reported, 0 to 1.
    span_s : array
        Lengths of the windows.
    lanes : array
        All lanes of the place, at least 1.
    """
    count, share = np.asarray(vehicles, np.float64), np.asarray(coverage, np.float64)
    lane_hours = np.asarray(span_s, np.float64) / HOUR_S * np.asarray(lanes, np.float64)
    scale = 1 / (np.where(share > 0, share, np.nan) * lane_hours)
    low, high = poisson_interval(count)
    status = np.broadcast_to(status_of(share), (count * scale).shape).copy()
    return Estimate(count * scale, low * scale, high * scale, status)


def speed_excess(speed_km_h: npt.ArrayLike, sd_km_h: npt.ArrayLike = np.nan) -> Floats:
    """How much higher an arithmetic mean is than the space mean, as a share of the latter: (sd / mean) squared.

    `sd_km_h` is NaN where the site does not tell it; then `ASSUMED_SPEED_VARIATION` stands in.
    """
    mean, sd = np.asarray(speed_km_h, np.float64), np.asarray(sd_km_h, np.float64)
    variation = np.where(mean > 0, sd / np.where(mean > 0, mean, 1.0), 0.0)
    return np.where(np.isnan(sd), ASSUMED_SPEED_VARIATION, variation) ** 2


def road_density(flow: Estimate, speed_km_h: npt.ArrayLike, is_harmonic: npt.ArrayLike,
                 sd_km_h: npt.ArrayLike = np.nan) -> Estimate:
    """Vehicles per km and lane: flow / speed; missing where no speed is, or where traffic stands still.

    Parameters
    ----------
    flow : Estimate
        Of `road_flow`.
    speed_km_h : array
        Mean speeds; NaN = none.
    is_harmonic : bool array
        Whether each mean is harmonic (the site record's computation method); else the upper bound has the bias too.
    sd_km_h : array
        Standard deviation of speeds, NaN where it is not told.
    """
    speed, harmonic = np.asarray(speed_km_h, np.float64), np.asarray(is_harmonic, np.bool_)
    moving = np.where(speed > 0, speed, np.nan)
    excess = np.where(harmonic, 0.0, speed_excess(moving, sd_km_h))
    value = flow.value / moving
    status = np.where(harmonic, flow.status, MeasureStatus.ESTIMATED)
    status = np.where(np.isnan(value), MeasureStatus.MISSING, status).astype(np.int16)
    absent = np.isnan(value)
    return Estimate(value, np.where(absent, np.nan, flow.low / moving),
                    np.where(absent, np.nan, flow.high / moving * (1 + excess)), status)


def percent_of_free_flow(speed_km_h: npt.ArrayLike, free_flow_km_h: npt.ArrayLike) -> Floats:
    """Percent of the free-flow speed (km/h); NaN where either is not known."""
    free = np.asarray(free_flow_km_h, np.float64)
    return np.asarray(100 * np.asarray(speed_km_h, np.float64) / np.where(free > 0, free, np.nan))


def mean_speed_bounds(speed_km_h: npt.ArrayLike, vehicles: npt.ArrayLike,
                      sd_km_h: npt.ArrayLike = np.nan) -> tuple[Floats, Floats]:
    """95 % bounds of a mean speed over so many vehicles; NaN where no vehicle is behind it."""
    speed, count = np.asarray(speed_km_h, np.float64), np.asarray(vehicles, np.float64)
    sd = np.where(np.isnan(sd_km_h), ASSUMED_SPEED_VARIATION * speed, sd_km_h)
    half = Z * sd / np.sqrt(np.where(count > 0, count, np.nan))
    return np.maximum(speed - half, 0.0), np.asarray(speed + half)
