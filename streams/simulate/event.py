# SPDX-License-Identifier: Apache-2.0
"""An event: people arrive, the programme has its peaks, one zone surges, all go home."""

import datetime as dt
from pathlib import Path
from typing import Annotated

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.errors import FatalError
from streams.simulate.crowd import OUTSIDE_PEOPLE
from streams.simulate.ground import Ground
from streams.simulate.sensor_errors import Mix, SensorError
from streams.simulate.wishes import smooth

ARRIVAL = (0.05, 0.35)
EGRESS = (0.82, 0.97)
"""Shares of the event's length between which people come and go."""
BETWEEN_PEAKS = 0.75
"""People between two peaks of the programme, as a share of the peaks."""
QUIET = 0.05
"""People before and after, as a share of the peaks."""
LAST_SHARE = 0.02
"""Zones come and go earlier or later by up to so large a share of the length."""
WITHIN_LEVEL = 0.55
"""A zone that reaches a level stands so far between that level's threshold and the next."""
OTHER_ZONES = (0.4, 1.0)
"""What zones other than the main one reach, as a share of the wanted level."""
ABOVE_HIGHEST = 1.15
SURGE_TO = 1.3
"""A surge reaches so many times the highest threshold, or the programme's peak where that is more."""
SURGE_COMES_S = 60.0
SURGE_GOES_S = 180.0

Positive = Annotated[int, msgspec.Meta(ge=1)]
Moment = Annotated[int, msgspec.Meta(ge=0)]


class _Strict(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    pass


class Event(_Strict, frozen=True, kw_only=True):
    """Parameters of an event.

    Parameters
    ----------
    start : datetime, optional
        With an offset, on a whole 10 s.
    length_s : int
    seed : int
        Of everything that is left to chance.
    visitors : int, optional
        Most people wanted in all zones together; else `level` says how many.
    level : int
        The level that the main zone reaches at the peaks of the programme; others stay within it.
    peaks : int
        Peaks of the programme, spread evenly between arrival and egress; 0 = full all the while.
    surge_at_s : int, optional
        Sudden crowding so many seconds after the start.
    surge_s : int
        It stands so long.
    surge_zone : str, optional
        Where; else in the main zone.
    jam_at_min : int
        A jam stands on the roads from this minute of each hour on.
    jam_min : int
        Length of the jam, minutes.
    """

    start: dt.datetime | None = None
    length_s: Annotated[int, msgspec.Meta(ge=60, le=172_800)] = 7200
    seed: Moment = 1
    visitors: Annotated[int, msgspec.Meta(ge=1, le=OUTSIDE_PEOPLE // 2)] | None = None
    level: Annotated[int, msgspec.Meta(ge=1, le=9)] = 2
    peaks: Annotated[int, msgspec.Meta(ge=0, le=20)] = 2
    surge_at_s: Moment | None = None
    surge_s: Positive = 300
    surge_zone: str | None = None
    jam_at_min: Annotated[int, msgspec.Meta(ge=0, le=59)] = 15
    jam_min: Annotated[int, msgspec.Meta(ge=0, le=60)] = 25


class Errors(_Strict, frozen=True, kw_only=True):
    """How the sensors err: the mix, and single sensors by key."""

    mix: Mix = Mix.TYPICAL
    sensors: dict[str, SensorError] = {}


class EventFile(_Strict, frozen=True, kw_only=True):
    """The TOML file of `drukte simulate --event`."""

    event: Event = Event()
    errors: Errors = Errors()


def read_event(path: Path) -> EventFile:
    """Read an event file.

    Raises
    ------
    FatalError
        It cannot be read, or a key is wrong; the text names it.
    """
    try:
        return msgspec.toml.decode(path.read_bytes(), type=EventFile)
    except OSError as error:
        raise FatalError(f"{path}: cannot be read ({error.strerror}); give an event file") from None
    except msgspec.DecodeError as error:
        raise FatalError(f"{path}: {error}") from None


class Programme:
    """Wished number of people per zone in the course of an event; what drives the crowd.

    Parameters
    ----------
    ground : Ground
    event : Event

    Raises
    ------
    FatalError
        The surge's zone is not among the zones of people.
    """

    def __init__(self, ground: Ground, event: Event) -> None:
        random = np.random.default_rng([event.seed, 9])
        zones = len(ground.zones)
        self._event = event
        self._peak = _peaks(ground, event, random)
        self._early_s = random.uniform(-LAST_SHARE, LAST_SHARE, zones) * event.length_s
        self._surging = _surge_zone(ground, event)
        self._surge_people = 0.0
        if self._surging >= 0:
            at = self._surging
            self._surge_people = SURGE_TO * float(max(ground.most_people[at], self._peak[at]))

    def at(self, second: float) -> npt.NDArray[np.float64]:
        """Wished people [zone] so many seconds after the start."""
        along = (second + self._early_s) / self._event.length_s
        there = smooth(along, *ARRIVAL) * (1 - smooth(along, *EGRESS))
        share = QUIET + (1 - QUIET) * there * self._programme(along)
        wished: npt.NDArray[np.float64] = self._peak * share
        if self._surging >= 0:
            surge = self._surge(second)
            calm = wished[self._surging]
            wished[self._surging] = calm + surge * max(0.0, self._surge_people - calm)
        return wished

    def _programme(self, along: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
        peaks = self._event.peaks
        if not peaks:
            return np.ones_like(along)
        # One cosine bump per peak, side by side from the end of the arrival to the begin of the egress.
        within = np.clip((along - ARRIVAL[1]) / (EGRESS[0] - ARRIVAL[1]), 0.0, 1.0)
        bump: npt.NDArray[np.float64] = (1 - np.cos(2 * np.pi * peaks * within)) / 2
        return BETWEEN_PEAKS + (1 - BETWEEN_PEAKS) * bump

    def _surge(self, second: float) -> float:
        at_s = self._event.surge_at_s
        if at_s is None:
            return 0.0
        over_s = at_s + SURGE_COMES_S + self._event.surge_s
        come = smooth(np.float64(second), at_s, at_s + SURGE_COMES_S)
        return float(come * (1 - smooth(np.float64(second), over_s, over_s + SURGE_GOES_S)))


def _peaks(ground: Ground, event: Event, random: np.random.Generator) -> npt.NDArray[np.float64]:
    """People of each zone at the peaks of the programme."""
    levels = ground.level_people
    zones = len(levels)
    highest = np.isfinite(levels).sum(axis=1)
    bounds = np.concatenate([np.zeros((zones, 1)), levels], axis=1)
    rows, level = np.arange(zones), np.minimum(event.level, highest)
    low, high = bounds[rows, level], bounds[rows, np.minimum(level + 1, highest)]
    peak = np.where(level < highest, low + WITHIN_LEVEL * (high - low), ABOVE_HIGHEST * low)
    share = random.uniform(*OTHER_ZONES, zones)
    if ground.square >= 0:
        share[ground.square] = 1.0
    peak = peak * share
    if event.visitors is not None and peak.sum() > 0:
        peak *= event.visitors / peak.sum()
    people: npt.NDArray[np.float64] = peak
    return people


def _surge_zone(ground: Ground, event: Event) -> int:
    if event.surge_zone is None:
        return ground.square
    if event.surge_zone not in ground.zones:
        raise FatalError(f"event.surge_zone: {event.surge_zone!r} is no zone of people of the city; name one")
    return ground.zones.index(event.surge_zone)
