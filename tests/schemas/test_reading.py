# SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn

from schemas import reading
from schemas.errors import RefusedError
from schemas.reading import (
    METRIC_BY_KEY,
    METRIC_LIMIT,
    QUALITY_FULL,
    SCHEMA,
    Batch,
    Metric,
    NoValue,
    decode_batch,
    encode_batch,
)
from schemas.refusal import Reason

NAMES = [field.name for field in fields(Batch)]
DTYPES = ["int32", "uint8", "uint16", "int64", "int32", "float64", "uint8", "float32", "uint8"]


def arrays(size: int) -> st.SearchStrategy[Batch]:
    return st.builds(Batch, *(stn.arrays(dtype, size) for dtype in DTYPES))


BATCHES = st.integers(0, 6).flatmap(arrays)


def same(one: Batch, other: Batch) -> bool:
    """Bit for bit, NaN's payload included."""
    return all(
        getattr(one, name).dtype == getattr(other, name).dtype
        and getattr(one, name).tobytes() == getattr(other, name).tobytes()
        for name in NAMES
    )


def why(encoded: bytes) -> str:
    with pytest.raises(RefusedError) as refused:
        decode_batch(encoded)
    return refused.value.reason


@given(BATCHES)
def test_a_batch_goes_through_the_wire_unchanged(batch: Batch) -> None:
    assert same(decode_batch(encode_batch(batch)), batch)


@settings(max_examples=40)
@given(BATCHES)
def test_the_same_batch_gives_the_same_bytes(batch: Batch) -> None:
    assert encode_batch(batch) == encode_batch(decode_batch(encode_batch(batch)))


def test_decoded_columns_cannot_be_written() -> None:
    batch = decode_batch(encode_batch(Batch.of(sensor=[1, 2], metric=1, begin=0, value=1.0)))
    with pytest.raises(ValueError, match="read-only"):
        batch.value[0] = 2.0


@settings(max_examples=25)
@given(st.lists(BATCHES, max_size=4))
def test_concatenated_is_every_reading_in_order(batches: list[Batch]) -> None:
    whole = Batch.concatenated(batches)
    assert len(whole.sensor) == sum(len(batch.sensor) for batch in batches)
    offset = 0
    for batch in batches:
        assert same(whole.take(np.arange(offset, offset + len(batch.sensor))), batch)
        offset += len(batch.sensor)


@settings(max_examples=40)
@given(BATCHES, st.data())
def test_a_mask_and_its_positions_take_the_same(batch: Batch, data: st.DataObject) -> None:
    mask: npt.NDArray[np.bool_] = data.draw(stn.arrays(np.bool_, len(batch.sensor)))
    assert same(batch.take(mask), batch.take(np.flatnonzero(mask)))
    assert len(batch.take(mask).sensor) == np.count_nonzero(mask)


def test_columns_may_be_left_out_or_given_once_for_all() -> None:
    batch = Batch.of(sensor=[1, 2, 3], metric=Metric.PEOPLE, begin=10, value=[1.0, 2.0, np.nan])
    assert batch.metric.tolist() == [1, 1, 1]
    assert batch.quality.tolist() == [QUALITY_FULL] * 3
    assert batch.reason.tolist() == [NoValue.NONE] * 3
    assert np.isnan(batch.weight).all()
    assert [str(getattr(batch, name).dtype) for name in NAMES] == DTYPES
    assert batch.end.tolist() == [10, 10, 10]


def test_the_end_is_exact_for_the_longest_span() -> None:
    batch = Batch.of(sensor=1, metric=1, begin=2**50, value=0, span_ms=2**31 - 1)
    assert batch.end.tolist() == [2**50 + (2**31 - 1) * 1000]


@given(st.binary(max_size=400))
def test_garbage_is_refused(garbage: bytes) -> None:
    assert why(garbage) == Reason.MALFORMED


def batch_or_reason(encoded: bytes) -> Batch | str:
    try:
        return decode_batch(encoded)
    except RefusedError as refused:
        return refused.reason


ENCODED = encode_batch(Batch.of(sensor=range(5), metric=1, begin=range(5), value=range(5)))


@given(st.integers(0, len(ENCODED) - 20))
def test_a_cut_off_batch_is_refused(length: int) -> None:
    assert why(ENCODED[:length]) == Reason.MALFORMED


