# SPDX-License-Identifier: Apache-2.0
"""The dense numbering of one partition: places that close windows, and channels that feed them."""

from collections.abc import Collection, Iterable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from enum import IntEnum

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.city import OUTSIDE, City, Measure, Semantics, Sensor, SensorStatus
from schemas.city_service import gaps_us, swaps_us
from schemas.ids import IdKind
from schemas.reading import METRIC_BY_KEY, METRIC_LIMIT, Metric
from schemas.roads import ALLOWED_DELAY_S
from streams.core.service import Service

MINUTE_US = 60_000_000
SECOND_US = 1_000_000
RING_SLACK_US = 15 * MINUTE_US
"""How far the slots reach back beyond the allowed delay."""
NEVER_EARLY = 1 << 40
"""Expected slots of a place whose sensors report on events: no number of them is complete."""


COUNTED_METRICS = (Metric.PEOPLE, Metric.IN, Metric.OUT, Metric.VEHICLES, Metric.SPEED)
"""What rows, levels and cells are made of; all else is a device's own state, or a count of devices."""


class PlaceKind(IntEnum):
    """What closes windows of its own."""

    ZONE = 0
    GATE = 1
    ROAD = 2


class Rate(IntEnum):
    """Semantics as numbers for arrays."""

    INTERVAL = 0
    RATE = 1
    INSTANT = 2
    CUMULATIVE = 3


_RATE_OF = {
    Semantics.INTERVAL: Rate.INTERVAL, Semantics.RATE: Rate.RATE, Semantics.INSTANT: Rate.INSTANT,
    Semantics.CUMULATIVE: Rate.CUMULATIVE,
}


@dataclass(frozen=True, slots=True)
class Group:
    """What many channels have in common, so that readings of one group are handled with plain numbers.

    Parameters
    ----------
    interval_us, delay_us : int
    semantics : Rate
    role : Metric
    on_event, counted : bool
    row_us : int
        Row length of the place.
    slow : bool
        Slower than the place's rows: its readings enter research only.
    """

    interval_us: int
    delay_us: int
    semantics: Rate
    role: Metric
    on_event: bool
    counted: bool
    row_us: int
    slow: bool

    @property
    def ring_us(self) -> int:
        """How much time the slots of a channel span."""
        return self.delay_us + RING_SLACK_US + 2 * self.row_us

    @property
    def slots(self) -> int:
        """Length of a channel's ring."""
        return self.ring_us // self.interval_us + 3

    @property
    def is_instant(self) -> bool:
        """Whether its readings are states."""
        return self.semantics is Rate.INSTANT


@dataclass(slots=True)
class _Channel:
    sensor: int
    metric: Metric
    role: Metric
    semantics: Rate
    interval_us: int
    delay_us: int
    hold_us: int
    on_event: bool
    counted: bool
    view_area_m2: float
    lane: str = ""
    rolls_over_at: float = np.inf
    gaps_us: list[tuple[int, int]] = field(default_factory=list)
    swaps_us: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Place:
    kind: PlaceKind
    number: int
    site: str
    key: str
    vehicle_class: str
    channels: list[_Channel]


