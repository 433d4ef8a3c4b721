# SPDX-License-Identifier: Apache-2.0
"""Seeded readings on a simulated clock, posted to the gateway and again until it says 202."""

import datetime as dt
import math
import queue
import random
import threading
from collections.abc import Callable
from dataclasses import dataclass

import httpx
import msgspec

from schemas.city import City
from schemas.feeds.datex2 import RoadChannels, decode_measured
from schemas.ids import IdKind
from schemas.reading import Batch, Metric
from schemas.roads import NDW_SOURCE
from tests.chaos.city import CAMERAS, COUNTERS
from tests.gateway.publications import road_publication

STEP_US = 10_000_000
MINUTE_US = 60_000_000
WAVE_US = 9 * MINUTE_US
"""Crowds come and go within it, so that alerts open and close."""
RETRY_S = 0.3
POST_S = 20.0
SOURCES = ("cameras", "counters", NDW_SOURCE)

Key = tuple[int, int, int, float]
"""Sensor, metric, begin in microseconds, value: what has to stand in the log."""


def keys_of(batch: Batch) -> list[Key]:
    """What identifies each reading of a batch."""
    columns = (batch.sensor, batch.metric, batch.begin, batch.value)
    return list(zip(*(column.tolist() for column in columns), strict=True))


@dataclass(frozen=True, slots=True)
class Body:
    """One request and the readings in it."""

    source: str
    content: bytes
    keys: list[Key]


def _text(at_us: int) -> str:
    return dt.datetime.fromtimestamp(at_us / 1e6, dt.UTC).isoformat()


class Script:
    """What the sensors of a city say at each step; the same seed says the same."""

    def __init__(self, city: City, sites: int, seed: int) -> None:
        self._numbers = city.ids[IdKind.SENSOR]
        self._channels = RoadChannels.of(city.roads, city.ids)
        self._sites = range(1, sites + 1)
        self._random = random.Random(seed)  # noqa: S311  no secret
        self._phase = {site: self._random.random() for site in self._sites}

    def at(self, step_us: int) -> list[Body]:
        """The bodies of one step of 10 s: cameras at each, counters and roads when it ends a minute."""
        bodies = [self._native("cameras", [
            (f"{camera}-{site}", Metric.PEOPLE, step_us, step_us, self._people(camera, site, step_us))
            for site in self._sites for camera in CAMERAS
        ])]
        if step_us % MINUTE_US == 0:
            bodies.append(self._native("counters", [
                (f"{counter}-{site}", metric, step_us - MINUTE_US, step_us, self._random.randrange(80))
                for site in self._sites for counter in COUNTERS for metric in (Metric.IN, Metric.OUT)
            ]))
            bodies.append(self._road(step_us - MINUTE_US))
        return bodies

    def _people(self, camera: str, site: int, step_us: int) -> int:
        wave = 0.5 - 0.5 * math.cos(2 * math.pi * (step_us / WAVE_US + self._phase[site]))
        most = 420 if camera == "cam-plein" else 300
        return max(round(most * wave + self._random.gauss(0, 6)), 0)

    def _native(self, source: str, readings: list[tuple[str, Metric, int, int, int]]) -> Body:
        content = msgspec.json.encode([
            {"sensor": sensor, "metric": metric.key, "from": _text(begin), "to": _text(end), "value": value}
            for sensor, metric, begin, end, value in readings
        ])
        keys = [
            (self._numbers[sensor], int(metric), begin, float(value)) for sensor, metric, begin, _, value in readings
        ]
        return Body(source, content, keys)

    def _road(self, at_us: int) -> Body:
        flow = 60 * self._random.randrange(5, 30)
        content = road_publication(dt.datetime.fromtimestamp(at_us / 1e6, dt.UTC), flow)
        decoded = decode_measured(content, self._channels, limit_bytes=1_000_000)
        return Body(NDW_SOURCE, content, keys_of(decoded.batch))


class Feed:
    """One thread that follows the clock and one for each source that posts, each in its order.

    Parameters
    ----------
    script : Script
    address : str
        `http://host:port` of the gateway.
    now_us : callable
        The simulated clock.
    speed : float
        Of that clock.
    """

    def __init__(self, script: Script, address: str, now_us: Callable[[], int], speed: float) -> None:
        self._script = script
        self._address = address
        self._now_us = now_us
        self._speed = speed
        self._ended = threading.Event()
        self._given_up = threading.Event()
        self._queues: dict[str, queue.Queue[Body | None]] = {source: queue.Queue() for source in SOURCES}
        self._threads = [threading.Thread(target=self._follow, name="feed")]
        self._threads += [threading.Thread(target=self._post_all, args=(source,), name=source) for source in SOURCES]
        self.acknowledged: list[Key] = []
        self.tries_again = 0
        self.troubles: list[str] = []

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def end(self) -> None:
        """Say nothing new; what was said is still posted."""
        self._ended.set()

    @property
    def posted(self) -> bool:
        """Whether everything that was said is acknowledged."""
        return not any(thread.is_alive() for thread in self._threads)

    def give_up(self) -> None:
        """Post nothing any more."""
        self._ended.set()
        self._given_up.set()
        for thread in self._threads:
            thread.join(2 * POST_S)

    def _follow(self) -> None:
        step_us = (self._now_us() // STEP_US + 1) * STEP_US
        while not self._ended.wait(max(step_us - self._now_us(), 0) / 1e6 / self._speed):
            for body in self._script.at(step_us):
                self._queues[body.source].put(body)
            step_us += STEP_US
        for waiting in self._queues.values():
            waiting.put(None)

    def _post_all(self, source: str) -> None:
        with httpx.Client(base_url=self._address, timeout=POST_S, trust_env=False) as client:
            while (body := self._queues[source].get()) is not None:
                while not self._is_taken(client, body):
                    self.tries_again += 1
                    if self._given_up.wait(RETRY_S):
                        return

    def _is_taken(self, client: httpx.Client, body: Body) -> bool:
        try:
            answer = client.post(f"/in/{body.source}", content=body.content)
        except httpx.HTTPError:
            return False
        if answer.status_code == 503:
            return False
        if answer.status_code == 202 and not answer.json()["refused"]:
            self.acknowledged += body.keys
        else:
            self.troubles.append(f"{body.source}: status {answer.status_code}, {answer.text[:300]}")
        return True
