# SPDX-License-Identifier: Apache-2.0
"""One flush = one transaction: rows, alerts and the offsets from which the writer goes on.

No fence keeps a second writer out. Every statement is absolute and can only say the same again: rows about
people and transitions are written once, a road row gives way to an equal or higher revision, an alert to a
higher sequence number, and offsets only grow.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, fields
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import psycopg
import pyarrow as pa
from psycopg import errors, sql

from schemas.access import Access
from schemas.alert import Transition
from schemas.city import City
from schemas.city_version import ALWAYS_US
from schemas.command import Outcome
from schemas.context import ContextRecord
from schemas.delivery import Delivery
from schemas.errors import FatalError, RefusedError, TransientError
from schemas.health import HealthTable
from schemas.live import SCHEMAS, LiveTable
from schemas.note import Note
from schemas.refusal import Reason
from schemas.sighting import SightingShown
from streams import storage
from streams.writer.loss import Loss, record, stamp
from streams.writer.places import Place, places
from streams.writer.rows import KEYS, Row, RowBuffer
from streams.writer.sensors import purge_places, write_health, write_refusals, write_sensors

STATEMENT_LIMIT_S = 60
APPLICATION = "drukte writer"

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SQL_TYPES = {
    pa.int16(): "int2", pa.int32(): "int4", pa.int64(): "int8", pa.float32(): "float4", pa.float64(): "float8",
    pa.bool_(): "bool", pa.string(): "text", pa.timestamp("us", tz="UTC"): "timestamptz",
}
_PYTHON_TYPES: dict[object, str] = {
    int: "int4", bool: "bool", float: "float4", float | None: "float4", int | None: "int4",
}


def _upsert(
    table: tuple[str, str], columns: dict[str, str], key: Sequence[str], only_where: str | None
) -> sql.Composed:
    """`INSERT` of whole columns; a row that exists stands, or gives way where `only_where` holds."""
    parts: dict[str, sql.Composable] = {
        "table": sql.Identifier(*table),
        "columns": sql.SQL(", ").join(map(sql.Identifier, columns)),
        "arrays": sql.SQL(", ").join(sql.SQL(f"%b::{kind}[]") for kind in columns.values()),
        "key": sql.SQL(", ").join(map(sql.Identifier, key)),
        "resolution": sql.SQL("DO NOTHING"),
    }
    if only_where is not None:
        changed = [sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(name))
                   for name in columns if name not in key]
        parts["resolution"] = sql.SQL("DO UPDATE SET {} WHERE {}").format(
            sql.SQL(", ").join(changed), sql.SQL(only_where)
        )
    return sql.SQL(
        "INSERT INTO {table} AS existing ({columns}) SELECT * FROM unnest({arrays}) "
        "ON CONFLICT ({key}) {resolution}"
    ).format(**parts)


def _columns(kind: type[msgspec.Struct]) -> dict[str, str]:
    columns: dict[str, str] = {}
    for described in msgspec.structs.fields(kind):
        name = described.name
        if name.endswith("_us"):
            columns[name.removesuffix("_us")] = "timestamptz"
        else:
            columns[name] = _PYTHON_TYPES.get(described.type, "text")
    return columns


_TRANSITION_COLUMNS = _columns(Transition)
_LIVE_STATEMENTS = {
    table: _upsert(
        ("live", table), {column.name: _SQL_TYPES[column.type] for column in SCHEMAS[table]}, KEYS[table],
        "existing.revision <= EXCLUDED.revision" if table is LiveTable.ROAD else None,
    )
    for table in LiveTable
}
_TRANSITION_STATEMENT = _upsert(("live", "transition"), _TRANSITION_COLUMNS, ("alert_id", "seq"), None)
_ALERT_STATEMENT = _upsert(
    ("live", "alert"), _TRANSITION_COLUMNS, ("alert_id",), "existing.seq < EXCLUDED.seq"
)
_OUTCOME_STATEMENT = _upsert(
    ("live", "command_outcome"), {"partition": "int4"} | _columns(Outcome), ("command_id", "partition"), None
)
_NOTE_STATEMENT = _upsert(("live", "note"), _columns(Note), ("id",), None)
_DELIVERY_STATEMENT = _upsert(
    ("live", "delivery"), _columns(Delivery), ("receiver", "alert_id", "seq"), None
)
_ACCESS_STATEMENT = _upsert(("privacy", "access"), _columns(Access), ("id",), None)
_SIGHTING_STATEMENT = _upsert(
    ("live", "sighting"), _columns(SightingShown), ("zone", "at", "role"), "existing.revision < EXCLUDED.revision"
)
_CONTEXT_STATEMENT = _upsert(
    ("live", "context"),
    {"source": "text", "record": "text", "version": "int8", "changed_at": "timestamptz", "kind": "text",
     "what": "text", "place": "jsonb", "lon": "float8", "lat": "float8", "begins_at": "timestamptz",
     "ends_at": "timestamptz", "ended": "bool"},
    ("source", "record"), "(existing.version, existing.changed_at) < (EXCLUDED.version, EXCLUDED.changed_at)",
)
_OFFSET_STATEMENT = _upsert(
    ("engine", "writer_offset"),
    {"topic": "text", "partition": "int4", "next_offset": "int8", "stamped_at": "timestamptz"},
    ("topic", "partition"), "existing.next_offset < EXCLUDED.next_offset",
)
# Level names are an array themselves, which unnest would flatten: a city is small, row by row will do.
_PLACE_COLUMNS = [*(column.name for column in fields(Place)), "city_version"]
_PLACE_STATEMENT = sql.SQL(
    "INSERT INTO engine.place AS existing ({columns}) VALUES ({values}) ON CONFLICT (kind, number) "
    "DO UPDATE SET {changed} WHERE existing.city_version <= EXCLUDED.city_version"
).format(
    columns=sql.SQL(", ").join(map(sql.Identifier, _PLACE_COLUMNS)),
    values=sql.SQL(", ").join([sql.Placeholder()] * len(_PLACE_COLUMNS)),
    changed=sql.SQL(", ").join(
        sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(name)) for name in _PLACE_COLUMNS[2:]
    ),
)
_CITY_STATEMENT = """
INSERT INTO engine.city_version (version, sha256, city, name, timezone, effective_at) VALUES (%s, %s, %s, %s, %s, %s)
ON CONFLICT (version, sha256) DO UPDATE SET effective_at = EXCLUDED.effective_at"""


def _row(told: Transition | Outcome | Note | Delivery | SightingShown | Access) -> Row:
    row: list[Any] = []
    for described in msgspec.structs.fields(told):
        value = getattr(told, described.name)
        if described.name.endswith("_us") and value is not None:
            value = _EPOCH + timedelta(microseconds=value)
        row.append(str(value) if isinstance(value, str) else value)
    return tuple(row)


def _context_row(one: ContextRecord) -> Row:
    lon, lat = one.place[0][len(one.place[0]) // 2] if one.place else (None, None)
    changed_at, begins_at = (_EPOCH + timedelta(microseconds=at_us) for at_us in (one.changed_us, one.begins_us))
    ends_at = None if one.ends_us is None else _EPOCH + timedelta(microseconds=one.ends_us)
    place = msgspec.json.encode(one.place).decode()
    return (one.source, one.record, one.version, changed_at, one.kind.value, one.what, place, lon, lat, begins_at,
            ends_at, one.ended)


def _execute_rows(connection: storage.Connection, statement: sql.Composed, rows: Sequence[Row]) -> None:
    if rows:
        connection.execute(statement, [list(column) for column in zip(*rows, strict=True)])


def write_buffer(connection: storage.Connection, buffer: RowBuffer) -> None:
    """Write rows and offsets in one transaction; raises psycopg's errors, and then nothing is written."""
    with connection.transaction():
        for table in LiveTable:
            _execute_rows(connection, _LIVE_STATEMENTS[table], buffer.sorted_rows(table))
        _execute_rows(
            connection, _TRANSITION_STATEMENT, [_row(one) for one in buffer.sorted_transitions()]
        )
        _execute_rows(
            connection, _ALERT_STATEMENT, [_row(one) for one in buffer.latest_transitions()]
        )
        _execute_rows(connection, _OUTCOME_STATEMENT, [
            (partition, *_row(one)) for (_, partition), one in sorted(buffer.outcomes.items())])
        _execute_rows(connection, _NOTE_STATEMENT, [_row(one) for _, one in sorted(buffer.notes.items())])
        _execute_rows(connection, _DELIVERY_STATEMENT, [_row(one) for one in buffer.sorted_deliveries()])
        _execute_rows(connection, _CONTEXT_STATEMENT, [_context_row(one) for one in buffer.sorted_context()])
        _execute_rows(connection, _SIGHTING_STATEMENT, [_row(one) for one in buffer.sorted_sightings()])
        _execute_rows(connection, _ACCESS_STATEMENT, [_row(one) for _, one in sorted(buffer.accesses.items())])
        for kind in HealthTable:
            write_health(connection, kind, buffer.sorted_health(kind))
        write_refusals(connection, buffer.letters)
        purge_places(connection, [one for _, one in sorted(buffer.purges.items())])
        offsets = [(*place, following, stamp(buffer.stamps_us.get(place, 0)))
                   for place, following in sorted(buffer.next_offsets.items())]
        _execute_rows(connection, _OFFSET_STATEMENT, offsets)


