# SPDX-License-Identifier: Apache-2.0
"""What cameras and line counters report of a simulated crowd, as native JSON readings."""

import datetime as dt
from collections.abc import Mapping
from typing import Protocol

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.city import City
from streams.simulate.crowd import Crowd, Moves, Wished
from streams.simulate.ground import Ground
from streams.simulate.measures import Measures
from streams.simulate.schedule import SECOND_US, Due
from streams.simulate.sensor_errors import Mix, SensorError, chosen_errors
from streams.simulate.wishes import CYCLE_S

OUTAGE_S = (1200.0, 1620.0)
"""Seconds of each cycle in which the cameras of one zone are silent: sensors do break."""


class NativeReading(msgspec.Struct, frozen=True, kw_only=True, rename={"from_": "from"}):
    """One reading as native JSON spells it."""

    sensor: str
    metric: str
    from_: dt.datetime
    to: dt.datetime
    value: float


Readings = dict[str, list[NativeReading]]
"""Readings by key of their source."""


class Witness(Protocol):
    """Somebody who is told the truth."""

    def see(self, now_us: int, people: npt.NDArray[np.int64], moves: Moves | None) -> None:
        """The people [zone and outside] at `now_us` and the moves of the second before; None at the start."""


class WatchedCrowd:
    """A crowd and its sensors, on a clock in microseconds.

    `advance` gives the same readings whatever the length of its steps.

    Parameters
    ----------
    city : City
    seed : int
    start_us : int
        Time of the crowd's start, microseconds since 1970, UTC; rounded up to a whole second.
    outages : bool
        Whether in each cycle the cameras of one zone (never the square) are silent for a while.
    errors : mapping of str to SensorError, optional
        For every sensor; else what the city file says of them.
    wishes : Wished, optional
        What drives the crowd; else the endless cycles of `Wishes`.
    witness : Witness, optional
        Is told the truth, second by second, from the start on.
    """

    def __init__(
        self, city: City, seed: int, start_us: int, *, outages: bool = True,
        errors: Mapping[str, SensorError] | None = None, wishes: Wished | None = None,
        witness: Witness | None = None,
    ) -> None:
        self.ground = Ground.of(city)
        self.crowd = Crowd(self.ground, seed, wishes)
        self.start_us = -(-start_us // SECOND_US) * SECOND_US
        self._now_us = self.start_us
        self._measures = Measures(city, self.ground, errors or chosen_errors(city, seed, Mix.CITY), seed)
        self._frail = _frail_zones(set(self._measures.zone_in_view.tolist()) - {-1}, self.ground) if outages else []
        self._witness = witness
        if witness is not None:
            witness.see(self.start_us, self.crowd.people, None)

    def advance(self, until_us: int) -> Readings:
        """Let the crowd move on to `until_us` and give all readings that came due on the way."""
        readings: Readings = {}
        while self._now_us + SECOND_US <= until_us:
            moves = self.crowd.step()
            self._now_us += SECOND_US
            if self._witness is not None:
                self._witness.see(self._now_us, self.crowd.people, moves)
            self._measures.watch(moves)
            for due in self._measures.schedule.due(self._now_us):
                self._report(due, readings)
        return readings

    def _report(self, due: Due, readings: Readings) -> None:
        """Add what is due, unless it began before the start or its sensor is silent."""
        measures = self._measures
        value, is_sent = measures.read(due, self.crowd.people, self.crowd.second)
        begin_us = due.stamp_us - measures.span_us[due.measure]
        is_sent &= begin_us >= self.start_us + measures.schedule.skew_us[due.measure]
        if (silent := self._silent_zone()) is not None:
            is_sent &= measures.zone_in_view[due.measure] != silent
        instants: dict[int, dt.datetime] = {}
        for measure, from_us, to_us, number in zip(
            due.measure[is_sent].tolist(), begin_us[is_sent].tolist(), due.stamp_us[is_sent].tolist(),
            value[is_sent].tolist(), strict=True,
        ):
            sensor, metric, source = measures.names[measure]
            readings.setdefault(source, []).append(NativeReading(
                sensor=sensor, metric=metric, value=number,
                from_=instants.get(from_us) or instants.setdefault(from_us, _utc(from_us)),
                to=instants.get(to_us) or instants.setdefault(to_us, _utc(to_us)),
            ))

    def _silent_zone(self) -> int | None:
        """The zone whose cameras are out now."""
        cycle, within_s = divmod(self.crowd.second, int(CYCLE_S))
        if not self._frail or not OUTAGE_S[0] <= within_s < OUTAGE_S[1]:
            return None
        return self._frail[cycle % len(self._frail)]


def encode_native(readings: list[NativeReading]) -> bytes:
    """As a JSON array."""
    return msgspec.json.encode(readings)


def _frail_zones(watched: set[int], ground: Ground) -> list[int]:
    """Zones with a camera, the smallest numbers of people first, without the square."""
    most = ground.most_people
    return sorted(watched - {ground.square}, key=lambda index: float(most[index]))


def _utc(time_us: int) -> dt.datetime:
    return dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(microseconds=time_us)
