# SPDX-License-Identifier: Apache-2.0
"""TLS of the clients that are no Kafka's: a server that does not fit is named, and nothing is ever said in plain."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import pytest
import structlog
from aiokafka.errors import KafkaConnectionError
from confluent_kafka import KafkaException, Producer

from streams.deliver.post import Caller
from streams.door_settings import ClientTls, MqttSettings, PullSettings, ServerTls
from streams.gateway.door_states import DoorKind, DoorState
from streams.gateway.intake import Intake
from streams.gateway.mqtt import MqttDoor
from streams.gateway.publication import poll_publication
from streams.kafka_client import connection
from streams.settings import KafkaSettings
from tests.gateway.test_context import SOURCE
from tests.services.certificates import Authority
from tests.services.mosquitto import MosquittoServer
from tests.services.publisher import Publisher
from tests.services.tls_probes import Listener, start_producer

pytestmark = pytest.mark.real
LIMIT_S = 60.0
USER, PASSWORD = "drukte", "of-this-test-alone"  # it guards nothing
NOT_ACCEPTED = "certificate is not accepted"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Whom our clients trust."""
    return Authority(tmp_path_factory.mktemp("tls"))


@pytest.fixture(scope="module")
def certificate(authority: Authority) -> ServerTls:
    return authority.sign("server")


@pytest.fixture
def mosquitto(certificate: ServerTls, tmp_path: Path) -> Iterator[MosquittoServer]:
    server = MosquittoServer(tmp_path, certificate)
    server.start()
    yield server
    server.stop()


def first_log(run: Callable[[], Awaitable[object]], event: str) -> dict[str, Any]:
    """Run until a line of this kind is logged."""
    async def until_told() -> dict[str, Any]:
        with structlog.testing.capture_logs() as lines:
            task = asyncio.ensure_future(run())
            try:
                async with asyncio.timeout(LIMIT_S):
                    while True:
                        for line in lines:
                            if line["event"] == event:
                                return dict(line)
                        await asyncio.sleep(0.02)
            finally:
                task.cancel()
                await asyncio.gather(task, return_exceptions=True)

    return asyncio.run(until_told())


def mqtt_door(port: int, tls: ClientTls, host: str = "127.0.0.1") -> MqttDoor:
    settings = MqttSettings(host=host, port=port, topics={"crowd/#": "cameras"}, user=USER, password=PASSWORD, tls=tls)
    return MqttDoor(settings, cast("Intake", None), DoorState(DoorKind.MQTT))


def pull(url: str, tls: ClientTls) -> Callable[[], Awaitable[object]]:
    settings = PullSettings(
        kind="publication", url=f"{url}/s.xml", ca_file=tls.ca_file, user=USER, password=PASSWORD, poll_s=9)
    return lambda: poll_publication(settings, cast("Intake", None), DoorState(DoorKind.PULL, SOURCE))


async def call(url: str, tls: ClientTls) -> str:
    async with Caller(url, 5, 5, tls.ca_file) as caller:
        return (await caller.post(PASSWORD.encode(), {})).error


def test_other_servers_that_do_not_fit_are_named(
    authority: Authority, certificate: ServerTls, mosquitto: MosquittoServer, tmp_path: Path,
) -> None:
    stranger, good = Authority(tmp_path, "stranger").trusted, authority.trusted
    for door in (mqtt_door(mosquitto.tls_port, stranger), mqtt_door(mosquitto.tls_port, good, "localhost")):
        error = first_log(door.run, "MQTT away")["error"]
        assert NOT_ACCEPTED in error
        assert "gateway.mqtt.tls.ca_file" in error
    with Publisher(b"", certificate) as publisher:
        elsewhere = publisher.url.replace("127.0.0.1", "localhost")
        for url, tls in ((publisher.url, stranger), (elsewhere, good)):
            reason = first_log(pull(url, tls), "publication not read")["reason"]
            assert NOT_ACCEPTED in reason
            assert f"gateway.pulls.{SOURCE}.ca_file" in reason
            told = asyncio.run(call(url, tls))
            assert NOT_ACCEPTED in told
            assert "ca_file" in told
        assert publisher.asked == []
        assert publisher.posted == []
        assert asyncio.run(call(publisher.url, good)) == ""


def test_nothing_is_ever_said_in_plain(authority: Authority) -> None:
    """Whoever listens where a server with TLS should be hears the beginning of TLS from each client, and no secret."""
    trusted = authority.trusted
    clients: list[Callable[[int], object]] = [
        lambda port: Producer({**connection(KafkaSettings(
            bootstrap=f"127.0.0.1:{port}", tls=trusted, user=USER, password=PASSWORD)), "log_level": 0,
        }).list_topics(timeout=1),
        lambda port: start_producer(KafkaSettings(
            bootstrap=f"127.0.0.1:{port}", tls=trusted, user=USER, password=PASSWORD)),
        lambda port: first_log(mqtt_door(port, trusted).run, "MQTT away"),
        lambda port: asyncio.run(call(f"https://127.0.0.1:{port}", trusted)),
        lambda port: first_log(pull(f"https://127.0.0.1:{port}", trusted), "publication not read"),
    ]
    for client in clients:
        listener = Listener()
        with listener.open(), suppress(KafkaException, KafkaConnectionError):
            client(listener.port)
        assert listener.heard
        for one in listener.heard:
            assert one[:2] == b"\x16\x03"  # a handshake's record
            assert PASSWORD.encode() not in one
            assert USER.encode() not in one
