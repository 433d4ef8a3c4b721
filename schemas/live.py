# SPDX-License-Identifier: Apache-2.0
"""Rows of the `live` topic: protected windows of zones, gates and roads, as Arrow tables."""

from enum import IntEnum, StrEnum

import pyarrow as pa

from schemas.arrow_stream import encode_stream, required
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
    """The kinds of row; also the names of the database's tables (`live.zone_minute`, ...)."""

    ZONE = "zone_minute"
    GATE = "gate_minute"
    ROAD = "road_minute"
    INSIDE = "inside_minute"
    OUTLOOK = "outlook_quarter"


WINDOW_TABLES = (LiveTable.ZONE, LiveTable.GATE, LiveTable.ROAD)
"""Rows of closed windows: what a fold that begins later comes to as well. The others are estimates, which remember."""

_TIME = pa.timestamp("us", tz="UTC")
_WINDOW = [required("window_start", _TIME), required("span_s", pa.int32())]

ZONE_SCHEMA = pa.schema([
    required("zone", pa.int32()),
    *_WINDOW,
    pa.field("people_low", pa.int32()),
    pa.field("people_high", pa.int32()),
    pa.field("percent_low", pa.float32()),
    pa.field("percent_high", pa.float32()),
    pa.field("density_low_per_m2", pa.float32()),
    pa.field("density_high_per_m2", pa.float32()),
    pa.field("level", pa.int16()),
    pa.field("trend", pa.int16()),
    required("coverage", pa.float32()),
    required("status", pa.int16()),
])
"""A zone's window: band of the maximum number of people over its 10 s steps and all that follows from the
band; `density_*` are 95 % bounds, with the cameras' own error. Null where the window is missing; `percent_*` also
where no capacity is permitted; `trend` is -1, 0 or 1 against the band of five minutes before."""

GATE_SCHEMA = pa.schema([
    required("gate", pa.int32()),
    *_WINDOW,
    pa.field("in_low", pa.int32()),
    pa.field("in_high", pa.int32()),
    pa.field("out_low", pa.int32()),
    pa.field("out_high", pa.int32()),
    pa.field("flow_low_per_m_min", pa.float32()),
    pa.field("flow_high_per_m_min", pa.float32()),
    required("withheld", pa.bool_()),
    required("coverage", pa.float32()),
    required("status", pa.int16()),
    pa.field("flow_lower_per_m_min", pa.float32()),
    pa.field("flow_upper_per_m_min", pa.float32()),
])
"""A gate's window: bands of the passages in and out, and the flow of both per metre of effective width: the band's
edges as counted, and its 95 % bounds (`lower`, `upper`: those of the band's edges, with the counters' stated error and
what was not covered). Null where missing, and where `withheld`: no zone beside the gate holds enough people to hide
one."""

ROAD_SCHEMA = pa.schema([
    required("zone", pa.int32()),
    required("vehicle_class", pa.string()),
    *_WINDOW,
    pa.field("vehicles", pa.float64()),
    pa.field("speed_km_h", pa.float32()),
    required("coverage", pa.float32()),
    required("speed_coverage", pa.float32()),
    required("status", pa.int16()),
    required("revision", pa.int32()),
    pa.field("flow_veh_h_lane", pa.float32()),
    pa.field("density_low_veh_km_lane", pa.float32()),
    pa.field("density_high_veh_km_lane", pa.float32()),
    pa.field("service_level", pa.int16()),
    pa.field("speed_low_km_h", pa.float32()),
    pa.field("speed_high_km_h", pa.float32()),
    pa.field("percent_of_free_flow", pa.float32()),
])
"""A road's window, exact (the source is public): vehicles over all lanes and their mean speed. `coverage` is
the share of lanes and time reported; `vehicles` is what was reported, not scaled up. Flow, density (95 % bounds) and
service level 0 to 5 (A to F, of the upper bound) are of all vehicles together, so null for single classes, and where
no speed is known; a lorry counts as one. The speed's bounds (95 %) are null where it is; `percent_of_free_flow` is the
speed in percent of the highest that is usual there, null without a baseline."""

