# SPDX-License-Identifier: Apache-2.0
"""Columns on the wire are the arrays that the server would make of the same values."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.writer.packed import Kind, packed_numbers, packed_texts


def fields(wire: bytes) -> tuple[int, list[bytes]]:
    """Number of the type and the bytes of each value of a binary array, after PostgreSQL's `array_recv`."""
    dimensions, has_null, oid, length, first = struct.unpack_from(">iiIii", wire)
    assert (dimensions, has_null, first) == (1, 0, 1)
    at, found = struct.calcsize(">iiIii"), []
    for _ in range(length):
        (size,) = struct.unpack_from(">i", wire, at)
        found.append(wire[at + 4:at + 4 + size])
        at += 4 + size
    assert at == len(wire)
    return oid, found


@given(st.lists(st.floats(), max_size=20))
def test_doubles_keep_every_bit(values: list[float]) -> None:
    oid, found = fields(packed_numbers(values, Kind.FLOAT8).wire)
    assert oid == 701
    assert np.array_equal([struct.unpack(">d", one)[0] for one in found], values, equal_nan=True)


@given(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=20))
def test_integers(values: list[int]) -> None:
    oid, found = fields(packed_numbers(np.array(values, np.int64), Kind.INT4).wire)
    assert (oid, [struct.unpack(">i", one)[0] for one in found]) == (23, values)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=20))
def test_texts(values: list[str]) -> None:
    oid, found = fields(packed_texts(values).wire)
    assert (oid, [one.decode() for one in found]) == (25, values)


@pytest.mark.parametrize("share", [0.0, 1 / 3, 1.0])
def test_shares_are_rounded_once(share: float) -> None:
    oid, found = fields(packed_numbers([share], Kind.FLOAT4).wire)
    assert (oid, struct.unpack(">f", found[0])[0]) == (700, float(np.float32(share)))
