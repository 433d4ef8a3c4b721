# SPDX-License-Identifier: Apache-2.0
"""Sends what the simulated sensors report to the gateway, over HTTP, at the pace of the clock."""

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from schemas.errors import DrukteError
from schemas.roads import NDW_SOURCE
from streams.clock import now_us
from streams.demo.scene import Roads
from streams.settings import ClockSettings
from streams.simulate.crowd_sensors import WatchedCrowd, encode_native
from streams.simulate.gateway_post import GatewayPost

LOOK_S = 0.05
"""Between two looks at the clock."""
PATIENCE_S = 60.0
"""A gateway that takes nothing for so long has failed."""
SENDERS = 4
RATE_S = 5.0
"""The rate shown is that of the last so many seconds."""


class _StoppedError(DrukteError):
    """The feeder was told to stop while it waited for the gateway."""


class Feeder(threading.Thread):
    """A thread that posts readings until told to stop; its first trouble ends it.

    Parameters
    ----------
    address : str
        The gateway's, `http://host:port`.
    clock : ClockSettings
    crowd : WatchedCrowd
    roads : Roads

    Attributes
    ----------
    trouble : DrukteError or None
        Why it ended by itself.
    """

    def __init__(self, address: str, clock: ClockSettings, crowd: WatchedCrowd, roads: Roads) -> None:
        super().__init__(name="feeder", daemon=True)
        self.trouble: DrukteError | None = None
        self._address = address
        self._clock = clock
        self._crowd = crowd
        self._roads = roads
        self._stopping = threading.Event()
        self._posts: dict[str, GatewayPost] = {}
        self._history: list[tuple[float, int]] = []

    @property
    def sent(self) -> int:
        """Readings that the gateway has taken."""
        return sum(post.taken for post in list(self._posts.values()))

    @property
    def refused(self) -> Counter[str]:
        """Readings that it refused, by reason."""
        return sum((post.refused for post in list(self._posts.values())), Counter())

    def run(self) -> None:
        """Send what is due, look at the clock, and again."""
        with ThreadPoolExecutor(SENDERS, thread_name_prefix="sender") as senders:
            try:
                while not self._stopping.wait(LOOK_S):
                    due = self._due(now_us(self._clock))
                    for sent in [senders.submit(self._send, source, bodies) for source, bodies in due.items()]:
                        sent.result()
            except _StoppedError:
                pass
            except DrukteError as error:
                self.trouble = error
        for post in self._posts.values():
            post.close()

    def stop(self) -> None:
        """Send no more, and wait until what is on its way has arrived."""
        self._stopping.set()
        self.join()

    def per_second(self) -> float:
        """Readings a second of late."""
        now_s = time.monotonic()
        self._history = [known for known in self._history if now_s - known[0] <= RATE_S]
        self._history.append((now_s, self.sent))
        (first_s, first), (last_s, last) = self._history[0], self._history[-1]
        return (last - first) / (last_s - first_s) if last_s > first_s else 0.0

    def _due(self, time_us: int) -> dict[str, list[bytes]]:
        """The bodies that are due, by source."""
        due = {source: [encode_native(readings)] for source, readings in self._crowd.advance(time_us).items()}
        publications = list(self._roads.due(time_us))
        return {**due, NDW_SOURCE: publications} if publications else due

    def _send(self, source: str, bodies: list[bytes]) -> None:
        """Post a source's bodies in their order; sources do not wait for each other."""
        if source not in self._posts:
            self._posts[source] = GatewayPost(self._address, PATIENCE_S, self._wait)
        for body in bodies:
            self._posts[source].post(source, body)

    def _wait(self, wait_s: float) -> None:
        if self._stopping.wait(wait_s):
            raise _StoppedError
