# SPDX-License-Identifier: Apache-2.0
"""Plays an event: step by step, to outlets and into the truth, at the pace that is wanted."""

import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from schemas.city import City
from schemas.errors import FatalError
from streams.simulate.crowd_sensors import WatchedCrowd
from streams.simulate.event import Event, Programme
from streams.simulate.ground import Ground
from streams.simulate.outlets import Outlet
from streams.simulate.roads import DELIVERY_S, MINUTE_US, RoadTraffic
from streams.simulate.sensor_errors import Mix, SensorError
from streams.simulate.truth import STEP_US, TruthFile

DELIVERY_US = round(DELIVERY_S * 1_000_000)
ABOUT_FORMAT = 1


@dataclass(frozen=True, slots=True)
class Play:
    """What is played.

    Parameters
    ----------
    city : City
    event : Event
    start_us : int
        On a whole 10 s; microseconds since 1970, UTC.
    mix : Mix
        By what the errors were chosen.
    errors : dict of str to SensorError
        For every sensor of the city.
    roads : bool
        Whether invented road traffic belongs to it.
    """

    city: City
    event: Event
    start_us: int
    mix: Mix
    errors: dict[str, SensorError]
    roads: bool = False

    def about(self) -> bytes:
        """The JSON document that stands in the truth's metadata: enough to play it again."""
        file = self.city.file
        return msgspec.json.encode({
            "format": ABOUT_FORMAT, "city": file.city, "city_version": file.version,
            "city_sha256": self.city.sha256, "start_us": self.start_us, "roads": self.roads,
            "event": self.event, "mix": self.mix, "errors": self.errors,
        }, order="sorted")


@dataclass(frozen=True, slots=True)
class Played:
    """What was played: simulated seconds, readings by source, publications of the roads, rows of the truth."""

    length_s: int
    readings: dict[str, int]
    publications: int
    truth_rows: int


class Pace:
    """Holds simulated time back to `speed` times the wall clock; 0 = not at all.

    Parameters
    ----------
    speed : float
    now_s, wait : callable
        A clock that only rises, and what lets seconds pass.
    """

    def __init__(
        self, speed: float, now_s: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._speed = speed
        self._now_s = now_s
        self._wait = wait
        self._begin_s = now_s()

    def keep(self, simulated_s: float) -> None:
        """Return when so many seconds since the start may have passed."""
        if self._speed > 0:
            early_s = self._begin_s + simulated_s / self._speed - self._now_s()
            if early_s > 0:
                self._wait(early_s)


def play(
    playing: Play, outlets: Sequence[Outlet], truth: TruthFile | None, pace: Pace,
    progress: Callable[[int], None] = lambda _: None,
) -> Played:
    """Play an event from its start to its end.

    Parameters
    ----------
    playing : Play
    outlets : sequence of Outlet
    truth : TruthFile, optional
        Neither it nor the outlets are closed.
    pace : Pace
    progress : callable
        Told the simulated seconds after each step of 10 s.

    Raises
    ------
    FatalError
        The start is not on a whole 10 s, or an outlet cannot go on.
    TransientError
        The gateway takes nothing for too long.
    """
    if playing.start_us % STEP_US:
        raise FatalError("the event's start is not on a whole 10 s: neither zones' truth nor cameras would fit it")
    event = playing.event
    # A step that the event only begins has no truth at its end.
    length_s = event.length_s // (STEP_US // 1_000_000) * (STEP_US // 1_000_000)
    ground = Ground.of(playing.city)
    crowd = WatchedCrowd(
        playing.city, event.seed, playing.start_us, outages=False, errors=playing.errors,
        wishes=Programme(ground, event), witness=truth,
    )
    roads = _Roads(playing, outlets, truth) if playing.roads else None
    readings: Counter[str] = Counter()
    for end_us in range(playing.start_us + STEP_US, playing.start_us + length_s * 1_000_000 + 1, STEP_US):
        elapsed_s = (end_us - playing.start_us) // 1_000_000
        step = crowd.advance(end_us)
        pace.keep(elapsed_s)
        for source, found in sorted(step.items()):
            readings[source] += len(found)
            for outlet in outlets:
                outlet.send(source, found)
        if roads is not None:
            roads.publish(end_us)
        progress(elapsed_s)
    return Played(
        length_s, dict(sorted(readings.items())), roads.published if roads else 0, truth.rows if truth else 0
    )


class _Roads:
    """The invented roads of an event: truth at the end of each minute, publications once they are delivered."""

    def __init__(self, playing: Play, outlets: Sequence[Outlet], truth: TruthFile | None) -> None:
        begin_min = playing.event.jam_at_min
        jam_min = (begin_min, begin_min + playing.event.jam_min)
        first_us = -(-playing.start_us // MINUTE_US) * MINUTE_US
        self._traffic = RoadTraffic(playing.event.seed, first_us, jam_min)
        self._outlets = outlets
        self._truth = truth
        self._ended_us = self._delivered_us = first_us
        self.published = 0

    def publish(self, now_us: int) -> None:
        """Everything that ended or came out until now."""
        while self._ended_us + MINUTE_US <= now_us:
            if self._truth is not None:
                self._truth.see_roads(self._ended_us, self._traffic.truth(self._ended_us))
            self._ended_us += MINUTE_US
        while self._delivered_us + MINUTE_US + DELIVERY_US <= now_us:
            publication = self._traffic.publication(self._delivered_us)
            for outlet in self._outlets:
                outlet.publish(self._delivered_us, publication)
            self._delivered_us += MINUTE_US
            self.published += 1
