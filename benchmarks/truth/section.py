# SPDX-License-Identifier: Apache-2.0
"""What a part of the truth table is: a titled table, and the goals that its figures are held against."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Goal:
    """A figure with the limit that it has to keep.

    Parameters
    ----------
    name : str
    value : float
    low, high : float, optional
        The limits, both inclusive; None = none on that side.
    """

    name: str
    value: float
    low: float | None = None
    high: float | None = None

    @property
    def reached(self) -> bool:
        """Whether the figure lies within its limits; a figure that is not a number does not."""
        above = self.value >= self.low if self.low is not None else self.value == self.value
        return above and (self.high is None or self.value <= self.high)


@dataclass(frozen=True, slots=True)
class Section:
    """One table of the page.

    Parameters
    ----------
    title : str
    text : str
        What was done, on which data, and how to read the columns; a few plain sentences.
    columns : sequence of str
        With units.
    rows : sequence of sequences of str
        As they are printed.
    goals : sequence of Goal
    """

    title: str
    text: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    goals: Sequence[Goal] = ()


@dataclass(frozen=True, slots=True)
class Recorded:
    """What a part found, and its first seed."""

    seed: int
    sections: list[Section]
