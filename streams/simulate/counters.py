# SPDX-License-Identifier: Apache-2.0
"""What the line counters of a simulated crowd count: passages at their gate, with their own error."""

import numpy as np
import numpy.typing as npt

from streams.simulate.cameras import Floats, Indices, rounded
from streams.simulate.crowd import Moves
from streams.simulate.sensor_errors import FULL_FLOW_PER_M_MIN, Directions, SensorError
from streams.simulate.shares import Shares

FLOW_MEMORY_S = 10.0
"""Flow is judged over about so long: one second at a gate is mostly chance."""
IN, OUT = 0, 1
"""Rows of a counter's two counts."""


class Counters:
    """Line counters by number; each counts both directions.

    Parameters
    ----------
    gate : intp array [counter]
        Index of its opening.
    shares : Shares
        How the passages of a gate fall to its counters.
    swapped : bool array [counter]
        Whether the device reports in as out, whoever knows of it.
    errors : list of SensorError
    width_m : float array [opening]
    seed : int
    """

    def __init__(
        self, gate: Indices, shares: Shares, swapped: npt.NDArray[np.bool_], errors: list[SensorError],
        width_m: Floats, seed: int,
    ) -> None:
        self._gate = gate
        self._shares = shares
        self._swapped = swapped
        self._width_m = width_m
        self._random = np.random.default_rng([seed, 7])
        concerns = np.array([_concerned(error.directions) for error in errors], np.float64).reshape(-1, 2).T
        bias = np.array([error.bias for error in errors], np.float64)
        self._seen = 1 + np.minimum(bias, 0) * concerns
        self._twice = np.maximum(bias, 0) * concerns
        self._misses = np.array([error.crowding_misses for error in errors], np.float64) * concerns
        self._noise_sd = np.array([error.noise_sd for error in errors], np.float64)
        self._flow_per_m_min = np.zeros(len(width_m))
        self._counted = np.zeros((2, len(errors)), np.int64)

    def count(self, moves: Moves, is_up: npt.NDArray[np.bool_]) -> None:
        """Take the passages of one second; counters that are not up see nothing."""
        flow = (moves.forth + moves.back) * 60 / self._width_m
        self._flow_per_m_min += (flow - self._flow_per_m_min) / FLOW_MEMORY_S
        crowding = np.minimum(self._flow_per_m_min[self._gate] / FULL_FLOW_PER_M_MIN, 1.0)
        passed = np.stack([self._shares.split(way, self._random) for way in (moves.forth, moves.back)])
        counted = self._random.binomial(passed, self._seen * (1 - self._misses * crowding))
        counted += self._random.binomial(counted, self._twice)
        self._counted += np.where(self._swapped, counted[::-1], counted) * is_up

    def take(self, way: Indices, which: Indices) -> Floats:
        """What the counters `which` have counted in direction `way` since they were last asked."""
        counted = self._counted[way, which].astype(np.float64)
        self._counted[way, which] = 0
        noise = 1 + self._noise_sd[which] * self._random.standard_normal(len(which))
        return rounded(np.maximum(counted * noise, 0.0), self._random)


def _concerned(directions: Directions) -> tuple[bool, bool]:
    return directions is not Directions.OUT, directions is not Directions.IN
