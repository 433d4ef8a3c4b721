# SPDX-License-Identifier: Apache-2.0
"""The demo's report: what was sent, what stands in the database, which levels and alerts came and went."""

import datetime as dt
from collections import Counter
from typing import Any, LiteralString

import httpx
import msgspec
import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from schemas.live import WINDOW_TABLES, LiveTable, Status
from streams.serve.document import Document

PAGE_LIMIT_S = 5.0
_PLACE_COLUMN = {LiveTable.ZONE: "zone", LiveTable.GATE: "gate", LiveTable.ROAD: "zone"}
_WINDOWS: LiteralString = """
SELECT status, count(*) FROM live.{table} GROUP BY status"""
_PLACES: LiteralString = "SELECT count(DISTINCT {place}) FROM live.{table}"
_LEVEL_CHANGES: LiteralString = """
SELECT count(*) FROM (
    SELECT level, lag(level) OVER (PARTITION BY zone ORDER BY window_start) AS before FROM live.zone_minute
    WHERE level IS NOT NULL
) AS windows WHERE level <> before"""
_ALERTS: LiteralString = """
SELECT a.place, a.rule, a.severity, a.state_to AS state, a.seq AS changes, a.opened_at,
       CASE WHEN a.state_to = 'resolved' THEN a.at END AS closed_at,
       (SELECT max(level_to) FROM live.transition AS t WHERE t.alert_id = a.alert_id) AS worst_level
FROM live.alert AS a ORDER BY a.opened_at, a.place, a.rule"""


class TableReport(msgspec.Struct, frozen=True, kw_only=True):
    """One live table: rows, different places, windows by status."""

    rows: int
    places: int
    windows_by_status: dict[str, int]


class AlertReport(msgspec.Struct, frozen=True, kw_only=True):
    """One alert; times are of the demo's clock. `wall_s`: seconds of the watch since the first reading."""

    place: str
    rule: str
    severity: str
    state: str
    changes: int
    worst_level: int
    opened_at: dt.datetime
    closed_at: dt.datetime | None
    opened_wall_s: float
    closed_wall_s: float | None


class DatabaseReport(msgspec.Struct, frozen=True, kw_only=True):
    """What stands in the database."""

    tables: dict[str, TableReport]
    level_changes: int
    transitions: int
    alerts_opened: int
    alerts_closed: int
    alerts: list[AlertReport]


class PageReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the page showed at the end: zones by level's word, alerts that were open, roads with a value."""

    address: str
    stream: str
    zones_by_word: dict[str, int]
    alerts_open: int
    roads_seen: int


class DemoReport(msgspec.Struct, frozen=True, kw_only=True):
    """The whole report.

    `deliveries` counts changes of alerts that the demo's webhook took. `failed` names the process that ended
    by itself, or says what else went wrong.
    """

    city: str
    roads: str
    seed: int
    speed: float
    wall_s: float
    simulated_s: float
    readings_sent: int
    refused_by_reason: dict[str, int]
    database: DatabaseReport | None
    page: PageReport | None
    deliveries: int
    notes: list[str]
    failed: str | None


def read_database(
    connection: psycopg.Connection[Any], begin: dt.datetime, speed: float
) -> DatabaseReport:
    """Count what the demo has stored.

    Parameters
    ----------
    connection : psycopg.Connection
    begin : datetime
        Time of the first reading on the demo's clock.
    speed : float
        Seconds of that clock in a second.
    """
    alerts = _alerts(connection, begin, speed)
    return DatabaseReport(
        tables={table.value: _table(connection, table) for table in WINDOW_TABLES},
        level_changes=_number(connection, _LEVEL_CHANGES),
        transitions=_number(connection, "SELECT count(*) FROM live.transition"),
        alerts_opened=len(alerts),
        alerts_closed=sum(alert.closed_at is not None for alert in alerts),
        alerts=alerts,
    )


def read_page(address: str) -> PageReport | None:
    """What the page at `address` shows now; None when it does not answer."""
    try:
        answer = httpx.get(f"{address}v1/state", trust_env=False, timeout=PAGE_LIMIT_S).raise_for_status()
    except httpx.HTTPError:
        return None
    shown = msgspec.json.decode(answer.content, type=Document)
    return PageReport(
        address=address, stream=shown.stream.value,
        zones_by_word=dict(Counter(zone.word for zone in shown.zones)),
        alerts_open=sum(alert.open for alert in shown.alerts),
        roads_seen=sum(road.vehicles_per_min is not None for road in shown.roads),
    )


def encode_report(report: DemoReport) -> bytes:
    """As indented JSON with a line break at its end."""
    return msgspec.json.format(msgspec.json.encode(report), indent=2) + b"\n"


def _table(connection: psycopg.Connection[Any], table: LiveTable) -> TableReport:
    names = {"table": sql.Identifier(table), "place": sql.Identifier(_PLACE_COLUMN[table])}
    windows = dict(connection.execute(sql.SQL(_WINDOWS).format(**names)).fetchall())
    return TableReport(
        rows=sum(windows.values()),
        places=_number(connection, sql.SQL(_PLACES).format(**names)),
        windows_by_status={status.name.lower(): windows.get(status, 0) for status in Status},
    )


def _alerts(connection: psycopg.Connection[Any], begin: dt.datetime, speed: float) -> list[AlertReport]:
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(_ALERTS).fetchall()

    def wall_s(moment: dt.datetime) -> float:
        return round((moment - begin).total_seconds() / speed, 1)

    return [
        AlertReport(
            **row, opened_wall_s=wall_s(row["opened_at"]),
            closed_wall_s=wall_s(row["closed_at"]) if row["closed_at"] else None,
        )
        for row in rows
    ]


def _number(connection: psycopg.Connection[Any], query: LiteralString | sql.Composed) -> int:
    row = connection.execute(query).fetchone()
    return int(row[0]) if row else 0
