# SPDX-License-Identifier: Apache-2.0
"""The columnar reading batch: the one inner wire format, Arrow IPC with nine columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from operator import attrgetter
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.errors import RefusedError
from schemas.refusal import Reason


class Metric(IntEnum):
    """What a sensor measures. Numbers stand in the log and are never reused."""

    PEOPLE = 1
    """Persons in the sensor's view at an instant."""
    IN = 2
    """Passages over a gate in its direction from `from` to `to`."""
    OUT = 3
    """Passages over a gate against its direction."""
    VEHICLES = 4
    """Vehicles; at NDW as a rate in vehicles per hour."""
    SPEED = 5
    """Mean speed of vehicles in km/h."""
    DEVICE_STATE = 6
    """0 = well, anything above: the vendor's own fault number."""
    UPTIME = 7
    """Share of the interval in which the device measured, 0 to 1."""
    DEVICES_WIFI = 8
    """Distinct devices that a Wi-Fi receiver counted; for fusion only, never people."""
    DEVICES_BLE = 9
    """Distinct devices that a Bluetooth receiver counted; for fusion only, never people."""

    @property
    def key(self) -> str:
        """The text that stands in city files and native JSON."""
        return self.name.lower()


METRIC_BY_KEY: dict[str, Metric] = {metric.key: metric for metric in Metric}
DEVICE_COUNTS = (Metric.DEVICES_WIFI, Metric.DEVICES_BLE)
"""Need an activation; never shown or stored alone."""
METRIC_LIMIT = 16
"""All metric numbers lie below it: the width of look-up tables."""


class NoValue(IntEnum):
    """Why a reading has no value (`value` is NaN)."""

    NONE = 0
    """It has one."""
    DATA_ERROR = 1
    NEGATIVE = 2
    NO_VEHICLES = 3
    """A mean speed over no vehicle."""
    NULL = 4


SCHEMA = pa.schema([
    pa.field("sensor", pa.int32(), nullable=False),
    pa.field("metric", pa.uint8(), nullable=False),
    pa.field("source", pa.uint16(), nullable=False),
    pa.field("begin", pa.int64(), nullable=False),
    pa.field("span_ms", pa.int32(), nullable=False),
    pa.field("value", pa.float64(), nullable=False),
    pa.field("reason", pa.uint8(), nullable=False),
    pa.field("weight", pa.float32(), nullable=False),
    pa.field("quality", pa.uint8(), nullable=False),
])
_DTYPES: dict[str, np.dtype[Any]] = {
    field.name: np.dtype(field.type.to_pandas_dtype()) for field in SCHEMA
}
QUALITY_FULL = 100


@dataclass(frozen=True, slots=True)
class Batch:
    """Readings as columns of one length.

    Parameters
    ----------
    sensor : int32 array
        Number of the sensor in `CITY.ids`.
    metric : uint8 array
        A `Metric`.
    source : uint16 array
        Number of the source in `CITY.ids`.
    begin : int64 array
        Begin of the interval, or the instant; microseconds since 1970, UTC.
    span_ms : int32 array
        Length of the interval in ms; 0 = a sample at an instant.
    value : float64 array
        In the unit of the metric; NaN = the sensor reports that it has no value.
    reason : uint8 array
        A `NoValue`: why `value` is NaN.
    weight : float32 array
        How much stands behind a mean (vehicles of a mean speed); NaN = not said.
    quality : uint8 array
        0 to 100, as the supplier says it; 100 when it says nothing.
    """

    sensor: npt.NDArray[np.int32]
    metric: npt.NDArray[np.uint8]
    source: npt.NDArray[np.uint16]
    begin: npt.NDArray[np.int64]
    span_ms: npt.NDArray[np.int32]
    value: npt.NDArray[np.float64]
    reason: npt.NDArray[np.uint8]
    weight: npt.NDArray[np.float32]
    quality: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.sensor)

    @classmethod
    def of(cls, **columns: npt.ArrayLike) -> Self:
        """A batch from columns by name, cast to their types; scalars are repeated to the longest column.

        `source` (0), `span_ms` (0), `reason` (NONE), `weight` (NaN) and `quality` (100) may be left out.
        """
        defaults: dict[str, npt.ArrayLike] = {
            "source": 0, "span_ms": 0, "reason": 0, "weight": np.nan, "quality": QUALITY_FULL
        }
        given = {**defaults, **columns}
        arrays = np.broadcast_arrays(*(np.atleast_1d(np.asarray(given[name])) for name in _DTYPES))
        return cls(*(
            np.ascontiguousarray(array, dtype=dtype)
            for array, dtype in zip(arrays, _DTYPES.values(), strict=True)
        ))

    @classmethod
    def empty(cls) -> Self:
        """A batch without readings."""
        return cls(*(np.empty(0, dtype) for dtype in _DTYPES.values()))

    @classmethod
    def concatenated(cls, batches: Sequence["Batch"]) -> Self:
        """All readings of `batches`, in their order."""
        if not batches:
            return cls.empty()
        return cls(*map(np.concatenate, zip(*map(_COLUMNS, batches), strict=True)))

    def take(self, at: npt.NDArray[np.intp] | npt.NDArray[np.bool_]) -> "Batch":
        """The readings at the given positions, or where a mask is true."""
        return Batch(*(column[at] for column in _COLUMNS(self)))

    @property
    def end(self) -> npt.NDArray[np.int64]:
        """End of each interval (or the instant), microseconds since 1970, UTC."""
        return self.begin + self.span_ms.astype(np.int64) * 1000


