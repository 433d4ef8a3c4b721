# SPDX-License-Identifier: Apache-2.0
"""Rows of the `live` topic: protected windows of zones, gates and roads, as Arrow tables."""

from enum import IntEnum, StrEnum

import pyarrow as pa

from schemas.errors import RefusedError
from schemas.refusal import Reason


class Status(IntEnum):
    """How far a window can be trusted."""

    OK = 0
    """Every sensor that should have reported did."""
    PARTIAL = 1
    """Some did; the value stands on less than it should."""
    MISSING = 2
    """None did: there is no value. Never to be read as calm."""


class LiveTable(StrEnum):
    """The three kinds of row; also the names of the database's tables (`live.zone_minute`, ...)."""

    ZONE = "zone_minute"
    GATE = "gate_minute"
    ROAD = "road_minute"


def _required(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, nullable=False)


_TIME = pa.timestamp("us", tz="UTC")
_WINDOW = [_required("window_start", _TIME), _required("span_s", pa.int32())]

ZONE_SCHEMA = pa.schema([
    _required("zone", pa.int32()),
    *_WINDOW,
    pa.field("people_low", pa.int32()),
    pa.field("people_high", pa.int32()),
    pa.field("percent_low", pa.float32()),
    pa.field("percent_high", pa.float32()),
    pa.field("density_low_per_m2", pa.float32()),
    pa.field("density_high_per_m2", pa.float32()),
    pa.field("level", pa.int16()),
    pa.field("trend", pa.int16()),
    _required("coverage", pa.float32()),
    _required("status", pa.int16()),
])
"""A zone's window: band of the maximum number of people over its 10 s steps and all that follows from the
band. Null where the window is missing; `percent_*` also where no capacity is permitted; `trend` is -1, 0 or
1 against the band of five minutes before."""

GATE_SCHEMA = pa.schema([
    _required("gate", pa.int32()),
    *_WINDOW,
    pa.field("in_low", pa.int32()),
    pa.field("in_high", pa.int32()),
    pa.field("out_low", pa.int32()),
    pa.field("out_high", pa.int32()),
    pa.field("flow_low_per_m_min", pa.float32()),
    pa.field("flow_high_per_m_min", pa.float32()),
    _required("withheld", pa.bool_()),
    _required("coverage", pa.float32()),
    _required("status", pa.int16()),
])
"""A gate's window: bands of the passages in and out and the flow per metre of effective width. Null where
missing, and where `withheld`: no zone beside the gate holds enough people to hide one."""

ROAD_SCHEMA = pa.schema([
    _required("zone", pa.int32()),
    _required("vehicle_class", pa.string()),
    *_WINDOW,
    pa.field("vehicles", pa.float64()),
    pa.field("speed_km_h", pa.float32()),
    _required("coverage", pa.float32()),
    _required("speed_coverage", pa.float32()),
    _required("status", pa.int16()),
    _required("revision", pa.int32()),
])
"""A road's window, exact (the source is public): vehicles over all lanes and their mean speed. `coverage` is
the share of lanes and time reported; `vehicles` is what was reported, not scaled up."""

SCHEMAS: dict[LiveTable, pa.Schema] = {
    LiveTable.ZONE: ZONE_SCHEMA, LiveTable.GATE: GATE_SCHEMA, LiveTable.ROAD: ROAD_SCHEMA
}


def encode_rows(rows: pa.RecordBatch) -> bytes:
    """One record batch as an Arrow IPC stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema) as writer:
        writer.write_batch(rows)
    encoded: bytes = sink.getvalue().to_pybytes()
    return encoded


def decode_rows(table: LiveTable, encoded: bytes) -> pa.RecordBatch:
    """Read what `encode_rows` wrote; raises `RefusedError` (`malformed`) for anything else."""
    try:
        with pa.ipc.open_stream(encoded) as reader:
            if not reader.schema.equals(SCHEMAS[table]):
                raise RefusedError(Reason.MALFORMED, f"live rows of {table} have {reader.schema.names}")
            return reader.read_next_batch()
    except (pa.ArrowException, StopIteration, OSError) as error:
        raise RefusedError(Reason.MALFORMED, f"live rows of {table} are no Arrow stream: {error}") from None
