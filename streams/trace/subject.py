# SPDX-License-Identifier: Apache-2.0
"""What the city file says of one sensor: where it stands, what it measures, what its window waits for. Pure."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec
import numpy as np

from schemas.city import City, Sensor
from schemas.city_publication import instant
from schemas.city_service import FOREVER_US, gaps_us
from schemas.city_timeline import Timeline
from schemas.errors import FatalError
from schemas.ids import IdKind
from schemas.reading import Metric
from schemas.registry import RegisteredSensor, Registry
from schemas.roads import NDW_SOURCE
from streams.core.layout import SECOND_US, Layout, PlaceKind, layout, partition_of_sensor

NEAREST = 3
NEAREST_FROM = 0.5
"""How alike a key has to be to be named as what was perhaps meant; 1 is the same."""


class MeasureShown(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One measure of the sensor; `counts` is false where no live row is made of it."""

    metric: str
    semantics: str
    interval_s: float
    allowed_delay_s: float
    counts: bool
    heartbeat_s: float | None = None
    on_event: bool = False


class Head(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag_field="kind", tag="sensor"):
    """What is shown first.

    Parameters
    ----------
    sensor, source, format, supplier, vendor_id : str
    place, place_kind, site : str
        Of a road `place` is its zone and its class of vehicles.
    partition : int
        Of `site-log` and `live`.
    status, start, end : str
        A road has no dates.
    city_version : int
        The version that tells all this.
    version_in_force : int
    window_s : float
        Length of the place's windows.
    waits_for : str
        When a window closes.
    """

    sensor: str
    source: str
    format: str
    supplier: str
    place: str
    place_kind: str
    site: str
    partition: int
    status: str
    city_version: int
    version_in_force: int
    measures: list[MeasureShown]
    window_s: float
    waits_for: str
    vendor_id: str = ""
    device: str = ""
    start: str = ""
    end: str = ""
    out_of_service: list[str] = []


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """A sensor as it is followed.

    Parameters
    ----------
    registered : RegisteredSensor
    place_kind : PlaceKind
    place_number : int
        In `CITY.ids`, of a zone (roads too) or a gate.
    vehicle_class : str
        Of a road, else empty.
    levels : tuple of str
        Words of the zone's profile.
    partition : int
    span_s, delay_s : float
        Length of a window, and how long it waits at most.
    gaps_us : list of (int, int)
        Times [from, until) out of service.
    is_in_force : bool
        Whether the city version in force has this sensor.
    tells_passages : bool
        A sensor of its source reports when something happens: a number of its messages may be one of people.
    sensors : frozenset of str
        Keys of all sensors of that version.
    head : Head
    """

    registered: RegisteredSensor
    place_kind: PlaceKind
    place_number: int
    vehicle_class: str
    levels: tuple[str, ...]
    partition: int
    span_s: float
    delay_s: float
    gaps_us: list[tuple[int, int]]
    is_in_force: bool
    tells_passages: bool
    sensors: frozenset[str]
    head: Head


def find_subject(timeline: Timeline[City], now_us: int, key: str, partitions: int) -> Subject:
    """The sensor of a key, by the version in force, else by the newest that has it.

    Parameters
    ----------
    timeline : Timeline of City
        All versions that are known.
    now_us : int
        On the deployment's clock; microseconds since 1970, UTC.
    key : str
    partitions : int
        Of `site-log`.

    Raises
    ------
    FatalError
        No version has it; the text names the nearest keys.
    """
    in_force = timeline.at(now_us)
    for city in (in_force, *reversed(timeline.entries)):
        registry = Registry.of(city)
        if key in registry.sensors:
            return _subject(city, registry, key, partitions, in_force.version)
    raise FatalError(_not_found(Registry.of(in_force), key, in_force.version))


def _not_found(registry: Registry, key: str, version: int) -> str:
    by_vendor = [sensor.key for (_, vendor_id), sensor in registry.of_vendor.items() if vendor_id == key]
    folded = {known.casefold(): known for known in registry.sensors}
    alike = difflib.get_close_matches(key.casefold(), folded, NEAREST, NEAREST_FROM)
    near = by_vendor or [folded[one] for one in alike]
    meant = f"did you mean {' or '.join(near)}?" if near else "its keys stand under [sensors] in the city file"
    return f"no sensor {key!r} in city version {version}; {meant}"


