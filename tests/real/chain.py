# SPDX-License-Identifier: Apache-2.0
"""The whole chain as processes: gateway, worker and writer on a real broker and a real database."""

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx
import pytest

from schemas.ids import HEADER
from streams.city_files import assign_ids
from streams.storage import migrate
from streams.topics import topic_plans
from tests.cities import SMALL_TOML
from tests.real.kafka_service import MakeTopics
from tests.services.process import Process, free_port

PARTITIONS = 3
SPEED = 20.0
START_LIMIT_S = 60.0


class Chain:
    """Gateway, worker and writer of the small city, on a simulated clock twenty times as fast as the wall's."""

    def __init__(self, folder: Path, bootstrap: str, database_uri: str, toml: str = SMALL_TOML) -> None:
        self._folder = folder
        self.port, self.metrics_port = free_port(), free_port()
        self.wall_start_s = time.time()
        self.start_us = 1_767_225_600_000_000
        city = folder / "klein.toml"
        city.write_text(toml)
        city.with_suffix(".ids").write_text(HEADER)
        assign_ids(city)
        (folder / "drukte.toml").write_text(f"""\
city = "klein.toml"
[kafka]
bootstrap = "{bootstrap}"
partitions = {PARTITIONS}
[database]
uri = "{database_uri}"
[clock]
kind = "simulated"
speed = {SPEED}
start_us = {self.start_us}
wall_start_us = {int(self.wall_start_s * 1_000_000)}
[gateway]
port = {self.port}
requests_per_minute = 1000000
[metrics]
port_gateway = {self.metrics_port}
""")
        migrate(database_uri)
        self._processes: dict[str, Process] = {}

    def now_us(self) -> int:
        """Log time, as the gateway's clock has it."""
        return self.start_us + round((time.time() - self.wall_start_s) * SPEED * 1_000_000)

    def __enter__(self) -> Self:
        try:
            for name in ("gateway", "worker", "writer"):
                self._processes[name] = Process(
                    [sys.executable, "-m", "streams.cli", name, "--settings", self._folder / "drukte.toml"],
                    self._folder / f"{name}.log")
            self._processes["gateway"].wait_ready(self._gateway_answers, START_LIMIT_S)
        except BaseException as error:
            self.stop()
            error.add_note(self.logs())
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if error is not None:
            error.add_note(self.logs())

    def post(self, source: str, body: bytes, **headers: str) -> httpx.Response:
        """Send a body to the gateway's door."""
        return httpx.post(f"http://127.0.0.1:{self.port}/in/{source}", content=body, headers=headers, timeout=30)

    def stop(self) -> None:
        """Stop all processes."""
        for process in self._processes.values():
            process.stop()

    def kill(self, name: str) -> None:
        """Kill a process (-9)."""
        self._processes[name].stop(signal.SIGKILL)

    def start(self, name: str) -> None:
        """Start a process (again)."""
        self._processes[name] = Process(
            [sys.executable, "-m", "streams.cli", name, "--settings", self._folder / "drukte.toml"],
            self._folder / f"{name}-{time.monotonic_ns()}.log")
        if name == "gateway":
            self._processes[name].wait_ready(self._gateway_answers, START_LIMIT_S)

    def logs(self) -> str:
        """The ends of all logs."""
        return "\n".join(f"--- {name}\n{process.log_tail()}" for name, process in self._processes.items())

    def _gateway_answers(self) -> bool:
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/health", timeout=5).status_code == 200
        except httpx.HTTPError:
            return False


@pytest.fixture
def chain(
    tmp_path: Path, kafka_bootstrap: str, fresh_database: str, make_topics: MakeTopics
) -> Iterator[Chain]:
    """The chain of the small city on topics of its own, made as planned."""
    for plan in topic_plans(PARTITIONS):
        make_topics(plan.topic.value, partitions=plan.partitions, settings=plan.config)
    with Chain(tmp_path, kafka_bootstrap, fresh_database) as running:
        yield running
