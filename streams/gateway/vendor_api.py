# SPDX-License-Identifier: Apache-2.0
"""The web services of Telraam and Eco-Counter: how a time is asked for, and who we are there."""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol
from urllib.parse import urljoin, urlsplit
from zoneinfo import ZoneInfo

import httpx
import msgspec

from schemas.errors import TransientError
from streams.door_settings import PullSettings
from streams.tls import failure

ANSWER_BYTES = 16_000_000
TIMEOUT = httpx.Timeout(60.0, connect=10.0)
PAGES = 1_000
"""Most pages of one answer."""
REMEMBERED = 4_096
"""Most addresses of which the mark of the last answer is kept."""


class Api(Protocol):
    """A vendor's service."""

    async def devices(self) -> list[str]:
        """The names by which counts are asked for; raises `TransientError`."""

    def counts(self, device: str, begin: dt.datetime, end: dt.datetime) -> AsyncIterator[bytes]:
        """Pages with what a device counted in [begin, end); none where nothing has changed since they were last asked.

        Raises `TransientError`.
        """


@dataclass(slots=True)
class Asker:
    """Asks with limits on time and size, and with the marks of earlier answers.

    Parameters
    ----------
    client : httpx.AsyncClient
        Its base address is the service's.
    """

    client: httpx.AsyncClient
    _marks: dict[str, tuple[str, str]] = field(default_factory=dict, init=False)

    async def ask(
        self, request: httpx.Request, headers: Mapping[str, str], *, conditional: bool = False
    ) -> tuple[int, bytes, httpx.Headers]:
        """Status, body and headers of the answer; raises `TransientError` where there is none."""
        address = str(request.url)
        request.headers.update(headers)
        if conditional and address in self._marks:
            request.headers.update([self._marks[address]])
        try:
            async with asyncio.timeout(2 * (TIMEOUT.read or 0)):
                answer = await self.client.send(request, stream=True)
                try:
                    body = await _bounded(answer)
                finally:
                    await answer.aclose()
        except (httpx.HTTPError, TimeoutError) as error:
            why = failure(error, "the ca_file of its gateway.pulls")
            raise TransientError(f"{self.client.base_url.host}: {why}") from None
        return answer.status_code, body, answer.headers

    def remember(self, address: str, headers: httpx.Headers) -> None:
        """Ask for this address again only if it has changed. Call it when its answer is in the log."""
        for mark, question in (("etag", "If-None-Match"), ("last-modified", "If-Modified-Since")):
            if mark in headers:
                self._marks.pop(address, None)
                self._marks[address] = (question, headers[mark])
                break
        while len(self._marks) > REMEMBERED:
            del self._marks[next(iter(self._marks))]


async def _bounded(answer: httpx.Response) -> bytes:
    parts, size = [], 0
    async for part in answer.aiter_bytes():
        size += len(part)
        if size > ANSWER_BYTES:
            raise TransientError(f"{answer.url.host} sends more than {ANSWER_BYTES} bytes; set a shorter page_s")
        parts.append(part)
    return b"".join(parts)


def _refused(host: str, status: int) -> TransientError:
    advice = {401: "is the key or the account right?", 403: "is the key or the account right?",
              429: "ask less often: set a longer poll_s"}
    return TransientError(f"{host} answers {status}; {advice.get(status, 'is it well?')}")


@dataclass(slots=True)
class Telraam:
    """Telraam's API v1: rows of one segment.

    Parameters
    ----------
    settings : PullSettings
    asker : Asker
    """

    settings: PullSettings
    asker: Asker

    async def devices(self) -> list[str]:
        """As `Api.devices`: those of the settings."""
        return self.settings.devices

    async def counts(self, device: str, begin: dt.datetime, end: dt.datetime) -> AsyncIterator[bytes]:
        """As `Api.counts`; always one page, and never marked as unchanged: it answers to POST."""
        request = self.asker.client.build_request("POST", "/v1/reports/traffic", json={
            "level": "segments", "format": "per-hour", "id": device,
            "time_start": f"{begin.astimezone(dt.UTC):%Y-%m-%d %H:%M:%SZ}",
            "time_end": f"{end.astimezone(dt.UTC):%Y-%m-%d %H:%M:%SZ}",
        })
        status, body, _ = await self.asker.ask(request, {"X-Api-Key": self.settings.api_key or ""})
        if status != httpx.codes.OK:
            raise _refused(self.asker.client.base_url.host, status)
        yield body


