# SPDX-License-Identifier: Apache-2.0
import asyncio
import datetime as dt
import gzip
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import TransientError
from schemas.log import LogMessage
from streams.gateway import ndw
from streams.gateway.ndw import LONGEST_WAIT_S, FileFeed, UrlFeed, wait_s
from tests.gateway.mock_broker import MockBroker
from tests.gateway.publications import road_publication
from tests.gateway.running import running, settings_for
from tests.services.process import free_port

BODY = gzip.compress(b"<publication/>")


class _Publisher(BaseHTTPRequestHandler):
    """Answers as the public feed does, 304 to who has the present one."""

    mark: ClassVar[str] = '"one"'
    status: ClassVar[int] = 200
    body: ClassVar[bytes] = BODY
    asked: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        self.asked.append(self.headers.get("If-None-Match"))
        known = self.headers.get("If-None-Match") == self.mark
        self.send_response(304 if known else self.status)
        self.send_header("ETag", self.mark)
        self.send_header("Last-Modified", "Sun, 01 Mar 2026 11:05:00 GMT")
        body = b"" if known else self.body
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the name that the library uses
        del format, args


@contextmanager
def _publisher() -> Iterator[tuple[str, type[_Publisher]]]:
    handler = type("Handler", (_Publisher,), {"asked": []})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/trafficspeed.xml.gz", handler
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _fetch(url: str, times: int, between: Callable[[], None] = lambda: None) -> list[bytes | None]:
    async def fetch() -> list[bytes | None]:
        found = []
        async with httpx.AsyncClient() as client:
            feed = UrlFeed(client, url)
            for _ in range(times):
                found.append(await feed.changed())
                between()
        return found

    return asyncio.run(fetch())


def test_an_unchanged_publication_is_fetched_once() -> None:
    with _publisher() as (url, handler):
        assert _fetch(url, 3) == [BODY, None, None]
        assert handler.asked == [None, '"one"', '"one"']


def test_a_changed_publication_is_fetched_again() -> None:
    with _publisher() as (url, handler):
        def publish() -> None:
            handler.mark = '"two"'

        assert _fetch(url, 3, publish) == [BODY, BODY, None]


@pytest.mark.parametrize("status", [404, 500, 503])
def test_an_error_of_the_publisher_is_transient(status: int) -> None:
    with _publisher() as (url, handler):
        handler.status = status
        with pytest.raises(TransientError, match=str(status)):
            _fetch(url, 1)


def test_an_absent_publisher_is_transient() -> None:
    with pytest.raises(TransientError, match="ConnectError"):
        _fetch(f"http://127.0.0.1:{free_port()}/", 1)


def test_an_endless_publication_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ndw, "PUBLICATION_BYTES", 10)
    with _publisher() as (url, _), pytest.raises(TransientError, match="more than 10 bytes"):
        _fetch(url, 1)


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    path = tmp_path / "trafficspeed.xml"
    feed = FileFeed(path)
    with pytest.raises(TransientError, match="cannot be read"):
        asyncio.run(feed.changed())
    path.write_bytes(b"one")
    assert asyncio.run(feed.changed()) == b"one"
    assert asyncio.run(feed.changed()) is None
    path.write_bytes(b"two")
    os.utime(path, (0, 0))
    assert asyncio.run(feed.changed()) == b"two"


@given(poll_s=st.floats(1, 3_600), failures=st.integers(0, 1_000), jitter=st.floats(0, 1))
def test_waits_grow_with_failures_and_stay_bounded(poll_s: float, failures: int, jitter: float) -> None:
    wait = wait_s(poll_s, failures, jitter)
    assert wait <= max(LONGEST_WAIT_S, poll_s)
    assert wait >= 0.8 * poll_s
    if not failures:
        assert wait == poll_s
    assert wait_s(poll_s, failures + 1, jitter) >= 0.8 * wait


def test_polled_publications_reach_the_log_once_each(broker: MockBroker) -> None:
    at = (dt.datetime.now(dt.UTC) - dt.timedelta(minutes=5)).replace(second=0, microsecond=0)
    with _publisher() as (url, handler):
        handler.body = gzip.compress(road_publication(at, 600))
        with running(settings_for(broker.kafka, url)):
            first = broker.decoded(lambda found: bool(_flows(found)))
            while len(handler.asked) < 4:
                assert _flows(broker.decoded(bool)) == _flows(first) == [600.0]
            handler.body = b"<truncated"
            handler.mark = '"broken"'
            while len(handler.asked) < 6:
                broker.decoded(bool)
            handler.body = gzip.compress(road_publication(at, 900))
            handler.mark = '"new"'
            found = broker.decoded(lambda found: len(_flows(found)) >= 2)
    assert _flows(found) == [600.0, 900.0]


def _flows(found: list[LogMessage]) -> list[float]:
    batches = [one.batch for one in found if one.batch is not None]
    return [float(value) for batch in batches for value in batch.value]
