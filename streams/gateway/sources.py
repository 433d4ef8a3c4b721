# SPDX-License-Identifier: Apache-2.0
"""The doors beside HTTP that the settings ask for: MQTT, pulls and folders, each a task of its own."""

import asyncio
import datetime as dt
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from functools import partial
from typing import Any

import structlog

from schemas.city import City
from schemas.errors import FatalError
from streams.clock import now_us
from streams.door_settings import PullSettings
from streams.gateway.door_states import DoorKind, DoorState, DoorStates
from streams.gateway.folders import Folder
from streams.gateway.intake import Intake
from streams.gateway.mqtt import MqttDoor
from streams.gateway.publication import poll_publication
from streams.gateway.pulls import check_pull, puller
from streams.settings import GatewaySettings, Settings

log = structlog.get_logger(__name__)
Named = tuple[str, Coroutine[Any, Any, None]]


def check_sources(gateway: GatewaySettings, intake: Intake) -> None:
    """Refuse settings of doors that cannot work with this city.

    Raises
    ------
    FatalError
        A section names a source that the city file has not, or lacks what it needs; a folder is not there.
    """
    for section, source in _named_sources(gateway):
        if not intake.knows(source):
            raise FatalError(f"drukte.toml: {section}: the city file has no source {source!r}; mend one of the two")
    for source in gateway.sources:
        if not intake.knows(source):  # it may come with a later version of the city
            log.warning("settings for a source that the city file has not", section=f"gateway.sources.{source}",
                        do="is it spelt as in [sources]? until then its token opens nothing")
    for source, pull in gateway.pulls.items():
        check_pull(source, pull)
    for source, folder in gateway.folders.items():
        if not folder.path.is_dir():
            raise FatalError(f"drukte.toml: gateway.folders.{source}.path: {folder.path} is no folder; make it")


def _named_sources(gateway: GatewaySettings) -> Iterator[tuple[str, str]]:
    if gateway.mqtt is not None:
        yield from (("gateway.mqtt.topics", source) for source in gateway.mqtt.topics.values())
    yield from ((f"gateway.pulls.{source}", source) for source in gateway.pulls)
    yield from ((f"gateway.folders.{source}", source) for source in gateway.folders)


def start_sources(
    settings: Settings, city: City, intake: Intake, ready: Callable[[], Awaitable[None]], states: DoorStates
) -> list[asyncio.Task[None]]:
    """Start the doors; each waits for `ready` first. Cancel the tasks to stop them.

    Parameters
    ----------
    settings : Settings
        Already checked.
    city : City
    intake : Intake
    ready : callable
        Returns once the city versions are known.
    states : DoorStates
        Gets one of each door.
    """
    async def once_ready(run: Coroutine[Any, Any, None]) -> None:
        try:
            await ready()
        except BaseException:
            run.close()
            raise
        await run

    return [
        asyncio.create_task(once_ready(run), name=name) for name, run in _doors(settings, city, intake, states)
    ]


def _doors(settings: Settings, city: City, intake: Intake, states: DoorStates) -> Iterator[Named]:
    gateway = settings.gateway
    if gateway.mqtt is not None:
        yield "MQTT", MqttDoor(gateway.mqtt, intake, states.add(DoorKind.MQTT)).run()
    for source, folder in gateway.folders.items():
        limit_bytes = gateway.decompressed_limit_bytes
        state = states.add(DoorKind.FOLDER, source)
        yield f"folder of {source}", Folder(source, folder, intake, limit_bytes, state).run()
    for source, pull in gateway.pulls.items():
        known = city.file.sources.get(source)
        zone = city.file.timezone if known is None or known.timezone is None else known.timezone
        state = states.add(DoorKind.PULL, source)
        run = poll_publication(pull, intake, state) if pull.kind == "publication" else _pull(
            source, pull, intake, zone, partial(_now, settings), state)
        yield f"pull of {source}", run


async def _pull(
    source: str, pull: PullSettings, intake: Intake, zone: str, now: Callable[[], dt.datetime], state: DoorState
) -> None:
    async with puller(source, pull, intake, zone, now, state) as one:
        await one.run()


def _now(settings: Settings) -> dt.datetime:
    return dt.datetime.fromtimestamp(now_us(settings.clock) / 1e6, dt.UTC)
