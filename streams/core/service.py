# SPDX-License-Identifier: Apache-2.0
"""When channels are out of service, and when their devices were swapped."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

NO_SWAP = 1 << 62
"""The time of a swap that never comes."""

Times = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Service:
    """Of the channels of a partition; times in microseconds since 1970, UTC.

    Parameters
    ----------
    channels : int
        How many there are.
    gap_channel, gap_from_us, gap_until_us : arrays over times [from, until) in which a channel is out of service
    swaps_us : int64 array, channels x most swaps of any
        When another device took over, ascending; `NO_SWAP` where there are fewer.
    """

    channels: int
    gap_channel: npt.NDArray[np.intp]
    gap_from_us: Times
    gap_until_us: Times
    swaps_us: Times

    @classmethod
    def of(cls, gaps_us: Sequence[Sequence[tuple[int, int]]], swaps_us: Sequence[Sequence[int]]) -> Self:
        """From the times of each channel."""
        gaps = [(channel, *gap) for channel, some in enumerate(gaps_us) for gap in some]
        at = np.array(gaps, np.int64).reshape(-1, 3)
        most = max(map(len, swaps_us), default=0)
        swaps = [[*some, *[NO_SWAP] * (most - len(some))] for some in swaps_us]
        return cls(len(swaps_us), at[:, 0], at[:, 1], at[:, 2], np.array(swaps, np.int64).reshape(len(swaps), most))

    @property
    def has_gaps(self) -> bool:
        """Whether any channel is ever out of service."""
        return len(self.gap_channel) > 0

    @property
    def has_swaps(self) -> bool:
        """Whether any device was ever swapped."""
        return bool(self.swaps_us.size)

    def out(self, at_us: int, after_us: Times | None = None) -> Mask:
        """Over channels: whether each is out of service at a time, or was so within `after_us` before it."""
        out = np.zeros(self.channels, np.bool_)
        until_us = self.gap_until_us if after_us is None else self.gap_until_us + after_us[self.gap_channel]
        out[self.gap_channel[(self.gap_from_us <= at_us) & (at_us < until_us)]] = True
        return out

    def swapped_between(self, channel: npt.NDArray[np.intp] | slice, earlier_us: Times, later_us: Times) -> Mask:
        """Whether a channel's device was swapped in (earlier, later]; times are channels x readings."""
        crossed = np.zeros(later_us.shape, np.bool_)
        for swap in self.swaps_us[channel].T:
            crossed |= (earlier_us < swap[:, None]) & (swap[:, None] <= later_us)
        return crossed