@dataclass(frozen=True, slots=True)
class Layout:
    """Arrays over the places and channels of one partition; channels of a place lie side by side.

    Parameters
    ----------
    place_kind, place_number, place_span_us : arrays over places
        `PlaceKind`, the number in `CITY.ids` and the row length in microseconds.
    place_site, place_key, place_class : lists over places
        Text keys; the vehicle class is empty but for roads.
    place_delay_us : int64 array
        The largest allowed delay of the place's channels.
    gate_zones : int array, places x 2
        Places of the two zones that a gate joins; -1 for `outside` and for other kinds.
    channel_place, channel_role, channel_semantics, channel_interval_us, channel_delay_us, channel_hold_us,
    channel_on_event, channel_counted, channel_view_m2, channel_rolls_over_at : arrays over channels
        `counted` is false for sensors on trial, for those slower than the place's rows and for metrics
        that are not in `COUNTED_METRICS`.
    channel_research : bool array
        As `counted`, but true for the slower ones.
    channel_partner : int array
        For a mean speed the channel that counts the same lane's vehicles; -1 for none.
    channel_group : int16 array
        Position in `groups`.
    channel_sensor : int32 array
        Number of the channel's sensor in `CITY.ids`.
    service : Service
        When channels are out of service, and when their devices were swapped.
    groups : list of Group
    lookup : int array, sensor numbers x METRIC_LIMIT
        The channel of a reading, or -1; the sensors of one metric lie side by side in memory.
    """

    place_kind: npt.NDArray[np.int8]
    place_number: npt.NDArray[np.int32]
    place_span_us: npt.NDArray[np.int64]
    place_delay_us: npt.NDArray[np.int64]
    place_site: list[str]
    place_key: list[str]
    place_class: list[str]
    gate_zones: npt.NDArray[np.intp]
    channel_place: npt.NDArray[np.intp]
    channel_role: npt.NDArray[np.uint8]
    channel_semantics: npt.NDArray[np.int8]
    channel_interval_us: npt.NDArray[np.int64]
    channel_delay_us: npt.NDArray[np.int64]
    channel_hold_us: npt.NDArray[np.int64]
    channel_on_event: npt.NDArray[np.bool_]
    channel_counted: npt.NDArray[np.bool_]
    channel_research: npt.NDArray[np.bool_]
    channel_view_m2: npt.NDArray[np.float64]
    channel_rolls_over_at: npt.NDArray[np.float64]
    channel_partner: npt.NDArray[np.intp]
    channel_group: npt.NDArray[np.int16]
    channel_sensor: npt.NDArray[np.int32]
    service: Service
    groups: list[Group]
    lookup: npt.NDArray[np.intp]

    def channels_of(self, sensor: npt.NDArray[np.int32], metric: npt.NDArray[np.uint8]) -> npt.NDArray[np.intp]:
        """The channel of each reading, or -1 where this partition has none."""
        if not len(sensor):
            return np.empty(0, np.intp)
        one = int(metric[0])
        if one < METRIC_LIMIT and not np.count_nonzero(metric != one):  # nearly always: a message is of one metric
            with suppress(IndexError):
                # As an unsigned number a negative one is out of bounds too.
                return self.lookup[:, one].take(sensor.view(np.uint32))
        numbered = (sensor >= 0) & (sensor < len(self.lookup)) & (metric < METRIC_LIMIT)
        found = np.full(len(sensor), -1, np.intp)
        found[numbered] = self.lookup[sensor[numbered], metric[numbered]]
        return found

    def places_of(self, kind: PlaceKind) -> npt.NDArray[np.intp]:
        """The places of one kind, ascending."""
        return np.flatnonzero(self.place_kind == kind)


def partition_of_site(site_number: int, partitions: int) -> int:
    """The partition that holds a site: its number modulo P."""
    return site_number % partitions


def partition_of_sensor(city: City, partitions: int) -> npt.NDArray[np.int32]:
    """The partition of every sensor, by its number in `CITY.ids`; -1 where no sensor has that number."""
    numbers = city.ids[IdKind.SENSOR]
    partition = np.full(max(numbers.values(), default=0) + 1, -1, np.int32)
    sites = city.ids[IdKind.SITE]
    for key, sensor in city.file.sensors.items():
        partition[numbers[key]] = partition_of_site(sites[_site_of(city, sensor)], partitions)
    for road_sensor, site in zip(city.roads.column("sensor"), city.roads.column("site"), strict=True):
        partition[numbers[str(road_sensor)]] = partition_of_site(sites[str(site)], partitions)
    return partition


def layout(city: City, partitions: int, number: int, purged: Collection[str] = ()) -> Layout:
    """Number the places and channels of partition `number` of `partitions`, without sensors that were purged."""
    if purged:
        city = _without(city, set(purged))
    sites = {
        key for key, site_number in city.ids[IdKind.SITE].items()
        if partition_of_site(site_number, partitions) == number
    }
    # Zones come first, so that the number of a zone place is also its number among the zones.
    places = [*_zone_places(city, sites), *_gate_places(city, sites), *_road_places(city, sites)]
    return _arrays(city, places)