def _offsets(connection: storage.Connection) -> dict[tuple[str, int], int]:
    found = connection.execute("SELECT topic, partition, next_offset FROM engine.writer_offset")
    return {(topic, partition): following for topic, partition, following in found}


class Database:
    """The writer's session, opened when it is needed; errors are told apart by what has to happen next.

    Parameters
    ----------
    uri : str
        As libpq reads it.
    """

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._connection: storage.Connection | None = None
        self._reached: dict[tuple[str, int], int] = {}

    @property
    def is_away(self) -> bool:
        """Whether there is no session: it was lost and could not be opened again yet."""
        return self._connection is None

    def close(self) -> None:
        """End the session."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _session(self) -> storage.Connection:
        if self._connection is None or self._connection.closed:
            self._connection = storage.connect(self._uri, APPLICATION)
            self._connection.execute(f"SET statement_timeout = '{STATEMENT_LIMIT_S}s'")
        return self._connection

    @contextmanager
    def session(self) -> Iterator[storage.Connection]:
        """The session, for statements of the caller; errors of the database come out as those of `write`."""
        try:
            yield self._session()
        except psycopg.Error as error:
            raise self._told_apart(error) from None

    def write(self, buffer: RowBuffer) -> None:
        """Write one flush.

        Raises
        ------
        TransientError
            The database is away: the same buffer may be written again.
        RefusedError
            `bad-value`: a value that no column can hold.
        FatalError
            The tables are not there or not ours, or the database was put back since the last flush: rows that it
            forgot would be passed over.
        """
        try:
            connection = self._session()
            with connection.transaction():
                self._check_reached(connection)
                write_buffer(connection, buffer)
        except psycopg.Error as error:
            raise self._told_apart(error) from None
        self._reached |= buffer.next_offsets

    def _check_reached(self, connection: storage.Connection) -> None:
        found = _offsets(connection)
        for (topic, partition), written in self._reached.items():
            stands_at = found.get((topic, partition), 0)
            if stands_at < written:
                raise FatalError(
                    f"the database was put back under the running writer: {topic}[{partition}] was written up to "
                    f"offset {written}, engine.writer_offset says {stands_at}; where a backup was put back run "
                    "`drukte db restore`; then start the writer anew, it goes on from what the database has"
                )

    def write_city(self, city: City, effective_at_us: int = ALWAYS_US, *, with_places: bool = True) -> bool:
        """Record a city version and its places; false when its version number is known with other content.

        Parameters
        ----------
        city : City
        effective_at_us : int
            From when it holds, microseconds since 1970, UTC.
        with_places : bool
            False for a version that takes over later: `engine.place` shows what holds now.
        """
        file = city.file
        rows = [(*astuple(place), city.version) for place in places(city)] if with_places else []
        since = None if effective_at_us == ALWAYS_US else _EPOCH + timedelta(microseconds=effective_at_us)
        try:
            connection = self._session()
            with connection.transaction(), connection.cursor() as cursor:
                cursor.execute(
                    _CITY_STATEMENT, (city.version, city.sha256, file.city, file.name, file.timezone, since)
                )
                cursor.executemany(_PLACE_STATEMENT, rows)
                if with_places:
                    write_sensors(connection, city)
                cursor.execute("SELECT count(*) FROM engine.city_version WHERE version = %s", (city.version,))
                counted = cursor.fetchone()
        except psycopg.Error as error:
            raise self._told_apart(error) from None
        return counted is not None and counted[0] == 1

    def offsets(self) -> dict[tuple[str, int], int]:
        """Where to go on, by (topic, partition); raises as `write`."""
        try:
            return _offsets(self._session())
        except psycopg.Error as error:
            raise self._told_apart(error) from None

    def record_losses(self, losses: Sequence[Loss]) -> None:
        """Note messages that aged out before they were written; raises as `write`."""
        try:
            record(self._session(), losses)
        except psycopg.Error as error:
            raise self._told_apart(error) from None

    def ask(self) -> None:
        """Ask the server, in a session of its own, whether it answers; raises `TransientError`."""
        with storage.connect(self._uri, f"{APPLICATION} watchdog") as connection:
            connection.execute("SELECT 1")

    def cancel(self) -> None:
        """End the statement that runs, if one does; may be called in another thread."""
        connection = self._connection
        if connection is not None:
            connection.cancel()

    def rewind(self, topic: str, partition: int, stored: int, earliest: int) -> None:
        """Set an offset back, for a topic that was made anew; raises as `write`."""
        try:
            self._session().execute(
                "UPDATE engine.writer_offset SET next_offset = %s "
                "WHERE topic = %s AND partition = %s AND next_offset = %s",
                (earliest, topic, partition, stored),
            )
        except psycopg.Error as error:
            raise self._told_apart(error) from None

    def _told_apart(self, error: psycopg.Error) -> Exception:
        # Only the class and the code of an error go on: its text may repeat a value of a row.
        named = f"{type(error).__name__} {error.sqlstate or ''}".rstrip()
        if isinstance(error, psycopg.DataError | psycopg.IntegrityError):
            return RefusedError(Reason.BAD_VALUE, f"the database refuses a value ({named})")
        if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError | psycopg.InternalError):
            self.close()
            return TransientError(f"database: {named}")
        if isinstance(error, errors.UndefinedTable | errors.UndefinedColumn | errors.InvalidSchemaName):
            return FatalError(f"the database lacks tables of the writer ({named}); run `drukte db migrate`")
        if isinstance(error, errors.InsufficientPrivilege):
            return FatalError(f"the writer's account may not write ({named}); GRANT drukte_writer TO it")
        return FatalError(f"database: {named}; this is a bug of the writer")
