# SPDX-License-Identifier: Apache-2.0
"""Cameras that post to a gateway over HTTP, each every 10 s of the deployment's clock at a second of its own."""

import threading
import time
from collections.abc import Callable

import httpx
import numpy as np
import numpy.typing as npt

from benchmarks.city import SOURCE, camera
from benchmarks.feed import START_US, instant_text
from tests.services.process import ServiceError

INTERVAL_S = 10
TRIES, RETRY_S = 20, 0.1

People = Callable[[int], npt.NDArray[np.float64]]
"""People in every zone at an instant, microseconds since 1970, UTC."""


class BenchClock:
    """The simulated clock of a deployment: it starts now, at `START_US`."""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self.wall_start_us = time.time_ns() // 1000

    @property
    def settings(self) -> str:
        """Its table of `drukte.toml`."""
        return (f'[clock]\nkind = "simulated"\nspeed = {self.speed}\nstart_us = {START_US}\n'
                f"wall_start_us = {self.wall_start_us}\n")

    def now_us(self) -> int:
        """What it shows."""
        return START_US + round((time.time_ns() / 1000 - self.wall_start_us) * self.speed)

    def wall_ns(self, log_us: int) -> int:
        """When it shows an instant, on the wall's clock."""
        return round((self.wall_start_us + (log_us - START_US) / self.speed) * 1000)


class Poster(threading.Thread):
    """Posts until it is stopped; the cameras of each second of ten in one request.

    Parameters
    ----------
    url : str
        Of the gateway.
    clock : BenchClock
    zones : int
    people : callable

    Attributes
    ----------
    sent_ns : dict of (zone, instant) to int
        When a reading's request was begun, wall clock; kept only with `remember`.
    readings : int
    error : Exception or None
        What ended it before its time.
    """

    def __init__(self, url: str, clock: BenchClock, zones: int, people: People, *, remember: bool = False) -> None:
        super().__init__(name="poster")
        self._url = f"{url}/in/{SOURCE}"
        self._clock = clock
        self._people = people
        self._remember = remember
        self._stopping = threading.Event()
        self._groups = [range(second, zones, INTERVAL_S) for second in range(INTERVAL_S)]
        self.sent_ns: dict[tuple[int, int], int] = {}
        self.readings = 0
        self.error: Exception | None = None

    def run(self) -> None:
        """Post."""
        try:
            with httpx.Client(timeout=30, trust_env=False) as client:
                self._post_all(client)
        except (httpx.HTTPError, ServiceError) as error:
            self.error = error

    def _post_all(self, client: httpx.Client) -> None:
        at_us = self._clock.now_us() // 1_000_000 * 1_000_000
        while not self._stopping.is_set():
            at_us += 1_000_000
            late_s = (self._clock.now_us() - at_us) / 1e6 / self._clock.speed
            if late_s < 0 and self._stopping.wait(-late_s):
                return
            group = self._groups[at_us // 1_000_000 % INTERVAL_S]
            if group:
                self._post(client, at_us, group)

    def _post(self, client: httpx.Client, at_us: int, group: range) -> None:
        at, people = instant_text(at_us), self._people(at_us)
        body = b"[" + b",".join(
            b'{"sensor":"%b","metric":"people","from":"%b","to":"%b","value":%d}'
            % (camera(zone).encode(), at.encode(), at.encode(), people[zone]) for zone in group
        ) + b"]"
        begun_ns = time.time_ns()
        answer = client.post(self._url, content=body)
        for _ in range(TRIES):
            if answer.status_code != 503 or self._stopping.wait(RETRY_S):
                break
            answer = client.post(self._url, content=body)
        if answer.status_code != 202:
            raise ServiceError(f"the gateway answered {answer.status_code}: {answer.text[:300]}")
        self.readings += len(group)
        if self._remember:
            self.sent_ns.update(((zone, at_us), begun_ns) for zone in group)

    def stop(self) -> None:
        """End it; raises what ended it before, if anything did."""
        self._stopping.set()
        self.join()
        if self.error is not None:
            raise self.error


def answers(url: str) -> bool:
    """Whether a gateway is there."""
    try:
        return httpx.get(f"{url}/health", timeout=5, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False
