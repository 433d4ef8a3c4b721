# SPDX-License-Identifier: Apache-2.0
"""SQL of the release of many batches at once; each function is a step within the caller's transaction.

No statement and no parameter holds an exact value about people: what comes here is drawn already.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from psycopg import errors, sql

from schemas.errors import RefusedError
from schemas.ledger import Released, grid_of
from schemas.moment import datetime_of
from schemas.refusal import Reason
from schemas.seal import Seal
from streams.core.release import (
    MEASURES,
    PLACES,
    POLICY_VERSION,
    STATUS_FINAL,
    STATUS_MISSING,
    Grid,
    protection,
)
from streams.storage import Connection
from streams.writer.packed import Kind, packed_numbers, take_packed
from streams.writer.release_tables import EPOCH, LEDGER_COLUMNS, LONGEST_GRAIN

SECOND_US = 1_000_000
HOUR_S, DAY_S = 3_600, 86_400
Key = tuple[str, int, str, str]
"""Kind, place, vehicle class and metric."""
_SPEED = next(measure.name for metric, measure in MEASURES.items() if metric.key == "speed")
_BATCH = """
batch AS MATERIALIZED (
    SELECT *, sd::numeric * sd::numeric AS variance FROM unnest(
        %(number)b::int4[], %(kind)b::text[], %(start)b::timestamptz[], %(grain_s)b::int4[], %(sd)b::float8[],
        %(public_source)b::bool[], %(batch_key)b::text[], %(zone_map)b::text[], %(hour)b::timestamptz[],
        %(day)b::timestamptz[], %(later)b::bool[], %(hour_is_new)b::bool[]
    ) AS given(number, kind, start, grain_s, sd, public_source, batch_key, zone_map, hour, day, later, hour_is_new)
)"""
# Class and metric of a cell as one number: few differ, and numbers are compared faster than texts.
_SORT = """
sort AS MATERIALIZED (
    SELECT * FROM unnest(%(sort)b::int4[], %(sort_class)b::text[], %(sort_metric)b::text[])
        AS given(sort, vehicle_class, metric)
)"""
# A value that is missing comes as NaN.
_CELL = """
cell AS MATERIALIZED (
    SELECT number, place, sort, nullif(value, 'NaN') AS value, weight, coverage FROM unnest(
        %(cell_number)b::int4[], %(place)b::int4[], %(cell_sort)b::int4[], %(value)b::float8[],
        %(weight)b::float8[], %(coverage)b::float4[]
    ) AS given(number, place, sort, value, weight, coverage)
)"""
# A missing cell gives way to a first value, a published one never.
_CELLS_DONE = """
cells_done AS (
    INSERT INTO research.cell AS existing (
        kind, place, vehicle_class, metric, start, grain_s, value, weight, coverage, status, sd, public_source,
        policy_version, batch, zone_map
    )
    SELECT kind, place, vehicle_class, metric, start, grain_s, value, weight, coverage,
        CASE WHEN value IS NULL THEN %(missing)s ELSE %(final)s END, CASE WHEN value IS NOT NULL THEN sd END,
        public_source, %(policy_version)s, batch_key, zone_map
    FROM cell JOIN batch USING (number) JOIN sort USING (sort) WHERE value IS NOT NULL OR NOT later
    /* where a cell is there */ RETURNING 1
)"""
# Numbers become numeric once, for both tables: that costs as much as adding them up. No sum hangs on the order.
_PARTS = f"""
parts AS MATERIALIZED (
    SELECT place, sort, hour, day, kind, grain_s <= {HOUR_S} AS in_hour, hour_is_new,
        sum(CASE WHEN sort = ANY(%(speeds)b::int4[]) THEN value::numeric * weight::numeric ELSE value::numeric END)
            AS total,
        sum(weight::numeric) AS weight, sum(coverage::numeric * grain_s) AS covered_s, sum(variance) AS variance,
        count(*) AS n_cells, bool_and(public_source) AS public_source
    FROM cell JOIN batch USING (number) WHERE value IS NOT NULL
    GROUP BY place, sort, hour, day, kind, grain_s <= {HOUR_S}, hour_is_new
)"""  # noqa: S608  # no text of others
_SUMS = """
{table}_{name} AS (
    INSERT INTO research.{table} AS existing (
        kind, place, vehicle_class, metric, start, total, weight, covered_s, variance, n_cells, public_source
    )
    SELECT kind, place, vehicle_class, metric, start, total, weight, covered_s, variance, n_cells, public_source
    FROM (
        SELECT kind, place, sort, {table} AS start, sum(total) AS total, sum(weight) AS weight,
            sum(covered_s) AS covered_s, sum(variance) AS variance, sum(n_cells) AS n_cells,
            bool_and(public_source) AS public_source
        FROM parts WHERE {which} GROUP BY kind, place, sort, {table}
    ) AS sums JOIN sort USING (sort){where_one_is_there}
)"""
_ADD = """
    ON CONFLICT (kind, place, vehicle_class, metric, start) DO UPDATE SET
        total = existing.total + EXCLUDED.total, weight = existing.weight + EXCLUDED.weight,
        covered_s = existing.covered_s + EXCLUDED.covered_s, variance = existing.variance + EXCLUDED.variance,
        n_cells = existing.n_cells + EXCLUDED.n_cells"""
# To look for each row before it is written takes as long as writing it: not done where none can be there, which are
# the hours that have no cell yet, and the cells of first parts.
_INSERT = ", ".join((  # noqa: S608  # no text of others
    f"WITH {_BATCH}", _SORT, _CELL, _CELLS_DONE, _PARTS,
    _SUMS.format(table="hour", name="begun", which="in_hour AND hour_is_new", where_one_is_there=""),
    _SUMS.format(table="hour", name="added", which="in_hour AND NOT hour_is_new", where_one_is_there=_ADD),
    _SUMS.format(table="day", name="added", which="true", where_one_is_there=_ADD),
)) + " SELECT count(*) FROM cells_done"
_FILL = """
    ON CONFLICT (kind, place, vehicle_class, metric, start) DO UPDATE SET
        value = EXCLUDED.value, weight = EXCLUDED.weight, coverage = EXCLUDED.coverage, status = EXCLUDED.status,
        sd = EXCLUDED.sd, batch = EXCLUDED.batch, policy_version = EXCLUDED.policy_version
    WHERE existing.value IS NULL AND EXCLUDED.value IS NOT NULL AND existing.grain_s = EXCLUDED.grain_s"""
_INSERT_FIRST = sql.SQL(_INSERT)
_INSERT_ANY = sql.SQL(_INSERT.replace("/* where a cell is there */", _FILL))
_ROOM = "SET LOCAL work_mem = '64MB'"
"""For cells and sums of one statement, until the transaction ends; what does not fit goes to disk."""
_EXISTING = """
SELECT kind, place, vehicle_class, metric, start, grain_s, value IS NULL FROM research.cell
WHERE start > %(first)s - %(longest)s AND start < %(end)s AND start + grain_s * interval '1 second' > %(first)s
    AND kind = ANY(%(kinds)s) AND place = ANY(%(places)s)"""
_LEDGER_ROWS = sql.SQL("INSERT INTO privacy.ledger ({}) VALUES ({})").format(
    sql.SQL(", ").join(map(sql.Identifier, LEDGER_COLUMNS)),
    sql.SQL(", ").join([sql.Placeholder()] * len(LEDGER_COLUMNS)),
)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A batch with what is published of it; `values` is NaN where the grid has no value."""

    seal: Seal
    grid: Grid
    values: npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Standings:
    """Which of some batch keys are released, and which grids a restore took away."""

    released: frozenset[str]
    lost_grids: frozenset[str]


