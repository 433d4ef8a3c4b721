# SPDX-License-Identifier: Apache-2.0
"""What the door needs to know of every sensor: number, source, measures and the time it may be read."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Self, cast
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt

from schemas.city import City, Measure, Semantics, SensorStatus
from schemas.city_service import gaps_us
from schemas.errors import DrukteError
from schemas.feeds.datex2_words import ALL_LANES
from schemas.ids import IdKind
from schemas.reading import DEVICE_COUNTS, METRIC_BY_KEY, METRIC_LIMIT, Metric
from schemas.roads import ALLOWED_DELAY_S, NDW_SOURCE

ALWAYS_US: Final = -(2**62)
"""Start of a sensor without dates; also within reach of sums in int64."""
FOREVER_US: Final = 2**62
"""End of a sensor without dates."""
NOT_MEASURED: Final = -1
SEMANTICS: Final = tuple(Semantics)
"""Position = the number in `Registry.semantics`."""
UNKNOWN_LANES: Final = 10
"""Lanes under a sensor of which the number is not known: as wide as any road."""


@dataclass(frozen=True, slots=True)
class RegisteredSensor:
    """One sensor.

    Parameters
    ----------
    key, number
        Of the sensor.
    source, source_number
        Of the only source that may send its readings.
    zone, gate : str, optional
        Where it stands; one of the two.
    measures : dict of Metric to Measure
    start_us, end_us : int
        It may be read in [start, end): from the start of its first to the end of its last day in the
        city's time zone; microseconds since 1970, UTC.
    status : SensorStatus
    lanes : int
        Of a road sensor: how many it counts; `UNKNOWN_LANES` for others.
    vendor_id : str
        How its source names it.
    in_direction : str, optional
        What its source calls the way in.
    """

    key: str
    number: int
    source: str
    source_number: int
    zone: str | None
    gate: str | None
    measures: dict[Metric, Measure]
    start_us: int
    end_us: int
    status: SensorStatus = SensorStatus.ACTIVE
    lanes: int = UNKNOWN_LANES
    vendor_id: str = ""
    in_direction: str | None = None


@dataclass(frozen=True, slots=True)
class Registry:
    """All sensors of one city version, roads included.

    Parameters
    ----------
    city_version : int
    sensors : dict of str to RegisteredSensor
        By key.
    sources : dict of str to int
        Number by source key.
    slot_of : dict of (sensor key, metric key) to int
        Sensor number x METRIC_LIMIT + metric: one look-up for both texts of a reading.
    of_vendor : dict of (source key, vendor id) to RegisteredSensor
    key : list of str
        By sensor number; empty where no sensor of this version has the number.
    source : int32 array
        By sensor number; -1 where no sensor has it.
    start_us, end_us : int64 arrays
        By sensor number.
    lanes : int32 array
        By sensor number.
    semantics : int8 array, sensor numbers x METRIC_LIMIT
        Position in `SEMANTICS`, or `NOT_MEASURED`.
    activations : dict of int to list of (int, int)
        By sensor number, for those that count devices: the times [start, end) for which its zone is activated;
        microseconds since 1970, UTC.
    gaps : dict of int to list of (int, int)
        By sensor number, for those with any: the times [from, until) in which it is out of service.
    """

    city_version: int
    sensors: dict[str, RegisteredSensor]
    sources: dict[str, int]
    slot_of: dict[tuple[str, str], int]
    of_vendor: dict[tuple[str, str], RegisteredSensor]
    key: list[str]
    source: npt.NDArray[np.int32]
    start_us: npt.NDArray[np.int64]
    end_us: npt.NDArray[np.int64]
    lanes: npt.NDArray[np.int32]
    semantics: npt.NDArray[np.int8]
    activations: dict[int, list[tuple[int, int]]]
    gaps: dict[int, list[tuple[int, int]]]

    @classmethod
    def of(cls, city: City) -> Self:
        """The registry of a sound city.

        Raises
        ------
        DrukteError
            `CITY.ids` lacks one of its sensors or sources.
        """
        try:
            sensors = {sensor.key: sensor for sensor in (*_file_sensors(city), *_road_sensors(city))}
        except KeyError as error:
            raise DrukteError(
                f"CITY.ids has no number for {error}; run `drukte city check --assign-ids`"
            ) from None
        size = 1 + max((sensor.number for sensor in sensors.values()), default=0)
        registry = cls(
            city_version=city.version,
            sensors=sensors,
            sources=dict(city.ids[IdKind.SOURCE]),
            slot_of={
                (sensor.key, metric.key): sensor.number * METRIC_LIMIT + metric
                for sensor in sensors.values() for metric in sensor.measures
            },
            of_vendor={
                (sensor.source, sensor.vendor_id): sensor for sensor in sensors.values() if sensor.vendor_id
            },
            key=[""] * size,
            source=np.full(size, -1, np.int32),
            start_us=np.full(size, FOREVER_US, np.int64),
            end_us=np.full(size, ALWAYS_US, np.int64),
            lanes=np.full(size, UNKNOWN_LANES, np.int32),
            semantics=np.full((size, METRIC_LIMIT), NOT_MEASURED, np.int8),
            activations={
                sensor.number: _activations(city, sensor) for sensor in sensors.values()
                if not sensor.measures.keys().isdisjoint(DEVICE_COUNTS)
            },
            gaps={
                city.ids[IdKind.SENSOR][key]: gaps_us(sensor) for key, sensor in city.file.sensors.items()
                if sensor.out_of_service
            },
        )
        for sensor in sensors.values():
            registry._enter(sensor)
        return registry

    def _enter(self, sensor: RegisteredSensor) -> None:
        self.key[sensor.number] = sensor.key
        self.source[sensor.number] = sensor.source_number
        self.start_us[sensor.number] = sensor.start_us
        self.end_us[sensor.number] = sensor.end_us
        self.lanes[sensor.number] = sensor.lanes
        for metric, measure in sensor.measures.items():
            self.semantics[sensor.number, metric] = SEMANTICS.index(measure.semantics)


def day_start_us(day: dt.date, zone: ZoneInfo) -> int:
    """The first instant of a local day, microseconds since 1970, UTC."""
    # Where a change of the clock takes midnight away, the first instant after it.
    midnight = dt.datetime.combine(day, dt.time(), zone)
    return round(midnight.timestamp()) * 1_000_000


def _file_sensors(city: City) -> Iterator[RegisteredSensor]:
    zone = ZoneInfo(city.file.timezone)
    numbers, sources = city.ids[IdKind.SENSOR], city.ids[IdKind.SOURCE]
    for key, sensor in city.file.sensors.items():
        yield RegisteredSensor(
            key=key,
            number=numbers[key],
            source=sensor.source,
            source_number=sources[sensor.source],
            zone=sensor.zone,
            gate=sensor.gate,
            measures={METRIC_BY_KEY[name]: measure for name, measure in sensor.measures.items()},
            start_us=day_start_us(sensor.start, zone),
            end_us=day_end_us(sensor.end, zone),
            status=sensor.status,
            vendor_id=sensor.vendor_id or key,
            in_direction=sensor.in_direction,
        )


def day_end_us(day: dt.date, zone: ZoneInfo) -> int:
    """The first instant after a local day, microseconds since 1970, UTC."""
    return FOREVER_US if day == dt.date.max else day_start_us(day + dt.timedelta(days=1), zone)


def _activations(city: City, sensor: RegisteredSensor) -> list[tuple[int, int]]:
    zone = ZoneInfo(city.file.timezone)
    return [
        (day_start_us(one.from_, zone), day_end_us(one.until, zone))
        for one in city.file.activations.values() if one.zone == sensor.zone
    ]


def _road_sensors(city: City) -> Iterator[RegisteredSensor]:
    """One sensor for all channels of a lane and class; public roads have no dates."""
    roads, numbers = city.roads, city.ids[IdKind.SENSOR]
    if not len(roads):
        return
    source_number = city.ids[IdKind.SOURCE][NDW_SOURCE]
    known: dict[tuple[int, float], Measure] = {}
    sensors: dict[str, RegisteredSensor] = {}
    names = ("sensor", "zone", "lane", "lanes", "metric", "period_s")
    for row in zip(*(roads.column(name) for name in names), strict=True):
        key, zone, lane, lanes, metric, period_s = cast("tuple[str, str, str, int, int, float]", row)
        sensor = sensors.get(key)
        if sensor is None:
            # Of a carriageway as a whole the table says how many lanes it has; 0 where it does not.
            counted = (lanes or UNKNOWN_LANES) if lane == ALL_LANES else 1
            sensor = sensors[key] = RegisteredSensor(
                key=key, number=numbers[key], source=NDW_SOURCE, source_number=source_number, zone=zone,
                gate=None, measures={}, start_us=ALWAYS_US, end_us=FOREVER_US, lanes=counted,
            )
        if (metric, period_s) not in known:
            known[metric, period_s] = _road_measure(Metric(metric), period_s)
        sensor.measures[Metric(metric)] = known[metric, period_s]
    yield from sensors.values()


def _road_measure(metric: Metric, period_s: float) -> Measure:
    """Flows come as rates, speeds as means of their interval."""
    semantics = Semantics.RATE if metric is Metric.VEHICLES else Semantics.INTERVAL
    return Measure(semantics=semantics, interval_s=period_s, allowed_delay_s=ALLOWED_DELAY_S)
