# SPDX-License-Identifier: Apache-2.0
"""The gateway as a process: HTTP and the other doors, producer and ticks in one event loop."""

import asyncio
import contextlib
import threading
from dataclasses import dataclass
from functools import partial

import structlog
from litestar import Litestar

from schemas.city import City
from schemas.errors import FatalError, TransientError
from schemas.log import Clock, Topic
from schemas.roads import NDW_SOURCE
from streams.cities import Cities
from streams.clock import now_us
from streams.gateway.access import check_guarded
from streams.gateway.door import make_app
from streams.gateway.door_states import DoorKind, DoorStates
from streams.gateway.edge import Edge
from streams.gateway.figures import GatewayFigures
from streams.gateway.intake import Intake
from streams.gateway.ndw import poll_ndw
from streams.gateway.outlet import Outlet
from streams.gateway.producer import DELIVERY_S, LogProducer
from streams.gateway.sources import check_sources, start_sources
from streams.gateway.tally import Tally
from streams.gateway.versions import Versions
from streams.http_server import check_address_free, make_server, scheme, stop_signals, until
from streams.kafka_client import check_admitted
from streams.metrics import Process, metrics_endpoint
from streams.settings import GatewaySettings, NdwSettings, Settings
from streams.topics import ensure_topics

STOP_S = 3.0
"""How long a stopping gateway waits for open requests, and again for the broker."""
BROKER_RETRY_S = 2.0

log = structlog.get_logger(__name__)


def run_gateway(
    settings: Settings, city: City, stop: threading.Event | None = None, *, delivery_s: float = DELIVERY_S
) -> None:
    """Serve until SIGTERM, SIGINT or `stop`; returns when it has stopped cleanly.

    Parameters
    ----------
    settings : Settings
    city : City
    stop : threading.Event, optional
        Set it to stop; signals are taken in the main thread only.
    delivery_s : float
        How long a message may wait for the broker before its senders hear 503.

    Raises
    ------
    FatalError
        The address is taken, the clock is not one to serve by, or the topics are not as planned.
    """
    asyncio.run(_serve(settings, city, stop or threading.Event(), delivery_s))


async def _serve(settings: Settings, city: City, stop: threading.Event, delivery_s: float) -> None:
    if settings.clock.kind is Clock.DATA:
        now_us(settings.clock)  # says what is wrong
    check_guarded(settings.gateway)
    await asyncio.to_thread(check_admitted, settings.kafka)
    check_address_free(settings.gateway.host, settings.gateway.port, "gateway")
    tally = Tally()
    producer = LogProducer(settings.kafka, delivery_s)
    try:
        partitions = settings.kafka.partitions
        versions = Versions(Cities(city, settings.kafka), partitions)
        outlet = Outlet(producer, settings.clock, partial(_version_now, settings, versions), partitions, tally)
        intake = Intake(settings, versions, producer, outlet, tally)
        _check_ndw(settings.gateway, intake)
        check_sources(settings.gateway, intake)
        edge = _edge(settings, city, intake, outlet)
        stopping = asyncio.Event()
        doors = DoorStates()
        figures = GatewayFigures(settings.clock, tally, outlet, producer, edge, doors)
        app = make_app(intake, settings.gateway, stopping, lambda: outlet.acknowledged_s, figures.health)
        with stop_signals(stop), metrics_endpoint(settings.metrics, Process.GATEWAY, figures.read):
            await _run_until_stopped(settings, _Parts(app, outlet, intake, stopping, edge, versions, city, doors), stop)
    finally:
        left = await asyncio.to_thread(producer.close, STOP_S)
        log.info("gateway stopped", undelivered_messages=left, **tally.as_dict())


@dataclass(frozen=True, slots=True)
class _Parts:
    app: Litestar
    outlet: Outlet
    intake: Intake
    stopping: asyncio.Event
    edge: Edge | None
    versions: Versions
    city: City
    doors: DoorStates


def _version_now(settings: Settings, versions: Versions) -> int:
    return versions.timeline.at(now_us(settings.clock)).city.version