@dataclass(frozen=True, slots=True)
class Row:
    """A cell of the database, without its value."""

    start_us: int
    grain_s: int
    is_missing: bool

    def overlaps(self, start_us: int, grain_s: int) -> bool:
        """Whether it shares time with a grain."""
        return self.start_us < start_us + grain_s * SECOND_US and start_us < self.start_us + self.grain_s * SECOND_US


@dataclass(slots=True)
class Existing:
    """Cells that are there already, by key."""

    rows: dict[Key, list[Row]] = field(default_factory=dict)
    times: set[tuple[int, int]] = field(default_factory=set)

    def add(self, key: Key, row: Row) -> None:
        """Note a cell."""
        self.rows.setdefault(key, []).append(row)
        self.times.add((row.start_us, row.grain_s))

    def any_within(self, start_us: int, grain_s: int) -> bool:
        """Whether any cell shares time with a grain."""
        return any(Row(*time, is_missing=False).overlaps(start_us, grain_s) for time in self.times)

    def overlapping(self, key: Key, start_us: int, grain_s: int) -> list[Row]:
        """The cells of a key that share time with a grain."""
        return [row for row in self.rows.get(key, []) if row.overlaps(start_us, grain_s)]


def standings(connection: Connection, batch_keys: Sequence[str]) -> Standings:
    """What the database says of batches."""
    keys, grids = list(batch_keys), sorted({grid_of(key) for key in batch_keys})
    released = connection.execute("SELECT batch_key FROM privacy.ledger WHERE batch_key = ANY(%s)", (keys,)).fetchall()
    lost = connection.execute("SELECT grid FROM privacy.lost_batch WHERE grid = ANY(%s)", (grids,)).fetchall()
    return Standings(frozenset(key for (key,) in released), frozenset(grid for (grid,) in lost))


