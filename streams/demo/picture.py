# SPDX-License-Identifier: Apache-2.0
"""What the demo shows, read from the database: the newest window of each place, alerts, how many rows."""

import datetime as dt
from dataclasses import dataclass, field
from typing import Any, LiteralString, TypeVar

import psycopg
from psycopg.rows import class_row, dict_row

from schemas.roads import ANY_VEHICLE


@dataclass(frozen=True, slots=True, kw_only=True)
class ZoneLine:
    """A zone's newest window; all but key, name and site are None before its first row.

    `level` is None where the window is missing, `level_names` are the words of the zone's profile.
    """

    key: str
    name: str
    site: str
    level_names: list[str]
    window_end: dt.datetime | None = None
    people_low: int | None = None
    people_high: int | None = None
    percent_low: float | None = None
    percent_high: float | None = None
    density_low_per_m2: float | None = None
    density_high_per_m2: float | None = None
    level: int | None = None
    trend: int | None = None
    coverage: float | None = None
    status: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RoadLine:
    """A measuring site's newest window, all vehicles; as `ZoneLine` before its first row."""

    key: str
    name: str
    window_end: dt.datetime | None = None
    span_s: int | None = None
    vehicles: float | None = None
    speed_km_h: float | None = None
    coverage: float | None = None
    status: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertLine:
    """An alert as it stands now: `worst` is the highest level it reached, `changes` how often it changed."""

    alert_id: str
    place: str
    name: str
    rule: str
    severity: str
    state: str
    level: int
    worst: int
    changes: int
    stale: bool
    level_names: list[str]
    opened_at: dt.datetime
    at: dt.datetime

    @property
    def is_open(self) -> bool:
        """Whether it still stands."""
        return self.state in ("pending", "firing", "recovering")


@dataclass(frozen=True, slots=True)
class Picture:
    """One look into the database.

    Parameters
    ----------
    zones, roads : lists
        In the order of the city file.
    alerts : list of AlertLine
        Open ones first, the newest first among each.
    rows : dict of str to int
        Rows of each live table.
    """

    zones: list[ZoneLine] = field(default_factory=list)
    roads: list[RoadLine] = field(default_factory=list)
    alerts: list[AlertLine] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)

    @property
    def newest(self) -> dt.datetime | None:
        """End of the newest window of people: how far the log has come."""
        return max((line.window_end for line in self.zones if line.window_end is not None), default=None)


_Line = TypeVar("_Line", ZoneLine, RoadLine, AlertLine)

_ZONES: LiteralString = """
SELECT p.key, p.name, p.site, coalesce(p.level_names, '{}') AS level_names,
       w.window_start + make_interval(secs => w.span_s) AS window_end, w.people_low, w.people_high,
       w.percent_low, w.percent_high, w.density_low_per_m2, w.density_high_per_m2, w.level, w.trend,
       w.coverage, w.status
FROM engine.place AS p
LEFT JOIN LATERAL (
    SELECT * FROM live.zone_minute WHERE zone = p.number ORDER BY window_start DESC LIMIT 1
) AS w ON true
WHERE p.kind = 'zone' AND p.facility <> 'road'
ORDER BY p.number"""

_ROADS: LiteralString = f"""
SELECT p.key, p.name, w.window_start + make_interval(secs => w.span_s) AS window_end, w.span_s, w.vehicles,
       w.speed_km_h, w.coverage, w.status
FROM engine.place AS p
LEFT JOIN LATERAL (
    SELECT * FROM live.road_minute
    WHERE zone = p.number AND vehicle_class = '{ANY_VEHICLE}' ORDER BY window_start DESC LIMIT 1
) AS w ON true
WHERE p.kind = 'zone' AND p.facility = 'road'
ORDER BY p.number"""  # noqa: S608 - the class is a constant

_ALERTS: LiteralString = """
SELECT a.alert_id, a.place, coalesce(p.name, a.place) AS name, a.rule, a.severity, a.state_to AS state,
       a.level_to AS level, t.worst, a.seq AS changes, a.stale, coalesce(p.level_names, '{}') AS level_names,
       a.opened_at, a.at
FROM live.alert AS a
JOIN (SELECT alert_id, max(level_to) AS worst FROM live.transition GROUP BY alert_id) AS t USING (alert_id)
LEFT JOIN engine.place AS p ON p.kind = 'zone' AND p.key = a.place
ORDER BY a.state_to IN ('pending', 'firing', 'recovering') DESC, a.at DESC
LIMIT 50"""

_ROWS: LiteralString = """
SELECT (SELECT count(*) FROM live.zone_minute) AS zone_minute,
       (SELECT count(*) FROM live.gate_minute) AS gate_minute,
       (SELECT count(*) FROM live.road_minute) AS road_minute,
       (SELECT count(*) FROM live.transition) AS transition,
       (SELECT count(*) FROM live.alert) AS alert"""


def read_picture(connection: psycopg.Connection[Any]) -> Picture:
    """Look into the database once, at one moment."""
    with connection.transaction(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return Picture(
            zones=_lines(connection, ZoneLine, _ZONES),
            roads=_lines(connection, RoadLine, _ROADS),
            alerts=_lines(connection, AlertLine, _ALERTS),
            rows=_row_counts(connection),
        )


def _lines(connection: psycopg.Connection[Any], kind: type[_Line], query: LiteralString) -> list[_Line]:
    with connection.cursor(row_factory=class_row(kind)) as cursor:
        return cursor.execute(query).fetchall()


def _row_counts(connection: psycopg.Connection[Any]) -> dict[str, int]:
    with connection.cursor(row_factory=dict_row) as cursor:
        return cursor.execute(_ROWS).fetchone() or {}
