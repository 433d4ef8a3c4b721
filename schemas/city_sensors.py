# SPDX-License-Identifier: Apache-2.0
"""What makes the sensors of a city file sound: place, metrics, how they count, and what they see."""

from collections.abc import Iterator

from schemas.city import CityFile, Measure, Semantics, Sensor, SensorStatus
from schemas.city_fault import Fault, key_path, meant, reference_faults
from schemas.city_service import service_faults
from schemas.feeds.formats import FORMATS as FEED_FORMATS
from schemas.reading import DEVICE_COUNTS, METRIC_BY_KEY, Metric

NATIVE_FORMAT = "native"
DATEX2_FORMAT = "datex2"
FORMATS = (NATIVE_FORMAT, DATEX2_FORMAT, *FEED_FORMATS)
"""What a source may speak: native JSON, DATEX II as NDW publishes it, or one of `schemas.feeds.formats`."""
ZONE_METRICS = (Metric.PEOPLE, Metric.DEVICE_STATE, Metric.UPTIME, *DEVICE_COUNTS)
GATE_METRICS = (Metric.IN, Metric.OUT, Metric.DEVICE_STATE, Metric.UPTIME)
METRIC_SEMANTICS = {
    Metric.PEOPLE: (Semantics.INSTANT,),
    Metric.IN: (Semantics.INTERVAL, Semantics.CUMULATIVE),
    Metric.OUT: (Semantics.INTERVAL, Semantics.CUMULATIVE),
    Metric.DEVICE_STATE: (Semantics.INSTANT,),
    Metric.UPTIME: (Semantics.INTERVAL,),
    Metric.DEVICES_WIFI: (Semantics.INSTANT, Semantics.INTERVAL),
    Metric.DEVICES_BLE: (Semantics.INSTANT, Semantics.INTERVAL),
}
SHORTEST_INTERVAL_S = 0.1
LONGEST_INTERVAL_S = 3600.0
LONGEST_DELAY_S = 3600.0


def sensor_faults(file: CityFile) -> Iterator[Fault]:
    """Faults of all sensors, then of zones of which more is seen than there is."""
    for key, sensor in file.sensors.items():
        yield from _sensor_faults(file, key, sensor)
    yield from _view_area_faults(file)


def _sensor_faults(file: CityFile, key: str, sensor: Sensor) -> Iterator[Fault]:
    path = key_path("sensors", key)
    yield from _sensor_source_faults(file, path, sensor)
    if (sensor.zone is None) == (sensor.gate is None):
        which = "neither a zone nor a gate" if sensor.zone is None else "both a zone and a gate"
        yield Fault(path, f"stands at {which}; give exactly one of `zone` and `gate`")
    if sensor.zone is not None:
        yield from reference_faults(f"{path}.zone", "zone", sensor.zone, file.zones)
    if sensor.gate is not None:
        yield from reference_faults(f"{path}.gate", "gate", sensor.gate, file.gates)
    elif sensor.swapped:
        yield Fault(f"{path}.swapped", "only a sensor at a gate has directions to swap; remove it")
    for name in ("supplier", "purpose", "legal_basis"):
        if not getattr(sensor, name).strip():
            yield Fault(f"{path}.{name}", "is empty; no sensor is read without it")
    if sensor.end < sensor.start:
        yield Fault(f"{path}.end", f"{sensor.end} is before the start, {sensor.start}; correct one of them")
    yield from service_faults(path, sensor)
    if not sensor.measures:
        yield Fault(f"{path}.measures", "is empty; name at least one metric")
    for metric_key, measure in sensor.measures.items():
        yield from _measure_faults(key_path(f"{path}.measures", metric_key), metric_key, measure, sensor)


def _sensor_source_faults(file: CityFile, path: str, sensor: Sensor) -> Iterator[Fault]:
    yield from reference_faults(f"{path}.source", "source", sensor.source, file.sources)
    source = file.sources.get(sensor.source)
    if source is not None and source.format == DATEX2_FORMAT:
        yield Fault(
            f"{path}.source",
            f"sensors of a {DATEX2_FORMAT} source stand in the roads companion; `drukte city import-ndw` "
            "makes it: remove this one",
        )


