# SPDX-License-Identifier: Apache-2.0
"""From one city version's dense numbers to the next one's: what each place and channel was before."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.city import City
from schemas.city_change import CityChange
from schemas.errors import FatalError, RefusedError
from schemas.health import Purged
from schemas.ids import IdKind
from schemas.refusal import Reason
from streams.core.layout import Layout, PlaceKind

Indices = npt.NDArray[np.intp]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Moves:
    """How the state of a partition is carried over when a city version takes over.

    Parameters
    ----------
    at_us : int
        From when it holds, microseconds since 1970, UTC.
    place : int array over the new places
        The place that it was: same kind, number, class and row length; -1 for a new one.
    channel : int array over the new channels
        The channel that it was: same sensor, metric, place and way of counting; -1 for a new one.
    """

    at_us: int
    place: Indices
    channel: Indices

    def places(self) -> tuple[Indices, Indices]:
        """New and old numbers of the places that stay."""
        new = np.flatnonzero(self.place >= 0)
        return new, self.place[new]

    def channels(self) -> tuple[Indices, Indices]:
        """New and old numbers of the channels that stay."""
        new = np.flatnonzero(self.channel >= 0)
        return new, self.channel[new]

    def zones(self, zones: int) -> tuple[Indices, Indices]:
        """New and old numbers of the zones that stay; zones are the first places of any layout."""
        new = np.flatnonzero(self.place[:zones] >= 0)
        return new, self.place[new]


def check_change(change: CityChange, city: City | None, present: City, announced: Sequence[CityChange]) -> None:
    """See whether a change of version may follow the one in force and those announced.

    Raises
    ------
    RefusedError
        `city-version`: another content with a number that is not higher.
    FatalError
        Its content is lacking.
    """
    newest = announced[-1].version if announced else present.version
    known = {present.sha256, *(one.sha256 for one in announced)}
    if change.sha256 not in known and change.version <= newest:
        raise RefusedError(
            Reason.CITY_VERSION, f"city version {change.version} after version {newest}; raise "
            "`version` in the city file and publish again"
        )
    if city is None or city.sha256 != change.sha256:
        raise FatalError(f"city version {change.version} came without its content; this is a bug of the edge")


def moves_between(old: Layout, new: Layout, at_us: int) -> Moves:
    """Match two layouts of one partition."""
    place = _matched(_place_keys(old), _place_keys(new))
    return Moves(at_us, place, _matched(_channel_keys(old), _channel_keys(new)))


def purged(city: City, layout: Layout, key: str, at_us: int) -> Purged | None:
    """What a purge tells of a sensor of the city file; None where this partition does not hold it (any more)."""
    here = layout.channel_sensor == city.ids[IdKind.SENSOR].get(key, -1)
    if key not in city.file.sensors or not here.any():
        return None
    place = int(layout.channel_place[here][0])
    kind = "gate" if layout.place_kind[place] == PlaceKind.GATE else "zone"
    return Purged(sensor=key, kind=kind, place=int(layout.place_number[place]), at_us=at_us)


def changed_places(old_city: City, old: Layout, new_city: City, new: Layout) -> Mask:
    """Over the old places: whose rows would come out differently now, or that are gone.

    A gate's rows ask its zones: these count as changed with it.
    """
    then = _descriptions(old_city, old)
    now = dict(zip(_place_keys(new), _descriptions(new_city, new), strict=True))
    changed = np.array([now.get(key) != text for key, text in zip(_place_keys(old), then, strict=True)], np.bool_)
    zones = old.gate_zones[changed]
    changed[zones[zones >= 0]] = True
    return changed


def _place_keys(layout: Layout) -> list[Hashable]:
    return list(zip(layout.place_kind.tolist(), layout.place_number.tolist(), layout.place_class,
                    layout.place_span_us.tolist(), strict=True))


def _channel_keys(layout: Layout) -> list[Hashable]:
    places = _place_keys(layout)
    sensor, metric = _sensors(layout)
    columns = (
        sensor, metric, [places[at] for at in layout.channel_place.tolist()], layout.channel_role.tolist(),
        layout.channel_semantics.tolist(), layout.channel_interval_us.tolist(), layout.channel_counted.tolist(),
    )
    return list(zip(*columns, strict=True))


def _sensors(layout: Layout) -> tuple[list[int], list[int]]:
    """Number and metric of the sensor of every channel."""
    sensor, metric = np.nonzero(layout.lookup >= 0)
    order = np.argsort(layout.lookup[sensor, metric], kind="stable")
    return sensor[order].tolist(), metric[order].tolist()


def _descriptions(city: City, layout: Layout) -> list[Hashable]:
    """Everything that a place's rows depend on, by place."""
    of_place: list[list[Hashable]] = [[] for _ in layout.place_kind]
    views, delays = layout.channel_view_m2.tolist(), layout.channel_delay_us.tolist()
    for at, key in enumerate(_channel_keys(layout)):
        of_place[int(layout.channel_place[at])].append((key, views[at], delays[at]))
    return [
        (tuple(channels), _figures(city, PlaceKind(kind), key))
        for channels, kind, key in zip(of_place, layout.place_kind.tolist(), layout.place_key, strict=True)
    ]


def _figures(city: City, kind: PlaceKind, key: str) -> Hashable:
    if kind is PlaceKind.ZONE:
        zone = city.file.zones[key]
        return zone.area_m2, zone.capacity, zone.facility, zone.time_type, repr(city.file.profiles[zone.profile])
    if kind is PlaceKind.GATE:
        gate = city.file.gates[key]
        return gate.from_, gate.to, gate.width_m
    return None


def _matched(old: Sequence[Hashable], new: Sequence[Hashable]) -> Indices:
    numbers = {key: number for number, key in enumerate(old)}
    return np.array([numbers.get(key, -1) for key in new], np.intp)


def carry_rings(old: npt.NDArray[np.generic], new: npt.NDArray[np.generic], windows: npt.NDArray[np.int64],
                new_at: Indices, old_at: Indices) -> None:
    """Copy ring positions of windows (numbers from 1970, windows x places) for places that stay."""
    rings_old, rings_new = len(old), len(new)
    new[windows % rings_new, new_at] = old[windows % rings_old, old_at]