def _subject(city: City, registry: Registry, key: str, partitions: int, version_in_force: int) -> Subject:
    registered = registry.sensors[key]
    partition = int(partition_of_sensor(city, partitions)[registered.number])
    found = layout(city, partitions, partition)
    channels = found.lookup[registered.number]
    at = int(found.channel_place[channels[channels >= 0][0]])
    kind = PlaceKind(found.place_kind[at])
    own = city.file.sensors.get(key)
    zone = city.file.zones.get(found.place_key[at]) if kind is PlaceKind.ZONE else None
    counted = np.flatnonzero((found.channel_place == at) & found.channel_counted)
    return Subject(
        registered=registered, place_kind=kind, place_number=int(found.place_number[at]),
        vehicle_class=found.place_class[at],
        levels=() if zone is None else tuple(city.file.profiles[zone.profile].levels),
        partition=partition, span_s=int(found.place_span_us[at]) / SECOND_US,
        delay_s=int(found.channel_delay_us[counted].max(initial=0)) / SECOND_US,
        gaps_us=[] if own is None else gaps_us(own), is_in_force=city.version == version_in_force,
        tells_passages=_tells_passages(city, registered.source), sensors=frozenset(registry.sensors),
        head=_head(city, found, at, registered, partition, version_in_force),
    )


def _tells_passages(city: City, source: str) -> bool:
    return source != NDW_SOURCE and any(
        measure.on_event for sensor in city.file.sensors.values() if sensor.source == source
        for measure in sensor.measures.values()
    )


def _head(
    city: City, found: Layout, at: int, registered: RegisteredSensor, partition: int, version_in_force: int
) -> Head:
    own = city.file.sensors.get(registered.key)
    vehicle_class = found.place_class[at]
    source = city.file.sources.get(registered.source)
    return Head(
        sensor=registered.key, source=registered.source, format="" if source is None else source.format,
        supplier="NDW" if own is None else own.supplier,
        vendor_id="" if registered.vendor_id == registered.key else registered.vendor_id,
        place=found.place_key[at] + (f" ({vehicle_class})" if vehicle_class else ""),
        place_kind=PlaceKind(found.place_kind[at]).name.lower(), site=found.place_site[at], partition=partition,
        status=registered.status.value, city_version=city.version, version_in_force=version_in_force,
        measures=[_measure(found, registered, metric) for metric in registered.measures],
        window_s=int(found.place_span_us[at]) / SECOND_US, waits_for=_waits_for(city, found, at),
        device="" if own is None or not own.devices else own.devices[-1].serial,
        start="" if own is None else own.start.isoformat(), end="" if own is None else own.end.isoformat(),
        out_of_service=[] if own is None else _gaps_shown(own),
    )


def _measure(found: Layout, registered: RegisteredSensor, metric: Metric) -> MeasureShown:
    measure = registered.measures[metric]
    return MeasureShown(
        metric=metric.key, semantics=measure.semantics.value, interval_s=measure.interval_s,
        allowed_delay_s=measure.allowed_delay_s, heartbeat_s=measure.heartbeat_s, on_event=measure.on_event,
        counts=bool(found.channel_counted[found.lookup[registered.number, metric]]),
    )


def _gaps_shown(sensor: Sensor) -> list[str]:
    return [
        f"{one.from_.isoformat()} to {'further notice' if one.until is None else one.until.isoformat()}: {one.reason}"
        for one in sensor.out_of_service
    ]


def _waits_for(city: City, found: Layout, at: int) -> str:
    counted = np.flatnonzero((found.channel_place == at) & found.channel_counted)
    if not len(counted):
        return "no sensor of the place counts: its windows close at their end, without a value"
    keys = city.ids.keys_by_number(IdKind.SENSOR)
    slowest = counted[int(np.argmax(found.channel_delay_us[counted]))]
    latest = (f"{int(found.channel_delay_us[slowest]) / SECOND_US:g} s after its end "
              f"(slowest: {keys[int(found.channel_sensor[slowest])]}); a silent sensor is not waited for")
    if found.channel_on_event[counted].any():
        return f"closes {latest}"
    sensors = len(np.unique(found.channel_sensor[counted]))
    return f"closes once all that {_plural(sensors, 'sensor')} should report is there, else {latest}"


def _plural(number: int, word: str) -> str:
    return f"{number} {word}" + ("" if number == 1 else "s")


def service_now(gaps: Sequence[tuple[int, int]], now_us: int) -> str:
    """Until when a sensor is out of service now; empty where it is in service."""
    for from_us, until_us in gaps:
        if from_us <= now_us < until_us:
            return "further notice" if until_us >= FOREVER_US else instant(until_us)
    return ""
