# SPDX-License-Identifier: Apache-2.0
"""Several sensors at one place: each sees a part, and no person is in two parts."""

from collections.abc import Hashable, Sequence

import numpy as np
import numpy.typing as npt

CERTAIN = 1 - 1e-9
"""A last share that differs from one only by rounding."""


class Shares:
    """How what is at a place falls to the sensors that stand there.

    A multinomial split, drawn sensor by sensor: where the shares of a place add up to one, the parts add up
    to the whole, exactly.

    Parameters
    ----------
    place : intp array [sensor]
        Index of the place of each sensor.
    share : sequence of float [sensor]
        Its part, 0 to 1; those of one group add up to one at most.
    group : sequence of hashable [sensor]
        Sensors of one group divide a place between them; those of another see it anew.
    """

    def __init__(
        self, place: npt.NDArray[np.intp], share: Sequence[float], group: Sequence[Hashable]
    ) -> None:
        self._place = place
        numbers: dict[Hashable, int] = {}
        self._group = np.array([numbers.setdefault(key, len(numbers)) for key in group], np.intp)
        self._groups = len(numbers)
        taken = np.zeros(self._groups)
        rank = np.zeros(len(place), np.intp)
        before: list[int] = [0] * self._groups
        self._conditional = np.zeros(len(place))
        for sensor, (own, part) in enumerate(zip(self._group.tolist(), share, strict=True)):
            rank[sensor], before[own] = before[own], before[own] + 1
            left = 1 - taken[own]
            conditional = min(1.0, part / left) if left > 0 else 0.0
            self._conditional[sensor] = 1.0 if conditional > CERTAIN else conditional
            taken[own] = min(1.0, taken[own] + part)
        self._rounds = [np.flatnonzero(rank == number) for number in range(int(rank.max(initial=-1)) + 1)]

    def split(
        self, there: npt.NDArray[np.int64], random: np.random.Generator
    ) -> npt.NDArray[np.int64]:
        """What each sensor has before it, of what is `there` [place]."""
        parts = np.zeros(len(self._place), np.int64)
        left = np.zeros(self._groups, np.int64)
        left[self._group] = there[self._place]
        for sensors in self._rounds:
            group = self._group[sensors]
            part = random.binomial(left[group], self._conditional[sensors])
            parts[sensors] = part
            left[group] -= part
        return parts
