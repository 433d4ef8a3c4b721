# SPDX-License-Identifier: Apache-2.0
"""A webhook receiver for tests: a real HTTP server that checks signatures and answers as it is told."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import msgspec

from schemas.alert_outputs import SIGNATURE_HEADER
from streams.deliver.signature import verify_signature

SECRET = "a secret that tests share"  # noqa: S105  it guards nothing


@dataclass(frozen=True, slots=True)
class Call:
    """One call as it came, and what it was answered."""

    headers: dict[str, str]
    body: bytes
    status: int

    @property
    def key(self) -> str:
        """The idempotency key."""
        return self.headers["idempotency-key"]

    @property
    def event(self) -> dict[str, Any]:
        """The body, decoded."""
        decoded: dict[str, Any] = msgspec.json.decode(self.body)
        return decoded


class Receiver:
    """Answers each call with the status that `answer(number, body)` gives; calls are numbered from 0.

    A call without a good signature gets 401, unless `signed` is false: Alertmanager asks for none.
    """

    def __init__(
        self, answer: Callable[[int, bytes], int] = lambda _number, _body: 200, *, signed: bool = True
    ) -> None:
        self.calls: list[Call] = []
        self._lock = threading.Lock()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                headers = {name.lower(): value for name, value in self.headers.items()}
                with receiver._lock:
                    signature = headers.get(SIGNATURE_HEADER.lower(), "")
                    good = not signed or verify_signature(SECRET, signature, body, time.time())
                    status = answer(len(receiver.calls), body) if good else 401
                    receiver.calls.append(Call(headers, body, status))
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))

    @property
    def taken(self) -> list[Call]:
        """Calls that were answered with 2xx."""
        return [call for call in self.calls if call.status < 300]

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
