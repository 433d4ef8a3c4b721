# SPDX-License-Identifier: Apache-2.0
"""A stand-in for the web services of Telraam and Eco-Counter, with tokens that run out, pages and marks."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

COUNT_DATE = "2026-03-01T11:00:00+0000"


@dataclass
class Vendor:
    """What the server knows and what it was asked.

    Parameters
    ----------
    token : str
        The only one that is good now.
    asked : list of (path, parameters)
    answered : list of int
        Status codes.
    """

    token: str = "first"  # noqa: S105  # of this server alone
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    answered: list[int] = field(default_factory=list)
    broken: bool = False
    url: str = ""


@contextmanager
def vendor() -> Iterator[Vendor]:
    """A running server."""
    state = Vendor()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            sent = self.rfile.read(int(self.headers["Content-Length"])).decode()
            if self.path == "/token":
                self._answer(200, {"access_token": state.token})
                return
            document = json.loads(sent)
            state.asked.append((self.path, document))
            if self.headers["X-Api-Key"] != "key":
                self._answer(403, {})
            elif state.broken:
                self._answer(502, {})
            else:
                self._answer(200, {"status_code": 200, "report": []})

        def do_GET(self) -> None:
            path = urlsplit(self.path)
            if self.headers["Authorization"] != f"Bearer {state.token}":
                self._answer(401, {})
            elif path.path == "/api/site":
                self._answer(200, [{"id": 1, "channels": [{"id": 11}, {"id": 12}]}, {"id": 2}])
            elif state.broken:
                self._answer(502, {})
            else:
                asked = {name: values[0] for name, values in parse_qs(path.query).items()}
                state.asked.append((path.path, asked))
                mark = f'"{path.query}"'
                if self.headers["If-None-Match"] == mark:
                    self._answer(304, None)
                elif "page" in asked:
                    self._answer(200, [], {"ETag": mark})
                else:
                    link = {"Link": f'<{self.path}&page=2>; rel="next"'}
                    self._answer(200, [{"date": COUNT_DATE, "counts": 57}], link | {"ETag": mark})

        def _answer(self, status: int, document: object, headers: dict[str, str] | None = None) -> None:
            state.answered.append(status)
            body = b"" if document is None else json.dumps(document).encode()
            self.send_response(status)
            for name, value in (headers or {}).items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name in the library
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
