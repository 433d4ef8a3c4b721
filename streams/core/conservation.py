# SPDX-License-Identifier: Apache-2.0
"""Nobody is made or lost: which gate counts the wrong way round, found from what its zones are known to hold.

Between two moments at which a row's people are known, its gates must have counted the difference; and at no moment
may they have counted it below nobody. Where they did not, a gate whose exchanged counts would explain it collects
evidence; where they did, one whose exchange would spoil it loses evidence.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.core.occupancy_filter import Floats, Rows
from streams.core.occupancy_gates import Joints

FOUND_FROM = 12.0
"""Evidence (natural logarithm of the odds) from which a gate is called swapped."""
BELIEVED_FROM = 4.6
"""Logarithm of the odds of its second story (see `exchange`) from which that agrees: a hundred to one."""
MARGIN = 4.0
"""By so much it must be more than that of any other gate of its zones."""
MOST_AT_ONCE = 8.0
"""Most evidence of one row at one look."""
FEWEST_LOOKS = 2
"""One look alone finds nothing."""
WHOLE_PEOPLE_VARIANCE = 0.25
"""Half a person either way is nothing to look at."""
DOUBT = 1.5
"""The stated variance may be so many times too small."""
LOOK_FROM_SD = 3.2
"""Below nobody by so many standard deviations it is worth a look."""
TELLING_FROM_SD = 2.5
"""By so many standard deviations a row must be off, and an exchange must move it, to tell something."""
LOOK_AGAIN = 1.5
"""The next look is due when the row is so many times further below nobody."""
Off = Callable[[Floats, Rows], Floats]
"""How many standard deviations rows are off when their people are shifted."""
_SIGN = np.array([1.0, 1.0, -1.0, -1.0])
"""What an uncounted way in does to the rows of a gate: `from` zone and area gain, `to` zone and area lose."""


@dataclass(frozen=True, slots=True)
class Swapped:
    """A gate that counts the wrong way round, or, found again, the right way after all.

    Parameters
    ----------
    gate : int
        Its number among the gates.
    at_us : int
    reversed : bool
        Whether its counts are exchanged from now on.
    evidence : float
        Natural logarithm of the odds, capped by look.
    looks : int
        How many looks at its rows spoke for it.
    rows : tuple of int
        Rows (zones, areas) that bear it out.
    """

    gate: int
    at_us: int
    reversed: bool
    evidence: float
    looks: int
    rows: tuple[int, ...]


class SwapWatch:
    """What the gates counted since each row's people were last known.

    At the start nobody is known to be in a row, within `start_variance` [row], persons squared.
    """

    STATE = ("known", "known_variance", "counted", "spread", "chance", "level", "net", "score", "looks")

    def __init__(self, joints: Joints, gates: int, start_variance: Floats) -> None:
        self._sides = np.concatenate([joints.from_row, joints.to_row])
        self.known = np.zeros(joints.rows)
        self.known_variance = start_variance.copy()
        self.counted = np.zeros(joints.rows)
        self.spread = np.zeros((4, joints.rows))
        self.chance = np.zeros(joints.rows)
        self.level = np.zeros(joints.rows)
        self.net = np.zeros((4, gates))
        self.score = np.zeros(gates)
        self.looks = np.zeros(gates, np.int64)
        nothing = np.zeros(0)
        self._pending: tuple[Rows, Floats, Floats] = (np.zeros(0, np.intp), nothing, nothing)

    def carry(self, old: "SwapWatch", rows: tuple[Rows, Rows], gates: tuple[Rows, Rows]) -> None:
        """Keep what is known of rows and gates that stay."""
        for name in ("known", "known_variance", "counted", "chance", "level", "spread"):
            getattr(self, name)[..., rows[0]] = getattr(old, name)[..., rows[1]]
        for name in ("net", "score", "looks"):
            getattr(self, name)[..., gates[0]] = getattr(old, name)[..., gates[1]]

    def mended(self, gate: int) -> None:
        """Hold nothing against a gate whose counts are read another way from now on."""
        self.net[:, gate] = 0.0
        self.score[gate], self.looks[gate] = 0.0, 0

    def minute(self, gate_net: Floats, row_net: Floats, spread: Floats, chance: Floats) -> None:
        """Take a closed minute in.

        Parameters
        ----------
        gate_net : float64 array [gate]
            In less out.
        row_net : float64 array [row]
        spread : float64 array [4, row]
            One standard deviation of each part of the systematic error.
        chance : float64 array [row]
            Variance of chance and of what was not seen.
        """
        self.net += gate_net
        self.counted += row_net
        self.spread += spread
        self.chance += chance

    def emptied_too_far(self) -> Rows:
        """Rows that hold fewer than nobody, further than at their last look."""
        people = self.known + self.counted
        due = (people < 0) & (people < LOOK_AGAIN * self.level)
        found: Rows = np.flatnonzero(due & (people**2 > LOOK_FROM_SD**2 * self._variance()))
        return found

    def look_below_nobody(self, rows: Rows) -> Floats:
        """Judge the gates of rows that hold fewer than nobody; their other rows may speak against an exchange."""
        if not len(rows):
            return np.zeros(len(self.score))
        beside = np.unique(self._sides[:, np.isin(self._sides, rows).any(axis=0)])
        people = self.known + self.counted
        deviation = np.sqrt(DOUBT * self._variance())
        told = self._judge(
            beside[beside >= 0], lambda shift, row: np.minimum(people[row] + shift, 0.0) / deviation[row])
        self.level[rows] = people[rows]
        return told

    def look_at(self, rows: Rows, people: Floats, sd: Floats) -> None:
        """Judge the gates of rows whose people became known."""
        variance = self._variance()
        variance[rows] += sd**2
        deviation, expected = np.sqrt(DOUBT * variance), self.known + self.counted
        measured = np.zeros(len(expected))
        measured[rows] = people
        moved = np.zeros(len(expected))
        for side, of_gate in enumerate(self._sides):
            np.maximum.at(moved, of_gate[of_gate >= 0], np.abs(2 * self.net[side, of_gate >= 0]))
        telling = moved[rows] > TELLING_FROM_SD * deviation[rows]
        self._judge(rows[telling], lambda shift, row: (measured[row] - expected[row] - shift) / deviation[row])
        new = telling | (sd**2 < self.known_variance[rows]) & (sd**2 < variance[rows] - sd**2)
        self._pending = rows[new], people[new], sd[new]

    def now_known(self) -> None:
        """Begin anew at the rows of the last `look_at`, where that was worth it."""
        rows, people, sd = self._pending
        self._restart(rows, people, sd**2)

    def found(self, at_us: int, is_reversed: npt.NDArray[np.bool_], belief: Floats) -> list[Swapped]:
        """Gates with enough evidence, and more than all others of their rows; `is_reversed` turns for these.

        Both accounts have to say so: this one, of people since they were known, and the filter's `belief` [gate].
        """
        found = []
        enough = (self.score >= FOUND_FROM) & (self.looks >= FEWEST_LOOKS) & (belief >= BELIEVED_FROM)
        for gate in np.flatnonzero(enough).tolist():
            rows = self._sides[:, gate]
            rows = rows[rows >= 0]
            beside = np.logical_or.reduce(np.isin(self._sides, rows))
            beside[gate] = False
            if self.score[gate] - self.score[beside].max(initial=0.0) < MARGIN:
                continue
            is_reversed[gate] = not is_reversed[gate]
            found.append(Swapped(gate, at_us, bool(is_reversed[gate]), float(self.score[gate]),
                                 int(self.looks[gate]), tuple(rows.tolist())))
            self.score[beside] = self.score[gate] = 0.0
            self.looks[beside] = self.looks[gate] = 0
        return found

    def exchanged(self, gate: int) -> tuple[Rows, Floats, Floats]:
        """Rows of a gate, with people and variance as its exchanged counts make them."""
        for side, row in enumerate(self._sides[:, gate]):
            if row >= 0:
                self.counted[row] += 2 * _SIGN[side] * self.net[side, gate]
                self.level[row] = 0.0
        self.net[:, gate] *= -1
        rows = self._sides[:, gate]
        rows = np.unique(rows[rows >= 0])
        return rows, (self.known + self.counted)[rows], self._variance()[rows]

    def _restart(self, rows: Rows, people: Floats, variance: Floats) -> None:
        self.known[rows], self.known_variance[rows] = people, variance
        self.counted[rows] = self.chance[rows] = self.level[rows] = 0.0
        self.spread[:, rows] = 0.0
        again = np.zeros(len(self.known) + 1, np.bool_)
        again[rows] = True
        self.net = np.where(again[self._sides], 0.0, self.net)

    def _variance(self) -> Floats:
        squares: Floats = np.square(self.spread).sum(axis=0)
        return self.known_variance + squares + self.chance + WHOLE_PEOPLE_VARIANCE

    def _judge(self, rows: Rows, off: Off) -> Floats:
        """Add to every gate of some rows what they say: how far off they are as counted, and with it exchanged."""
        if not len(rows):
            return np.zeros(len(self.score))
        judged = np.zeros(len(self.known) + 1, np.bool_)
        judged[rows] = True
        total = np.zeros(len(self.score))
        for side in range(4):
            gate = np.flatnonzero(judged[self._sides[side]])
            row = self._sides[side, gate]
            as_counted = off(np.zeros(len(gate)), row) ** 2
            exchanged = off(2 * _SIGN[side] * self.net[side, gate], row) ** 2
            gain = np.clip((as_counted - exchanged) / 2, -MOST_AT_ONCE, MOST_AT_ONCE)
            total[gate] += np.where(as_counted * DOUBT < TELLING_FROM_SD**2, np.minimum(gain, 0.0), gain)
        self.score = np.maximum(self.score + total, 0.0)
        self.looks = np.where(self.score > 0, self.looks + (total > 0), 0)
        return total
