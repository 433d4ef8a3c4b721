# SPDX-License-Identifier: Apache-2.0
"""SQL of the release: cells, their sums, the ledger's chain. Each function is a step within the caller's transaction.

No statement and no parameter holds an exact value about people: what comes here is drawn already.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from psycopg import sql

from schemas.errors import RefusedError
from schemas.ledger import FIRST_HASH, Released, grid_of
from schemas.refusal import Reason
from schemas.seal import Seal
from streams.core.release import MEASURES, PLACES, POLICY_VERSION, Grid, protection
from streams.storage import Connection
from streams.writer.packed import Kind, packed_numbers, packed_texts, take_packed

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LONGEST_GRAIN = timedelta(hours=6)
RESTORE_LOCK = 0x6472756B7472
"""Releases share it, the handling of a restore holds it alone."""
_SPANS_S = {"hour": 3_600, "day": 86_400}
_SPEED = next(measure.name for metric, measure in MEASURES.items() if metric.key == "speed")
_OFFSET = """
INSERT INTO engine.writer_offset AS existing (topic, partition, next_offset) VALUES (%s, %s, %s)
ON CONFLICT (topic, partition) DO UPDATE SET next_offset = EXCLUDED.next_offset
WHERE existing.next_offset < EXCLUDED.next_offset"""
_UNNEST = "unnest(%(place)b::int4[], %(vehicle_class)b::text[], %(metric)b::text[])"
# A value that is missing comes as NaN.
_NEW = """(
    SELECT place, vehicle_class, metric, nullif(value, 'NaN') AS value, weight, coverage, status FROM unnest(
        %(place)b::int4[], %(vehicle_class)b::text[], %(metric)b::text[], %(value)b::float8[], %(weight)b::float8[],
        %(coverage)b::float4[], %(status)b::text[]
    ) AS given(place, vehicle_class, metric, value, weight, coverage, status)
) AS new"""
_OVERLAPS = f"""
SELECT EXISTS (
    SELECT FROM {_UNNEST} AS new(place, vehicle_class, metric)
    JOIN research.cell AS old ON old.kind = %(kind)s AND old.place = new.place
        AND old.vehicle_class = new.vehicle_class AND old.metric = new.metric
        AND old.start > %(start)s - %(longest)s AND old.start < %(end)s
    WHERE old.start + old.grain_s * interval '1 second' > %(start)s
        AND (old.start, old.grain_s) <> (%(start)s, %(grain_s)s)
)"""  # noqa: S608  no text of others
_INSERT_CELLS = f"""
INSERT INTO research.cell AS existing (
    kind, place, vehicle_class, metric, start, grain_s, value, weight, coverage, status, sd, public_source,
    policy_version, batch, zone_map
)
SELECT %(kind)s, place, vehicle_class, metric, %(start)s, %(grain_s)s, value, weight, coverage, status,
    CASE WHEN value IS NOT NULL THEN %(sd)s::float8 END, %(public_source)s, %(policy_version)s, %(batch)s, %(zone_map)s
FROM {_NEW}"""  # noqa: S608  no text of others
_FIRST_PART = sql.SQL(_INSERT_CELLS)
_LATER_PART = sql.SQL(_INSERT_CELLS + """
WHERE value IS NOT NULL
ON CONFLICT (kind, place, vehicle_class, metric, start) DO UPDATE SET
    value = EXCLUDED.value, weight = EXCLUDED.weight, coverage = EXCLUDED.coverage, status = EXCLUDED.status,
    sd = EXCLUDED.sd, batch = EXCLUDED.batch, policy_version = EXCLUDED.policy_version
WHERE existing.value IS NULL AND existing.grain_s = EXCLUDED.grain_s""")
_ONLY_MISSING = sql.SQL(_INSERT_CELLS + " ON CONFLICT (kind, place, vehicle_class, metric, start) DO NOTHING")
_ADD = """
INSERT INTO research.{table} AS existing (
    kind, place, vehicle_class, metric, start, total, weight, covered_s, variance, n_cells, public_source
)
SELECT %(kind)s, place, vehicle_class, metric, %(begin)s,
    CASE WHEN metric = %(speed)s THEN value::numeric * weight::numeric ELSE value::numeric END,
    weight::numeric, coverage::numeric * %(grain_s)s, %(sd)s::numeric * %(sd)s::numeric, 1, %(public_source)s
