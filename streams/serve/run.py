# SPDX-License-Identifier: Apache-2.0
"""The page's server as a process: HTTP door and reader of Kafka in one event loop."""

import asyncio
import threading

import structlog
from litestar import Litestar

from schemas.city import City
from schemas.errors import FatalError
from schemas.log import Clock
from streams.clock import now_us
from streams.http_server import check_address_free, make_server, scheme, stop_signals, until
from streams.kafka_client import check_admitted
from streams.metrics import Process, metrics_endpoint
from streams.serve.commands import CommandDesk
from streams.serve.document import Stream
from streams.serve.door import make_app
from streams.serve.purge import PurgeDesk
from streams.serve.reports import report_routes
from streams.serve.show import Show
from streams.serve.sightings import SightingDesk
from streams.settings import Settings

STOP_S = 3.0
"""How long a stopping server waits for open requests."""

log = structlog.get_logger(__name__)


def run_serve(settings: Settings, city: City, stop: threading.Event | None = None) -> None:
    """Serve the page until SIGTERM, SIGINT or `stop`; returns when it has stopped cleanly.

    Parameters
    ----------
    settings : Settings
    city : City
    stop : threading.Event, optional
        Set it to stop; signals are taken in the main thread only.

    Raises
    ------
    FatalError
        The address is taken, the clock is not one to serve by, or the broker lets us not in.
    """
    asyncio.run(_serve(settings, city, stop or threading.Event()))


async def _serve(settings: Settings, city: City, stop: threading.Event) -> None:
    if settings.clock.kind is Clock.DATA:
        now_us(settings.clock)  # says what is wrong
    check_address_free(settings.serve.host, settings.serve.port, "serve")
    await asyncio.to_thread(check_admitted, settings.kafka)
    show = Show(settings.kafka, settings.clock, city)
    desk = SightingDesk(settings, lambda: show.city)
    commands = CommandDesk(settings, lambda: show.city, show.board, lambda: show.stream is Stream.OK)
    app = make_app(show, desk, PurgeDesk(settings, lambda: show.city), commands)
    for route in report_routes(settings, show):
        app.register(route)
    try:
        with stop_signals(stop), metrics_endpoint(settings.metrics, Process.SERVE, show.figures):
            await _run_until_stopped(settings, show, app, stop)
    finally:
        await asyncio.to_thread(desk.close, STOP_S)
        await asyncio.to_thread(commands.close, STOP_S)
    log.info("serve stopped", messages=show.messages, let_go=show.hub.let_go)


async def _run_until_stopped(settings: Settings, show: Show, app: Litestar, stop: threading.Event) -> None:
    server = make_server(app, settings.serve.host, settings.serve.port, tls=settings.serve.tls)
    serving = asyncio.create_task(server.serve(), name="http")
    following = asyncio.create_task(show.follow(), name="follow")
    city = asyncio.create_task(show.follow_city(), name="city")
    stopped = asyncio.create_task(until(stop), name="stop")
    address = f"{scheme(settings.serve.tls)}://{settings.serve.host}:{settings.serve.port}/"
    log.info("page", address=address, broker=settings.kafka.bootstrap)
    try:
        done, _ = await asyncio.wait({serving, following, city, stopped}, return_when=asyncio.FIRST_COMPLETED)
        for task in done - {stopped}:
            task.result()
            raise FatalError(f"the page's {task.get_name()} part has ended by itself")
    finally:
        show.hub.close()
        for task in (stopped, following, city):
            task.cancel()
        await asyncio.gather(stopped, following, city, return_exceptions=True)
        server.stop()  # type: ignore[no-untyped-call]  # granian leaves it untyped
        # Not cancelled when late: the server cannot bear it, and the process ends anyway.
        await asyncio.wait({serving}, timeout=STOP_S)
