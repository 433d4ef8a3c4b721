# SPDX-License-Identifier: Apache-2.0
"""Rows as Arrow streams: what was written is read, anything else is refused without repeating a value."""

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.arrow_stream import decode_stream, encode_stream, required
from schemas.errors import RefusedError
from schemas.refusal import Reason

SCHEMA = pa.schema([required("place", pa.int32()), pa.field("value", pa.float64())])


def rows(places: list[int | None], values: list[float | None], schema: pa.Schema = SCHEMA) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array(places, schema[0].type), pa.array(values, schema[1].type)],
                                      schema=schema)


def refusal(encoded: bytes) -> str:
    with pytest.raises(RefusedError) as refused:
        decode_stream(encoded, SCHEMA, "a table")
    assert refused.value.reason == Reason.MALFORMED
    return str(refused.value)


@pytest.mark.parametrize("compression", [None, "zstd"])
@pytest.mark.parametrize("batch", [rows([1, 2], [0.5, None]), rows([], [])])
def test_what_was_written_is_read(batch: pa.RecordBatch, compression: str | None) -> None:
    assert decode_stream(encode_stream(batch, compression), SCHEMA, "a table").equals(batch)


def test_what_follows_a_stream_is_left_to_the_reader() -> None:
    source = pa.BufferReader(encode_stream(rows([1], [2.0])) + b"more")
    decode_stream(source, SCHEMA, "a table")
    assert source.read() == b"more"


def test_other_columns_are_named() -> None:
    other = pa.schema([required("place", pa.int32()), pa.field("other", pa.float64())])
    assert "a table has columns ['place', 'other']" in refusal(encode_stream(rows([1], [2.0], other)))


def test_a_null_is_refused_where_none_may_be() -> None:
    lax = pa.schema([pa.field("place", pa.int32()), pa.field("value", pa.float64())])
    encoded = encode_stream(rows([None], [2.0], lax))
    with pytest.raises(RefusedError):
        decode_stream(encoded, SCHEMA, "a table")
    assert "lacks values in place" in refusal(encode_stream(rows([None], [2.0])))


@pytest.mark.parametrize("number", [0, 2])
def test_a_stream_has_one_batch(number: int) -> None:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, SCHEMA) as writer:
        for _ in range(number):
            writer.write_batch(rows([1], [2.0]))
    refusal(sink.getvalue().to_pybytes())


@settings(max_examples=40)
@given(st.binary(max_size=64), st.integers(0, 400))
def test_any_bytes_are_read_or_refused(some: bytes, at: int) -> None:
    sound = encode_stream(rows([1, 2], [0.5, None]))
    for encoded in (some, sound[:at] + some, sound[:at] + some + sound[at + len(some):]):
        try:
            found = decode_stream(encoded, SCHEMA, "a table")
        except RefusedError:
            continue
        assert found.schema.equals(SCHEMA)
