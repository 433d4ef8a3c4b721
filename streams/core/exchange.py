# SPDX-License-Identifier: Apache-2.0
"""The second story of every gate: its rows as they would be if it counted the wrong way round.

A gate that is not proved to be swapped is not proved to be healthy either. Beside the estimate, that takes the counts
as they come, each gate keeps by how much its rows would differ, carried through the same filter, and a belief in that
story. What is measured of a row moves the belief; the bounds are those of both stories together, each with its share.
"""

from statistics import NormalDist

import numpy as np

from streams.core.occupancy_filter import STATES, Floats, Rows
from streams.core.occupancy_gates import Joints

PRIOR = -4.6
"""Logarithm of the odds that a gate of which nothing is known counts the wrong way round: one in a hundred."""
SUREST = 8.0
"""A belief goes no further than this either way from the prior: gates are mended and mounted anew."""
MOST_AT_ONCE = 3.0
"""Most evidence of one row at one look: the model of the error may be wrong."""
DOUBT = 1.5
"""The stated variance may be so many times too small."""
WHOLE_PEOPLE_VARIANCE = 0.25
"""Half a person either way is no difference."""
_SIGN = np.array([1.0, 1.0, -1.0, -1.0])
_TAIL = 0.025
_FIRST = float(np.log(_TAIL / (1 - _TAIL)))
_STEP, _STEPS = 0.02, 600


def _reach() -> Floats:
    """So many standard deviations of the second story are within the bounds, over log odds from `_FIRST` on."""
    unit = NormalDist()
    share = [1 / (1 + np.exp(-(_FIRST + _STEP * (at + 1)))) for at in range(_STEPS)]
    return np.array([round(-unit.inv_cdf(_TAIL / one), 9) for one in share])


_REACH = _reach()


class Exchange:
    """The second story of every gate.

    Attributes
    ----------
    shift : float64 array [5, side, gate]
        By how much the state of the row on a side (see `Joints`) would differ.
    unsure : float64 array [side, gate]
        Variance of N in that story, above that of the estimate, which learned from being held positive.
    belief : float64 array [gate]
        Logarithm of the odds of that story.
    """

    STATE = ("shift", "unsure", "belief")

    def __init__(self, joints: Joints, gates: int) -> None:
        self._sides = np.concatenate([joints.from_row, joints.to_row])
        self._rows = joints.rows
        self.shift = np.zeros((STATES, 4, gates))
        self.unsure = np.zeros((4, gates))
        self.belief = np.full(gates, PRIOR)

    def carry(self, old: "Exchange", gates: tuple[Rows, Rows]) -> None:
        """Keep what is known of gates that stay."""
        for name in self.STATE:
            getattr(self, name)[..., gates[0]] = getattr(old, name)[..., gates[1]]

    def minute(self, gate_net: Floats, error: Floats) -> None:
        """Let a minute pass: people in less out by gate, and the error of rows as `predict` takes it."""
        self.shift[0] += 2 * _SIGN[:, None] * gate_net + (error[:, self._sides] * self.shift[1:]).sum(axis=0)
        self.shift[:, self._sides < 0] = 0.0

    def look(self, rows: Rows, off: Floats, variance: Floats) -> None:
        """Move the beliefs by what was measured.

        Parameters
        ----------
        rows : int array
        off : float64 array over `rows`
            People measured less people expected.
        variance : float64 array over `rows`
            Of that difference.
        """
        side, gate, at = self._beside(rows)
        first = DOUBT * variance[at] + WHOLE_PEOPLE_VARIANCE
        second = first + DOUBT * self.unsure[side, gate]
        # Rounded, so that the last bit of a machine's own logarithm does not matter.
        wider = np.round(np.log(first / second), 9)
        gain = (off[at] ** 2 / first - (off[at] - self.shift[0, side, gate]) ** 2 / second + wider) / 2
        told = np.bincount(gate, np.clip(gain, -MOST_AT_ONCE, MOST_AT_ONCE), len(self.belief))
        self.learn(told.astype(np.float64))

    def learn(self, evidence: Floats) -> None:
        """Add evidence by gate."""
        self.belief = np.clip(self.belief + evidence, PRIOR - SUREST, PRIOR + 2 * SUREST)

    def follow(self, rows: Rows, gain: Floats) -> None:
        """What a measurement did to the state of rows (gain [5, rows] of N's innovation) it does to this story."""
        side, gate, at = self._beside(rows)
        self.shift[:, side, gate] -= gain[:, at] * self.shift[0, side, gate]
        self.unsure[side, gate] *= (1 - gain[0, at]) ** 2

    def folded(self, rows: Rows, moved: Floats, less: Floats) -> None:
        """Rows were held positive: this story was not, but has its own limit."""
        side, gate, at = self._beside(rows)
        self.shift[:, side, gate] -= moved[:, at]
        self.unsure[side, gate] += np.maximum(less[at], 0.0)

    def limit(self, people: Floats) -> None:
        """Nobody is less than nobody in this story either."""
        self.shift[0] = np.maximum(self.shift[0], np.where(self._sides >= 0, -people[self._sides], 0.0))

    def forget(self, gate: int) -> None:
        """Begin anew with a gate and those beside it: its counts were exchanged."""
        rows = self._sides[:, gate]
        beside = np.isin(self._sides, rows[rows >= 0])
        self.shift[:, beside] = self.unsure[beside] = 0.0
        self.belief[beside.any(axis=0)] = PRIOR

    def mended(self, gate: int) -> None:
        """Begin anew with a gate alone: from now on its counts are read another way."""
        self.shift[:, :, gate] = self.unsure[:, gate] = 0.0
        self.belief[gate] = PRIOR

    def widened(self, people: Floats, variance: Floats, lower: Floats, upper: Floats) -> tuple[Floats, Floats]:
        """Bounds [row] of both stories together, where the second is likely enough to matter."""
        lower, upper = lower.copy(), upper.copy()
        gates = np.flatnonzero(self.belief > _FIRST)
        step = np.minimum((self.belief[gates] - _FIRST) / _STEP, _STEPS - 1).astype(np.intp)
        for side in range(4):
            row = self._sides[side, gates]
            gate, reach, row = gates[row >= 0], _REACH[step[row >= 0]], row[row >= 0]
            other = people[row] + self.shift[0, side, gate]
            half = reach * np.sqrt(variance[row] + self.unsure[side, gate])
            np.minimum.at(lower, row, np.maximum(other - half, 0.0))
            np.maximum.at(upper, row, other + half)
        return lower, upper

    def _beside(self, rows: Rows) -> tuple[Rows, Rows, Rows]:
        """Sides and gates of rows, and which of `rows` each is."""
        number = np.full(self._rows + 1, -1, np.intp)
        number[rows] = np.arange(len(rows))
        side, gate = np.nonzero(number[self._sides] >= 0)
        return side, gate, number[self._sides[side, gate]]
