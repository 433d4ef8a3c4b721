# SPDX-License-Identifier: Apache-2.0
"""Invented road traffic, minute by minute, as DATEX II v2 publications like NDW's."""

import datetime as dt
from dataclasses import dataclass
from zoneinfo import ZoneInfo

import numpy as np

from schemas.roads import ANY_VEHICLE
from streams.simulate.road_sites import (
    CREATOR,
    EXCHANGE,
    HEADER,
    NAMESPACES,
    SITE_VERSION,
    SITES,
    TABLE_ID,
    TABLE_VERSION,
    Channel,
    RoadSite,
)

MINUTE_US = 60_000_000
DELIVERY_S = 20.0
"""A minute is published so long after its end; NDW delivers within 60 s."""
LOCAL_TIME = ZoneInfo("Europe/Amsterdam")
DAY_HOURS = (0.0, 5.0, 7.0, 8.5, 10.0, 12.0, 15.0, 17.0, 19.0, 21.0, 24.0)
DAY_SHARES = (0.10, 0.05, 0.60, 1.00, 0.65, 0.60, 0.75, 1.00, 0.60, 0.35, 0.10)
"""Share of the busiest hour's flow by local hour, with lines between: an ordinary weekday's two peaks."""
LONG_SHARE = 0.12
JAM_CYCLE_MIN = 60
JAM_MIN = (15, 40)
"""A jam stands between these minutes of each hour since the start, at a site drawn for that hour."""
JAM_GROWS_MIN = 6
"""After so many minutes it has grown into the next site, where it is lighter."""
JAM_SPEED, JAM_FLOW = 0.22, 0.65
"""Shares of speed and flow that a jam leaves."""
BROKEN_CHANCE = 0.04
"""Chance per site and minute that a lane reports a fault instead of values."""


@dataclass(frozen=True, slots=True)
class _Lane:
    """One lane in one minute; `short` and `long` are vehicles, speeds are km/h."""

    short: int
    long: int
    speed_km_h: float
    broken: bool


@dataclass(frozen=True, slots=True)
class TrueTraffic:
    """What truly passed one site in one minute, all lanes and vehicles together.

    Parameters
    ----------
    site : str
        The id in the feed.
    vehicles : int
    speed_km_h : float or None
        Mean over the vehicles; None where there was none.
    """

    site: str
    vehicles: int
    speed_km_h: float | None