FROM {new}
WHERE value IS NOT NULL
ON CONFLICT (kind, place, vehicle_class, metric, start) DO UPDATE SET
    total = existing.total + EXCLUDED.total, weight = existing.weight + EXCLUDED.weight,
    covered_s = existing.covered_s + EXCLUDED.covered_s, variance = existing.variance + EXCLUDED.variance,
    n_cells = existing.n_cells + EXCLUDED.n_cells"""
_ADD_TO = {table: sql.SQL(_ADD.format(table=table, new=_NEW)) for table in _SPANS_S}
LEDGER_COLUMNS = tuple(described.name.removesuffix("_us") for described in msgspec.structs.fields(Released))
_LEDGER_ROW = sql.SQL("INSERT INTO privacy.ledger ({}) VALUES ({})").format(
    sql.SQL(", ").join(map(sql.Identifier, LEDGER_COLUMNS)),
    sql.SQL(", ").join([sql.Placeholder()] * len(LEDGER_COLUMNS)),
)
_LEDGER_ROWS = sql.SQL(
    "SELECT {} FROM privacy.ledger WHERE partition = %s AND link > %s ORDER BY link LIMIT %s"
).format(sql.SQL(", ").join(map(sql.Identifier, LEDGER_COLUMNS)))


class Standing(StrEnum):
    """What the database says of a batch key."""

    NEW = "new"
    RELEASED = "released"
    LOST = "lost"
    """A restore took its draw away: never drawn again."""


@dataclass(frozen=True, slots=True)
class Head:
    """The end of a partition's chain; the topic has all links up to `announced_link`."""

    link: int
    row_hash: str
    announced_link: int


def hold_chain(connection: Connection, partition: int) -> Head:
    """Lock a chain until the transaction ends, after any restore that is being handled."""
    connection.execute("SELECT pg_advisory_xact_lock_shared(%s)", (RESTORE_LOCK,))
    connection.execute(
        "INSERT INTO privacy.chain VALUES (%s, 0, %s, 0) ON CONFLICT (partition) DO NOTHING", (partition, FIRST_HASH)
    )
    [row] = connection.execute(
        "SELECT link, row_hash, announced_link FROM privacy.chain WHERE partition = %s FOR UPDATE", (partition,)
    ).fetchall()
    return Head(*row)


def restore_is_pending(connection: Connection) -> bool:
    """Whether a restore was declared that no writer has handled yet."""
    [row] = connection.execute("SELECT EXISTS (SELECT FROM privacy.restore WHERE handled_at IS NULL)").fetchall()
    return bool(row[0])


def standing(connection: Connection, batch_key: str) -> Standing:
    """What may be done with a batch. Where one part of a grid was lost, no other part of it is drawn either."""
    [(is_lost, is_released)] = connection.execute(
        "SELECT EXISTS (SELECT FROM privacy.lost_batch WHERE grid = %s), "
        "EXISTS (SELECT FROM privacy.ledger WHERE batch_key = %s)", (grid_of(batch_key), batch_key),
    ).fetchall()
    if is_lost:
        return Standing.LOST
    return Standing.RELEASED if is_released else Standing.NEW


def _columns(seal: Seal, grid: Grid, values: npt.NDArray[np.float64]) -> dict[str, Any]:
    protected = protection(seal.group, seal.grain_s)
    start = EPOCH + timedelta(microseconds=seal.start_us)
    return {
        "kind": str(PLACES[seal.group]), "start": start, "end": start + timedelta(seconds=seal.grain_s),
        "longest": LONGEST_GRAIN, "grain_s": seal.grain_s, "sd": float(protected.sigma),
        "public_source": protected.public_source, "policy_version": POLICY_VERSION, "batch": seal.batch_key,
        "zone_map": seal.zone_map, "speed": _SPEED,
        "place": packed_numbers(grid.place, Kind.INT4), "vehicle_class": packed_texts(grid.vehicle_class),
        "metric": packed_texts(grid.metric), "value": packed_numbers(values, Kind.FLOAT8),
        "weight": packed_numbers(grid.weight, Kind.FLOAT8), "coverage": packed_numbers(grid.coverage, Kind.FLOAT4),
        "status": packed_texts(grid.statuses()),
    }


