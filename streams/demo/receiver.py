# SPDX-License-Identifier: Apache-2.0
"""The demo's receiver of webhooks: checks the signature, keeps the newest summaries, forgets everything."""

import secrets
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec

from schemas.alert_outputs import SIGNATURE_HEADER
from schemas.delivery import AlertEvent
from streams.deliver.signature import verify_signature

NAME = "demo"
"""The receiver's name in the settings."""
KEPT = 50
BODY_LIMIT_BYTES = 64_000
READ_S = 5.0


class Receiver:
    """What arrived so far.

    Parameters
    ----------
    secret : str
        Shared with the sender.
    """

    def __init__(self, secret: str) -> None:
        self.secret = secret
        self.url = ""
        self._lock = threading.Lock()
        self._known: set[tuple[str, int]] = set()
        self._newest: deque[str] = deque(maxlen=KEPT)
        self._refused = 0

    @property
    def delivered(self) -> int:
        """Different transitions that arrived."""
        return len(self._known)

    @property
    def refused(self) -> int:
        """Calls without a right signature, or that hold something else."""
        return self._refused

    def newest(self) -> tuple[str, ...]:
        """Summaries of the newest ones, oldest first."""
        with self._lock:
            return tuple(self._newest)

    def take(self, signature: str, body: bytes) -> HTTPStatus:
        """Judge one call; the same transition again is thanked for and not counted."""
        event = self._event(signature, body)
        with self._lock:
            if event is None:
                self._refused += 1
                return HTTPStatus.UNAUTHORIZED
            identity = (event.alert_id, event.seq)
            if identity not in self._known:
                self._known.add(identity)
                self._newest.append(event.summary)
        return HTTPStatus.NO_CONTENT

    def _event(self, signature: str, body: bytes) -> AlertEvent | None:
        if not verify_signature(self.secret, signature, body, time.time()):
            return None
        try:
            return msgspec.json.decode(body, type=AlertEvent)
        except msgspec.DecodeError:
            return None


@contextmanager
def webhook_receiver() -> Iterator[Receiver]:
    """Run a receiver on loopback, with a secret of its own."""
    receiver = Receiver(secrets.token_hex(16))
    with ThreadingHTTPServer(("127.0.0.1", 0), _handler(receiver)) as server:
        receiver.url = f"http://127.0.0.1:{server.server_port}/alerts"
        thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="receiver", daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()


def _handler(receiver: Receiver) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = READ_S

        def do_POST(self) -> None:
            length = self.headers.get("Content-Length", "")
            if not length.isdigit() or int(length) > BODY_LIMIT_BYTES:
                self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
                return
            body = self.rfile.read(int(length))
            self._answer(receiver.take(self.headers.get(SIGNATURE_HEADER, ""), body))

        def _answer(self, status: HTTPStatus) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the library's name
            """Say nothing: the demo's screen has no room for it."""

    return Handler
