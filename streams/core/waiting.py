# SPDX-License-Identifier: Apache-2.0
"""Readings that are received and not yet taken in, because nothing looks at them yet.

What a message costs hardly depends on how many readings it has, so the readings of small messages wait for those of
the next ones and are taken in together. `Partition` lets them wait only while nothing can depend on them.
"""

import numpy as np
import numpy.typing as npt

from schemas.reading import Batch

MOST = 16_384
"""Readings that wait at most: with more of them a reading costs no less."""


class Waiting:
    """Batches in the order of the log, each with the log time at which it was received."""

    def __init__(self) -> None:
        self._batches: list[Batch] = []
        self._received_us: list[int] = []
        self._readings = 0

    def __len__(self) -> int:
        """How many readings wait."""
        return self._readings

    def add(self, batch: Batch, now_us: int) -> None:
        """Let a batch wait that is received at log time `now_us`."""
        self._batches.append(batch)
        self._received_us.append(now_us)
        self._readings += len(batch)

    def taken(self) -> tuple[Batch, npt.NDArray[np.int64]]:
        """All that waits as one batch, and the log time at which each reading was received; nothing waits then."""
        lengths = [len(batch) for batch in self._batches]
        batch = self._batches[0] if len(self._batches) == 1 else Batch.concatenated(self._batches)
        received_us = np.repeat(np.array(self._received_us, np.int64), lengths)
        self._batches, self._received_us, self._readings = [], [], 0
        return batch, received_us