def insert_cells(connection: Connection, seal: Seal, grid: Grid, values: npt.NDArray[np.float64]) -> None:
    """Insert a batch's cells and add them to hour and day.

    Parameters
    ----------
    connection : Connection
    seal : Seal
    grid : Grid
        Of the seal.
    values : float64 array
        What is published, NaN where the grid has no value.

    Raises
    ------
    RefusedError
        `bad-value`: a cell was published before, or overlaps one of another grain.
    """
    take_packed(connection)
    columns = _columns(seal, grid, values)
    [row] = connection.execute(_OVERLAPS, columns).fetchall()
    if row[0]:
        raise RefusedError(Reason.BAD_VALUE, f"cells of {seal.batch_key} overlap published ones of another grain")
    done = connection.execute(_LATER_PART if seal.part else _FIRST_PART, columns)
    if seal.part and done.rowcount != int(grid.known.sum()):
        raise RefusedError(Reason.BAD_VALUE, f"cells of {seal.batch_key} were published before")
    for table, span_s in _SPANS_S.items():
        if seal.grain_s <= span_s:
            begin_us = seal.start_us - seal.start_us % (span_s * 1_000_000)
            connection.execute(_ADD_TO[table], columns | {"begin": EPOCH + timedelta(microseconds=begin_us)})


def insert_missing(connection: Connection, seal: Seal, grid: Grid) -> None:
    """Insert the cells of a lost batch as missing, where there are none."""
    take_packed(connection)
    empty = np.zeros(grid.exact.shape)
    missing = Grid(grid.place, grid.vehicle_class, grid.metric, np.full(grid.exact.shape, np.nan), empty, empty)
    connection.execute(_ONLY_MISSING, _columns(seal, missing, missing.exact))


def insert_ledger_row(connection: Connection, row: Released) -> None:
    """Insert a row of the ledger; raises psycopg's `UniqueViolation` where batch or link is there."""
    connection.execute(_LEDGER_ROW, _to_sql(row))


def extend_chain(connection: Connection, row: Released) -> None:
    """Insert the next link, under the lock of `hold_chain`."""
    insert_ledger_row(connection, row)
    connection.execute(
        "UPDATE privacy.chain SET link = %s, row_hash = %s WHERE partition = %s",
        (row.link, row.row_hash, row.partition),
    )


def ledger_rows(connection: Connection, partition: int, after_link: int, most: int) -> list[Released]:
    """Up to `most` rows of a chain after a link, in order."""
    return [_from_sql(row) for row in connection.execute(_LEDGER_ROWS, (partition, after_link, most))]


def links(connection: Connection) -> dict[int, int]:
    """The last link of each chain, by partition."""
    return dict(connection.execute("SELECT partition, link FROM privacy.chain").fetchall())


def announced_link(connection: Connection, partition: int) -> int:
    """Up to which link the topic has a chain."""
    row = connection.execute("SELECT announced_link FROM privacy.chain WHERE partition = %s", (partition,)).fetchone()
    return 0 if row is None else int(row[0])


def set_announced(connection: Connection, partition: int, link: int) -> None:
    """Remember that the topic has a chain up to `link`."""
    connection.execute(
        "UPDATE privacy.chain SET announced_link = greatest(announced_link, %s) WHERE partition = %s", (link, partition)
    )


def set_offset(connection: Connection, topic: str, partition: int, following: int) -> None:
    """Remember where to go on; an offset only grows."""
    connection.execute(_OFFSET, (topic, partition, following))


def _to_sql(row: Released) -> tuple[Any, ...]:
    return tuple(
        EPOCH + timedelta(microseconds=value) if name.endswith("_us") else value
        for name, value in msgspec.structs.asdict(row).items()
    )


def _from_sql(row: tuple[Any, ...]) -> Released:
    given = {
        described.name: (value - EPOCH) // timedelta(microseconds=1) if described.name.endswith("_us") else value
        for described, value in zip(msgspec.structs.fields(Released), row, strict=True)
    }
    return Released(**given)
