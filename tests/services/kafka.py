# SPDX-License-Identifier: Apache-2.0
"""One native Kafka broker (KRaft, one node) from the jars of Maven Central."""

import base64
import signal
import subprocess
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.door_settings import ServerTls
from tests.services.process import Process, ServiceError, free_port

START_LIMIT_S = 60.0
SHORT_LIVED = ("-XX:TieredStopAtLevel=1",)
"""A broker of a few minutes never wins back the time of the better compiler."""

PROPERTIES = """\
process.roles=broker,controller
node.id=1
listeners=PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}{more}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}{more}
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_SSL:SASL_SSL
controller.quorum.bootstrap.servers=127.0.0.1:{controller_port}
log.dirs={data}
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=1
transaction.state.log.replication.factor=1
transaction.state.log.num.partitions=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.num.partitions=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
"""
SECURE_PROPERTIES = """\
ssl.keystore.type=PEM
ssl.keystore.certificate.chain={certificate}
ssl.keystore.key={key}
ssl.enabled.protocols=TLSv1.2,TLSv1.3
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
"""


def broker_answers(bootstrap: str) -> bool:
    """Whether a broker tells its topics; an open port alone is not readiness."""
    client = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
    try:
        return bool(client.list_topics(timeout=1).brokers)
    except KafkaException:
        return False


@dataclass(frozen=True, slots=True)
class Secured:
    """A broker's doors with TLS, beside the plain one: one for everybody, one for an account (SCRAM-SHA-512).

    Parameters
    ----------
    certificate : ServerTls
    user, password : str
    """

    certificate: ServerTls
    user: str
    password: str
    tls_port: int = field(default_factory=free_port)
    sasl_port: int = field(default_factory=free_port)

    @property
    def listeners(self) -> str:
        """Further listeners of the broker's settings."""
        return f",SSL://127.0.0.1:{self.tls_port},SASL_SSL://127.0.0.1:{self.sasl_port}"

    @property
    def properties(self) -> str:
        """Further lines of the broker's settings."""
        certificate, key = (
            Path(path).read_text().strip().replace("\n", "\\n")
            for path in (self.certificate.certificate_file, self.certificate.key_file))
        return SECURE_PROPERTIES.format(certificate=certificate, key=key)


class KafkaServer:
    """A broker on a free port with a fresh data folder.

    Parameters
    ----------
    jars : Path
        The folder of jars (`tests.services.cache.kafka_dir`).
    folder : Path
        An empty folder for settings, data and log.
    secured : Secured, optional
    options : sequence of str, optional
        Of the virtual machine; without any it compiles what runs often as well as it can.
    """

    def __init__(
        self, jars: Path, folder: Path, secured: Secured | None = None, options: Sequence[str] = SHORT_LIVED
    ) -> None:
        self._options = tuple(options)
        self._class_path = str(jars / "*")
        self._folder = folder
        self._settings = folder / "server.properties"
        port, controller_port = free_port(), free_port()
        self.bootstrap = f"127.0.0.1:{port}"
        self._settings.write_text(PROPERTIES.format(
            port=port, controller_port=controller_port, data=folder / "data",
            more="" if secured is None else secured.listeners,
        ) + ("" if secured is None else secured.properties))
        self._process: Process | None = None
        account = f"SCRAM-SHA-512=[name={secured.user},password={secured.password}]" if secured else ""
        self._format(["--add-scram", account] if account else [])

    def _format(self, more: list[str]) -> None:
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode().rstrip("=")
        ended = subprocess.run(
            ["java", *SHORT_LIVED, "-XX:+UseSerialGC", "-cp", self._class_path, "kafka.tools.StorageTool", "format",
             f"--cluster-id={cluster}", "--config", self._settings, "--standalone", *more],
            capture_output=True, text=True, check=False,
        )
        if ended.returncode:
            raise ServiceError(f"kafka.tools.StorageTool format: {ended.stdout}{ended.stderr}")

    def start(self) -> None:
        """Start the broker and return when it answers; raises `ServiceError`."""
        self._process = Process(
            ["java", "-Xmx512m", "-XX:+UseSerialGC", *self._options, "-Dlog4j2.level=INFO",
             "-cp", self._class_path, "kafka.Kafka", self._settings],
            self._folder / "broker.log",
        )
        self._process.wait_ready(lambda: broker_answers(self.bootstrap), START_LIMIT_S)

    def stop(self, by: signal.Signals = signal.SIGTERM) -> None:
        """Stop the broker; the data stays."""
        if self._process is not None:
            self._process.stop(by)
            self._process = None
