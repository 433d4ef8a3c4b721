# SPDX-License-Identifier: Apache-2.0
"""How a service of ours listens: an HTTP server with time-outs in its event loop, and how it is told to stop."""

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Iterator

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server
from litestar import Litestar

from schemas.errors import FatalError

HEADER_TIMEOUT_MS = 10_000
CONNECTIONS = 128
"""Requests at work at once; more wait in the backlog."""
LOOK_S = 0.1


def make_server(app: Litestar, host: str, port: int, connections: int = CONNECTIONS) -> Server:
    """The server of an application, not yet serving: `await server.serve()`, `server.stop()`."""
    return Server(
        app, address=host, port=port, interface=Interfaces.ASGINL, http=HTTPModes.http1,
        websockets=False, backlog=connections, log_enabled=False,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER_TIMEOUT_MS),
    )


def check_address_free(host: str, port: int, section: str) -> None:
    """Whether `host`, `port` of the settings' `section` can be listened on.

    Raises
    ------
    FatalError
        It cannot: the server would share its port with whoever listens there already and take half of
        their requests.
    """
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, kind, protocol, _, address = addresses[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        raise FatalError(
            f"drukte.toml: {section}.host, {section}.port: cannot listen on {host}:{port} "
            f"({error.strerror}); is another {section} running?"
        ) from None


async def until(stop: threading.Event) -> None:
    """Return soon after `stop` is set, by whichever thread."""
    while not stop.is_set():  # noqa: ASYNC110  # it may be set by another thread
        await asyncio.sleep(LOOK_S)


@contextlib.contextmanager
def stop_signals(stop: threading.Event) -> Iterator[None]:
    """SIGTERM and SIGINT set `stop`; in the main thread only, elsewhere nothing changes."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        yield
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
