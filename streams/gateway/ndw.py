# SPDX-License-Identifier: Apache-2.0
"""Publications of NDW and others: fetch one when it has changed, and hand it to the intake."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

import httpx
import structlog

from schemas.errors import RefusedError, TransientError
from schemas.roads import NDW_SOURCE
from streams.backoff import delay_s
from streams.gateway.door_states import DoorKind, DoorState
from streams.gateway.intake import Intake, Taken, whole_refusal
from streams.settings import NdwSettings
from streams.tls import failure

PUBLICATION_BYTES = 64_000_000
"""The largest publication as it is sent (compressed); the national one has some 3 MB."""
TIMEOUT = httpx.Timeout(30.0, connect=10.0)
LONGEST_WAIT_S = 600.0
"""Between two tries, however often it failed."""

log = structlog.get_logger(__name__)


class Feed(Protocol):
    """Somewhere publications come from."""

    async def changed(self) -> bytes | None:
        """The publication, or None where it is the one of the last call; raises `TransientError`."""


@dataclass(slots=True)
class FileFeed:
    """A publication in a file, read again whenever the file has changed."""

    path: Path
    _seen: tuple[int, int] | None = field(default=None, init=False)

    async def changed(self) -> bytes | None:
        """As `Feed.changed`."""
        return await asyncio.to_thread(self._read)

    def _read(self) -> bytes | None:
        try:
            status = self.path.stat()
            mark = (status.st_mtime_ns, status.st_size)
            if mark == self._seen:
                return None
            if status.st_size > PUBLICATION_BYTES:
                raise TransientError(f"{self.path} has {status.st_size} bytes, more than {PUBLICATION_BYTES}")
            body = self.path.read_bytes()
        except OSError as error:
            raise TransientError(f"{self.path} cannot be read ({error.strerror})") from None
        self._seen = mark
        return body


@dataclass(slots=True)
class UrlFeed:
    """A publication on the web, asked for with the marks of the last answer (ETag, Last-Modified).

    Parameters
    ----------
    client : httpx.AsyncClient
    url : str
        Shown without its query, which may hold a key.
    trust : str
        What says whom to trust, for messages.
    """

    client: httpx.AsyncClient
    url: str
    trust: str = "environment variable SSL_CERT_FILE"
    _marks: dict[str, str] = field(default_factory=dict, init=False)

    async def changed(self) -> bytes | None:
        """As `Feed.changed`."""
        try:
            async with self.client.stream("GET", self.url, headers=self._marks) as answer:
                if answer.status_code == httpx.codes.NOT_MODIFIED:
                    return None
                if answer.status_code != httpx.codes.OK:
                    raise TransientError(f"{_shown(self.url)} answers {answer.status_code}")
                body = await self._body(answer)
        except httpx.HTTPError as error:
            raise TransientError(f"{_shown(self.url)}: {failure(error, self.trust)}") from None
        asked_by = {"etag": "If-None-Match", "last-modified": "If-Modified-Since"}
        self._marks = {
            question: answer.headers[mark] for mark, question in asked_by.items() if mark in answer.headers
        }
        return body

    async def _body(self, answer: httpx.Response) -> bytes:
        # Raw bytes: what is unpacked is bounded by the intake, not here.
        parts, size = [], 0
        async for part in answer.aiter_raw():
            size += len(part)
            if size > PUBLICATION_BYTES:
                raise TransientError(f"{_shown(self.url)} sends more than {PUBLICATION_BYTES} bytes")
            parts.append(part)
        return b"".join(parts)


def _shown(url: str) -> str:
    return urlsplit(url)._replace(query="", fragment="").geturl()


def wait_s(poll_s: float, failures: int, jitter: float) -> float:
    """How long to wait until the next try.

    Parameters
    ----------
    poll_s : float
        The wanted interval.
    failures : int
        How many tries in a row have failed; each doubles the wait, up to `LONGEST_WAIT_S`.
    jitter : float
        0 to 1: takes away up to a fifth after a failure, so that many gateways do not ask at once.
    """
    if not failures:
        return poll_s
    return delay_s(failures + 1, max(LONGEST_WAIT_S, poll_s), poll_s, 0.4 * jitter)


async def poll(
    feed: Feed, intake: Intake, poll_s: float, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    state: DoorState | None = None,
) -> None:
    """Fetch and hand over for ever; cancel it to stop.

    A publication that did not reach the log is handed over again at the next try.

    Parameters
    ----------
    feed : Feed
    intake : Intake
    poll_s : float
    sleep : callable
        Waits so many seconds.
    state : DoorState, optional
        Names the source; without one it is NDW.
    """
    failures = 0
    body: bytes | None = None
    state = state or DoorState(DoorKind.PULL, NDW_SOURCE)
    while True:
        try:
            body = await feed.changed() or body
            if body is not None:
                state.took((await _hand_over(intake, state.source, body)).refused)
                body = None
            failures = 0
            state.succeeded()
        except TransientError as error:
            failures += 1
            state.failed()
            log.warning("publication not read", source=state.source, reason=str(error), failures=failures)
        except RefusedError as refused:
            # The intake has counted it; the next publication may be sound.
            body = None
            failures += 1
            state.failed()
            state.took([whole_refusal(refused)])
            log.warning("publication refused", source=state.source, reason=refused.reason, failures=failures)
        await sleep(wait_s(poll_s, failures, random.random()))  # noqa: S311  # no secret


async def poll_ndw(settings: NdwSettings, intake: Intake, state: DoorState | None = None) -> None:
    """Poll the feed of the settings for ever: `http(s)://...`, or `file:///...`."""
    address = urlsplit(settings.url)
    if address.scheme == "file":
        await poll(FileFeed(Path(unquote(address.path))), intake, settings.poll_s, state=state)
        return
    async with httpx.AsyncClient(timeout=TIMEOUT, follow_redirects=True) as client:
        await poll(UrlFeed(client, settings.url), intake, settings.poll_s, state=state)


async def _hand_over(intake: Intake, source: str, body: bytes) -> Taken:
    taken = await intake.take(source, body)
    log.info(
        "publication taken in", source=source, readings=taken.readings, records=taken.records,
        refused=sum(one.count for one in taken.refused),
    )
    return taken
