# SPDX-License-Identifier: Apache-2.0
"""Pulls: ask a vendor's service for what is new, and again for a while before it, since vendors revise their counts.

What was asked for last is kept in memory alone: after a start the last day is asked for again, which is harmless.
"""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import NoReturn
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

import httpx
import structlog

from schemas.errors import FatalError, RefusedError, TransientError
from streams.backoff import delay_s
from streams.door_settings import ClientTls, PullSettings
from streams.gateway.door_states import DoorKind, DoorState
from streams.gateway.intake import Intake, whole_refusal
from streams.gateway.vendor_api import TIMEOUT, Api, Asker, EcoCounter, Telraam
from streams.tls import client_context

LONGEST_WAIT_S = 600.0
STEP_S = 900
"""Times are asked for in whole quarter hours, so that a question is the same until there is more to ask for."""
_EPOCH = dt.datetime.fromtimestamp(0, dt.UTC)

log = structlog.get_logger(__name__)


def pages(begin: dt.datetime, end: dt.datetime, page_s: float) -> Iterator[tuple[dt.datetime, dt.datetime]]:
    """[begin, end) in pieces of at most `page_s`, oldest first."""
    while begin < end:
        until = min(begin + dt.timedelta(seconds=page_s), end)
        yield begin, until
        begin = until


class Puller:
    """One source that is asked.

    Parameters
    ----------
    source : str
        Of the city file.
    settings : PullSettings
    intake : Intake
    api : Api
    now : callable
        The deployment's clock.
    state : DoorState, optional
    """

    def __init__(
        self, source: str, settings: PullSettings, intake: Intake, api: Api, now: Callable[[], dt.datetime],
        state: DoorState | None = None,
    ) -> None:
        self._source = source
        self._settings = settings
        self._intake = intake
        self._api = api
        self._now = now
        self._state = state or DoorState(DoorKind.PULL, source)
        self._done: dict[str, dt.datetime] = {}

    async def run(self) -> NoReturn:
        """Ask for ever; cancel it to stop."""
        failures = 0
        while True:
            try:
                readings = await self.round()
                failures = 0
                self._state.succeeded()
                log.info("pulled", source=self._source, readings=readings)
            except TransientError as error:
                failures += 1
                self._state.failed()
                log.warning("not pulled", source=self._source, reason=str(error), failures=failures)
            await asyncio.sleep(delay_s(failures, LONGEST_WAIT_S) if failures else self._settings.poll_s)

    async def round(self) -> int:
        """Ask for every device once; how many readings are in the log.

        A device that fails does not keep the others from being asked.

        Raises
        ------
        TransientError
            The service or the log is away for one of them; what was taken in is not lost.
        """
        now = self._now()
        end = now - (now - _EPOCH) % dt.timedelta(seconds=STEP_S)
        readings, failed = 0, None
        for device in await self._api.devices():
            try:
                readings += await self._pull(device, end)
            except TransientError as error:
                failed = error
        if failed is not None:
            raise failed
        return readings

    async def _pull(self, device: str, end: dt.datetime) -> int:
        readings = 0
        for begin, until in pages(self._begin(device, end), end, self._settings.page_s):
            async for body in self._api.counts(device, begin, until):
                try:
                    taken = await self._intake.take(self._source, body, {"channel": device})
                    readings += taken.readings
                    self._state.took(taken.refused)
                except RefusedError as refused:
                    self._state.took([whole_refusal(refused)])
                    # In the dead letters; the next answer may be sound, and the overlap asks for this time again.
                    log.warning("pulled body refused", source=self._source, reason=refused.reason)
            self._done[device] = until
        return readings

    def _begin(self, device: str, end: dt.datetime) -> dt.datetime:
        first = end - dt.timedelta(seconds=self._settings.first_s)
        if device not in self._done:
            return first
        return max(self._done[device] - dt.timedelta(seconds=self._settings.overlap_s), first)


@asynccontextmanager
async def puller(
    source: str, settings: PullSettings, intake: Intake, zone: str, now: Callable[[], dt.datetime],
    state: DoorState | None = None,
) -> AsyncIterator[Puller]:
    """A puller with a connection of its own.

    Parameters
    ----------
    source, settings, intake
        As `Puller`.
    zone : str
        Time zone of the source, for services that are asked in local time.
    now : callable
    state : DoorState, optional

    Raises
    ------
    FatalError
        The settings lack what the service needs.
    """
    check_pull(source, settings)
    verify = True if settings.ca_file is None else client_context(
        ClientTls(ca_file=settings.ca_file), f"gateway.pulls.{source}")
    # No redirects: they would carry our key to another place.
    async with httpx.AsyncClient(base_url=settings.url, timeout=TIMEOUT, verify=verify) as client:
        asker = Asker(client)
        api: Api = Telraam(settings, asker) if settings.kind == "telraam" else EcoCounter(
            settings, asker, ZoneInfo(zone))
        yield Puller(source, settings, intake, api, now, state)


def check_pull(source: str, settings: PullSettings) -> None:
    """Refuse settings that cannot work; raises `FatalError`."""
    section = f"drukte.toml: gateway.pulls.{source}"
    if settings.kind == "publication":
        if settings.api_key or settings.devices:
            raise FatalError(f"{section}: a publication is fetched whole; `api_key` and `devices` do not concern it")
        return
    if urlsplit(settings.url)[2:] != ("", "", ""):
        raise FatalError(f"{section}.url: give the address of the service alone, without a path")
    if settings.kind == "telraam" and not (settings.api_key and settings.devices):
        raise FatalError(f"{section}: Telraam needs `api_key`, and its segments as `devices`")
    if settings.kind == "eco-counter" and not (settings.user and settings.password):
        raise FatalError(f"{section}: Eco-Counter needs `user` and `password`")
