# SPDX-License-Identifier: Apache-2.0
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import FatalError
from schemas.reading import Batch
from streams.gateway.packing import MESSAGE_READINGS, cut, split

PARTITIONS = 4


@st.composite
def cases(draw: st.DrawFn) -> tuple[Batch, npt.NDArray[np.int32]]:
    table = np.array(draw(st.lists(st.integers(0, PARTITIONS - 1), min_size=1, max_size=12)), np.int32)
    sensors = draw(st.lists(st.integers(0, len(table) - 1), max_size=60))
    # The begin numbers the readings, so that each can be found again.
    return _batch(sensors), table


def _batch(sensors: list[int]) -> Batch:
    if not sensors:
        return Batch.empty()
    return Batch.of(sensor=sensors, metric=1, begin=np.arange(len(sensors)), value=1.0)


@given(cases())
def test_each_reading_lands_once_in_its_own_partition(case: tuple[Batch, npt.NDArray[np.int32]]) -> None:
    batch, table = case
    parts = split(batch, table)
    assert sorted(np.concatenate([part.begin for _, part in parts]).tolist() if parts else []) == list(
        range(len(batch))
    )
    for partition, part in parts:
        assert (table[part.sensor] == partition).all()


@given(cases())
def test_order_within_a_partition_is_kept(case: tuple[Batch, npt.NDArray[np.int32]]) -> None:
    parts = split(*case)
    assert [partition for partition, _ in parts] == sorted({partition for partition, _ in parts})
    for _, part in parts:
        assert len(part)
        assert (np.diff(part.begin) > 0).all()


@given(st.lists(st.integers(0, 9), max_size=8), st.integers(1, 7))
def test_cutting_keeps_all_readings_in_order_and_within_the_limit(sizes: list[int], limit: int) -> None:
    joined = _batch([0] * sum(sizes))
    ends = np.cumsum([0, *sizes])
    batches = [joined.take(np.arange(start, end)) for start, end in pairwise(ends)]
    pieces = list(cut(batches or [Batch.empty()], limit))
    assert [begin for piece in pieces for begin in piece.begin] == joined.begin.tolist()
    assert all(0 < len(piece) <= limit for piece in pieces)
    assert len(pieces) == -(-len(joined) // limit)


def test_a_message_has_at_most_5000_readings() -> None:
    sizes = [len(piece) for piece in cut([_batch([0] * 12_000)])]
    assert sizes == [MESSAGE_READINGS, MESSAGE_READINGS, 2_000]


@pytest.mark.parametrize("sensor", [0, 2, 7, -1])
def test_a_sensor_without_a_site_is_a_bug(sensor: int) -> None:
    with pytest.raises(FatalError, match=f"{sensor}"):
        split(_batch([1, sensor]), np.array([-1, 0, -1], np.int32))