def _without(city: City, purged: set[str]) -> City:
    file = msgspec.structs.replace(
        city.file, sensors={key: sensor for key, sensor in city.file.sensors.items() if key not in purged})
    return replace(city, file=file)


def _site_of(city: City, sensor: Sensor) -> str:
    if sensor.zone is not None:
        return city.file.zones[sensor.zone].site
    return city.file.gates[str(sensor.gate)].site


def _channels(city: City, sensors: Iterable[tuple[str, Sensor]]) -> list[_Channel]:
    numbers = city.ids[IdKind.SENSOR]
    return [
        _channel(numbers[key], sensor, METRIC_BY_KEY[metric_key], measure)
        for key, sensor in sensors
        for metric_key, measure in sensor.measures.items()
    ]


def _channel(number: int, sensor: Sensor, metric: Metric, measure: Measure) -> _Channel:
    role = metric
    if sensor.swapped and metric in (Metric.IN, Metric.OUT):
        role = Metric.OUT if metric is Metric.IN else Metric.IN
    interval_us = round(measure.interval_s * SECOND_US)
    heartbeat_us = round((measure.heartbeat_s or measure.interval_s) * SECOND_US)
    return _Channel(
        sensor=number, metric=metric, role=role, semantics=_RATE_OF[measure.semantics],
        interval_us=interval_us, delay_us=round(measure.allowed_delay_s * SECOND_US),
        hold_us=3 * heartbeat_us, on_event=measure.on_event,
        counted=sensor.status is SensorStatus.ACTIVE
        and metric in COUNTED_METRICS,
        view_area_m2=measure.view_area_m2 or 0.0, rolls_over_at=measure.rolls_over_at or np.inf,
        gaps_us=gaps_us(sensor), swaps_us=swaps_us(sensor),
    )


def _zone_places(city: City, sites: set[str]) -> list[_Place]:
    at_zone: dict[str, list[tuple[str, Sensor]]] = {}
    for key, sensor in city.file.sensors.items():
        if sensor.zone is not None:
            at_zone.setdefault(sensor.zone, []).append((key, sensor))
    return [
        _Place(PlaceKind.ZONE, city.ids[IdKind.ZONE][key], zone.site, key, "",
               _channels(city, at_zone.get(key, [])))
        for key, zone in city.file.zones.items() if zone.site in sites
    ]


def _gate_places(city: City, sites: set[str]) -> list[_Place]:
    at_gate: dict[str, list[tuple[str, Sensor]]] = {}
    for key, sensor in city.file.sensors.items():
        if sensor.gate is not None:
            at_gate.setdefault(sensor.gate, []).append((key, sensor))
    return [
        _Place(PlaceKind.GATE, city.ids[IdKind.GATE][key], gate.site, key, "",
               _channels(city, at_gate.get(key, [])))
        for key, gate in city.file.gates.items() if gate.site in sites
    ]


def _road_places(city: City, sites: set[str]) -> list[_Place]:
    sensors, zones = city.ids[IdKind.SENSOR], city.ids[IdKind.ZONE]
    found: dict[tuple[str, str], _Place] = {}
    names = ("site", "zone", "sensor", "lane", "vehicle_class", "metric", "period_s")
    for row in zip(*(city.roads.column(name) for name in names), strict=True):
        site, zone, sensor, lane, vehicle_class = (str(text) for text in row[:5])
        if site not in sites:
            continue
        metric, interval_us = Metric(int(str(row[5]))), round(float(str(row[6])) * SECOND_US)
        place = found.setdefault(
            (zone, vehicle_class), _Place(PlaceKind.ROAD, zones[zone], site, zone, vehicle_class, [])
        )
        place.channels.append(_Channel(
            sensor=sensors[sensor], metric=metric, role=metric,
            semantics=Rate.RATE if metric is Metric.VEHICLES else Rate.INTERVAL,
            interval_us=interval_us, delay_us=round(ALLOWED_DELAY_S * SECOND_US), hold_us=3 * interval_us,
            on_event=False, counted=True, view_area_m2=0.0, lane=lane,
        ))
    return list(found.values())


