# SPDX-License-Identifier: Apache-2.0
"""How a service of ours listens: an HTTP server with time-outs in its event loop, and how it is told to stop."""

import asyncio
import contextlib
import resource
import signal
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server
from litestar import Litestar

from schemas.errors import FatalError
from streams.door_settings import ServerTls

HEADER_TIMEOUT_MS = 10_000
CONNECTIONS = 16_384
"""Open at once, idle and slow ones too: each holds a few kB, and leaves after `HEADER_TIMEOUT_MS`."""
OWN_FILES = 512
"""Files and connections that the process itself needs beside those of its clients."""
BACKLOG = 1_024
LOOK_S = 0.1


def make_server(
    app: Litestar, host: str, port: int, connections: int = CONNECTIONS, tls: ServerTls | None = None
) -> Server:
    """The server of an application, not yet serving: `await server.serve()`, `server.stop()`.

    Parameters
    ----------
    app : Litestar
    host, port
    connections : int
        At most so many at once, and no more than the process may have files open; more wait in the backlog.
    tls : ServerTls, optional
        Version 1.3 only.

    Raises
    ------
    FatalError
        The certificate or the key cannot be used.
    """
    if tls is not None:
        _check_certificate(tls)
    return Server(
        app, address=host, port=port, interface=Interfaces.ASGINL, http=HTTPModes.http1,
        websockets=False, backlog=BACKLOG, backpressure=min(connections, _files_allowed() - OWN_FILES),
        log_enabled=False, http1_settings=HTTP1Settings(header_read_timeout=HEADER_TIMEOUT_MS),
        ssl_cert=None if tls is None else Path(tls.certificate_file),
        ssl_key=None if tls is None else Path(tls.key_file),
    )


def scheme(tls: ServerTls | None) -> str:
    """How an address of the server begins."""
    return "http" if tls is None else "https"


def _files_allowed() -> int:
    """Raise the limit of open files as far as the process itself may, and tell it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + OWN_FILES
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(soft, 2 * OWN_FILES)


def _check_certificate(tls: ServerTls) -> None:
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tls.certificate_file, tls.key_file)
    except (OSError, ssl.SSLError) as error:
        raise FatalError(
            f"drukte.toml: tls.certificate_file = {tls.certificate_file!r}, tls.key_file = {tls.key_file!r}: cannot "
            f"be used ({error.strerror or type(error).__name__}); give PEM files that belong together"
        ) from None


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
    # Not the loop's own handlers: they share a pipe with the server's threads, and where thousands of requests have
    # filled it a signal is lost.
    before = {number: signal.signal(number, lambda *_: stop.set()) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
