# SPDX-License-Identifier: Apache-2.0
"""A web server of the tests: publishes one document with conditional requests, takes what is posted; also by TLS."""

import ssl
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self

from streams.door_settings import ServerTls


class Publisher:
    """Answers GET with `body`, or with 304 to who has it by either mark; keeps what was asked and posted.

    Parameters
    ----------
    body : bytes
    tls : ServerTls, optional
        Speak TLS with this certificate.
    """

    def __init__(self, body: bytes = b"", tls: ServerTls | None = None) -> None:
        self.body = body
        self.marks: Mapping[str, str] = {"ETag": '"one"'}
        self.account: str | None = None
        self.asked: list[dict[str, str]] = []
        self.posted: list[tuple[str, dict[str, str], bytes]] = []
        publisher = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                publisher.asked.append(headers)
                self._answer(*publisher._answer(headers))

            def do_POST(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                body = self.rfile.read(int(headers["content-length"]))
                publisher.posted.append((self.path, headers, body))
                self._answer(200, b"")

            def _answer(self, status: int, body: bytes) -> None:
                self.send_response(status)
                for name, value in publisher.marks.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self._server = _Quiet(("127.0.0.1", 0), Handler)
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls.certificate_file, tls.key_file)
            # The handshake is made in the connection's own thread: a refused one ends only that.
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False)
        self.port: int = self._server.server_port
        self.url = f"{'http' if tls is None else 'https'}://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    def _answer(self, headers: Mapping[str, str]) -> tuple[int, bytes]:
        if self.account is not None and headers.get("authorization") != self.account:
            return 401, b""
        known = headers.get("if-none-match") == self.marks.get("ETag") is not None or (
            headers.get("if-modified-since") == self.marks.get("Last-Modified") is not None)
        return (304, b"") if known else (200, self.body)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Quiet(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Nothing: a client that refuses our certificate is what is tested."""
