# SPDX-License-Identifier: Apache-2.0
"""One native Kafka broker (KRaft, one node) from the jars of Maven Central."""

import base64
import signal
import subprocess
import uuid
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tests.services.process import Process, ServiceError, free_port

START_LIMIT_S = 60.0

PROPERTIES = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
controller.quorum.bootstrap.servers=127.0.0.1:{controller_port}
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
"""


def broker_answers(bootstrap: str) -> bool:
    """Whether a broker tells its topics; an open port alone is not readiness."""
    client = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    try:
        return bool(client.list_topics(timeout=1).brokers)
    except KafkaException:
        return False


class KafkaServer:
    """A broker on a free port with a fresh data folder.

    Parameters
    ----------
    jars : Path
        The folder of jars (`tests.services.cache.kafka_dir`).
    folder : Path
        An empty folder for settings, data and log.
    """

    def __init__(self, jars: Path, folder: Path) -> None:
        self._class_path = str(jars / "*")
        self._folder = folder
        self._settings = folder / "server.properties"
        port, controller_port = free_port(), free_port()
        self.bootstrap = f"127.0.0.1:{port}"
        self._settings.write_text(
            PROPERTIES.format(port=port, controller_port=controller_port, data=folder / "data")
        )
        self._process: Process | None = None
        self._format()

    def _format(self) -> None:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        ended = subprocess.run(
            ["java", "-cp", self._class_path, "kafka.tools.StorageTool", "format",
             f"--cluster-id={cluster}", "--config", self._settings, "--standalone"],
            capture_output=True, text=True, check=False,
        )
        if ended.returncode:
            raise ServiceError(f"kafka.tools.StorageTool format: {ended.stdout}{ended.stderr}")

    def start(self) -> None:
        """Start the broker and return when it answers; raises `ServiceError`."""
        self._process = Process(
            ["java", "-Xmx512m", "-XX:+UseSerialGC", "-Dlog4j2.level=INFO",
             "-cp", self._class_path, "kafka.Kafka", self._settings],
            self._folder / "broker.log",
        )
        self._process.wait_ready(lambda: broker_answers(self.bootstrap), START_LIMIT_S)

    def stop(self, by: signal.Signals = signal.SIGTERM) -> None:
        """Stop the broker; the data stays."""
        if self._process is not None:
            self._process.stop(by)
            self._process = None
