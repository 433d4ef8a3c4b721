# SPDX-License-Identifier: Apache-2.0
"""A gateway that runs in a thread of the test, and a city with roads for it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from schemas.city import City, Source
from streams.gateway.run import run_gateway
from streams.settings import ClockSettings, GatewaySettings, KafkaSettings, NdwSettings, Settings
from tests.cities import small_city, small_file, small_roads
from tests.services.process import free_port
from tests.services.threads import in_thread

LIMIT_S = 60.0
BODY_LIMIT = 20_000


def road_city() -> City:
    """The small city with two lanes of a motorway, read from a source in DATEX II."""
    return small_city(small_roads(), sources={**small_file().sources, "ndw": Source(format="datex2")})


def settings_for(kafka: KafkaSettings, ndw_url: str | None = None) -> Settings:
    """Settings of a gateway on a free port."""
    return Settings(
        city=Path("unused.toml"), kafka=kafka, clock=ClockSettings(),
        gateway=GatewaySettings(
            port=free_port(), body_limit_bytes=BODY_LIMIT, decompressed_limit_bytes=100_000,
            ndw=None if ndw_url is None else NdwSettings(url=ndw_url, poll_s=0.1),
        ),
    )


def address(settings: Settings) -> str:
    """Where the gateway of `settings` listens."""
    return f"http://{settings.gateway.host}:{settings.gateway.port}"


def wait_until_it_answers(settings: Settings, status: int, lives: Callable[[], bool]) -> None:
    """Until `/health` answers with `status`; the test fails when that takes too long or nothing lives."""
    until_s = time.monotonic() + LIMIT_S
    while lives():
        try:
            answer = httpx.get(f"{address(settings)}/health")
        except httpx.TransportError:
            answer = None
        if answer is not None and answer.status_code == status:
            return
        assert time.monotonic() < until_s, f"no gateway, or not as wanted: {answer}"
        time.sleep(0.02)


@contextmanager
def running(
    settings: Settings, delivery_s: float = 5.0, status: int = 200, city: City | None = None
) -> Iterator[httpx.Client]:
    """A client of a running gateway; at the end the gateway has stopped by itself."""
    with running_unseen(settings, delivery_s, city) as thread:
        wait_until_it_answers(settings, status, thread.is_alive)
        with httpx.Client(base_url=address(settings), timeout=20) as client:
            yield client


@contextmanager
def running_unseen(
    settings: Settings, delivery_s: float = 5.0, city: City | None = None
) -> Iterator[threading.Thread]:
    """A gateway in a thread, not yet answering; at the end it has stopped by itself."""
    with in_thread(lambda stop: run_gateway(settings, city or road_city(), stop, delivery_s=delivery_s),
                   LIMIT_S) as thread:
        yield thread
