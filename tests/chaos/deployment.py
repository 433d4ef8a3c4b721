# SPDX-License-Identifier: Apache-2.0
"""A whole deployment of processes with a feed, a receiver of alerts and a watcher of the wall."""

import signal
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

import httpx

from streams.settings import load_settings
from streams.storage import migrate
from tests.chaos import oracle
from tests.chaos.city import write_city
from tests.chaos.crew import Watched
from tests.chaos.feed import Feed, Script
from tests.deliver.receiver import SECRET, Receiver
from tests.services.kafka import KafkaServer
from tests.services.process import free_port, wait_until

SPEED = 20.0
START_US = 1_767_225_600_000_000
PARTITIONS = 3
SITES = 2
PROGRAMS = ("gateway", "worker", "writer", "deliver", "serve")
LIMIT_S = 120.0


class Watcher:
    """Counts the events of the wall's stream."""

    def __init__(self, address: str) -> None:
        self._address = address
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watcher", daemon=True)
        self.changes = 0
        self._thread.start()

    def _watch(self) -> None:
        while not self._ended.is_set():
            try:
                with httpx.stream("GET", f"{self._address}/events", timeout=30, trust_env=False) as answer:
                    for line in answer.iter_lines():
                        self.changes += line == "event: change"
                        if self._ended.is_set():
                            return
            except httpx.HTTPError:
                self._ended.wait(0.2)

    def end(self) -> None:
        """Watch no more."""
        self._ended.set()


class Deployment:
    """All of it, on a simulated clock twenty times as fast as the wall's.

    Parameters
    ----------
    folder : Path
    kafka : KafkaServer
        Runs.
    database_uri : str
        An empty database.
    """

    def __init__(self, folder: Path, kafka: KafkaServer, database_uri: str) -> None:
        self.kafka = kafka
        self.uri = database_uri
        self.folder = folder
        self.receiver = Receiver()
        self._wall_start_us = time.time_ns() // 1000
        self._ports = {name: free_port() for name in ("gateway", "serve")}
        self.city = write_city(folder / "stad.toml", SITES)
        path = folder / "drukte.toml"
        path.write_text(f"""\
city = "stad.toml"
[kafka]
bootstrap = "{kafka.bootstrap}"
partitions = {PARTITIONS}
[database]
uri = "{database_uri}"
[clock]
kind = "simulated"
speed = {SPEED}
start_us = {START_US}
wall_start_us = {self._wall_start_us}
[gateway]
port = {self._ports["gateway"]}
[serve]
port = {self._ports["serve"]}
[worker]
snapshot_s = 2
[[deliver.webhooks]]
name = "meldkamer"
url = "{self.receiver.url}"
secret = "{SECRET}"
""")
        self.settings = load_settings(path)
        migrate(database_uri)
        self.processes: dict[str, Watched] = {}
        self.feed = Feed(Script(self.city, SITES, 7), self.address("gateway"), self.now_us, SPEED)

    def address(self, name: str) -> str:
        """Where a program listens."""
        return f"http://127.0.0.1:{self._ports[name]}"

    def now_us(self) -> int:
        """Log time, as the gateway's clock has it."""
        return START_US + round((time.time_ns() // 1000 - self._wall_start_us) * SPEED)

    def __enter__(self) -> Self:
        self.receiver.__enter__()
        try:
            for name in PROGRAMS:
                self.processes[name] = Watched(
                    [sys.executable, "-m", "streams.cli", name, "--settings", self.folder / "drukte.toml"],
                    self.folder / f"{name}.log")
            wait_until(lambda: self.status("gateway", "/health") == 200, LIMIT_S, "the gateway answers")
            wait_until(lambda: self.status("serve", "/v1/state") == 200, LIMIT_S, "the wall answers")
        except BaseException:
            self.__exit__(None, None, None)
            raise
        self.watcher = Watcher(self.address("serve"))
        self.feed.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            error.add_note(self.logs())
        if hasattr(self, "watcher"):
            self.watcher.end()
            self.feed.give_up()
        for process in self.processes.values():
            process.stop(signal.SIGKILL)
        self.receiver.__exit__(None, None, None)

    def logs(self) -> str:
        """The ends of all logs."""
        return "\n".join(f"--- {name}\n{process.log_tail()}" for name, process in self.processes.items())

    def status(self, name: str, path: str) -> int:
        """The HTTP status of a program's answer; 0 without one."""
        try:
            return httpx.get(f"{self.address(name)}{path}", timeout=15, trust_env=False).status_code
        except httpx.HTTPError:
            return 0

    def said(self) -> int:
        """How many transitions the receiver took."""
        return len(self.receiver.taken)

    def wait_for_news(self, what: str) -> None:
        """Until the receiver is told of a new transition and the wall of a new change."""
        calls, changes = self.said(), self.watcher.changes
        wait_until(lambda: self.said() > calls and self.watcher.changes > changes, LIMIT_S, what)

    def settle(self) -> oracle.Truth:
        """End the feed, and wait until all that was said is posted and stored; the undisturbed fold of the log."""
        self.feed.end()
        wait_until(lambda: self.feed.posted, LIMIT_S, "all is posted")
        self.processes["gateway"].stop()
        truth = oracle.folded(self.settings.kafka, self.city)
        wait_until(lambda: oracle.is_stored(truth, self.uri), LIMIT_S, "the database holds what the log says")
        return truth

    def rows_written_to(self) -> int:
        """The sum of the writer's offsets of `live`: it grows while rows are written."""
        return sum(following for (topic, _), following in oracle.stored_offsets(self.uri).items() if topic == "live")
