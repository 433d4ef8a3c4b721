# SPDX-License-Identifier: Apache-2.0
"""A crowd with known truth: people move between zones and outside, and nobody is made or lost."""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from streams.simulate.ground import Ground
from streams.simulate.wishes import Wishes

EVEN_OUT_S = 60.0
"""Surplus and shortage of neighbouring places even out in about this time."""
STAY_S = 900.0
"""A person stays about so long, also while the number of people stands still."""
OUTSIDE_PEOPLE = 10_000_000
"""People outside at the start; only the sum over all places matters."""


@dataclass(frozen=True, slots=True)
class Moves:
    """Passages of one second per opening.

    Parameters
    ----------
    forth, back : int64 array [opening]
        From the side `from` to the side `to` of the opening, and against it.
    """

    forth: npt.NDArray[np.int64]
    back: npt.NDArray[np.int64]


class Wished(Protocol):
    """How many people want to be in each zone."""

    def at(self, second: float) -> npt.NDArray[np.float64]:
        """Wished people [zone] so many seconds after the start."""


class Crowd:
    """People of a ground, second by second; pure, and the same for the same seed.

    Each opening carries the turnover of the places beside it both ways, and on top a net flow, never more
    than its width lets through. The surplus or shortage of the side farther from outside drives the net flow:
    who leaves goes towards outside, who comes passes through what lies before. Equally far sides even out.

    Parameters
    ----------
    ground : Ground
    seed : int
    wishes : Wished, optional
        What drives it; else the endless cycles of `Wishes`.

    Attributes
    ----------
    people : int64 array [zone and outside]
        Who is where now; its sum never changes.
    second : int
        Seconds since the start.
    """

    def __init__(self, ground: Ground, seed: int, wishes: Wished | None = None) -> None:
        self.ground = ground
        self.second = 0
        self._wishes = wishes or Wishes(ground, seed)
        self._random = np.random.default_rng([seed, 2])
        at_start = np.rint(self._wishes.at(0)).astype(np.int64)
        self.people = np.append(at_start, OUTSIDE_PEOPLE - at_start.sum())
        zones = len(ground.zones)
        ends = np.concatenate([ground.side_from, ground.side_to])
        self._openings = np.maximum(np.bincount(ends, minlength=zones + 1), 1)

    def step(self) -> Moves:
        """Let one second pass."""
        self.second += 1
        forth_per_s, back_per_s = self._rates()
        drawn = self._random.poisson(np.stack([forth_per_s, back_per_s])).astype(np.int64)
        origin = np.stack([self.ground.side_from, self.ground.side_to])
        moves = _no_more_than_there_are(drawn, origin, self.people)
        leaving = np.bincount(origin.ravel(), moves.ravel(), len(self.people))
        arriving = np.bincount(origin[::-1].ravel(), moves.ravel(), len(self.people))
        self.people = self.people + (arriving - leaving).astype(np.int64)
        return Moves(moves[0], moves[1])

    def _rates(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Expected passages per second forth and back."""
        ground, outside = self.ground, len(self.ground.zones)
        surplus = np.append(self.people[:outside] - self._wishes.at(self.second), 0.0)
        inward = np.sign(ground.depth[ground.side_to] - ground.depth[ground.side_from])
        of_from = np.where(inward > 0, 0.0, surplus[ground.side_from])
        of_to = np.where(inward < 0, 0.0, surplus[ground.side_to])
        net = (of_from - of_to) / EVEN_OUT_S
        turnover = self.people / STAY_S / self._openings
        # Outside has no number of its own: as many come in as the zone's people go out.
        at_from = np.where(ground.side_from == outside, turnover[ground.side_to], turnover[ground.side_from])
        at_to = np.where(ground.side_to == outside, turnover[ground.side_from], turnover[ground.side_to])
        both_ways = (at_from + at_to) / 2
        forth = both_ways + np.maximum(net, 0)
        back = both_ways + np.maximum(-net, 0)
        squeeze = np.minimum(1.0, ground.limit_per_s / np.maximum(forth + back, 1e-9))
        return forth * squeeze, back * squeeze


def _no_more_than_there_are(
    drawn: npt.NDArray[np.int64], origin: npt.NDArray[np.intp], people: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """The drawn passages, fewer where more would leave a place than are in it."""
    leaving = np.bincount(origin.ravel(), drawn.ravel(), len(people))
    share = np.minimum(1.0, people / np.maximum(leaving, 1))
    # Rounding down keeps the sum of all openings of a place within its people.
    allowed = np.where(share[origin] < 1, np.floor(drawn * share[origin]), drawn)
    return allowed.astype(np.int64)
