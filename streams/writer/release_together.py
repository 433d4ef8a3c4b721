# SPDX-License-Identifier: Apache-2.0
"""The release of many batches in one transaction, for the back-fill: the rules of `streams.writer.release`.

What is published stands. Of a batch that is known only those cells are released that were missing until now, as a
part of their own: new, not a revision. The order is the same: intents to the topic, then draw, cells, sums and
ledger rows in one transaction, then `released` to the topic. No offset moves. While the database writes the cells of
some batches the noise of the next ones is drawn.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from enum import StrEnum

import msgspec
import numpy as np
import pyarrow as pa

from schemas.errors import FatalError
from schemas.ledger import Intent, Released, grid_of
from schemas.seal import Seal
from streams.clock import wall_us
from streams.core.release import PLACES, Grid, checked_grid, protection
from streams.research.noise import published_values
from streams.storage import Connection
from streams.writer import release_bulk, release_tables
from streams.writer.database import Database
from streams.writer.ledger_topic import LedgerTopic
from streams.writer.release import Release, ledger_row
from streams.writer.release_bulk import Drawn, Existing

PIECE_CELLS = 7_500
"""About so many cells are written by one statement, while the noise of the next ones is drawn: that takes as long."""
MOST_PARTS = 32
"""Of one grid: nobody back-fills the same quarter hour more often."""


class Outcome(StrEnum):
    """What became of a sealed batch."""

    RELEASED = "released"
    """New: drawn now, whole."""
    LATER_PART = "later-part"
    """Known: cells that were missing are drawn now."""
    KNOWN = "known"
    """Nothing of it is new."""
    LOST = "lost"
    """A restore took its draw away: missing for ever."""


@dataclass(slots=True)
class Together:
    """What became of batches, and how many cells with a value were published."""

    batches: Counter[Outcome] = field(default_factory=Counter)
    cells: int = 0

    def add(self, other: "Together") -> None:
        """Add another's counts."""
        self.batches.update(other.batches)
        self.cells += other.cells


class BulkRelease:
    """Releases batches of one partition together.

    Parameters
    ----------
    database : Database
    ledger : LedgerTopic
    release : Release
        Begun; it knows the chains.
    """

    def __init__(self, database: Database, ledger: LedgerTopic, release: Release) -> None:
        self._database = database
        self._ledger = ledger
        self._release = release

    def release(self, seals: Sequence[Seal], partition: int) -> Together:
        """Bring batches to their end; raises as `Release.release`, and then nothing of them is published."""
        with self._database.session() as connection, connection.transaction():
            head = self._release.held_head(connection, partition)
            plan = _planned(connection, seals)
            self._ledger.append([
                Intent(batch_key=seal.batch_key, partition=partition, at_us=wall_us()) for seal, _ in plan.due
            ])
            with ThreadPoolExecutor(1, "noise") as drawing:
                for drawn in drawing.map(_drawn, _pieces(plan.due)):
                    release_bulk.insert_cells(connection, drawn, plan.there)
            rows: list[Released] = []
            for seal, grid in plan.due:
                row = ledger_row(seal, grid, partition, head)
                rows.append(row)
                head = replace(head, link=row.link, row_hash=row.row_hash)
            release_bulk.extend_chain(connection, rows)
            for seal, grid in plan.lost:
                release_tables.insert_missing(connection, seal, grid)
        self._release.note_link(partition, head.link)
        if rows:
            self._release.announce(partition)
        return plan.together

    def planned(self, seals: Sequence[Seal]) -> Together:
        """What `release` would do, without doing it."""
        with self._database.session() as connection:
            return _planned(connection, seals).together


Checked = tuple[Seal, Grid]


@dataclass(frozen=True, slots=True)
class _Plan:
    """What is to be drawn of batches, which of them are lost, and the cells that are there already."""

    there: Existing
    together: Together = field(default_factory=Together)
    due: list[Checked] = field(default_factory=list)
    lost: list[Checked] = field(default_factory=list)


def _planned(connection: Connection, seals: Sequence[Seal]) -> _Plan:
    given = [(seal, checked_grid(seal)) for seal in seals]
    standings = release_bulk.standings(connection, [seal.batch_key for seal in seals])
    plan = _Plan(release_bulk.existing(connection, given))
    for seal, grid in given:
        outcome = Outcome.LOST if grid_of(seal.batch_key) in standings.lost_grids else Outcome.KNOWN
        if outcome is Outcome.LOST:
            plan.lost.append((seal, grid))
        elif seal.batch_key not in standings.released and not _touches(seal, grid, plan.there):
            outcome = Outcome.RELEASED
            plan.due.append((seal, grid))
        elif (part := _later_part(connection, seal, grid, plan.there)) is not None:
            outcome = Outcome.LATER_PART
            plan.due.append(part)
        plan.together.batches[outcome] += 1
    plan.together.cells = sum(int(grid.known.sum()) for _, grid in plan.due)
    return plan


def _pieces(due: Sequence[Checked]) -> Iterator[list[Checked]]:
    """Batches in their order, in pieces of about `PIECE_CELLS`."""
    piece: list[Checked] = []
    cells = 0
    for seal, grid in due:
        piece.append((seal, grid))
        cells += len(grid.metric)
        if cells >= PIECE_CELLS:
            yield piece
            piece, cells = [], 0
    if piece:
        yield piece


def _drawn(piece: Sequence[Checked]) -> list[Drawn]:
    """A piece with its noise; OpenDP draws without Python's lock."""
    return [Drawn(seal, grid, published_values(grid, protection(seal.group, seal.grain_s))) for seal, grid in piece]


def _keys(seal: Seal, grid: Grid) -> list[tuple[str, int, str, str]]:
    kind = str(PLACES[seal.group])
    return [(kind, *key) for key in zip(grid.place.tolist(), grid.vehicle_class, grid.metric, strict=True)]


def _touches(seal: Seal, grid: Grid, existing: Existing) -> bool:
    """Whether any cell of the batch has a row at its time already."""
    return existing.any_within(seal.start_us, seal.grain_s) and any(
        existing.overlapping(key, seal.start_us, seal.grain_s) for key in _keys(seal, grid))


def _later_part(connection: Connection, seal: Seal, grid: Grid, existing: Existing) -> Checked | None:
    """The cells that have a value here and are missing, or absent, in the database; None where there are none."""
    fits = grid.known & np.array([
        all(row.is_missing and row.start_us == seal.start_us and row.grain_s == seal.grain_s
            for row in existing.overlapping(key, seal.start_us, seal.grain_s))
        for key in _keys(seal, grid)
    ], np.bool_)
    if not fits.any():
        return None
    part = release_bulk.next_part(connection, grid_of(seal.batch_key), MOST_PARTS)
    if part is None:
        raise FatalError(f"grid {grid_of(seal.batch_key)} has {MOST_PARTS} parts already; load its files together")
    at = np.flatnonzero(fits)
    cells = seal.cells.take(pa.array(at))
    later = replace(seal, part=part, cells=cells)
    return later, checked_grid(later)


def as_json(together: Together) -> dict[str, int]:
    """Counts by name, for reports."""
    counts: dict[str, int] = msgspec.to_builtins({str(one): together.batches[one] for one in Outcome})
    return counts | {"cells": together.cells}
