# SPDX-License-Identifier: Apache-2.0
"""Rows as an Arrow IPC stream of one record batch: how they stand in messages, and how they are read or refused."""

import pyarrow as pa

from schemas.errors import RefusedError
from schemas.refusal import Reason


def required(name: str, kind: pa.DataType) -> pa.Field:
    """A column without nulls."""
    return pa.field(name, kind, nullable=False)


def encode_stream(rows: pa.RecordBatch, compression: str | None = None) -> bytes:
    """One record batch as a stream; `compression` is a codec that Arrow knows, such as `zstd`."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, rows.schema, options=pa.ipc.IpcWriteOptions(compression=compression)) as writer:
        writer.write_batch(rows)
    encoded: bytes = sink.getvalue().to_pybytes()
    return encoded


def decode_stream(encoded: bytes | pa.BufferReader, schema: pa.Schema, what: str) -> pa.RecordBatch:
    """Read what `encode_stream` wrote, every value validated.

    Parameters
    ----------
    encoded : bytes or pyarrow.BufferReader
        A reader stands behind the stream afterwards.
    schema : pyarrow.Schema
        What the columns have to be.
    what : str
        What the message should be, for texts of errors.

    Raises
    ------
    RefusedError
        `malformed`: no stream of one batch, other columns, or nulls in a column that must have none.
    """
    try:
        with pa.ipc.open_stream(encoded) as reader:
            if not reader.schema.equals(schema):
                raise RefusedError(Reason.MALFORMED, f"{what} has columns {reader.schema.names}")
            rows = reader.read_next_batch()
            rows.validate(full=True)
            if any(True for _ in reader):
                raise RefusedError(Reason.MALFORMED, f"{what} has a second batch")
    except (pa.ArrowException, StopIteration, EOFError, OSError, ValueError) as error:
        # Without the library's text, which may repeat a value.
        raise RefusedError(Reason.MALFORMED, f"{what} is no sound Arrow stream: {type(error).__name__}") from None
    lacking = [field.name for field in schema if not field.nullable and rows[field.name].null_count]
    if lacking:
        raise RefusedError(Reason.MALFORMED, f"{what} lacks values in {', '.join(lacking)}")
    return rows
