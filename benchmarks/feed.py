# SPDX-License-Identifier: Apache-2.0
"""Seeded readings of the cameras of a bench city: as messages of the log, as batches, as native JSON. Pure."""

import datetime as dt
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from benchmarks.city import CAPACITY, camera, site_of_zone
from schemas.city import City
from schemas.ids import IdKind
from schemas.log import Clock, Headers, Kind, LogMessage, encode_log
from schemas.reading import Batch, Metric
from streams.core.layout import partition_of_site

START_US = 1_767_225_600_000_000
STEP_US = 10_000_000
WAVE_STEPS = 90
"""A crowd comes and goes in a quarter hour."""
QUIET_SHARE, BUSY_SHARE = 0.5, 0.98
"""How full a zone gets at most; one zone in a hundred is busy, and its alerts open and close."""
BUSY_EVERY = 100

Sent = tuple[int, Headers, bytes]
"""Partition, headers and value of a message of `site-log`."""


class Crowd:
    """How many people each camera sees at each step; the same seed gives the same.

    Parameters
    ----------
    zones : int
    seed : int
    busy_every : int
        One zone in so many fills up beyond its thresholds.
    """

    def __init__(self, zones: int, seed: int = 1, busy_every: int = BUSY_EVERY) -> None:
        self._rng = np.random.default_rng(seed)
        self._phase = self._rng.random(zones)
        self._most = np.where(np.arange(zones) % busy_every == 0, BUSY_SHARE, QUIET_SHARE) * CAPACITY
        self.order = self._rng.permutation(zones)
        """In which order the cameras report within a step."""

    def at(self, step: int) -> npt.NDArray[np.float64]:
        """People in each zone, whole numbers."""
        wave = 0.5 - 0.5 * np.cos(2 * np.pi * (step / WAVE_STEPS + self._phase))
        noisy = self._most * wave + self._rng.normal(0.0, 4.0, len(wave))
        return np.asarray(np.floor(np.clip(noisy, 0.0, CAPACITY)))


def partitions_of_zones(city: City, zones: int, sites: int, partitions: int) -> npt.NDArray[np.int64]:
    """The partition of each zone's site."""
    numbers = city.ids[IdKind.SITE]
    of_site = [partition_of_site(numbers[f"site-{site}"], partitions) for site in range(sites)]
    return np.array([of_site[site_of_zone(zone, zones, sites)] for zone in range(zones)], np.int64)


def log_messages(
    city: City, zones: int, sites: int, partitions: int, steps: int, readings_a_message: int, interval_s: int = 10
) -> Iterator[Sent]:
    """Messages of the log, step by step, on the data's clock.

    Every camera reports at each step, `interval_s` after the one before; a message holds readings of one partition,
    `readings_a_message` of them or what there is. Readings of several steps share a message where a step has fewer.
    """
    crowd = Crowd(zones)
    sensor = np.array([city.ids[IdKind.SENSOR][camera(zone)] for zone in range(zones)], np.int32)
    partition = partitions_of_zones(city, zones, sites, partitions)[crowd.order]
    waiting: dict[int, list[Batch]] = {int(number): [] for number in np.unique(partition)}
    for step in range(steps):
        at_us = START_US + step * interval_s * 1_000_000
        people = crowd.at(step * interval_s * 1_000_000 // STEP_US)[crowd.order]
        for number, batches in waiting.items():
            mine = partition == number
            batches.append(Batch.of(sensor=sensor[crowd.order][mine], metric=Metric.PEOPLE, source=1, begin=at_us,
                                    value=people[mine]))
            joined = Batch.concatenated(batches)
            whole = len(joined) // readings_a_message * readings_a_message
            for first in range(0, whole, readings_a_message):
                yield encoded(city, number, joined.take(np.arange(first, first + readings_a_message)), at_us + first)
            batches[:] = [joined.take(np.arange(whole, len(joined)))]
    last_us = START_US + (steps - 1) * interval_s * 1_000_000
    for number, batches in waiting.items():
        if len(batches[0]):
            yield encoded(city, number, batches[0], last_us + STEP_US // 2)
        yield number, *encode_log(LogMessage(Kind.TICK, last_us + STEP_US, Clock.DATA, city.version, "bench", "tick"))


def encoded(city: City, partition: int, batch: Batch, at_us: int, clock: Clock = Clock.DATA) -> Sent:
    """A message with readings, taken in at `at_us`."""
    message = LogMessage(Kind.READINGS, at_us, clock, city.version, "bench", f"{partition}/{at_us}", batch)
    return partition, *encode_log(message)


def instant_text(at_us: int) -> str:
    """RFC 3339 with milliseconds, UTC."""
    return dt.datetime.fromtimestamp(at_us / 1e6, dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def native_readings(zones: int, steps: int, start_us: int = START_US) -> Iterator[tuple[int, bytes]]:
    """Zone and one native JSON reading, step by step."""
    crowd = Crowd(zones)
    names = [camera(zone).encode() for zone in range(zones)]
    order = crowd.order.tolist()
    for step in range(steps):
        at = instant_text(start_us + step * STEP_US).encode()
        people = crowd.at(step).astype(int).tolist()
        for zone in order:
            yield zone, (b'{"sensor":"%b","metric":"people","from":"%b","to":"%b","value":%d}'
                         % (names[zone], at, at, people[zone]))
