# SPDX-License-Identifier: Apache-2.0
"""Looks at TLS from outside: a client and a server of long ago, one who only listens, the worker's own client."""

import asyncio
import gc
import socket
import ssl
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiokafka import AIOKafkaProducer
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth

from streams.door_settings import ServerTls
from streams.settings import KafkaSettings
from streams.worker.credentials import broker_credentials


def _old(context: ssl.SSLContext) -> ssl.SSLContext:
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def shake_hands_old(port: int) -> str | None:
    """Speak TLS 1.1 with a server of this machine, whoever it is; the version that it took."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with socket.create_connection(("127.0.0.1", port), 10) as plain, _old(context).wrap_socket(plain) as secure:
        return secure.version()


@contextmanager
def old_server(certificate: ServerTls) -> Iterator[int]:
    """The port of a server that speaks TLS 1.1 with one client."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate.certificate_file, certificate.key_file)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve() -> None:
            with listener.accept()[0] as plain, _old(context).wrap_socket(plain, server_side=True) as secure:
                secure.recv(1)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(10)


@dataclass
class Listener:
    """Takes connections, keeps the first bytes of each, and says nothing."""

    heard: list[bytes] = field(default_factory=list)
    port: int = 0

    @contextmanager
    def open(self) -> Iterator[None]:
        with socket.create_server(("127.0.0.1", 0)) as server:
            self.port = server.getsockname()[1]
            thread = threading.Thread(target=self._listen, args=(server,))
            thread.start()
            try:
                yield
            finally:
                server.shutdown(socket.SHUT_RDWR)
                thread.join()

    def _listen(self, server: socket.socket) -> None:
        while True:
            try:
                connected, _ = server.accept()
            except OSError:
                return
            with connected:
                connected.settimeout(5)
                if said := connected.recv(4_096):
                    self.heard.append(said)


def start_producer(kafka: KafkaSettings) -> None:
    """As the worker's library connects."""
    with warnings.catch_warnings():
        # It does not wait for the end of a TLS connection that it closes, and our loop ends with it.
        warnings.filterwarnings("ignore", "unclosed", ResourceWarning)
        try:
            asyncio.run(_start_producer(kafka))
        finally:
            gc.collect()


async def _start_producer(kafka: KafkaSettings) -> None:
    producer = AIOKafkaProducer(
        bootstrap_servers=kafka.bootstrap, request_timeout_ms=5_000,
        **credentials_to_aiokafka_auth(broker_credentials(kafka)))
    try:
        await producer.start()
    finally:
        await producer.stop()
