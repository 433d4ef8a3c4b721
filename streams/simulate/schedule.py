# SPDX-License-Identifier: Apache-2.0
"""When each measure of a simulated sensor reports, by the sensor's own clock, and when it is down."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from streams.simulate.sensor_errors import SensorError

SECOND_US = 1_000_000


@dataclass(frozen=True, slots=True)
class Due:
    """Measures that report in one second, each once.

    Parameters
    ----------
    measure : intp array
        Their numbers, rising.
    stamp_us : int64 array
        End of the interval (or the instant) on the sensor's clock, microseconds since 1970, UTC.
    """

    measure: npt.NDArray[np.intp]
    stamp_us: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Schedule:
    """Reports at whole multiples of the interval on the sensor's clock.

    Parameters
    ----------
    interval_us : int64 array [measure]
    skew_us : int64 array [measure]
        How far the sensor's clock is ahead.
    """

    interval_us: npt.NDArray[np.int64]
    skew_us: npt.NDArray[np.int64]

    def due(self, now_us: int) -> Iterator[Due]:
        """What falls in the second that ends at `now_us`; more than one where intervals are shorter."""
        shown_us = now_us + self.skew_us
        last = shown_us // self.interval_us
        reports = last - (shown_us - SECOND_US) // self.interval_us
        for earlier in range(int(reports.max(initial=0)) - 1, -1, -1):
            measure = np.flatnonzero(reports > earlier)
            yield Due(measure, (last[measure] - earlier) * self.interval_us[measure])


class DropOuts:
    """Sensors that go down and come back: each second by chance, independent of each other.

    Parameters
    ----------
    errors : list of SensorError
    seed : int

    Attributes
    ----------
    is_up : bool array [sensor]
    """

    def __init__(self, errors: list[SensorError], seed: int) -> None:
        share = np.array([error.drop_out_share for error in errors], np.float64)
        length_s = np.array([error.drop_out_s for error in errors], np.float64)
        self._random = np.random.default_rng([seed, 8])
        self._frail = np.flatnonzero(share > 0)
        self._back = 1 / length_s[self._frail]
        # In the long run as many go down as come back: down x back = up x out.
        share = share[self._frail]
        self._out = np.minimum(1.0, self._back * share / (1 - share))
        self.is_up = np.ones(len(errors), np.bool_)
        self.is_up[self._frail] = self._random.random(len(self._frail)) >= share

    def step(self) -> None:
        """Let one second pass."""
        drawn = self._random.random(len(self._frail))
        was_up = self.is_up[self._frail]
        self.is_up[self._frail] = np.where(was_up, drawn >= self._out, drawn < self._back)
