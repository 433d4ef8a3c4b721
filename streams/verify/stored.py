# SPDX-License-Identifier: Apache-2.0
"""The database as it was at one moment."""

from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import msgspec
import numpy as np
from psycopg import sql

from schemas.alert import Transition
from schemas.live import SCHEMAS, LiveTable
from streams import storage
from streams.writer.rows import KEYS, Row

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
COLUMNS = {table: schema.names for table, schema in SCHEMAS.items()}
KEY_AT = {table: [COLUMNS[table].index(name) for name in KEYS[table]] for table in LiveTable}
_TRANSITION_FIELDS = [described.name for described in msgspec.structs.fields(Transition)]
TRANSITION_COLUMNS = [name.removesuffix("_us") for name in _TRANSITION_FIELDS]
_FLOAT4 = {described.name for described in msgspec.structs.fields(Transition)
           if float in (described.type, *get_args(described.type))}
"""Every number with a fraction is stored in single precision."""

Case = tuple[str, str, str]
"""Site, place and rule of an alert."""


def row_of_transition(transition: Transition) -> Row:
    """A transition as the database gives it back: times as datetimes, fractions in single precision."""
    row: list[Any] = []
    for name in _TRANSITION_FIELDS:
        value = getattr(transition, name)
        if name.endswith("_us"):
            value = EPOCH + timedelta(microseconds=value)
        elif name in _FLOAT4 and value is not None:
            value = float(np.float32(value))
        row.append(str(value) if isinstance(value, str) else value)
    return tuple(row)


def time_of(at_us: int) -> datetime:
    """Microseconds since 1970, UTC, as a datetime."""
    return EPOCH + timedelta(microseconds=at_us)


class Stored:
    """The database as it was at one moment."""

    def __init__(self, connection: storage.Connection) -> None:
        self._connection = connection

    def offsets(self) -> dict[tuple[str, int], int]:
        """The writer's next offsets, by topic and partition."""
        found = self._connection.execute("SELECT topic, partition, next_offset FROM engine.writer_offset")
        return {(topic, partition): following for topic, partition, following in found}

    def rows(self, table: LiveTable, numbers: list[int], start_us: int, end_us: int) -> dict[Row, Row]:
        """Rows of these places whose windows start from `start_us` to below `end_us`, by key."""
        query = sql.SQL("SELECT {} FROM {} WHERE {} = ANY(%s) AND window_start >= %s AND window_start < %s").format(
            sql.SQL(", ").join(map(sql.Identifier, COLUMNS[table])), sql.Identifier("live", table),
            sql.Identifier(KEYS[table][0]),
        )
        with self._connection.cursor(binary=True) as cursor:
            rows = cursor.execute(query, (numbers, time_of(start_us), time_of(end_us))).fetchall()
        return {tuple(row[at] for at in KEY_AT[table]): row for row in rows}

    def count_before(self, table: LiveTable, numbers: list[int], begin_us: int) -> int:
        """How many rows of these places start before `begin_us`."""
        return self._count(table, sql.SQL("= ANY(%s) AND window_start < %s"), numbers, time_of(begin_us))

    def count_others(self, table: LiveTable, numbers: list[int]) -> int:
        """How many rows are of none of these places."""
        return self._count(table, sql.SQL("<> ALL(%s)"), numbers)

    def _count(self, table: LiveTable, condition: sql.SQL, *values: object) -> int:
        query = sql.SQL("SELECT count(*) FROM {} WHERE {} ").format(
            sql.Identifier("live", table), sql.Identifier(KEYS[table][0])) + condition
        found = self._connection.execute(query, values).fetchone()
        return 0 if found is None else int(found[0])

    def transitions(self, sites: list[str], begin_us: int) -> dict[Row, Row]:
        """Transitions of these sites from `begin_us` on, by alert id and sequence number."""
        query = sql.SQL("SELECT {} FROM live.transition WHERE site = ANY(%s) AND at >= %s").format(
            sql.SQL(", ").join(map(sql.Identifier, TRANSITION_COLUMNS)))
        with self._connection.cursor(binary=True) as cursor:
            rows = cursor.execute(query, (sites, time_of(begin_us))).fetchall()
        return {row[:2]: row for row in rows}

    def open_cases(self, sites: list[str], at_us: int) -> set[Case]:
        """Site, place and rule of the alerts that were open at a moment."""
        found = self._connection.execute(
            "SELECT DISTINCT site, place, rule FROM live.alert "
            "WHERE site = ANY(%s) AND opened_at < %s AND NOT (state_to = 'resolved' AND at < %s)",
            (sites, time_of(at_us), time_of(at_us)),
        )
        return {(site, place, rule) for site, place, rule in found}
