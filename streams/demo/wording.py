# SPDX-License-Identifier: Apache-2.0
"""How the demo words levels, bands, ages and alerts; the same on the screen and in plain lines."""

import datetime as dt
from collections.abc import Sequence

from streams.demo.picture import AlertLine, RoadLine, ZoneLine

NO_DATA = "geen gegevens"
"""What stands where there is no value: never a number, never a level."""
ARROWS = {-1: "↓", 0: "→", 1: "↑"}
NOTHING = "–"


def level_word(level: int, names: Sequence[str]) -> str:
    """The profile's word for a level."""
    return names[level] if 0 <= level < len(names) else f"level {level}"


def zone_word(zone: ZoneLine, now: dt.datetime, stale_s: float) -> str:
    """The level's word, or `NO_DATA` for a missing window, none at all, or one that is too old to be now."""
    if zone.level is None or is_stale(zone.window_end, now, stale_s):
        return NO_DATA
    return level_word(zone.level, zone.level_names)


def is_stale(window_end: dt.datetime | None, now: dt.datetime, stale_s: float) -> bool:
    """Whether a window ended so long ago that it says nothing about now."""
    return window_end is None or (now - window_end).total_seconds() > stale_s


def people(zone: ZoneLine) -> str:
    """The band of people."""
    if zone.people_low is None or zone.people_high is None:
        return NOTHING
    if zone.people_low == 0:
        return f"<{zone.people_high + 1}"
    return f"{zone.people_low}–{zone.people_high}"


def percent(zone: ZoneLine) -> str:
    """Percent of the permitted capacity, from the band; `NOTHING` where no capacity is permitted."""
    return _range(zone.percent_low, zone.percent_high, 0, " %")


def density(zone: ZoneLine) -> str:
    """Persons per m2, from the band."""
    return _range(zone.density_low_per_m2, zone.density_high_per_m2, 2, "")


def _range(low: float | None, high: float | None, digits: int, unit: str) -> str:
    if low is None or high is None:
        return NOTHING
    first, last = f"{low:.{digits}f}", f"{high:.{digits}f}"
    return f"{first}{unit}" if first == last else f"{first}–{last}{unit}"


def share(value: float | None) -> str:
    """A share as whole percent; only a full one reads 100 %."""
    if value is None:
        return NOTHING
    return f"{int(value * 100 + 1e-6)} %"


def age(window_end: dt.datetime | None, now: dt.datetime) -> str:
    """How long ago a window ended, in log time."""
    if window_end is None:
        return NOTHING
    seconds = max(0, int((now - window_end).total_seconds()))
    return f"{seconds} s" if seconds < 120 else f"{seconds // 60} min"


def vehicles_per_minute(road: RoadLine) -> str:
    """Vehicles in a minute over all lanes."""
    if road.vehicles is None or not road.span_s:
        return NOTHING
    return f"{road.vehicles * 60 / road.span_s:.0f}"


def speed(road: RoadLine) -> str:
    """Mean speed in km/h."""
    return NOTHING if road.speed_km_h is None else f"{road.speed_km_h:.0f}"


def alert_life(alert: AlertLine, zone: dt.tzinfo) -> str:
    """Since when an alert stands, or from when to when it stood; how high it was if that was higher."""
    opened, last = (f"{moment.astimezone(zone):%H:%M}" for moment in (alert.opened_at, alert.at))
    worst = level_word(alert.worst, alert.level_names)
    if not alert.is_open:
        return f"{opened}–{last}, was {worst}"
    now = NO_DATA if alert.stale else level_word(alert.level, alert.level_names)
    parts = [f"since {opened}"]
    if now != alert.rule:
        parts.append(f"now {now}")
    elif worst != alert.rule:
        parts.append(f"was {worst}")
    return ", ".join(parts) + (" ↓" if alert.state == "recovering" else "")