@dataclass(frozen=True, slots=True)
class RoadTraffic:
    """Traffic on the invented sites; each minute follows from the seed alone, in any order.

    Parameters
    ----------
    seed : int
    start_us : int
        From when the hours of the jams count; microseconds since 1970, UTC.
    jam_min : (int, int)
        A jam stands between these minutes of each hour.
    """

    seed: int
    start_us: int
    jam_min: tuple[int, int] = JAM_MIN

    def publication(self, minute_us: int) -> bytes:
        """The minute that begins at `minute_us`, as a MeasuredDataPublication in a SOAP envelope."""
        sites = "".join(_site(site, minute_us, lanes) for site, lanes in self._minute(minute_us))
        published = rfc3339(minute_us + MINUTE_US + round(DELIVERY_S * 1e6))
        return (
            f'<?xml version="1.0" encoding="UTF-8"?>'
            f'<SOAP:Envelope xmlns:SOAP="http://schemas.xmlsoap.org/soap/envelope/"><SOAP:Body>'
            f"<d2LogicalModel {NAMESPACES}>{EXCHANGE}"
            f'<payloadPublication xsi:type="MeasuredDataPublication" lang="nl">'
            f"<publicationTime>{published}</publicationTime>{CREATOR}"
            f'<measurementSiteTableReference id="{TABLE_ID}" version="{TABLE_VERSION}"'
            f' targetClass="MeasurementSiteTable"/>{HEADER}{sites}'
            f"</payloadPublication></d2LogicalModel></SOAP:Body></SOAP:Envelope>"
        ).encode()

    def truth(self, minute_us: int) -> list[TrueTraffic]:
        """What truly passed in the minute that begins at `minute_us`, also where a lane reports a fault."""
        return [_true(site, lanes) for site, lanes in self._minute(minute_us)]

    def _minute(self, minute_us: int) -> list[tuple[RoadSite, list[_Lane]]]:
        random = np.random.default_rng([self.seed, 4, minute_us // MINUTE_US])
        jams = self._jams(minute_us)
        return [
            (site, self._lanes(site, minute_us, jams.get(number, 0.0), random))
            for number, site in enumerate(SITES)
        ]

    def _jams(self, minute_us: int) -> dict[int, float]:
        """How deep each jammed site stands in its jam, 0 to 1, by its number in `SITES`."""
        hour, minute = divmod((minute_us - self.start_us) // MINUTE_US, JAM_CYCLE_MIN)
        begin_min, end_min = self.jam_min
        if hour < 0 or not begin_min <= minute < end_min:
            return {}
        first = int(np.random.default_rng([self.seed, 5, hour]).integers(len(SITES)))
        grown = minute >= begin_min + JAM_GROWS_MIN
        return {first: 1.0, (first + 1) % len(SITES): 0.6 if grown else 0.0}

    def _lanes(self, site: RoadSite, minute_us: int, jam: float, random: np.random.Generator) -> list[_Lane]:
        load = day_share(minute_us)
        per_minute = site.busy_per_hour / 60 * load * (1 - jam * (1 - JAM_FLOW))
        speed_km_h = site.free_km_h * (1 - 0.15 * load**2) * (1 - jam * (1 - JAM_SPEED))
        broken = int(random.integers(site.lanes)) if random.random() < BROKEN_CHANCE else -1
        lanes = []
        for lane in range(site.lanes):
            vehicles = int(random.poisson(per_minute * (1.1 - 0.2 * lane / site.lanes)))
            # Long vehicles keep to the right: most of them on the outer half of the lanes.
            long = int(random.binomial(vehicles, LONG_SHARE * (1.5 if 2 * lane >= site.lanes else 0.5)))
            spread_km_h = 0.08 * speed_km_h / max(1, vehicles) ** 0.5
            speed = max(3.0, speed_km_h + random.normal(0, spread_km_h))
            lanes.append(_Lane(vehicles - long, long, speed, broken=lane == broken))
        return lanes


def day_share(time_us: int) -> float:
    """Flow as a share of the busiest hour's, by the local time of day."""
    local = dt.datetime.fromtimestamp(time_us / 1e6, LOCAL_TIME)
    return float(np.interp(local.hour + local.minute / 60, DAY_HOURS, DAY_SHARES))


def rfc3339(time_us: int) -> str:
    """A time in microseconds since 1970 as text, whole milliseconds, UTC."""
    text = dt.datetime.fromtimestamp(time_us / 1e6, dt.UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")


def _true(site: RoadSite, lanes: list[_Lane]) -> TrueTraffic:
    vehicles = sum(lane.short + lane.long for lane in lanes)
    travelled = sum((lane.short + lane.long) * lane.speed_km_h for lane in lanes)
    return TrueTraffic(site.key, vehicles, travelled / vehicles if vehicles else None)


def _site(site: RoadSite, minute_us: int, lanes: list[_Lane]) -> str:
    values = "".join(_value(channel, lanes[channel.lane - 1]) for channel in site.channels)
    return (
        f'<siteMeasurements><measurementSiteReference id="{site.key}" version="{SITE_VERSION}"'
        f' targetClass="MeasurementSiteRecord"/>'
        f"<measurementTimeDefault>{rfc3339(minute_us)}</measurementTimeDefault>{values}</siteMeasurements>"
    )


def _value(channel: Channel, lane: _Lane) -> str:
    vehicles = {"short": lane.short, "long": lane.long, ANY_VEHICLE: lane.short + lane.long}
    data = _data(channel.is_flow, vehicles[channel.vehicle_class], lane)
    return (
        f'<measuredValue index="{channel.index}"><measuredValue>{data}</measuredValue></measuredValue>'
    )


def _data(is_flow: bool, vehicles: int, lane: _Lane) -> str:
    fault = "<dataError>true</dataError>" if lane.broken else ""
    inputs = 0 if lane.broken else vehicles
    if is_flow:
        return (
            f'<basicData xsi:type="TrafficFlow"><vehicleFlow numberOfInputValuesUsed="{inputs}">{fault}'
            f"<vehicleFlowRate>{inputs * 60}</vehicleFlowRate></vehicleFlow></basicData>"
        )
    # As NDW spells it: no vehicle is a speed of 0 over no input, a fault is -1.
    speed = "-1" if lane.broken else f"{lane.speed_km_h if inputs else 0:.0f}"
    return (
        f'<basicData xsi:type="TrafficSpeed"><averageVehicleSpeed numberOfInputValuesUsed="{inputs}">{fault}'
        f"<speed>{speed}</speed></averageVehicleSpeed></basicData>"
    )
