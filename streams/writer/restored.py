# SPDX-License-Identifier: Apache-2.0
"""At a writer's start: was the database put back from a backup? Topic `ledger` remembers what it forgot.

A draw that was published and then lost must not be followed by a second one: two draws of one cell tell more than
one. So ledger rows come back from the topic, and what they stood for is missing for ever.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import structlog
from psycopg import errors

from schemas.errors import FatalError
from schemas.ledger import Intent, Released, grid_of
from schemas.log import Topic
from streams.storage import Connection
from streams.writer import release_tables as tables
from streams.writer.database import Database
from streams.writer.ledger_topic import PARTITION, LedgerTopic

log = structlog.get_logger(__name__)

_HEADS = """
INSERT INTO privacy.chain AS existing (partition, link, row_hash, announced_link)
SELECT DISTINCT ON (partition) partition, link, row_hash, 0 FROM privacy.ledger ORDER BY partition, link DESC
ON CONFLICT (partition) DO UPDATE SET link = EXCLUDED.link, row_hash = EXCLUDED.row_hash"""
_BROKEN_LINKS = """
SELECT count(*) FROM privacy.ledger AS row
LEFT JOIN privacy.ledger AS before ON before.partition = row.partition AND before.link = row.link - 1
WHERE row.previous_hash IS DISTINCT FROM coalesce(before.row_hash, CASE row.link WHEN 1 THEN repeat('0', 64) END)"""


@dataclass(frozen=True, slots=True)
class Restored:
    """A restore that was handled.

    Parameters
    ----------
    rows : int
        Ledger rows that came back from the topic.
    lost : int
        Batches that will never be drawn again.
    """

    rows: int
    lost: int


def reconcile(database: Database, ledger: LedgerTopic) -> Restored | None:
    """Compare the database with the topic from where they were last compared; handle a restore if there was one.

    Returns
    -------
    Restored or None
        None: nothing was lost.

    Raises
    ------
    TransientError
        Database or broker is away.
    FatalError
        Topic and database contradict each other, or a record cannot be read.
    """
    low, high = ledger.limits()
    with database.session() as connection:
        stored = _compared_up_to(connection)
        pending = tables.restore_is_pending(connection)
        if stored is not None and stored > high:
            log.error("ledger topic was made anew", stored=stored, end=high, what="its rows are appended again")
            _forget_topic(connection, low)
            stored = low
        is_lacking = any(
            _lacking(connection, _released(piece)) for piece in ledger.read(max(stored or low, low), high)
        )
    restored = restore(database, ledger) if pending or is_lacking else None
    with database.session() as connection:
        tables.set_offset(connection, Topic.LEDGER, PARTITION, high)
    return restored


def restore(database: Database, ledger: LedgerTopic) -> Restored:
    """Take the ledger back from the topic, all of it or nothing; other writers wait meanwhile."""
    with database.session() as connection, connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (tables.RESTORE_LOCK,))
        number = _restore_number(connection)
        rows = lost = 0
        for piece in ledger.read(*ledger.limits()):
            lacking = _lacking(connection, _released(piece))
            _take_back(connection, lacking)
            keys = {record.batch_key for record in piece if isinstance(record, Intent)}
            lost += _mark_lost(connection, number, {row.batch_key for row in lacking}, keys)
            rows += len(lacking)
        connection.execute(_HEADS)
        [(broken,)] = connection.execute(_BROKEN_LINKS).fetchall()
        connection.execute(
            "UPDATE privacy.restore SET handled_at = now(), lost_batches = %s WHERE handled_at IS NULL", (lost,)
        )
    if broken:
        log.error("ledger has broken links", links=broken, what="show it to the privacy officer")
    log.warning("database was restored", ledger_rows=rows, lost_batches=lost, what="what is lost stays missing")
    return Restored(rows, lost)


def _compared_up_to(connection: Connection) -> int | None:
    row = connection.execute(
        "SELECT next_offset FROM engine.writer_offset WHERE topic = %s AND partition = %s", (Topic.LEDGER, PARTITION)
    ).fetchone()
    return None if row is None else int(row[0])


def _forget_topic(connection: Connection, low: int) -> None:
    with connection.transaction():
        connection.execute("UPDATE privacy.chain SET announced_link = 0")
        connection.execute(
            "UPDATE engine.writer_offset SET next_offset = %s WHERE topic = %s AND partition = %s",
            (low, Topic.LEDGER, PARTITION),
        )


def _released(piece: Iterable[Intent | Released]) -> dict[str, Released]:
    return {record.batch_key: record for record in piece if isinstance(record, Released)}


def _lacking(connection: Connection, rows: dict[str, Released]) -> list[Released]:
    """Rows that the database does not have; raises `FatalError` where it has another one for the same batch."""
    found = connection.execute(
        "SELECT batch_key, row_hash FROM privacy.ledger WHERE batch_key = ANY(%s)", (list(rows),)
    ).fetchall()
    for batch_key, row_hash in found:
        if rows[batch_key].row_hash != row_hash:
            raise _contradiction(f"batch {batch_key} has two rows")
    known = {batch_key for batch_key, _ in found}
    return [row for batch_key, row in rows.items() if batch_key not in known]


def _take_back(connection: Connection, rows: Sequence[Released]) -> None:
    try:
        for row in rows:
            tables.insert_ledger_row(connection, row)
    except errors.UniqueViolation:
        raise _contradiction("a link of a chain has two rows") from None


def _mark_lost(connection: Connection, number: int, released: set[str], intended: set[str]) -> int:
    """Batches whose row came back, and intents that no row of the database answers."""
    answered = {batch_key for (batch_key,) in connection.execute(
        "SELECT batch_key FROM privacy.ledger WHERE batch_key = ANY(%s)", (list(intended),)
    )}
    lost = sorted(released | (intended - answered))
    done = connection.execute(
        "INSERT INTO privacy.lost_batch (batch_key, grid, restore) SELECT batch_key, grid, %s "
        "FROM unnest(%s::text[], %s::text[]) AS new(batch_key, grid) ON CONFLICT (batch_key) DO NOTHING",
        (number, lost, [grid_of(key) for key in lost]),
    )
    return done.rowcount


def _restore_number(connection: Connection) -> int:
    """Of the declared restore, else of one that is found now."""
    row = connection.execute("SELECT max(id) FROM privacy.restore WHERE handled_at IS NULL").fetchone()
    if row is None or row[0] is None:
        row = connection.execute("INSERT INTO privacy.restore (cause) VALUES ('found') RETURNING id").fetchone()
    if row is None:
        raise FatalError("the database gave a restore no number; this is a bug of the writer")
    return int(row[0])


def _contradiction(what: str) -> FatalError:
    return FatalError(
        f"topic {Topic.LEDGER} and privacy.ledger contradict each other: {what}. Nothing is released until a person "
        "has looked; docs/operate.md says how"
    )
