# SPDX-License-Identifier: Apache-2.0
"""The truth of a simulated event, as one Parquet file: zones, gates and roads, and how each sensor errs."""

from enum import StrEnum
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from schemas.errors import FatalError
from streams.simulate.crowd import Moves
from streams.simulate.ground import Ground
from streams.simulate.roads import MINUTE_US, TrueTraffic

STEP_US = 10_000_000
"""People of the zones are written so often."""
ROWS_AT_ONCE = 200_000
METADATA_KEY = b"drukte.simulation"
"""Under it stands a JSON document: city, event and the error model of each sensor."""


class TruthKind(StrEnum):
    """What a row is about; the columns that do not belong to it are null."""

    ZONE = "zone"
    """`people` in the zone at the instant `time`."""
    GATE = "gate"
    """`passages_in` and `passages_out` over the minute from `time` on."""
    WAY = "uncounted-way"
    """The same of the way in of a zone that no gate leads to; named after the zone, in = into it."""
    ROAD = "road"
    """`vehicles` and their mean `speed_km_h` over the minute from `time` on, all lanes together."""


SCHEMA = pa.schema([
    pa.field("kind", pa.string(), nullable=False),
    pa.field("place", pa.string(), nullable=False),
    pa.field("time", pa.timestamp("us", tz="UTC"), nullable=False),
    pa.field("span_s", pa.int32(), nullable=False),
    pa.field("people", pa.int64()),
    pa.field("passages_in", pa.int64()),
    pa.field("passages_out", pa.int64()),
    pa.field("vehicles", pa.int64()),
    pa.field("speed_km_h", pa.float64()),
])
"""Rows stand in the order of their end; `span_s` is 0 for an instant. Minutes that the event only touches are
left out."""


class TruthFile:
    """Writes the truth while it happens; a witness of the crowd.

    Parameters
    ----------
    path : Path
    ground : Ground
    about : bytes
        JSON document for the file's metadata.

    Raises
    ------
    FatalError
        The file cannot be written; also from each call.

    Attributes
    ----------
    rows : int
        Written or waiting.
    """

    def __init__(self, path: Path, ground: Ground, about: bytes) -> None:
        self.rows = 0
        self._path = path
        self._zones = pa.array(ground.zones, pa.string())
        # An uncounted way leads from outside into its zone, so its far side names it.
        places = [key or ground.zones[to] for key, to in zip(ground.gates, ground.side_to, strict=True)]
        kinds = [TruthKind.WAY if key is None else TruthKind.GATE for key in ground.gates]
        self._openings, self._opening_kinds = pa.array(places, pa.string()), pa.array(kinds, pa.string())
        self._passages = np.zeros((2, len(places)), np.int64)
        self._minute_us: int | None = None
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = 0
        try:
            self._writer = pq.ParquetWriter(path, SCHEMA.with_metadata({METADATA_KEY: about}), compression="zstd")
        except OSError as error:
            raise self._unwritable(error) from None

    def see(self, now_us: int, people: npt.NDArray[np.int64], moves: Moves | None) -> None:
        """Take the state of one second (as `Witness`)."""
        if moves is not None:
            self._passages += np.stack([moves.forth, moves.back])
        if now_us % STEP_US == 0:
            zones = len(self._zones)
            self._add(_repeated(TruthKind.ZONE, zones), self._zones, now_us, 0, people=people[:zones])
        if now_us % MINUTE_US == 0:
            self._end_minute(now_us)

    def see_roads(self, minute_us: int, traffic: list[TrueTraffic]) -> None:
        """Take one minute of the roads."""
        self._add(
            _repeated(TruthKind.ROAD, len(traffic)), pa.array([site.site for site in traffic], pa.string()),
            minute_us, 60, vehicles=[site.vehicles for site in traffic],
            speed_km_h=[site.speed_km_h for site in traffic],
        )

    def close(self) -> None:
        """Write what waits, and end the file."""
        try:
            self._flush()
            self._writer.close()
        except OSError as error:
            raise self._unwritable(error) from None

    def _end_minute(self, now_us: int) -> None:
        if self._minute_us is not None:
            self._add(
                self._opening_kinds, self._openings, self._minute_us, 60,
                passages_in=self._passages[0].copy(), passages_out=self._passages[1].copy(),
            )
        self._passages[:] = 0
        self._minute_us = now_us

    def _add(self, kinds: pa.Array, places: pa.Array, time_us: int, span_s: int, **values: object) -> None:
        rows = len(places)
        columns = {
            "kind": kinds, "place": places,
            "time": pa.array(np.full(rows, time_us), SCHEMA.field("time").type),
            "span_s": pa.array(np.full(rows, span_s, np.int32)),
        }
        for field in list(SCHEMA)[len(columns):]:
            given = values.get(field.name)
            columns[field.name] = pa.nulls(rows, field.type) if given is None else pa.array(given, field.type)
        self._waiting.append(pa.RecordBatch.from_arrays(list(columns.values()), schema=SCHEMA))
        self.rows += rows
        self._waiting_rows += rows
        if self._waiting_rows >= ROWS_AT_ONCE:
            try:
                self._flush()
            except OSError as error:
                raise self._unwritable(error) from None

    def _flush(self) -> None:
        if self._waiting_rows:
            table = pa.Table.from_batches(self._waiting, SCHEMA).combine_chunks()
            self._writer.write_table(table, row_group_size=ROWS_AT_ONCE)
        self._waiting, self._waiting_rows = [], 0

    def _unwritable(self, error: OSError) -> FatalError:
        return FatalError(f"{self._path}: cannot be written ({error.strerror}); give another place for the truth")


def _repeated(kind: TruthKind, rows: int) -> pa.Array:
    return pa.array([kind.value] * rows, pa.string())