def _row_span_us(channels: list[_Channel]) -> int:
    """60 s, or the shortest interval of the place's counted sensors where all are longer."""
    return max(min((channel.interval_us for channel in channels if channel.counted), default=0), MINUTE_US)


def _arrays(city: City, places: list[_Place]) -> Layout:
    spans = [_row_span_us(place.channels) for place in places]
    rows = [(at, channel) for at, place in enumerate(places) for channel in place.channels]
    channels = [channel for _, channel in rows]
    sensors = max(city.ids[IdKind.SENSOR].values(), default=0) + 1
    lookup = np.full((sensors, METRIC_LIMIT), -1, np.intp, order="F")
    vehicles_of: dict[tuple[int, str], int] = {}
    for number, (at, channel) in enumerate(rows):
        lookup[channel.sensor, channel.metric] = number
        if channel.role is Metric.VEHICLES:
            vehicles_of[at, channel.lane] = number
    counted = [
        channel.counted and channel.interval_us <= spans[at] for at, channel in rows
    ]
    groups: dict[Group, int] = {}
    group_of = [
        groups.setdefault(Group(channel.interval_us, channel.delay_us, channel.semantics, channel.role,
                                channel.on_event, is_counted, spans[at], channel.counted and not is_counted),
                          len(groups))
        for (at, channel), is_counted in zip(rows, counted, strict=True)
    ]
    delay_us = np.zeros(len(places), np.int64)
    for at, channel in rows:
        delay_us[at] = max(delay_us[at], channel.delay_us)
    return Layout(
        place_kind=np.array([place.kind for place in places], np.int8),
        place_number=np.array([place.number for place in places], np.int32),
        place_span_us=np.array(spans, np.int64),
        place_delay_us=delay_us,
        place_site=[place.site for place in places],
        place_key=[place.key for place in places],
        place_class=[place.vehicle_class for place in places],
        gate_zones=_gate_zones(city, places),
        channel_place=np.array([at for at, _ in rows], np.intp),
        channel_role=np.array([channel.role for channel in channels], np.uint8),
        channel_semantics=np.array([channel.semantics for channel in channels], np.int8),
        channel_interval_us=np.array([channel.interval_us for channel in channels], np.int64),
        channel_delay_us=np.array([channel.delay_us for channel in channels], np.int64),
        channel_hold_us=np.array([channel.hold_us for channel in channels], np.int64),
        channel_on_event=np.array([channel.on_event for channel in channels], np.bool_),
        channel_counted=np.array(counted, np.bool_),
        channel_research=np.array([channel.counted for channel in channels], np.bool_),
        channel_rolls_over_at=np.array([channel.rolls_over_at for channel in channels], np.float64),
        channel_view_m2=np.array([channel.view_area_m2 for channel in channels], np.float64),
        channel_partner=np.array([
            vehicles_of.get((at, channel.lane), -1) if channel.role is Metric.SPEED else -1
            for at, channel in rows
        ], np.intp),
        channel_group=np.array(group_of, np.int16),
        channel_sensor=np.array([channel.sensor for channel in channels], np.int32),
        service=Service.of([channel.gaps_us for channel in channels], [channel.swaps_us for channel in channels]),
        groups=list(groups),
        lookup=lookup,
    )


def gate_widths_m(city: City, found: Layout) -> npt.NDArray[np.float64]:
    """Over places: the effective width of a gate; NaN for other kinds."""
    width_m, gates = np.full(len(found.place_kind), np.nan), found.places_of(PlaceKind.GATE)
    width_m[gates] = [city.file.gates[found.place_key[at]].width_m for at in gates]
    return width_m


def _gate_zones(city: City, places: list[_Place]) -> npt.NDArray[np.intp]:
    place_of_zone = {place.key: at for at, place in enumerate(places) if place.kind is PlaceKind.ZONE}
    joined = np.full((len(places), 2), -1, np.intp)
    for at, place in enumerate(places):
        if place.kind is PlaceKind.GATE:
            gate = city.file.gates[place.key]
            for side, zone in enumerate((gate.from_, gate.to)):
                joined[at, side] = -1 if zone == OUTSIDE else place_of_zone[zone]
    return joined
