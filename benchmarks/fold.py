# SPDX-License-Identifier: Apache-2.0
"""Readings a second through decoding and the fold, in process, without a broker."""

import datetime as dt
import time

import numpy as np

from benchmarks.figure import Figure
from schemas.city import (
    City,
    CityFile,
    Facility,
    Measure,
    Profile,
    Rule,
    RuleKind,
    Semantics,
    Sensor,
    Severity,
    Site,
    Source,
    Zone,
)
from schemas.city_load import wanted_ids
from schemas.ids import Ids
from schemas.log import Clock, Headers, Kind, LogMessage, decode_log, encode_log
from schemas.reading import Batch, Metric
from schemas.roads import RoadTable
from streams.core.step import Partition

START_US = 1_767_225_600_000_000
SEED = 1


def city_of_cameras(zones: int) -> City:
    """A city with one site and one camera in each of `zones` zones, reporting every 10 s."""
    date = dt.date(2026, 1, 1)
    file = CityFile(
        format=1, city="bench", name="Bench", version=1, timezone="UTC",
        sources={"cameras": Source(format="native")}, sites={"site": Site(name="Site")},
        zones={
            f"zone-{number}": Zone(site="site", name="", facility=Facility.STANDING, area_m2=1000, capacity=400,
                                   profile="event", polygon=[(4.3, 52.0)] * 3)
            for number in range(zones)
        },
        sensors={
            f"camera-{number}": Sensor(
                source="cameras", supplier="bench", zone=f"zone-{number}", purpose="bench", legal_basis="none",
                start=date, end=date.replace(year=2030),
                measures={"people": Measure(semantics=Semantics.INSTANT, interval_s=10, view_area_m2=1000)})
            for number in range(zones)
        },
        profiles={"event": Profile(levels=["0", "1", "2", "3"], percent_of_capacity=[0, 70, 85, 100], source="-")},
        rules={"two": Rule(kind=RuleKind.LEVEL, level=2, severity=Severity.WARNING)},
    )
    roads = RoadTable.empty()
    ids, _ = Ids().extended(wanted_ids(file, roads))
    return City(file, ids, roads, "")


def _messages(zones: int, steps: int, readings_a_message: int) -> list[tuple[Headers, bytes]]:
    rng = np.random.default_rng(SEED)
    made = []
    for step in range(steps):
        begin = START_US + step * 10_000_000
        order = rng.permutation(zones) + 1
        for at in range(0, zones, readings_a_message):
            sensor = order[at : at + readings_a_message]
            batch = Batch.of(sensor=sensor, metric=Metric.PEOPLE, begin=begin,
                             value=rng.integers(0, 300, len(sensor)))
            made.append(encode_log(LogMessage(Kind.READINGS, begin + at, Clock.DATA, 1, "bench", "1", batch)))
    return made


def run(zones: int = 5000, steps: int = 120) -> list[Figure]:
    """CPU time of decoding and folding, at 100, 1,000 and 5,000 readings a message."""
    city = city_of_cameras(zones)
    figures = []
    for readings_a_message in (100, 1000, 5000):
        messages = _messages(zones, steps, readings_a_message)
        partition = Partition(city, 1, 0)
        begun = time.process_time()
        for headers, value in messages:
            partition.step(decode_log(headers, value), 0)
        spent_s = time.process_time() - begun
        readings = partition.counters["readings"]
        figures.append(Figure(f"fold, {readings_a_message} readings a message", readings / spent_s, "readings/s CPU",
                              f"{zones} zones, {len(messages)} messages, seed {SEED}"))
    return figures