_COLUMNS = attrgetter(*_DTYPES)


def encode_batch(batch: Batch) -> bytes:
    """The batch as an Arrow IPC stream with one record batch."""
    arrays = [pa.array(getattr(batch, name)) for name in _DTYPES]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, SCHEMA) as writer:
        writer.write_batch(pa.RecordBatch.from_arrays(arrays, schema=SCHEMA))
    encoded: bytes = sink.getvalue().to_pybytes()
    return encoded


_SCHEMA_MESSAGE: bytes = SCHEMA.serialize().to_pybytes()
_HEAD_BEGINS = len(_SCHEMA_MESSAGE)
_PREFIX_BYTES = 8
"""Before a message's metadata: the mark of a message, then the length of the metadata, four bytes each."""
_KNOWN_LIMIT = 4096
_HEAD_LIMIT_BYTES = 1024
"""Our own heads are about half as long; longer ones are read by Arrow each time, so that memory stays bounded."""


@dataclass(frozen=True, slots=True)
class _Form:
    """Where the columns lie in a message of one length: the same for all messages with the same head.

    Parameters
    ----------
    encoded_bytes : int
    readings : int
    columns : tuple of (dtype, int)
        Type and first byte of each column.
    """

    encoded_bytes: int
    readings: int
    columns: tuple[tuple[np.dtype[Any], int], ...]


_KNOWN_FORMS: dict[bytes, _Form] = {}
"""By head of the record batch: its metadata, which says how many readings there are and where the columns lie."""


def decode_batch(encoded: bytes) -> Batch:
    """Read what `encode_batch` wrote; the columns are views on `encoded`, read-only.

    Raises
    ------
    RefusedError
        Reason `malformed`: no Arrow IPC stream, other columns, or missing values in a column.
    """
    head = _head(encoded)
    form = _KNOWN_FORMS.get(head)
    # The same head was read and validated by Arrow before: what it says need not be read again.
    if form is None or form.encoded_bytes != len(encoded):
        return _read(encoded, head)
    return Batch(*(np.frombuffer(encoded, dtype, form.readings, first) for dtype, first in form.columns))


def _head(encoded: bytes) -> bytes:
    """The metadata of the record batch with its prefix; empty where the stream does not begin as our own."""
    if not encoded.startswith(_SCHEMA_MESSAGE):
        return b""
    metadata_begins = _HEAD_BEGINS + _PREFIX_BYTES
    size = int.from_bytes(encoded[metadata_begins - 4 : metadata_begins], "little")
    return encoded[_HEAD_BEGINS : metadata_begins + size]


def _read(encoded: bytes, head: bytes) -> Batch:
    buffer = pa.py_buffer(encoded)
    record = _record(buffer, is_ours=bool(head))
    if 0 < len(head) <= _HEAD_LIMIT_BYTES and (form := _form(record, buffer)) is not None:
        if len(_KNOWN_FORMS) >= _KNOWN_LIMIT:
            _KNOWN_FORMS.clear()
        _KNOWN_FORMS[head] = form
    return Batch(*(column.to_numpy() for column in record.columns))


def _record(buffer: pa.Buffer, is_ours: bool) -> pa.RecordBatch:
    try:
        if is_ours:  # the schema was compared already
            record = pa.ipc.read_record_batch(buffer[_HEAD_BEGINS:], SCHEMA)
        else:
            with pa.ipc.open_stream(buffer) as reader:
                if not reader.schema.equals(SCHEMA):
                    raise RefusedError(Reason.MALFORMED, f"reading batch has columns {reader.schema.names}")
                record = reader.read_next_batch()
        if record.num_rows:
            record.validate()
    except (pa.ArrowException, StopIteration, EOFError, OSError, ValueError) as error:
        raise RefusedError(Reason.MALFORMED, f"reading batch is no Arrow IPC stream: {error}") from None
    if any(column.null_count for column in record.columns):
        raise RefusedError(Reason.MALFORMED, "reading batch holds nulls; no value is NaN with a reason")
    return record


def _form(record: pa.RecordBatch, buffer: pa.Buffer) -> _Form | None:
    """Where a sound record's columns lie; None where the head alone does not tell it.

    A bitmap of nulls lies in the body, and compressed columns lie nowhere in the message: another message with
    the same head need not be sound.
    """
    columns = []
    for column, dtype in zip(record.columns, _DTYPES.values(), strict=True):
        nulls, values = column.buffers()
        if nulls is not None or values is None:
            return None
        first = values.address - buffer.address
        if not 0 <= first <= buffer.size - record.num_rows * dtype.itemsize:
            return None
        columns.append((dtype, first))
    return _Form(buffer.size, record.num_rows, tuple(columns))
