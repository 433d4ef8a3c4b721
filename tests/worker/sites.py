# SPDX-License-Identifier: Apache-2.0
"""A city of several sites, each a copy of the small city's, and what their sensors say."""

from collections.abc import Iterator

import msgspec
import numpy as np

from schemas.city import City, Semantics, Sensor
from schemas.ids import IdKind
from schemas.log import Clock, Kind, LogMessage
from schemas.reading import Batch, Metric
from streams.core.layout import partition_of_site
from tests.cities import small_city, small_file

SITES = 4
BEGIN_US = 1_780_000_020_000_000
STEP_US = 10_000_000


def city_of_sites(sites: int, *, running_counts: bool = False) -> City:
    """`site-0`, `site-1`, ...: with `plein-0`, `cam-plein-0` and so on; counters may be running ones."""
    file = small_file()
    replace = msgspec.structs.replace
    if running_counts:
        file = replace(file, sensors={key: _with_running_counts(sensor) for key, sensor in file.sensors.items()})
    copies = range(sites)
    return small_city(
        sites={f"site-{n}": site for n in copies for site in file.sites.values()},
        zones={f"{key}-{n}": replace(zone, site=f"site-{n}") for n in copies for key, zone in file.zones.items()},
        gates={
            f"{key}-{n}": replace(gate, site=f"site-{n}", from_=f"{gate.from_}-{n}",
                                  to=gate.to if gate.to == "outside" else f"{gate.to}-{n}")
            for n in copies for key, gate in file.gates.items()
        },
        sensors={
            f"{key}-{n}": replace(sensor, zone=sensor.zone and f"{sensor.zone}-{n}",
                                  gate=sensor.gate and f"{sensor.gate}-{n}")
            for n in copies for key, sensor in file.sensors.items()
        },
    )


def _with_running_counts(sensor: Sensor) -> Sensor:
    if sensor.gate is None:
        return sensor
    measures = {
        metric: msgspec.structs.replace(measure, semantics=Semantics.CUMULATIVE)
        for metric, measure in sensor.measures.items()
    }
    return msgspec.structs.replace(sensor, measures=measures)


def feed(city: City, sites: int, partitions: int, steps: int, seed: int) -> Iterator[tuple[int, LogMessage]]:
    """Partition and message, in the order of log time: crowds that come and go, counters every minute, ticks."""
    rng = np.random.default_rng(seed)
    people = rng.integers(100, 380, sites).astype(float)
    for step in range(steps):
        at_us = BEGIN_US + step * STEP_US
        people = np.clip(people + rng.integers(-60, 66, sites), 0, 450)
        for n in range(sites):
            number = partition_of_site(city.ids[IdKind.SITE][f"site-{n}"], partitions)
            batches = [_sample(city, f"cam-plein-{n}", at_us, people[n]),
                       _sample(city, f"cam-straat-{n}", at_us, people[n] // 4)]
            if step % 6 == 5:
                batches += [_count(city, f"teller-plein-straat-{n}", metric, at_us, int(rng.integers(0, 90)))
                            for metric in (Metric.IN, Metric.OUT)]
            yield number, _message(city, Kind.READINGS, at_us, f"{n}/{step}", Batch.concatenated(batches))
        for number in range(partitions):
            yield number, _message(city, Kind.TICK, at_us + STEP_US // 2, f"tick/{number}/{step}")


def _sample(city: City, sensor: str, at_us: int, people: float) -> Batch:
    return Batch.of(sensor=city.ids[IdKind.SENSOR][sensor], metric=Metric.PEOPLE, begin=at_us, value=people)


def _count(city: City, sensor: str, metric: Metric, end_us: int, count: int) -> Batch:
    return Batch.of(sensor=city.ids[IdKind.SENSOR][sensor], metric=metric, begin=end_us - 60_000_000,
                    span_ms=60_000, value=float(count))


def _message(city: City, kind: Kind, at_us: int, name: str, batch: Batch | None = None) -> LogMessage:
    return LogMessage(kind, at_us, Clock.SIMULATED, city.version, "test", f"test/{name}", batch)
