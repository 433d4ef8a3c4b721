# SPDX-License-Identifier: Apache-2.0
"""Pictures and a status for the tests of the view."""

import datetime as dt
from typing import Any
from zoneinfo import ZoneInfo

from streams.demo.picture import AlertLine, Picture, RoadLine, ZoneLine
from streams.demo.view import Status

NOW = dt.datetime(2026, 6, 1, 14, 0, 30, tzinfo=dt.UTC)
LEVELS = ["groen", "geel", "oranje", "rood"]


def zone(key: str = "plein", **changes: Any) -> ZoneLine:
    values: dict[str, Any] = {
        "key": key, "name": key.title(), "site": "centrum", "level_names": LEVELS,
        "window_end": NOW - dt.timedelta(seconds=30), "people_low": 310, "people_high": 314,
        "percent_low": 77.4, "percent_high": 78.6, "density_low_per_m2": 0.31, "density_high_per_m2": 0.314,
        "level": 1, "trend": 1, "coverage": 1.0, "status": 0,
    }
    return ZoneLine(**{**values, **changes})


def missing_zone(key: str = "straat") -> ZoneLine:
    return zone(
        key, people_low=None, people_high=None, percent_low=None, percent_high=None, density_low_per_m2=None,
        density_high_per_m2=None, level=None, trend=None, coverage=0.0, status=2,
    )


def road(key: str = "A12", **changes: Any) -> RoadLine:
    values: dict[str, Any] = {
        "key": key, "name": f"{key} Utrechtsebaan", "window_end": NOW - dt.timedelta(seconds=90), "span_s": 60,
        "vehicles": 41.0, "speed_km_h": 62.4, "coverage": 0.5, "status": 1,
    }
    return RoadLine(**{**values, **changes})


def alert(alert_id: str = "a1", **changes: Any) -> AlertLine:
    values: dict[str, Any] = {
        "alert_id": alert_id, "place": "plein", "name": "Plein", "rule": "oranje", "severity": "warning",
        "state": "firing", "level": 2, "worst": 2, "changes": 1, "stale": False, "level_names": LEVELS,
        "opened_at": NOW - dt.timedelta(minutes=8), "at": NOW - dt.timedelta(minutes=8),
    }
    return AlertLine(**{**values, **changes})


def picture(**changes: Any) -> Picture:
    values: dict[str, Any] = {
        "zones": [zone(), missing_zone()], "roads": [road()], "alerts": [alert()],
        "rows": {"zone_minute": 12, "gate_minute": 10, "road_minute": 3, "transition": 1, "alert": 1},
    }
    return Picture(**{**values, **changes})


def status(**changes: Any) -> Status:
    values: dict[str, Any] = {
        "city": "Klein", "timezone": ZoneInfo("Europe/Amsterdam"), "now": NOW, "speed": 20.0, "running_s": 3.0,
        "sent": 1234, "sent_per_s": 80.0, "refused": 0, "notes": (),
        "page": "http://127.0.0.1:8481/", "delivered": 2, "newest_delivered": ("Plein: nu oranje", "Plein: nu rood"),
    }
    return Status(**{**values, **changes})
