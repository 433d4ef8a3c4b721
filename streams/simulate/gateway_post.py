# SPDX-License-Identifier: Apache-2.0
"""Posts simulated readings to a gateway: tries again when it is told to, gives up in the end."""

import datetime as dt
import gzip
import time
from collections import Counter
from collections.abc import Callable
from email.utils import parsedate_to_datetime

import httpx
import msgspec

from schemas.errors import FatalError, TransientError
from schemas.refusal import Refusal
from schemas.roads import NDW_SOURCE
from streams.simulate.crowd_sensors import NativeReading, encode_native

READINGS_OF_POST = 25_000
"""More are sent in several posts: the door takes some 8 MB."""
WORTH_PACKING_BYTES = 65_536
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 30.0
TIMEOUT = httpx.Timeout(30.0, connect=5.0)
TAKEN = (httpx.codes.ACCEPTED, httpx.codes.UNPROCESSABLE_ENTITY)
LATER = (httpx.codes.SERVICE_UNAVAILABLE, httpx.codes.TOO_MANY_REQUESTS, httpx.codes.REQUEST_TIMEOUT)


class _Answer(msgspec.Struct):
    """What the gateway says: readings taken, what was refused."""

    readings: int = 0
    refused: list[Refusal] = []


class GatewayPost:
    """One POST per source and step; an `Outlet`.

    Parameters
    ----------
    address : str
        `http://host:port`.
    patience_s : float
        A post that is not taken for so long ends it.
    wait : callable
        Lets so many seconds pass.
    tell : callable
        Told in a line what is tried, where and until when, once for each post that has to wait.

    Attributes
    ----------
    posts : int
        Answered for good.
    repeats : int
        Times that a post was sent again.
    taken : int
        Readings that the gateway took.
    refused : Counter of str
        Readings that it refused, by reason.
    """

    def __init__(
        self, address: str, patience_s: float = 120.0, wait: Callable[[float], None] = time.sleep,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self.posts = 0
        self.repeats = 0
        self.taken = 0
        self.refused: Counter[str] = Counter()
        self._patience_s = patience_s
        self._wait = wait
        self._tell = tell
        self._address = address
        # No proxy of the environment: a gateway stands in the own network.
        self._client = httpx.Client(base_url=address, timeout=TIMEOUT, trust_env=False)

    def send(self, source: str, readings: list[NativeReading]) -> None:
        """As `Outlet.send`.

        Raises
        ------
        TransientError
            The gateway takes nothing for too long.
        FatalError
            Its answer is none that a gateway of the same city gives.
        """
        for first in range(0, len(readings), READINGS_OF_POST):
            self.post(source, encode_native(readings[first : first + READINGS_OF_POST]))

    def publish(self, minute_us: int, publication: bytes) -> None:
        """As `Outlet.publish`; raises as `send`."""
        del minute_us
        self.post(NDW_SOURCE, publication)

    def close(self) -> None:
        """As `Outlet.close`."""
        self._client.close()

    def post(self, source: str, body: bytes) -> None:
        """Post a body until the gateway has taken it or refused it for good; repeats are harmless.

        Raises as `send`.
        """
        headers = {}
        if len(body) > WORTH_PACKING_BYTES:
            body, headers = gzip.compress(body, 1, mtime=0), {"Content-Encoding": "gzip"}
        until_s, wait_s = time.monotonic() + self._patience_s, FIRST_WAIT_S
        waited_s = 0.0
        while True:
            answer, said = self._try(source, body, headers)
            if answer is not None and answer.status_code not in LATER:
                self._count(source, answer)
                return
            asked_s = None if answer is None else _retry_after_s(answer)
            pause_s = wait_s if asked_s is None else asked_s
            if time.monotonic() + pause_s > until_s or waited_s + pause_s > self._patience_s:
                text = f"the gateway at {self._address} took nothing from {source} for {self._patience_s:g} s"
                raise TransientError(f"{text} ({said}); is it running, and its broker?")
            if waited_s == 0:
                self._tell_waiting(source, said)
            self._wait(pause_s)
            waited_s += pause_s
            wait_s = min(2 * wait_s, LONGEST_WAIT_S)
            self.repeats += 1

    def _tell_waiting(self, source: str, said: str) -> None:
        until = dt.datetime.now().astimezone() + dt.timedelta(seconds=self._patience_s)
        self._tell(f"the gateway at {self._address} does not take readings of {source} ({said}); trying again until "
                   f"{until:%H:%M:%S} ({self._patience_s:g} s)")

    def _try(self, source: str, body: bytes, headers: dict[str, str]) -> tuple[httpx.Response | None, str]:
        try:
            answer = self._client.post(f"/in/{source}", content=body, headers=headers)
        except httpx.InvalidURL as error:
            raise FatalError(f"--to {self._address}: {error}; give http://host:port") from None
        except httpx.UnsupportedProtocol:
            raise FatalError(f"--to {self._address}: give http://host:port") from None
        except httpx.TransportError as error:
            return None, type(error).__name__
        return answer, str(answer.status_code)

    def _count(self, source: str, answer: httpx.Response) -> None:
        if answer.status_code not in TAKEN:
            text = f"the gateway answers {answer.status_code} to {source}: {answer.text[:500]}"
            raise FatalError(f"{text}; does it run with the same city file?")
        try:
            said = msgspec.json.decode(answer.content, type=_Answer)
        except msgspec.DecodeError as error:
            raise FatalError(f"the gateway's answer to {source} cannot be read: {error}") from None
        self.posts += 1
        self.taken += said.readings
        for refusal in said.refused:
            self.refused[refusal.reason] += refusal.count


def _retry_after_s(answer: httpx.Response) -> float | None:
    """What the answer asks for, in seconds from now: a number, or a date."""
    text = answer.headers.get("retry-after", "")
    if text.isdigit():
        return float(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=dt.UTC)
    return max(0.0, (moment - dt.datetime.now(dt.UTC)).total_seconds())