def next_part(connection: Connection, grid: str, most: int) -> int | None:
    """The first part above 0 that the ledger does not have of a grid; None where `most` are taken."""
    keys = [f"{grid}/{part}" for part in range(1, most)]
    taken = {key for (key,) in connection.execute(
        "SELECT batch_key FROM privacy.ledger WHERE batch_key = ANY(%s)", (keys,)).fetchall()}
    return next((part for part, key in enumerate(keys, start=1) if key not in taken), None)


def existing(connection: Connection, given: Sequence[tuple[Seal, Grid]]) -> Existing:
    """The cells of the batches' places that share time with any of them, or an hour."""
    found = Existing()
    if not given:
        return found
    first_us = min(_hour_us(seal) for seal, _ in given)
    end_us = max(seal.start_us + max(seal.grain_s, HOUR_S) * SECOND_US for seal, _ in given)
    rows = connection.execute(_EXISTING, {
        "first": datetime_of(first_us), "end": datetime_of(end_us), "longest": LONGEST_GRAIN,
        "kinds": sorted({str(PLACES[seal.group]) for seal, _ in given}),
        "places": sorted({place for _, grid in given for place in grid.place.tolist()}),
    }).fetchall()
    for *key, start, grain_s, is_missing in rows:
        kind, place, vehicle_class, metric = key
        start_us = (start - EPOCH) // timedelta(microseconds=1)
        found.add((kind, place, vehicle_class, metric), Row(start_us, grain_s, is_missing))
    return found


def insert_cells(connection: Connection, drawn: Sequence[Drawn], there: Existing) -> None:
    """Insert the cells of batches and add them to hour and day.

    Parameters
    ----------
    connection : Connection
    drawn : sequence of Drawn
    there : Existing
        What `existing` found for these batches, under the lock of their chain; told here of their times.

    Raises
    ------
    RefusedError
        `bad-value`: a cell was published before.
    """
    if not drawn:
        return
    take_packed(connection)
    connection.execute(_ROOM)
    statement = _INSERT_ANY if any(one.seal.part for one in drawn) else _INSERT_FIRST
    try:
        [(done,)] = connection.execute(statement, _batch_columns(drawn, there) | _cell_columns(drawn)).fetchall()
    except errors.UniqueViolation:
        raise RefusedError(Reason.BAD_VALUE, "cells of the batches were published before") from None
    wanted = sum(int(one.grid.known.sum()) if one.seal.part else len(one.grid.metric) for one in drawn)
    if done != wanted:
        raise RefusedError(Reason.BAD_VALUE, f"{wanted - done} cells of the batches were published before")
    there.times.update((one.seal.start_us, one.seal.grain_s) for one in drawn)


