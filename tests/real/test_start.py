# SPDX-License-Identifier: Apache-2.0
"""Worker and writer that start while their broker is away: they wait, say so, stop when told, and go on."""

import signal
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from schemas.ids import HEADER
from streams.city_files import assign_ids
from tests.chaos.crew import Watched
from tests.cities import SMALL_TOML
from tests.services.cache import kafka_dir
from tests.services.kafka import KafkaServer
from tests.services.missing import give_up
from tests.services.process import free_port, wait_until

pytestmark = pytest.mark.real
PARTITIONS = 3
LIMIT_S = 60.0
STOP_S = 30.0
PROGRAMS = ("worker", "writer")


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[KafkaServer]:
    """A broker of its own, not started."""
    if not kafka_dir().is_dir():
        give_up("Kafka")
    (tmp_path / "kafka").mkdir()
    server = KafkaServer(kafka_dir(), tmp_path / "kafka")
    yield server
    server.stop(signal.SIGKILL)


def settings(folder: Path, name: str, kafka: KafkaServer, database_uri: str) -> dict[str, int]:
    """Write a settings file; the port of each program's metrics."""
    ports = {program: free_port() for program in PROGRAMS}
    lines = "\n".join(f"port_{program} = {port}" for program, port in ports.items())
    (folder / name).write_text(
        f'city = "klein.toml"\n[kafka]\nbootstrap = "{kafka.bootstrap}"\npartitions = {PARTITIONS}\n'
        f'[database]\nuri = "{database_uri}"\n[metrics]\n{lines}\n')
    return ports


def started(folder: Path, name: str) -> dict[str, Watched]:
    return {program: Watched([sys.executable, "-m", "streams.cli", program, "--settings", folder / name],
                             folder / f"{program}-{name}.log") for program in PROGRAMS}


def figures(port: int) -> dict[str, float]:
    """What a program tells of itself; nothing while it does not answer."""
    try:
        text = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=5).text
    except httpx.TransportError:
        return {}
    return {one.name: one.value for family in text_string_to_metric_families(text) for one in family.samples}


def is_waiting(port: int) -> bool:
    return figures(port).get("drukte_broker_away") == 1


def test_they_wait_for_the_broker_stop_when_told_and_go_on(
    tmp_path: Path, kafka: KafkaServer, fresh_database: str
) -> None:
    (tmp_path / "klein.toml").write_text(SMALL_TOML)
    (tmp_path / "klein.ids").write_text(HEADER)
    assign_ids(tmp_path / "klein.toml")
    ports = settings(tmp_path, "drukte.toml", kafka, fresh_database)
    others = settings(tmp_path, "other.toml", kafka, fresh_database)
    waiting, told = started(tmp_path, "drukte.toml"), started(tmp_path, "other.toml")
    try:
        for port in (*ports.values(), *others.values()):
            wait_until(partial(is_waiting, port), LIMIT_S, "it says that it waits")
        for process in told.values():
            process.stop(signal.SIGTERM, STOP_S)
        assert {program: process.status for program, process in told.items()} == {"worker": 0, "writer": 0}
        assert {process.status for process in waiting.values()} == {None}
        assert "broker away" in waiting["worker"].log.read_text()
        assert "waiting" in waiting["writer"].log.read_text()

        kafka.start()
        wait_until(lambda: figures(ports["worker"]).get("drukte_partitions") == PARTITIONS, LIMIT_S,
                   "the worker holds its partitions")
        wait_until(lambda: "drukte_lag_messages" in figures(ports["writer"]), LIMIT_S, "the writer reads its topics")
        assert {figures(port)["drukte_broker_away"] for port in ports.values()} == {0}
    except BaseException as error:
        error.add_note("\n---\n".join(process.log_tail() for process in (*waiting.values(), *told.values())))
        raise
    finally:
        for process in (*waiting.values(), *told.values()):
            process.stop(signal.SIGKILL)
