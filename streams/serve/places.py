# SPDX-License-Identifier: Apache-2.0
"""What the city file says about the places on the page: names, words of levels, how late rows may come. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain

from schemas.city import City, Measure
from schemas.ids import IdKind
from schemas.roads import ALLOWED_DELAY_S
from streams.core.thresholds import level_people, view_areas
from streams.serve.exits import SiteExits, gate_name, site_exits
from streams.serve.sensors import SensorPlace, city_sensors

STALE_WINDOWS = 3
"""A place whose newest window ended longer ago than so many windows, and its allowed delay, is stale."""
STALE_WALL_S = 15.0
"""With a fast simulated clock: never sooner than so many seconds by the watch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A zone, gate or road.

    Parameters
    ----------
    key, name, site : str
        Of a gate `name` tells what it joins where the city file gives it no name.
    levels : tuple of str
        Words of the zone's profile; empty for others.
    delay_s : float
        How long its windows wait for the slowest sensor.
    zones : tuple of str
        Keys of the zones that a gate joins.
    sensors : tuple of SensorPlace
        Of a zone and its gates.
    limits : tuple of float
        Of a zone: people from which each level above the lowest holds.
    is_seen : bool
        Of a zone: whether a sensor sees people in it; else they are known by its gates alone.
    """

    key: str
    name: str
    site: str
    levels: tuple[str, ...] = ()
    delay_s: float = 0.0
    zones: tuple[str, ...] = ()
    sensors: tuple[SensorPlace, ...] = ()
    limits: tuple[float, ...] = ()
    is_seen: bool = True


@dataclass(frozen=True, slots=True)
class Places:
    """All places, by number and in the order of the city file; sites that have zones, and their ways out by key."""

    zones: dict[int, Place]
    gates: dict[int, Place]
    roads: dict[int, Place]
    sites: dict[int, Place]
    exits: dict[str, SiteExits]
    _by_key: dict[str, Place] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        """Note the places by key: there may be thousands of roads."""
        places = chain(self.roads.values(), self.gates.values(), self.zones.values())
        object.__setattr__(self, "_by_key", {place.key: place for place in places})

    def by_key(self, key: str) -> Place | None:
        """The zone, gate or road of a key, if the city has it."""
        return self._by_key.get(key)


def city_places(city: City) -> Places:
    """The places of a city."""
    delays_s = _delays_s(city)
    return Places(dict(_zones(city, delays_s)), dict(_gates(city, delays_s)), dict(_roads(city)),
                  dict(_sites(city)), site_exits(city))


def stale_after_s(span_s: float, delay_s: float, speed: float) -> float:
    """Age in log time beyond which a window says nothing about now.

    Parameters
    ----------
    span_s : float
        Length of the window.
    delay_s : float
        How long it waits for its sensors.
    speed : float
        Seconds of log time in a second.
    """
    return max(STALE_WINDOWS * span_s + delay_s, STALE_WALL_S * speed if speed > 1 else 0.0)


def _delays_s(city: City) -> dict[str, float]:
    longest: dict[str, float] = {}
    for sensor in city.file.sensors.values():
        place = sensor.zone or sensor.gate or ""
        longest[place] = max(longest.get(place, 0.0), *map(_delay_s, sensor.measures.values()))
    return longest


def _delay_s(measure: Measure) -> float:
    return measure.allowed_delay_s


def _zones(city: City, delays_s: dict[str, float]) -> Iterator[tuple[int, Place]]:
    numbers, sensors, seen = city.ids[IdKind.ZONE], city_sensors(city), view_areas(city.file)
    for key, zone in city.file.zones.items():
        yield numbers[key], Place(
            key=key, name=zone.name, site=zone.site, levels=tuple(city.file.profiles[zone.profile].levels),
            delay_s=delays_s.get(key, 0.0), sensors=sensors[key],
            limits=tuple(level_people(zone, city.file.profiles[zone.profile])), is_seen=key in seen,
        )


def _sites(city: City) -> Iterator[tuple[int, Place]]:
    used = {zone.site for zone in city.file.zones.values()}
    for key, site in city.file.sites.items():
        if key in used:
            yield city.ids[IdKind.SITE][key], Place(key=key, name=site.name, site=key)


def _gates(city: City, delays_s: dict[str, float]) -> Iterator[tuple[int, Place]]:
    numbers, zones = city.ids[IdKind.GATE], city.file.zones
    for key, gate in city.file.gates.items():
        joined = tuple(end for end in (gate.from_, gate.to) if end in zones)
        yield numbers[key], Place(
            key=key, name=gate_name(city.file, gate), site=gate.site, delay_s=delays_s.get(key, 0.0), zones=joined,
        )


def _roads(city: City) -> Iterator[tuple[int, Place]]:
    numbers = city.ids[IdKind.ZONE]
    table = city.roads
    for key, name, site in zip(*map(table.column, ("zone", "name", "site")), strict=True):
        yield numbers[str(key)], Place(key=str(key), name=str(name), site=str(site), delay_s=ALLOWED_DELAY_S)