INSIDE_SCHEMA = pa.schema([
    required("zone", pa.int32()),
    *_WINDOW,
    required("inside_low", pa.int32()),
    required("inside_high", pa.int32()),
    pa.field("percent_low", pa.float32()),
    pa.field("percent_high", pa.float32()),
    required("coverage", pa.float32()),
    pa.field("correction", pa.string()),
    required("version", pa.int64()),
    pa.field("density_low_per_m2", pa.float32()),
    pa.field("density_high_per_m2", pa.float32()),
    required("status", pa.int16()),
])
"""People inside a zone at the end of a minute, by its gates and all that corrects them: the bands in which the two
bounds (95 %) lie, their lower and upper edge. `correction` is what corrected it last within the minute,
`version` counts the zone's corrections: history is never rewritten. `coverage` is the share of its gates' time that
was seen. The density is these people over the net area, from the gates: `status` is 3 (estimated), or 2 (missing) and
the density null where no gate was seen in the minute."""

OUTLOOK_SCHEMA = pa.schema([
    required("kind", pa.string()),
    required("place", pa.int32()),
    *_WINDOW,
    required("ahead_min", pa.int32()),
    required("low", pa.int32()),
    required("middle", pa.int32()),
    required("high", pa.int32()),
    pa.field("percent_reach", pa.float32()),
])
"""What is ahead of a place (`kind` zone, road or site), in the quarter hour that ends `ahead_min` after the window:
quantiles 0.05, 0.5 and 0.95 of the most people in it (made of bands and baselines only) or of the vehicles, and with
how many percent the zone then is at its next level."""

SCHEMAS: dict[LiveTable, pa.Schema] = {
    LiveTable.ZONE: ZONE_SCHEMA, LiveTable.GATE: GATE_SCHEMA, LiveTable.ROAD: ROAD_SCHEMA,
    LiveTable.INSIDE: INSIDE_SCHEMA, LiveTable.OUTLOOK: OUTLOOK_SCHEMA,
}

LATER_COLUMNS: dict[LiveTable, dict[str, int | None]] = {
    LiveTable.GATE: dict.fromkeys(("flow_lower_per_m_min", "flow_upper_per_m_min")),
    LiveTable.ROAD: dict.fromkeys((
        "flow_veh_h_lane", "density_low_veh_km_lane", "density_high_veh_km_lane", "service_level", "speed_low_km_h",
        "speed_high_km_h", "percent_of_free_flow",
    )),
    LiveTable.INSIDE: {"density_low_per_m2": None, "density_high_per_m2": None, "status": 3},
}
"""Columns that were added to a table, and what rows of before have there, as in the database: the topic keeps messages
of older workers for days."""


def encode_rows(rows: pa.RecordBatch) -> bytes:
    """One record batch as an Arrow IPC stream."""
    return encode_stream(rows)


def decode_rows(table: LiveTable, encoded: bytes) -> pa.RecordBatch:
    """Read what `encode_rows` wrote, also before `LATER_COLUMNS` were added: they are filled in.

    Raises
    ------
    RefusedError
        `malformed`: anything else.
    """
    try:
        with pa.ipc.open_stream(encoded) as reader:
            lacking = _lacking(table, reader.schema)
            return _completed(table, reader.read_next_batch()) if lacking else reader.read_next_batch()
    except (pa.ArrowException, StopIteration, OSError) as error:
        raise RefusedError(Reason.MALFORMED, f"live rows of {table} are no Arrow stream: {error}") from None


def columns_lacking(table: LiveTable, encoded: bytes) -> frozenset[str]:
    """Which of `LATER_COLUMNS` the writer of a message did not know; raises as `decode_rows`."""
    try:
        with pa.ipc.open_stream(encoded) as reader:
            return _lacking(table, reader.schema)
    except (pa.ArrowException, OSError) as error:
        raise RefusedError(Reason.MALFORMED, f"live rows of {table} are no Arrow stream: {error}") from None


def _lacking(table: LiveTable, found: pa.Schema) -> frozenset[str]:
    wanted = SCHEMAS[table]
    if found.equals(wanted):
        return frozenset()
    lacking = frozenset(wanted.names) - frozenset(found.names)
    was = pa.schema([column for column in wanted if column.name not in lacking])
    if not lacking <= LATER_COLUMNS.get(table, {}).keys() or not found.equals(was):
        raise RefusedError(Reason.MALFORMED, f"live rows of {table} have {found.names}")
    return lacking


def _completed(table: LiveTable, rows: pa.RecordBatch) -> pa.RecordBatch:
    there = set(rows.schema.names)
    columns = [
        rows.column(column.name) if column.name in there
        else pa.array([LATER_COLUMNS[table][column.name]] * rows.num_rows, column.type)
        for column in SCHEMAS[table]
    ]
    return pa.RecordBatch.from_arrays(columns, schema=SCHEMAS[table])
