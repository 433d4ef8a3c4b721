# SPDX-License-Identifier: Apache-2.0
"""The feeder sends all that is due at the pace of the clock, tries again, and says what it cannot do."""

import gzip
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from schemas.errors import FatalError, TransientError
from schemas.log import Clock
from streams.clock import wall_us
from streams.demo import feeder as feeder_module
from streams.demo.feeder import Feeder
from streams.demo.scene import InventedRoads, NoRoads, Roads
from streams.settings import ClockSettings
from streams.simulate.crowd_sensors import WatchedCrowd
from streams.simulate.roads import RoadTraffic
from tests.cities import small_city
from tests.demo.left_behind import LIMIT_S
from tests.services.process import wait_until

START_US = 1_780_000_020_000_000


class Gateway(ThreadingHTTPServer):
    """Answers as the real one, with the statuses that the test lines up first."""

    daemon_threads = True

    def __init__(self, *statuses: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.statuses = list(statuses)
        self.bodies: list[tuple[str, bytes]] = []
        self.lock = threading.Lock()

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def times(self, source: str) -> list[str]:
        with self.lock:
            bodies = [body for path, body in self.bodies if path == f"/in/{source}"]
        return [reading["to"] for body in bodies for reading in json.loads(body)]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Gateway

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        if self.headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        with self.server.lock:
            status = self.server.statuses.pop(0) if self.server.statuses else 202
            if status == 202:
                self.server.bodies.append((self.path, body))
        is_json = body.startswith(b"[")
        answer = json.dumps({
            "readings": len(json.loads(body)) if is_json else 1,
            "refused": [{"reason": "bad-span", "where": "x", "count": 2}] if status == 422 else [],
        }).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    yield from serving(Gateway())


def serving(server: Gateway) -> Iterator[Gateway]:
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def feeding(gateway: Gateway, speed: float = 600.0, roads: Roads | None = None) -> Feeder:
    clock = ClockSettings(kind=Clock.SIMULATED, speed=speed, start_us=START_US, wall_start_us=wall_us())
    return Feeder(gateway.address, clock, WatchedCrowd(small_city(), 1, START_US), roads or NoRoads())


def test_every_reading_is_sent_once_and_in_order(gateway: Gateway) -> None:
    feeder = feeding(gateway)
    feeder.start()
    wait_until(lambda: len(gateway.times("cameras")) > 60, LIMIT_S, "enough readings")
    feeder.stop()
    cameras, counters = gateway.times("cameras"), gateway.times("counters")
    assert cameras == sorted(cameras)
    assert {cameras.count(moment) for moment in cameras} == {2}
    assert {counters.count(moment) for moment in counters} <= {4}
    assert feeder.sent == len(cameras) + len(counters)
    assert feeder.trouble is None


def test_roads_go_to_their_own_source(gateway: Gateway) -> None:
    feeder = feeding(gateway, roads=InventedRoads(RoadTraffic(1, START_US), START_US))
    feeder.start()
    wait_until(lambda: sum(path == "/in/ndw" for path, _ in gateway.bodies) >= 2, LIMIT_S, "two publications")
    feeder.stop()
    publications = [body for path, body in gateway.bodies if path == "/in/ndw"]
    assert all(b"MeasuredDataPublication" in body for body in publications)
    assert len(set(publications)) == len(publications)


def test_a_gateway_without_broker_is_asked_again(gateway: Gateway) -> None:
    gateway.statuses = [503, 503]
    feeder = feeding(gateway)
    feeder.start()
    wait_until(lambda: len(gateway.times("cameras")) > 4, LIMIT_S, "readings arrive")
    feeder.stop()
    assert gateway.statuses == []
    assert {gateway.times("cameras").count(moment) for moment in gateway.times("cameras")} == {2}


def test_refusals_are_counted_by_reason(gateway: Gateway) -> None:
    gateway.statuses = [422]
    feeder = feeding(gateway)
    feeder.start()
    wait_until(lambda: feeder.refused.total() > 0, LIMIT_S, "the refusal is counted")
    feeder.stop()
    assert feeder.refused == {"bad-span": 2}
    assert feeder.trouble is None


def test_an_answer_that_should_not_be_ends_it_with_a_reason(gateway: Gateway) -> None:
    gateway.statuses = [404]
    feeder = feeding(gateway)
    feeder.start()
    wait_until(lambda: not feeder.is_alive(), LIMIT_S, "the feeder ends")
    assert isinstance(feeder.trouble, FatalError)
    assert "404" in str(feeder.trouble)


def test_a_gateway_that_is_gone_for_too_long_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feeder_module, "PATIENCE_S", 0.05)
    server = Gateway()
    server.server_close()
    feeder = feeding(server)
    feeder.start()
    wait_until(lambda: not feeder.is_alive(), LIMIT_S, "the feeder ends")
    assert isinstance(feeder.trouble, TransientError)