def extend_chain(connection: Connection, rows: Sequence[Released]) -> None:
    """Insert the next links of one chain, under the lock of `streams.writer.release_tables.hold_chain`."""
    if not rows:
        return
    with connection.cursor() as cursor:
        cursor.executemany(_LEDGER_ROWS, [_to_sql(row) for row in rows])
    last = rows[-1]
    connection.execute(
        "UPDATE privacy.chain SET link = %s, row_hash = %s WHERE partition = %s",
        (last.link, last.row_hash, last.partition))


def _hour_us(seal: Seal) -> int:
    return seal.start_us - seal.start_us % (HOUR_S * SECOND_US)


def _batch_columns(drawn: Sequence[Drawn], there: Existing) -> dict[str, Any]:
    seals = [one.seal for one in drawn]
    protected = [protection(seal.group, seal.grain_s) for seal in seals]
    hours_us = [_hour_us(seal) for seal in seals]
    is_new = {hour_us: not there.any_within(hour_us, HOUR_S) for hour_us in set(hours_us)}
    return {
        "number": list(range(len(seals))), "kind": [str(PLACES[seal.group]) for seal in seals],
        "start": [datetime_of(seal.start_us) for seal in seals], "grain_s": [seal.grain_s for seal in seals],
        "sd": [float(one.sigma) for one in protected], "public_source": [one.public_source for one in protected],
        "batch_key": [seal.batch_key for seal in seals], "zone_map": [seal.zone_map for seal in seals],
        "hour": [datetime_of(hour_us) for hour_us in hours_us],
        "day": [datetime_of(seal.start_us - seal.start_us % (DAY_S * SECOND_US)) for seal in seals],
        "later": [seal.part > 0 for seal in seals], "hour_is_new": [is_new[hour_us] for hour_us in hours_us],
        "policy_version": POLICY_VERSION, "final": STATUS_FINAL, "missing": STATUS_MISSING,
    }


def _cell_columns(drawn: Sequence[Drawn]) -> dict[str, Any]:
    grids = [one.grid for one in drawn]
    numbers = np.repeat(np.arange(len(drawn)), [len(grid.metric) for grid in grids])
    sorts: dict[tuple[str, str], int] = {}
    cell_sort = [sorts.setdefault(pair, len(sorts))
                 for grid in grids for pair in zip(grid.vehicle_class, grid.metric, strict=True)]
    return {
        "sort": list(sorts.values()), "sort_class": [vehicle_class for vehicle_class, _ in sorts],
        "sort_metric": [metric for _, metric in sorts],
        "speeds": [number for (_, metric), number in sorts.items() if metric == _SPEED],
        "cell_number": packed_numbers(numbers, Kind.INT4),
        "place": packed_numbers(np.concatenate([grid.place for grid in grids]), Kind.INT4),
        "cell_sort": packed_numbers(cell_sort, Kind.INT4),
        "value": packed_numbers(np.concatenate([one.values for one in drawn]), Kind.FLOAT8),
        "weight": packed_numbers(np.concatenate([grid.weight for grid in grids]), Kind.FLOAT8),
        "coverage": packed_numbers(np.concatenate([grid.coverage for grid in grids]), Kind.FLOAT4),
    }


def _to_sql(row: Released) -> tuple[Any, ...]:
    return tuple(
        datetime_of(value) if name.endswith("_us") else value for name, value in msgspec.structs.asdict(row).items())