def _measure_faults(path: str, metric_key: str, measure: Measure, sensor: Sensor) -> Iterator[Fault]:
    metric = METRIC_BY_KEY.get(metric_key)
    if metric is None:
        yield Fault(path, f"there is no metric {metric_key!r}{meant(metric_key, METRIC_BY_KEY)}")
    elif metric in (Metric.VEHICLES, Metric.SPEED):
        yield Fault(path, "road sensors stand in the roads companion; use `drukte city import-ndw`")
    else:
        yield from _place_faults(path, metric, measure, sensor)
    if not SHORTEST_INTERVAL_S <= measure.interval_s <= LONGEST_INTERVAL_S:
        yield Fault(
            f"{path}.interval_s",
            f"{measure.interval_s:g} s is not between {SHORTEST_INTERVAL_S:g} and {LONGEST_INTERVAL_S:g} s",
        )
    if measure.allowed_delay_s > LONGEST_DELAY_S:
        yield Fault(f"{path}.allowed_delay_s", f"is above {LONGEST_DELAY_S:g} s; no window waits so long")
    if measure.on_event and measure.heartbeat_s is None:
        yield Fault(
            f"{path}.heartbeat_s",
            "is missing; a sensor that reports only when something happens needs it: silence is not calm",
        )
    heartbeat_s = measure.heartbeat_s
    if heartbeat_s is not None and not measure.interval_s <= heartbeat_s <= LONGEST_INTERVAL_S:
        yield Fault(
            f"{path}.heartbeat_s",
            f"{heartbeat_s:g} s is not between interval_s ({measure.interval_s:g}) and "
            f"{LONGEST_INTERVAL_S:g} s",
        )


def _place_faults(path: str, metric: Metric, measure: Measure, sensor: Sensor) -> Iterator[Fault]:
    if sensor.zone is not None and sensor.gate is None and metric not in ZONE_METRICS:
        yield Fault(path, f"{metric.key!r} is counted at a gate, not in a zone; give the sensor a `gate`")
    if sensor.gate is not None and sensor.zone is None and metric not in GATE_METRICS:
        yield Fault(path, f"{metric.key!r} is counted in a zone, not at a gate; give the sensor a `zone`")
    fitting = METRIC_SEMANTICS[metric]
    if measure.semantics not in fitting:
        yield Fault(
            f"{path}.semantics",
            f"{metric.key!r} is never {measure.semantics.value!r}; write "
            f"{' or '.join(repr(one.value) for one in fitting)}, and ask the supplier for such readings",
        )
    if measure.rolls_over_at is not None and measure.semantics is not Semantics.CUMULATIVE:
        yield Fault(f"{path}.rolls_over_at", "only a cumulative counter rolls over; remove it")
    if metric is Metric.PEOPLE and measure.view_area_m2 is None:
        yield Fault(f"{path}.view_area_m2", "is missing; give the net area that the sensor sees, in m2")
    if metric is not Metric.PEOPLE and measure.view_area_m2 is not None:
        yield Fault(f"{path}.view_area_m2", f"means nothing for {metric.key!r}; remove it")


def _view_area_faults(file: CityFile) -> Iterator[Fault]:
    seen_m2: dict[str, float] = {}
    people = Metric.PEOPLE.key
    for sensor in file.sensors.values():
        measure = sensor.measures.get(people)
        if sensor.zone in file.zones and sensor.status is SensorStatus.ACTIVE and measure is not None:
            seen_m2[sensor.zone] = seen_m2.get(sensor.zone, 0.0) + (measure.view_area_m2 or 0.0)
    for key, area_m2 in seen_m2.items():
        if area_m2 > file.zones[key].area_m2 * (1 + 1e-9):
            yield Fault(
                key_path("zones", key),
                f"its sensors see {area_m2:g} m2 of {file.zones[key].area_m2:g} m2, so some people count "
                "twice; share the area among the sensors, or take out one that is gone",
            )
