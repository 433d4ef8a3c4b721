# SPDX-License-Identifier: Apache-2.0
"""What is in force when: things of a kind, each from a moment on until the next one begins."""

from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

T = TypeVar("T")
U = TypeVar("U")


@dataclass(frozen=True, slots=True)
class Timeline(Generic[T]):
    """At least one entry; the first one also holds for all time before it.

    Parameters
    ----------
    since_us : tuple of int
        From when each entry holds, ascending; microseconds since 1970, UTC.
    entries : tuple
        As long as `since_us`.
    """

    since_us: tuple[int, ...]
    entries: tuple[T, ...]

    @classmethod
    def of(cls, entry: T) -> "Timeline[T]":
        """One entry for all time."""
        return cls((0,), (entry,))

    def __len__(self) -> int:
        return len(self.entries)

    @property
    def newest(self) -> T:
        """The entry that holds at the end of time."""
        return self.entries[-1]

    def at(self, at_us: int) -> T:
        """The entry in force at a moment."""
        return self.entries[max(bisect_right(self.since_us, at_us) - 1, 0)]

    def between(self, from_us: int, to_us: int) -> "Timeline[T]":
        """Only the entries that are in force at some moment from `from_us` to `to_us`."""
        first = max(bisect_right(self.since_us, from_us) - 1, 0)
        last = max(bisect_right(self.since_us, to_us), first + 1)
        return Timeline(self.since_us[first:last], self.entries[first:last])

    def mapped(self, made: Callable[[T], U]) -> "Timeline[U]":
        """Something of each entry."""
        return Timeline(self.since_us, tuple(made(entry) for entry in self.entries))

    def split(self, at_us: npt.NDArray[np.int64]) -> list[tuple[T, npt.NDArray[np.intp]]]:
        """Positions of `at_us` by the entry in force then, ascending by time; entries without one are left out."""
        if len(self.entries) == 1:
            return [(self.entries[0], np.arange(len(at_us)))] if len(at_us) else []
        number = np.maximum(np.searchsorted(np.array(self.since_us, np.int64), at_us, side="right") - 1, 0)
        return [(self.entries[at], np.flatnonzero(number == at)) for at in np.unique(number).tolist()]
