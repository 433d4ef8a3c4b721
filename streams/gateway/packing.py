# SPDX-License-Identifier: Apache-2.0
"""Readings of a request, sorted into the partitions of their sites and cut into messages. Pure."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from schemas.errors import FatalError
from schemas.reading import Batch

MESSAGE_READINGS = 5_000
"""At most so many readings in a message: some 240 kB, and a step of the fold of a few milliseconds."""


def split(batch: Batch, partition_of_sensor: npt.NDArray[np.int32]) -> list[tuple[int, Batch]]:
    """The readings of each partition, in the order in which they came.

    Parameters
    ----------
    batch : Batch
        Admitted readings: every sensor is one of the city.
    partition_of_sensor : int32 array
        Partition by sensor number; -1 where no sensor has the number.

    Returns
    -------
    list of (partition, Batch)
        Ascending by partition, none empty; together exactly the readings of `batch`.

    Raises
    ------
    FatalError
        A sensor without a partition: it should have been refused before.
    """
    if not len(batch):
        return []
    known = (batch.sensor >= 0) & (batch.sensor < len(partition_of_sensor))
    partitions = np.where(known, partition_of_sensor[np.where(known, batch.sensor, 0)], -1)
    if partitions.min() < 0:
        lost = np.unique(batch.sensor[partitions < 0])[:5].tolist()
        raise FatalError(f"sensors {lost} of CITY.ids stand in no site; the door should have refused them")
    # numpy sorts numbers of 16 bits by counting, others by comparing; only a huge deployment has more partitions.
    small = partitions.astype(np.int16) if partitions.max() < 2**15 else partitions
    order = np.argsort(small, kind="stable")
    ordered = partitions[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    ends = np.r_[starts[1:], len(ordered)]
    if len(starts) == 1:
        return [(int(ordered[0]), batch)]
    return [
        (int(ordered[start]), batch.take(order[start:end])) for start, end in zip(starts, ends, strict=True)
    ]


def cut(batches: list[Batch], limit: int = MESSAGE_READINGS) -> Iterator[Batch]:
    """All readings of `batches`, in order, in pieces of at most `limit` readings."""
    joined = batches[0] if len(batches) == 1 else Batch.concatenated(batches)
    if len(joined) <= limit:
        if len(joined):
            yield joined
        return
    for start in range(0, len(joined), limit):
        yield joined.take(np.arange(start, min(start + limit, len(joined))))
