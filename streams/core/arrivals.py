# SPDX-License-Identifier: Apache-2.0
"""Readings on their way into the state: those of one group, as arrays side by side."""

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from streams.core.layout import Group

Places = npt.NDArray[np.intp]
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(slots=True)
class Arrivals:
    """Readings of one group, at least one.

    Parameters
    ----------
    group : Group
    channel, place : int arrays
    begin, span_us : int64 arrays
    held : float64 array
        As slots hold it (`streams.core.counts.entry_value`).
    weight : float32 array
    received_us : int64 array
        Log time at which each was received.
    first_us, last_us : int
        Earliest and latest begin: a message is nearly always of one interval, and plain numbers then say for all
        what arrays would say for each.
    """

    group: Group
    channel: Places
    place: Places
    begin: Ints
    span_us: Ints
    held: npt.NDArray[np.float64]
    weight: npt.NDArray[np.float32]
    received_us: Ints
    first_us: int
    last_us: int

    def __len__(self) -> int:
        return len(self.channel)

    @property
    def end_us(self) -> Ints:
        """When each interval ended, or the instant of a sample."""
        return self.begin if self.group.is_instant else self.begin + self.span_us

    def take(self, which: Mask | Places) -> Self:
        """Some of them; `first_us` and `last_us` still hold, as bounds."""
        return type(self)(
            self.group, self.channel[which], self.place[which], self.begin[which], self.span_us[which],
            self.held[which], self.weight[which], self.received_us[which], self.first_us, self.last_us)