async def _run_until_stopped(settings: Settings, parts: _Parts, stop: threading.Event) -> None:
    server = make_server(
        parts.app, settings.gateway.host, settings.gateway.port, tls=settings.gateway.tls)
    serving = asyncio.create_task(server.serve(), name="http")
    address = f"{scheme(settings.gateway.tls)}://{settings.gateway.host}:{settings.gateway.port}"
    log.info("gateway listens", address=address, broker=settings.kafka.bootstrap)
    background = [asyncio.create_task(_tick(settings, parts), name="tick")]
    if settings.gateway.ndw is not None:
        background.append(asyncio.create_task(_poll(settings.gateway.ndw, parts), name="NDW"))
    background += start_sources(settings, parts.city, parts.intake, partial(_ready, parts.versions), parts.doors)
    edge = [] if parts.edge is None else [asyncio.create_task(_take_edge(parts.edge, parts), name="edge")]
    stopped = asyncio.create_task(until(stop), name="stop")
    try:
        done, _ = await asyncio.wait({serving, stopped, *background, *edge}, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stopped}:
            task.result()
            raise FatalError(f"the gateway's {task.get_name()} part has ended by itself")
    finally:
        parts.stopping.set()
        if edge:  # it ends by itself, and commits before it does
            await asyncio.wait(edge, timeout=2 * STOP_S)
        background += edge
        for task in (stopped, *background):
            task.cancel()
        await asyncio.gather(stopped, *background, return_exceptions=True)
        parts.outlet.flush()
        server.stop()  # type: ignore[no-untyped-call]  # granian leaves it untyped
        # Not cancelled when late: the server cannot bear it, and the process ends anyway.
        await asyncio.wait({serving}, timeout=STOP_S)


async def _tick(settings: Settings, parts: _Parts) -> None:
    """Topics first, as soon as the broker answers; then city versions and ticks, for ever."""
    while True:
        try:
            await asyncio.to_thread(ensure_topics, settings.kafka, STOP_S)
            break
        except TransientError as error:
            log.warning("broker away", reason=str(error))
            await asyncio.sleep(BROKER_RETRY_S)
    log.info("topics are as planned", partitions=settings.kafka.partitions)
    await asyncio.gather(parts.versions.follow(partial(now_us, settings.clock)), _tick_once_ready(parts))


async def _tick_once_ready(parts: _Parts) -> None:
    # A gateway that ticks is well: it must not be so before it knows how to number readings.
    await _ready(parts.versions)
    await parts.outlet.tick_while_silent()


async def _ready(versions: Versions) -> None:
    """Return once the city versions are known, however long that takes."""
    while True:
        with contextlib.suppress(TransientError):  # `Versions.follow` tells it
            return await versions.until_ready()


async def _poll(ndw: NdwSettings, parts: _Parts) -> None:
    await _ready(parts.versions)
    await poll_ndw(ndw, parts.intake, parts.doors.add(DoorKind.PULL, NDW_SOURCE))


async def _take_edge(edge: Edge, parts: _Parts) -> None:
    ready, stopped = (asyncio.ensure_future(one) for one in (_ready(parts.versions), parts.stopping.wait()))
    try:
        await asyncio.wait({ready, stopped}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        ready.cancel()
        stopped.cancel()
    await edge.run(parts.stopping)


def _check_ndw(settings: GatewaySettings, intake: Intake) -> None:
    if settings.ndw is not None and not intake.knows(NDW_SOURCE):
        raise FatalError(
            f"drukte.toml: gateway.ndw is set, but the city file has no source {NDW_SOURCE!r}; add its roads "
            "with `drukte city import-ndw`"
        )


def _edge(settings: Settings, city: City, intake: Intake, outlet: Outlet) -> Edge | None:
    edge = settings.gateway.edge
    if edge is None:
        return None
    if edge.source not in city.file.sources:
        raise FatalError(
            f"drukte.toml: gateway.edge.source = {edge.source!r} has to be a source of the city file; mend one of "
            "the two"
        )
    if edge.topic in set(Topic):
        raise FatalError(
            f"drukte.toml: gateway.edge.topic = {edge.topic!r} is a topic of Drukte's own; give the topic of "
            "the system that sends readings"
        )
    return Edge(settings.kafka, edge, intake, outlet)