@given(st.integers(0, len(ENCODED) - 1), st.integers(1, 255))
def test_a_damaged_batch_is_refused_or_still_has_its_columns(at: int, change: int) -> None:
    damaged = bytearray(ENCODED)
    damaged[at] ^= change
    outcome = batch_or_reason(bytes(damaged))
    if isinstance(outcome, str):
        assert outcome == Reason.MALFORMED
    else:
        assert [str(getattr(outcome, name).dtype) for name in NAMES] == DTYPES
        assert len({len(getattr(outcome, name)) for name in NAMES}) == 1


def stream(schema: pa.Schema, columns: list[list[Any]]) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema) as writer:
        if columns:
            writer.write_batch(pa.record_batch([pa.array(column, kind) for column, kind in zip(
                columns, schema.types, strict=True)], schema=schema))
    encoded: bytes = sink.getvalue().to_pybytes()
    return encoded


def test_other_columns_are_refused() -> None:
    fewer = pa.schema(list(SCHEMA)[:-1])
    other = pa.schema([*list(SCHEMA)[:-1], pa.field("quality", pa.int64(), nullable=False)])
    loose = pa.schema([field.with_nullable(True) for field in SCHEMA])
    for schema in (fewer, other, loose):
        assert why(stream(schema, [[1]] * len(schema))) == Reason.MALFORMED


def test_missing_values_are_refused() -> None:
    assert why(stream(SCHEMA, [[None]] + [[1]] * 8)) == Reason.MALFORMED


def test_a_stream_without_a_batch_is_refused() -> None:
    assert why(stream(SCHEMA, [])) == Reason.MALFORMED


def test_metrics_have_keys_and_stay_below_their_limit() -> None:
    assert {METRIC_BY_KEY[metric.key] for metric in Metric} == set(Metric)
    assert METRIC_BY_KEY["device_state"] is Metric.DEVICE_STATE
    assert max(Metric) < METRIC_LIMIT


@given(BATCHES, st.data())
def test_what_is_known_of_a_head_changes_no_answer(batch: Batch, data: st.DataObject) -> None:
    # Another batch of that length was read before: its head is known.
    size = len(batch.sensor)
    decode_batch(encode_batch(data.draw(arrays(size))))
    encoded = encode_batch(batch)
    assert same(decode_batch(encoded), batch)
    for wrong in (encoded[:-9], encoded[: len(encoded) - 8 - size], encoded + b"x" * 8):
        known = batch_or_reason(wrong)
        with fresh_forms():
            anew = batch_or_reason(wrong)
        if isinstance(known, str) or isinstance(anew, str):
            assert known == anew
        else:
            assert same(known, anew)


@contextmanager
def fresh_forms() -> Iterator[None]:
    kept = reading._KNOWN_FORMS.copy()
    reading._KNOWN_FORMS.clear()
    yield
    reading._KNOWN_FORMS.clear()
    reading._KNOWN_FORMS.update(kept)


def with_bitmaps(is_null: bool) -> bytes:
    """Two readings whose columns all carry a bitmap of nulls; the head counts none of them."""
    bits = pa.py_buffer(b"\x02" if is_null else b"\x03")
    columns = [pa.Array.from_buffers(kind, 2, [bits, pa.py_buffer(bytes(16))]) for kind in SCHEMA.types]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, SCHEMA) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=SCHEMA))
    encoded: bytes = sink.getvalue().to_pybytes()
    return encoded


def test_a_head_with_bitmaps_of_nulls_is_read_anew_each_time() -> None:
    assert not isinstance(batch_or_reason(with_bitmaps(is_null=False)), str)
    assert why(with_bitmaps(is_null=True)) == Reason.MALFORMED


def test_compressed_columns_are_read_each_time() -> None:
    batch = Batch.of(sensor=range(500), metric=1, begin=range(500), value=range(500))
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, SCHEMA, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
        writer.write_batch(pa.record_batch([getattr(batch, name) for name in NAMES], schema=SCHEMA))
    encoded = sink.getvalue().to_pybytes()
    assert same(decode_batch(encoded), batch)
    assert same(decode_batch(encoded), batch)
