# SPDX-License-Identifier: Apache-2.0
"""The vendor scorecard and integrity events, as the database has them: shares and numbers of readings, no people."""

import datetime as dt
from typing import LiteralString

import msgspec

from streams import storage

SHOWN = 5
_SCORES: LiteralString = """
SELECT supplier, to_char(month AT TIME ZONE 'UTC', 'YYYY-MM'), sensors, available_share, uptime_share, late_share,
    corrected_share, missed_share, unusable_share, refused
FROM engine.scorecard WHERE month = %s ORDER BY supplier"""
_EVENTS: LiteralString = """
SELECT sensor, kind, min(from_at), max(until_at), bool_or(sure = 'sure') FROM engine.integrity
WHERE sure IN ('likely', 'sure') AND until_at > now() - interval '7 days'
GROUP BY sensor, kind ORDER BY max(until_at) DESC, sensor, kind"""


class Score(msgspec.Struct, frozen=True, kw_only=True):
    """One supplier's month; shares are means over its sensors' days, null where nothing is known.

    `refused` is how many values (or messages) of its sources were refused.
    """

    supplier: str
    month: str
    sensors: int
    available_share: float | None
    uptime_share: float | None
    late_share: float | None
    corrected_share: float | None
    missed_share: float | None
    unusable_share: float | None
    refused: int


def scores(connection: storage.Connection, month: dt.date) -> list[Score]:
    """The scorecard of the UTC month in which `month` lies, by supplier; raises psycopg's errors."""
    first = dt.datetime(month.year, month.month, 1, tzinfo=dt.UTC)
    names = [field.name for field in msgspec.structs.fields(Score)]
    found = connection.execute(_SCORES, (first,)).fetchall()
    return [Score(**dict(zip(names, (*row[:-1], int(row[-1])), strict=True))) for row in found]


def integrity_events(connection: storage.Connection) -> list[str]:
    """Likely and sure events of the last seven days, a text each, newest first; `SHOWN` at most."""
    return [
        f"{sensor}: {kind} from {begin:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC ({'sure' if sure else 'likely'})"
        for sensor, kind, begin, end, sure in _in_utc(connection).execute(_EVENTS).fetchmany(SHOWN)
    ]


def _in_utc(connection: storage.Connection) -> storage.Connection:
    connection.execute("SET TIME ZONE 'UTC'")
    return connection
