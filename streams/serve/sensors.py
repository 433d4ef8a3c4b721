# SPDX-License-Identifier: Apache-2.0
"""Sensors on the page: which of a zone's sensors are not in order, since when, and what is said of it. Pure.

About devices only: a state and a time, no value. Nothing here makes a zone look calmer than its rows do.
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import msgspec

from schemas.city import City, Sensor, SensorStatus
from schemas.feeds import axis, hikvision, onvif, xovis
from schemas.health import SensorState
from schemas.ids import IdKind
from streams.serve.wording import SENSOR_STATES

CAMERA_FORMATS = {axis.FORMAT.key, hikvision.FORMAT.key, onvif.FORMAT.key, xovis.FORMAT.key}
NOTED_STATES = {SensorState.SKEWED, SensorState.SILENT, SensorState.STUCK, SensorState.FAULTY}
"""What is noted on the zone's tile itself; all other states stand in its details."""
UNKNOWN_STATE = "onbekende stand"
"""For a state of a newer worker."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SensorPlace:
    """A sensor of a place.

    Parameters
    ----------
    number : int
    key : str
    noun : str
        What people call it.
    is_noted : bool
        Whether the place's value stands on it, so that its tile tells when it fails.
    """

    number: int
    key: str
    noun: str
    is_noted: bool


@dataclass(frozen=True, slots=True)
class SensorStanding:
    """What was told of a sensor last: when, its state (`schemas.health.SensorState`) and since when that holds."""

    at: dt.datetime
    state: int
    since: dt.datetime


class SensorItem(msgspec.Struct, frozen=True, kw_only=True):
    """A sensor that is not in order; `noted` says whether it belongs on the tile. Times are log times."""

    key: str
    noun: str
    state: str
    word: str
    since: dt.datetime
    noted: bool


def city_sensors(city: City) -> dict[str, tuple[SensorPlace, ...]]:
    """The sensors of each zone by the zone's key: its own first, then those of the gates that it has."""
    own: dict[str, list[SensorPlace]] = {key: [] for key in city.file.zones}
    of_gates: dict[str, list[SensorPlace]] = {key: [] for key in city.file.zones}
    for key, sensor in city.file.sensors.items():
        if sensor.zone is not None:
            own[sensor.zone].append(_sensor_place(city, key, sensor))
            continue
        gate = city.file.gates[str(sensor.gate)]
        for end in {gate.from_, gate.to} & of_gates.keys():
            of_gates[end].append(_sensor_place(city, key, sensor))
    return {key: (*own[key], *of_gates[key]) for key in own}


def _sensor_place(city: City, key: str, sensor: Sensor) -> SensorPlace:
    return SensorPlace(
        number=city.ids[IdKind.SENSOR][key], key=key, noun=_noun(city, sensor),
        # A trial is not counted, and a gate's counter makes no level.
        is_noted=sensor.zone is not None and sensor.status is SensorStatus.ACTIVE,
    )


def _noun(city: City, sensor: Sensor) -> str:
    if sensor.gate is not None:
        return "teller"
    sees = any(measure.view_area_m2 is not None for measure in sensor.measures.values())
    return "camera" if sees or city.file.sources[sensor.source].format in CAMERA_FORMATS else "sensor"


def shown_sensors(places: Iterable[SensorPlace], standings: Mapping[int, SensorStanding]) -> list[SensorItem]:
    """Those of `places` that are known not to be in order: what belongs on the tile first, the worst first."""
    known = [(place, standings[place.number]) for place in places if place.number in standings]
    bad = [(place, one) for place, one in known if one.state != SensorState.FRESH]
    bad.sort(key=lambda pair: (not _is_noted(*pair), -pair[1].state, pair[1].since, pair[0].key))
    return [
        SensorItem(
            key=place.key, noun=place.noun, state=_name(one.state), word=SENSOR_STATES.get(one.state, UNKNOWN_STATE),
            since=one.since, noted=_is_noted(place, one),
        )
        for place, one in bad
    ]


def _is_noted(place: SensorPlace, one: SensorStanding) -> bool:
    # A state that is not known here is not taken for harmless.
    return place.is_noted and (one.state in NOTED_STATES or one.state not in SENSOR_STATES)


def _name(state: int) -> str:
    return SensorState(state).name.lower().replace("_", "-") if state in SENSOR_STATES else "unknown"
