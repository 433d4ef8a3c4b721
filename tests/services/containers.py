# SPDX-License-Identifier: Apache-2.0
"""The same services by a container engine, where one answers.

Never run: no machine that this was written on had an engine. Native services are what the tests ran with.
"""

import shutil
import signal
import subprocess

from tests.services.kafka import broker_answers
from tests.services.process import ServiceError, free_port, wait_until
from tests.services.timescale import database_answers

KAFKA_IMAGE = "apache/kafka:4.3.1"
TIMESCALE_IMAGE = "timescale/timescaledb:2.19.3-pg17"
START_LIMIT_S = 120.0


def _docker(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)


def engine_answers() -> bool:
    """Whether there is a container engine, not only its client."""
    return shutil.which("docker") is not None and _docker("info").returncode == 0


def image_present(image: str) -> bool:
    """Whether an engine answers and holds the image."""
    return engine_answers() and _docker("image", "inspect", image).returncode == 0


def pull(image: str) -> None:
    """Fetch an image by the engine's own configuration; raises `ServiceError`."""
    ended = _docker("pull", "--quiet", image)
    if ended.returncode:
        raise ServiceError(f"docker pull {image}: {ended.stderr}")


class _Container:
    def __init__(self, image: str, options: list[str], arguments: list[str]) -> None:
        self._command = ["run", "--detach", "--pull=never", *options, image, *arguments]
        self._id = ""

    def start(self) -> None:
        ended = _docker("start", self._id) if self._id else _docker(*self._command)
        if ended.returncode:
            raise ServiceError(f"docker {' '.join(self._command)}: {ended.stderr}")
        self._id = self._id or ended.stdout.strip()

    def stop(self, by: signal.Signals) -> None:
        if self._id:
            _docker("kill", "--signal", by.name, self._id)
            _docker("wait", self._id)

    def remove(self) -> None:
        if self._id:
            _docker("rm", "--force", "--volumes", self._id)


class KafkaContainer:
    """A broker in a container, with the interface of `tests.services.kafka.KafkaServer`."""

    def __init__(self) -> None:
        port, controller_port = free_port(), free_port()
        self.bootstrap = f"127.0.0.1:{port}"
        settings = {
            "NODE_ID": "1",
            "PROCESS_ROLES": "broker,controller",
            "LISTENERS": f"PLAINTEXT://:{port},CONTROLLER://:{controller_port}",
            "ADVERTISED_LISTENERS": f"PLAINTEXT://{self.bootstrap}",
            "CONTROLLER_LISTENER_NAMES": "CONTROLLER",
            "LISTENER_SECURITY_PROTOCOL_MAP": "CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
            "CONTROLLER_QUORUM_VOTERS": f"1@localhost:{controller_port}",
            "AUTO_CREATE_TOPICS_ENABLE": "false",
            "OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
            "OFFSETS_TOPIC_NUM_PARTITIONS": "1",
            "TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
            "TRANSACTION_STATE_LOG_MIN_ISR": "1",
            "GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        }
        options = [part for name, value in settings.items() for part in ("--env", f"KAFKA_{name}={value}")]
        self._container = _Container(KAFKA_IMAGE, ["--publish", f"{self.bootstrap}:{port}", *options], [])

    def start(self) -> None:
        """Start the broker and return when it answers."""
        self._container.start()
        wait_until(lambda: broker_answers(self.bootstrap), START_LIMIT_S, f"{KAFKA_IMAGE} answers")

    def stop(self, by: signal.Signals = signal.SIGTERM) -> None:
        """Stop the broker; the data stays until `remove`."""
        self._container.stop(by)

    def remove(self) -> None:
        """Stop it for good."""
        self._container.remove()


class TimescaleContainer:
    """A database in a container, with the interface of `tests.services.timescale.TimescaleServer`."""

    def __init__(self) -> None:
        port = free_port()
        self.uri = f"postgresql://postgres@127.0.0.1:{port}/postgres"
        options = ["--publish", f"127.0.0.1:{port}:5432", "--env", "POSTGRES_HOST_AUTH_METHOD=trust"]
        self._container = _Container(TIMESCALE_IMAGE, options, ["-c", "timescaledb.telemetry_level=off"])

    def start(self) -> None:
        """Start the database and return when it answers."""
        self._container.start()
        wait_until(lambda: database_answers(self.uri), START_LIMIT_S, f"{TIMESCALE_IMAGE} answers")

    def stop(self, by: signal.Signals = signal.SIGINT) -> None:
        """Stop the database; the data stays until `remove`."""
        self._container.stop(by)

    def remove(self) -> None:
        """Stop it for good."""
        self._container.remove()