class _Token(msgspec.Struct):
    access_token: str


class _Channel(msgspec.Struct):
    id: int


class _Site(msgspec.Struct):
    id: int
    channels: list[_Channel] = []


@dataclass(slots=True)
class EcoCounter:
    """Eco-Counter's API: quarter hours of one channel; an answer may go on on further pages (`Link: rel=next`).

    Parameters
    ----------
    settings : PullSettings
    asker : Asker
    zone : ZoneInfo
        Of the times that it is asked with.
    """

    settings: PullSettings
    asker: Asker
    zone: ZoneInfo
    _token: str = field(default="", init=False)

    async def devices(self) -> list[str]:
        """As `Api.devices`: those of the settings, else all channels of all sites."""
        if self.settings.devices:
            return self.settings.devices
        found: list[str] = []
        async for page in self._pages("/api/site", {}, conditional=False):
            try:
                sites = msgspec.json.decode(page, type=list[_Site])
            except msgspec.DecodeError:
                raise TransientError(f"{self.asker.client.base_url.host} names no sites where it should") from None
            # A site without channels counts by itself.
            found += [str(number) for site in sites for number in [one.id for one in site.channels] or [site.id]]
        return found

    async def counts(self, device: str, begin: dt.datetime, end: dt.datetime) -> AsyncIterator[bytes]:
        """As `Api.counts`."""
        local = "%Y-%m-%dT%H:%M:%S"
        asked = {"begin": f"{begin.astimezone(self.zone):{local}}", "end": f"{end.astimezone(self.zone):{local}}",
                 "step": "15m", "complete": "false"}
        async for page in self._pages(f"/api/data/site/{device}", asked, conditional=True):
            yield page

    async def _pages(self, path: str, asked: dict[str, str], *, conditional: bool) -> AsyncIterator[bytes]:
        address = str(self.asker.client.build_request("GET", path, params=asked).url)
        for _ in range(PAGES):
            status, body, headers = await self._ask(address, conditional=conditional)
            if status == httpx.codes.NOT_MODIFIED:
                return
            yield body
            # Whoever iterates has put the page into the log by now.
            if conditional:
                self.asker.remember(address, headers)
            following = httpx.Response(status, headers=headers).links.get("next", {}).get("url")
            if following is None:
                return
            address = self._own(urljoin(address, following))

    async def _ask(self, address: str, *, conditional: bool) -> tuple[int, bytes, httpx.Headers]:
        had_token = bool(self._token)
        if not had_token:
            await self._log_in()
        status, body, headers = await self.asker.ask(
            self.asker.client.build_request("GET", address), {"Authorization": f"Bearer {self._token}"},
            conditional=conditional)
        if status == httpx.codes.UNAUTHORIZED:
            self._token = ""
            if had_token:  # it has run out: once more with a new one
                return await self._ask(address, conditional=conditional)
        if status not in (httpx.codes.OK, httpx.codes.NOT_MODIFIED):
            raise _refused(self.asker.client.base_url.host, status)
        return status, body, headers

    async def _log_in(self) -> None:
        status, body, _ = await self.asker.ask(self.asker.client.build_request("POST", "/token", data={
            "grant_type": "password", "username": self.settings.user or "", "password": self.settings.password or "",
        }), {})
        if status != httpx.codes.OK:
            raise _refused(self.asker.client.base_url.host, status)
        try:
            self._token = msgspec.json.decode(body, type=_Token).access_token
        except msgspec.DecodeError:
            raise TransientError(f"{self.asker.client.base_url.host} gives no token where it should") from None

    def _own(self, address: str) -> str:
        """The address of a further page: the token is for this service alone."""
        if urlsplit(address)[:2] != urlsplit(str(self.asker.client.base_url))[:2]:
            raise TransientError(f"{self.asker.client.base_url.host} sends us to another service for the next page")
        return address
