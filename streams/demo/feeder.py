# SPDX-License-Identifier: Apache-2.0
"""Sends what the simulated sensors report to the gateway, over HTTP, at the pace of the clock."""

import gzip
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import httpx
import msgspec

from schemas.errors import DrukteError, FatalError, TransientError
from schemas.refusal import Refusal
from schemas.roads import NDW_SOURCE
from streams.clock import now_us
from streams.demo.scene import Roads
from streams.settings import ClockSettings
from streams.simulate.crowd_sensors import WatchedCrowd, encode_native

LOOK_S = 0.05
"""Between two looks at the clock."""
TRIES_S = 60.0
"""A gateway that takes nothing for so long has failed."""
RETRY_S = 0.5
TIMEOUT = httpx.Timeout(30.0, connect=5.0)
SENDERS = 4
RATE_S = 5.0
"""The rate shown is that of the last so many seconds."""
WORTH_PACKING_BYTES = 65_536


class _Answer(msgspec.Struct):
    """What the gateway says: readings taken, what was refused."""

    readings: int = 0
    refused: list[Refusal] = []


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
    sent : int
        Readings that the gateway has taken.
    refused : Counter of str
        Readings that it refused, by reason.
    trouble : DrukteError or None
        Why it ended by itself.
    """

    def __init__(self, address: str, clock: ClockSettings, crowd: WatchedCrowd, roads: Roads) -> None:
        super().__init__(name="feeder", daemon=True)
        self.sent = 0
        self.refused: Counter[str] = Counter()
        self.trouble: DrukteError | None = None
        self._address = address
        self._clock = clock
        self._crowd = crowd
        self._roads = roads
        self._stopping = threading.Event()
        self._counting = threading.Lock()
        self._history: list[tuple[float, int]] = []

    def run(self) -> None:
        """Send what is due, look at the clock, and again."""
        # No proxy of the environment: the gateway is on loopback.
        with (
            httpx.Client(base_url=self._address, timeout=TIMEOUT, trust_env=False) as client,
            ThreadPoolExecutor(SENDERS, thread_name_prefix="sender") as senders,
        ):
            try:
                while not self._stopping.wait(LOOK_S):
                    bodies = self._due(now_us(self._clock))
                    for sent in [senders.submit(self._send, client, *body) for body in bodies]:
                        sent.result()
            except DrukteError as error:
                self.trouble = error

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

    def _due(self, time_us: int) -> list[tuple[str, bytes]]:
        """Source and body of every post that is due."""
        crowd = [(source, encode_native(due)) for source, due in self._crowd.advance(time_us).items()]
        return [*crowd, *((NDW_SOURCE, publication) for publication in self._roads.due(time_us))]

    def _send(self, client: httpx.Client, source: str, body: bytes) -> None:
        """Post until the gateway has taken it, or refused it for good; repeats are harmless."""
        headers = {}
        if len(body) > WORTH_PACKING_BYTES:
            body, headers = gzip.compress(body, 1), {"Content-Encoding": "gzip"}
        limit_s = time.monotonic() + TRIES_S
        while True:
            try:
                answer = client.post(f"/in/{source}", content=body, headers=headers)
            except httpx.TransportError as error:
                said = type(error).__name__
            else:
                if answer.status_code != httpx.codes.SERVICE_UNAVAILABLE:
                    self._count(source, answer)
                    return
                said = "503"
            if time.monotonic() > limit_s:
                raise TransientError(f"the gateway took nothing from {source} for {TRIES_S:.0f} s ({said})")
            if self._stopping.wait(RETRY_S):
                return

    def _count(self, source: str, answer: httpx.Response) -> None:
        if answer.status_code not in (httpx.codes.ACCEPTED, httpx.codes.UNPROCESSABLE_ENTITY):
            raise FatalError(f"the gateway answers {answer.status_code} to {source}: {answer.text[:500]}")
        try:
            said = msgspec.json.decode(answer.content, type=_Answer)
        except msgspec.DecodeError as error:
            raise FatalError(f"the gateway's answer to {source} cannot be read: {error}") from None
        with self._counting:
            self.sent += said.readings
            for refusal in said.refused:
                self.refused[refusal.reason] += refusal.count
