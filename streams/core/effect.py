# SPDX-License-Identifier: Apache-2.0
"""What a step of the fold asks the edges to send."""

from dataclasses import dataclass

import pyarrow as pa

from schemas.alert import Transition
from schemas.command import Outcome
from schemas.context import ContextRecord
from schemas.health import HealthTable, Purged
from schemas.live import SCHEMAS, LiveTable
from schemas.seal import Seal
from schemas.sighting import SightingShown


@dataclass(frozen=True, slots=True)
class LiveRows:
    """Protected rows of one table, with the columns of `schemas.live.SCHEMAS[table]`."""

    table: LiveTable
    rows: pa.RecordBatch


@dataclass(frozen=True, slots=True)
class LiveContext:
    """Context records, each in its newest version, for one message on `live`."""

    records: tuple[ContextRecord, ...]


@dataclass(frozen=True, slots=True)
class HealthRows:
    """Rows about sensors, with the columns of `schemas.health.HEALTH_SCHEMAS[table]`."""

    table: HealthTable
    rows: pa.RecordBatch


Effect = LiveRows | Transition | Outcome | Seal | LiveContext | SightingShown | HealthRows | Purged


def taken_rows(rows: dict[LiveTable, list[pa.RecordBatch]]) -> list[LiveRows]:
    """All rows of a step as one effect a table; the lists are empty afterwards."""
    told = []
    for table, batches in rows.items():
        if batches:
            joined = pa.Table.from_batches(batches, SCHEMAS[table]).combine_chunks()
            told.append(LiveRows(table, joined.to_batches()[0]))
            batches.clear()
    return told
