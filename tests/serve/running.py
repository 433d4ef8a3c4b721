# SPDX-License-Identifier: Apache-2.0
"""A page that runs in a thread of the test, for the small city, and messages for it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from schemas.city import City
from schemas.log import Clock
from streams.clock import wall_us
from streams.serve.run import run_serve
from streams.settings import ClockSettings, KafkaSettings, ServeSettings, Settings
from streams.writer.rows import Message
from tests.cities import small_city, small_roads
from tests.gateway.mock_broker import MockBroker
from tests.services.process import free_port, wait_until
from tests.services.threads import in_thread
from tests.writer.samples import NOON

LIMIT_S = 20.0
SHOWN_S = 72
"""Seconds after the samples' first window begins: the clock of the pages of the tests."""


def page_city() -> City:
    """The small city with a road."""
    return small_city(small_roads())


def settings_for(kafka: KafkaSettings, seconds: float = SHOWN_S) -> Settings:
    """Settings of a page on a free port, with a clock that stood `seconds` after the samples' noon just now."""
    start_us = round((NOON.timestamp() + seconds) * 1e6)
    return Settings(
        city=Path("unused.toml"), kafka=kafka, serve=ServeSettings(port=free_port()),
        clock=ClockSettings(kind=Clock.SIMULATED, speed=1.0, start_us=start_us, wall_start_us=wall_us()),
    )


def address(settings: Settings) -> str:
    """Where the page of `settings` listens."""
    return f"http://{settings.serve.host}:{settings.serve.port}"


@contextmanager
def running(settings: Settings, status: int = 200, city: City | None = None) -> Iterator[httpx.Client]:
    """A client of a running page whose health is `status`; at the end it has stopped by itself."""
    with in_thread(lambda stop: run_serve(settings, city or page_city(), stop), LIMIT_S) as thread, \
            httpx.Client(base_url=address(settings), timeout=LIMIT_S) as client:
        wait_until(lambda: not thread.is_alive() or health(client) == status, LIMIT_S, "the page answers")
        yield client


def health(client: httpx.Client) -> int:
    """Status of `/health`, or 0 where nobody answers."""
    try:
        return client.get("/health").status_code
    except httpx.TransportError:
        return 0


def send(broker: MockBroker, *messages: Message) -> None:
    """Put messages on their topics."""
    for one in messages:
        broker.producer.produce(one.topic, one.value, partition=one.partition, headers=list(one.headers or ()))
    assert broker.producer.flush(LIMIT_S) == 0


def zones(document: dict[str, Any]) -> dict[str, Any]:
    """The zones of a state by key."""
    return {zone["key"]: zone for zone in document["zones"]}


class Events:
    """The events of an open stream, one after the other."""

    def __init__(self, response: httpx.Response) -> None:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        self._lines = response.iter_lines()

    def next(self, *kinds: str) -> tuple[str, str, dict[str, Any]]:
        """Id, kind and content of the next event of one of the kinds."""
        fields: dict[str, str] = {}
        for line in self._lines:
            if line.startswith(":"):
                continue
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif fields:
                if fields["event"] in kinds:
                    return fields["id"], fields["event"], json.loads(fields["data"])
                fields = {}
        raise AssertionError("the stream has ended")


@contextmanager
def watching(client: httpx.Client, headers: dict[str, str] | None = None) -> Iterator[Events]:
    """An open stream of events."""
    with client.stream("GET", "/events", headers=headers) as response:
        yield Events(response)
