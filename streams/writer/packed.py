# SPDX-License-Identifier: Apache-2.0
"""Long columns as PostgreSQL's binary arrays, made by numpy: psycopg's own way is a Python call for each value."""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np
import numpy.typing as npt
from psycopg.adapt import Dumper
from psycopg.pq import Format

from streams.storage import Connection

_TEXT_OID = 25
# Number of dimensions, whether a value is null, type of the values; length and first index of the one dimension.
_HEAD = struct.Struct(">iiIii")
_LENGTH = struct.Struct(">i")


class Kind(Enum):
    """A type of PostgreSQL with values of one length: its number, and as numpy has it on the wire."""

    INT4 = 23, ">i4"
    FLOAT4 = 700, ">f4"
    FLOAT8 = 701, ">f8"


@dataclass(frozen=True, slots=True)
class Packed:
    """An array on the wire, without nulls; name its type in the statement: `%(name)b::int4[]`."""

    wire: bytes


class _PackedDumper(Dumper):
    format = Format.BINARY
    oid = 0  # the statement says it

    def dump(self, obj: Packed) -> bytes:
        """The array as it is."""
        return obj.wire


def take_packed(connection: Connection) -> None:
    """Let statements of this session have `Packed` parameters; again does no harm."""
    connection.adapters.register_dumper(Packed, _PackedDumper)


def packed_numbers(values: npt.ArrayLike, kind: Kind) -> Packed:
    """Numbers, rounded to the type; a NaN stays one."""
    oid, wire_type = kind.value
    given = np.asarray(values)
    fields = np.empty(len(given), [("length", ">i4"), ("value", wire_type)])
    fields["length"] = np.dtype(wire_type).itemsize
    fields["value"] = given
    return Packed(_head(oid, len(given)) + fields.tobytes())


def packed_texts(values: Sequence[str]) -> Packed:
    """Texts of which few differ."""
    encoded = {text: text.encode() for text in set(values)}
    field = {text: _LENGTH.pack(len(one)) + one for text, one in encoded.items()}
    return Packed(_head(_TEXT_OID, len(values)) + b"".join([field[text] for text in values]))


def _head(oid: int, length: int) -> bytes:
    return _HEAD.pack(1, 0, oid, length, 1)
