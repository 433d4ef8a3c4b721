# SPDX-License-Identifier: Apache-2.0
"""What the database is: sessions, its edition, migrations and retention.

TimescaleDB in both editions and plain PostgreSQL differ only here and in infra/migrations.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import as_file, files
from pathlib import Path
from typing import TYPE_CHECKING, Any, LiteralString

import psycopg
from psycopg import errors, sql
from psycopg.rows import TupleRow

from schemas.errors import FatalError, TransientError
from schemas.live import LiveTable

if TYPE_CHECKING:  # what reads migrations is loaded by those who ask for them
    from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend

Connection = psycopg.Connection[TupleRow]

CONNECT_TIMEOUT_S = 10
_DROP_CHUNKS = """
SELECT drop_chunks(%(table)s::regclass, older_than => now() - %(hours)s * interval '1 hour')"""
_DELETE_CONTEXT = """
DELETE FROM live.context
WHERE CASE WHEN ended THEN changed_at ELSE ends_at END < now() - %(hours)s * interval '1 hour'"""
_DELETE_ROWS = "DELETE FROM {} WHERE window_start < now() - %(hours)s * interval '1 hour'"
_DELETE_OTHERS: tuple[LiteralString, ...] = (
    "DELETE FROM engine.sensor_day WHERE day < now() - interval '2 years'",
    "DELETE FROM engine.refusal_day WHERE day < now() - interval '2 years'",
    "DELETE FROM engine.integrity WHERE until_at < now() - interval '2 years'",
    "DELETE FROM privacy.access WHERE at < now() - interval '2 years'",
    # They may name people: a stamp in the future keeps them no longer.
    "DELETE FROM live.note WHERE least(at, written_at) < now() - interval '7 days'",
)
# One number for all of Drukte's migrations: two runs at once wait for each other.
_MIGRATION_LOCK = 0x6472756B7465


class Edition(StrEnum):
    """What kind of database it is."""

    PLAIN = "PostgreSQL"
    APACHE = "TimescaleDB, Apache edition"
    COMMUNITY = "TimescaleDB, Community edition"


@dataclass(frozen=True, slots=True)
class Migrations:
    """Names of the numbered migrations, in their order."""

    applied: list[str]
    pending: list[str]


def connect(uri: str, application: str = "drukte") -> Connection:
    """Open a session in autocommit mode; transactions are opened by `with connection.transaction()`.

    Parameters
    ----------
    uri : str
        As libpq reads it.
    application : str
        Shown in the server's list of sessions.

    Raises
    ------
    TransientError
        The database does not answer or lets this account not in; the text never holds the password.
    FatalError
        `uri` is not a connection string.
    """
    try:
        return psycopg.connect(
            uri, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S, application_name=application,
            # A dead peer is noticed within a minute, not after hours.
            keepalives_idle=20, keepalives_interval=10, keepalives_count=3,
        )
    except psycopg.OperationalError as error:
        raise TransientError(f"database: {_one_line(error)}; is it up, and [database] uri right?") from None
    except psycopg.ProgrammingError:
        # libpq's own text repeats the string, and with it the password.
        raise FatalError("[database] uri is not a connection string of PostgreSQL; mend it") from None


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())


def has_timescale(connection: Connection) -> bool:
    """Whether the TimescaleDB extension is in this database."""
    asked = "SELECT EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb')"
    return bool(_value(connection, asked))


def _value(connection: Connection, query: LiteralString) -> Any:
    row = connection.execute(query).fetchone()
    return None if row is None else row[0]


def create_timescale(connection: Connection) -> bool:
    """Add the extension where the server has it and this account may; whether it is there now.

    The server must have loaded the library at its start (`shared_preload_libraries`): without it the
    attempt ends the session, so that is asked first.
    """
    if has_timescale(connection):
        return True
    try:
        preloaded = "timescaledb" in str(_value(connection, "SHOW shared_preload_libraries"))
        if not preloaded:
            return False
        connection.execute("CREATE EXTENSION IF NOT EXISTS timescaledb WITH SCHEMA public")
    except (errors.InsufficientPrivilege, errors.UndefinedFile, errors.FeatureNotSupported):
        return False
    return True


def supports_columnstore(connection: Connection) -> bool:
    """Whether chunks can be compressed: the Community edition's library is loaded.

    The wanted call itself is tried, on a table that is never committed, and 0A000 of that call alone means
    no: other statements give 0A000 for other reasons.
    """
    with connection.transaction(force_rollback=True):
        connection.execute("CREATE SCHEMA drukte_probe")
        connection.execute("CREATE TABLE drukte_probe.chunked (at timestamptz NOT NULL)")
        connection.execute("SELECT create_hypertable('drukte_probe.chunked', by_range('at'))")
        try:
            with connection.transaction():
                connection.execute("ALTER TABLE drukte_probe.chunked SET (timescaledb.compress)")
        except errors.FeatureNotSupported:
            return False
    return True


def edition(connection: Connection) -> Edition:
    """Which of the three kinds of database this is."""
    if not has_timescale(connection):
        return Edition.PLAIN
    return Edition.COMMUNITY if supports_columnstore(connection) else Edition.APACHE


def drop_live_older_than(connection: Connection, hours: float) -> int:
    """Drop live windows that began more than `hours` before the server's now; how many pieces went.

    Pieces are whole chunks on TimescaleDB (a chunk goes when all of it is older) and rows on PostgreSQL.
    """
    in_chunks = has_timescale(connection)
    dropped = 0
    for table in LiveTable:
        values = {"table": f"live.{table}", "hours": hours}
        if in_chunks:
            dropped += connection.execute(_DROP_CHUNKS, values).rowcount
        else:
            query = sql.SQL(_DELETE_ROWS).format(sql.Identifier("live", table))
            dropped += connection.execute(query, values).rowcount
    dropped += connection.execute(_DELETE_CONTEXT, {"hours": hours}).rowcount
    dropped += connection.execute(
        "DELETE FROM live.sensor_health WHERE at < now() - %s * interval '1 hour'", (hours,)).rowcount
    for statement in _DELETE_OTHERS:
        dropped += connection.execute(statement).rowcount
    query = sql.SQL(_DELETE_ROWS).format(sql.Identifier("live", "sighting"))
    return dropped + connection.execute(query, {"hours": hours}).rowcount


def drop_alerts_older_than(connection: Connection, days: float) -> int:
    """Delete alerts, their transitions and deliveries, and outcomes of commands older than `days`; how many rows."""
    deleted = 0
    with connection.transaction():
        for table, stamp in (
            ("transition", "at"), ("alert", "at"), ("command_outcome", "at"), ("delivery", "done_at"),
        ):
            query = sql.SQL("DELETE FROM {} WHERE {} < now() - %s * interval '1 day'").format(
                sql.Identifier("live", table), sql.Identifier(stamp)
            )
            deleted += connection.execute(query, (days,)).rowcount
    return deleted


def declare_restore(connection: Connection) -> tuple[int, int]:
    """Note that this database was put back from a backup; the next start of a writer handles it.

    Returns
    -------
    tuple of int
        The restore's number (of the one that waits already, if there is one) and how many batches are published.
    """
    with connection.transaction():
        connection.execute("LOCK TABLE privacy.restore IN SHARE ROW EXCLUSIVE MODE")
        number = _value(connection, "SELECT max(id) FROM privacy.restore WHERE handled_at IS NULL")
        if number is None:
            number = _value(connection, "INSERT INTO privacy.restore (cause) VALUES ('declared') RETURNING id")
        return number, _value(connection, "SELECT count(*) FROM privacy.ledger")


@contextmanager
def _migrations_folder() -> Iterator[Path]:
    with as_file(files("infra") / "migrations") as folder:
        yield folder


@contextmanager
def _backend(uri: str) -> "Iterator[PostgresqlPsycopgBackend]":
    from yoyo.backends.core.postgresql import PostgresqlPsycopgBackend
    from yoyo.connections import DatabaseURI
    from yoyo.migrations import default_migration_table
    # Handed over whole as libpq's connection string: yoyo's own reading of addresses knows fewer forms.
    address = DatabaseURI("postgresql", None, None, None, None, None, {"conninfo": uri})
    with PostgresqlPsycopgBackend(address, default_migration_table) as backend:
        backend.init_database()
        yield backend


def migrate(uri: str, *, timescale: bool = True) -> list[str]:
    """Bring the database to the newest version; does nothing when it is there already.

    Parameters
    ----------
    uri : str
        Of an account that owns the database (or may create in it).
    timescale : bool
        Whether to add the TimescaleDB extension where the server has it. Asked only before the first
        migration: later it would leave plain tables beside the extension.

    Returns
    -------
    list of str
        Names of the migrations that were applied now.

    Raises
    ------
    TransientError
        The database does not answer.
    FatalError
        A migration failed; it was rolled back whole, the ones before it stand.
    """
    from yoyo import read_migrations
    with connect(uri, "drukte migrate") as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", (_MIGRATION_LOCK,))
        is_new = _value(connection, "SELECT to_regclass('live.zone_minute') IS NULL")
        if timescale and is_new:
            create_timescale(connection)
        with _backend(uri) as backend, _migrations_folder() as folder:
            # Ours is the lock; a row in yoyo's own table can only stem from a run that was killed.
            backend.break_lock()
            wanted = backend.to_apply(read_migrations(str(folder)))
            names = [migration.id for migration in wanted]
            try:
                with backend.lock():
                    backend.apply_migrations(wanted)
            except psycopg.Error as error:
                raise FatalError(f"migration failed ({_one_line(error)}); nothing of it stands") from None
    return names


def migration_status(uri: str) -> Migrations:
    """Which migrations the database has and lacks; changes nothing but yoyo's own tables."""
    from yoyo import read_migrations
    connect(uri).close()
    with _backend(uri) as backend, _migrations_folder() as folder:
        known = read_migrations(str(folder))
        pending = [migration.id for migration in backend.to_apply(known)]
        applied = [migration.id for migration in known if migration.id not in pending]
    return Migrations(sorted(applied), sorted(pending))
