# SPDX-License-Identifier: Apache-2.0
"""TLS around a real broker: every service runs with it, a broker that does not fit is named, old TLS is refused."""

import datetime as dt
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import httpx
import msgspec
import paho.mqtt.client as paho
import pytest
from aiokafka.errors import KafkaConnectionError
from confluent_kafka import Consumer, Message, Producer, TopicPartition
from paho.mqtt.enums import CallbackAPIVersion

from schemas.alert import encode_transition
from schemas.context import LIVE_TYPE
from schemas.errors import FatalError
from schemas.log import Headers, LogMessage, Topic, decode_log, event_type
from streams.deliver.run import run_deliver
from streams.door_settings import ClientTls, MqttSettings, PullSettings, ServerTls
from streams.gateway.run import run_gateway
from streams.kafka_client import check_admitted, connection
from streams.serve.run import run_serve
from streams.settings import (
    AlertmanagerSettings,
    GatewaySettings,
    KafkaSettings,
    ServeSettings,
    Settings,
    WebhookSettings,
)
from streams.tls import client_context
from streams.topics import ensure_topics
from streams.worker.run import run_worker
from streams.writer.run import run_writer
from tests.deliver.receiver import SECRET
from tests.deliver.running import quick
from tests.gateway.test_context import CITY, SOURCE
from tests.schemas.feeds.test_situations import document, situation_record
from tests.services.cache import kafka_dir
from tests.services.certificates import Authority
from tests.services.kafka import KafkaServer, Secured
from tests.services.missing import give_up
from tests.services.mosquitto import MosquittoServer
from tests.services.process import Process, free_port, wait_until
from tests.services.publisher import Publisher
from tests.services.threads import in_thread
from tests.services.tls_probes import old_server, shake_hands_old, start_producer
from tests.worker.process import Order
from tests.writer.samples import alert_headers, transition

pytestmark = pytest.mark.real
LIMIT_S = 60.0
ASKED_S = 2.0
"""A port without TLS is asked all that time: it may be a broker that is just ending."""
USER, PASSWORD = "drukte", "of-this-test-alone"  # it guards nothing
READING = b'{"sensor": "cam-plein", "metric": "people", "from": "%s", "to": "%s", "value": %d}'
NOT_ACCEPTED = "certificate is not accepted"
# A closure without an end: it holds whenever this runs, while one that is over is not told.
STANDING = situation_record(times="<com:overallStartTime>2026-03-01T00:00:00Z</com:overallStartTime>")


@dataclass(frozen=True)
class Place:
    """A broker with TLS, the authority that signed for it, and a stranger that nobody should trust."""

    authority: Authority
    stranger: Authority
    certificate: ServerTls
    secured: Secured
    plain: KafkaSettings
    folder: Path

    def kafka(self, trusted: ClientTls | None = None, host: str = "127.0.0.1", **more: Any) -> KafkaSettings:
        """The door with TLS for everybody."""
        return KafkaSettings(bootstrap=f"{host}:{self.secured.tls_port}", partitions=2,
                             tls=trusted or self.authority.trusted, **more)

    def account(self, password: str = PASSWORD) -> KafkaSettings:
        """The door with TLS for our account."""
        return KafkaSettings(bootstrap=f"127.0.0.1:{self.secured.sasl_port}", partitions=2, user=USER,
                             password=password, tls=self.authority.trusted)

    def settings(self, kafka: KafkaSettings, **more: Any) -> Settings:
        """Settings of any service."""
        return Settings(city=Path("unused.toml"), kafka=kafka, **more)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    if not kafka_dir().is_dir():
        give_up("Kafka")
    folder = tmp_path_factory.mktemp("tls")
    authority, stranger = Authority(folder), Authority(folder, "stranger")
    certificate = authority.sign("server")
    secured = Secured(certificate, USER, PASSWORD)
    server = KafkaServer(kafka_dir(), tmp_path_factory.mktemp("kafka"), secured)
    try:
        server.start()
        plain = KafkaSettings(bootstrap=server.bootstrap, partitions=2)
        yield Place(authority, stranger, certificate, secured, plain, folder)
    finally:
        server.stop()


def read(kafka: KafkaSettings, topic: Topic, enough: Callable[[list[Message]], bool]) -> None:
    """Read a topic from its beginning until there is enough; else the test fails."""
    consumer = Consumer({**connection(kafka), "group.id": "test", "fetch.wait.max.ms": 50, "log_level": 2})
    consumer.assign([TopicPartition(topic.value, number, 0) for number in range(kafka.partitions)])
    found: list[Message] = []

    def came() -> bool:
        found.extend(one for one in consumer.consume(100, 0.1) if one.error() is None)
        return enough(found)

    try:
        wait_until(came, LIMIT_S, f"enough on {topic}")
    finally:
        consumer.close()


def decoded(found: Sequence[Message]) -> list[LogMessage]:
    return [decode_log(cast("Headers", one.headers()), one.value()) for one in found]


def body(value: int) -> bytes:
    at = dt.datetime.now(dt.UTC).isoformat().encode()
    return READING % (at, at, value)


@pytest.fixture
def mosquitto(place: Place, tmp_path: Path) -> Iterator[MosquittoServer]:
    server = MosquittoServer(tmp_path, place.certificate)
    server.start()
    yield server
    server.stop()


def publish(place: Place, server: MosquittoServer, value: int) -> None:
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.tls_set_context(client_context(place.authority.trusted, "test"))
    client.connect("127.0.0.1", server.tls_port)
    client.loop_start()
    try:
        client.publish("crowd/plein", body(value), qos=1).wait_for_publish(20)
    finally:
        client.disconnect()
        client.loop_stop()


def gateway_settings(place: Place, server: MosquittoServer, publisher: Publisher) -> Settings:
    trusted = place.authority.trusted
    return place.settings(place.account(), gateway=GatewaySettings(
        port=free_port(), tls=place.certificate,
        mqtt=MqttSettings(port=server.tls_port, topics={"crowd/#": "cameras"}, tls=trusted),
        pulls={SOURCE: PullSettings(kind="publication", url=f"{publisher.url}/s.xml", poll_s=0.2,
                                    ca_file=trusted.ca_file)}))


def answers(url: str, trusted: ssl.SSLContext) -> bool:
    try:
        return httpx.get(url, verify=trusted).status_code == 200
    except httpx.TransportError:
        return False


def test_readings_and_situations_come_in_and_are_folded(place: Place, mosquitto: MosquittoServer) -> None:
    trusted = client_context(place.authority.trusted, "test")
    worker = Process(Order(kafka=place.account()).command(), place.folder / "worker.log")
    try:
        with Publisher(document(STANDING), place.certificate) as publisher:
            settings = gateway_settings(place, mosquitto, publisher)
            url = f"https://127.0.0.1:{settings.gateway.port}"
            with in_thread(lambda stop: run_gateway(settings, CITY, stop)):
                wait_until(lambda: answers(f"{url}/health", trusted), LIMIT_S, "the gateway answers")
                assert httpx.post(f"{url}/in/cameras", content=body(1), verify=trusted).status_code == 202
                sent = iter(range(2, 10_000))

                def came(found: list[Message]) -> bool:
                    # Until the gateway has subscribed the broker keeps nothing for it.
                    publish(place, mosquitto, next(sent))
                    messages = decoded(found)
                    values = {float(value) for one in messages if one.batch is not None for value in one.batch.value}
                    return {1.0} < values and any(one.context for one in messages)

                read(place.account(), Topic.SITE_LOG, came)
                read(place.kafka(), Topic.LIVE, lambda found: any(
                    event_type(cast("Headers", one.headers())) == LIVE_TYPE for one in found))
    except BaseException as error:
        error.add_note(worker.log_tail())
        raise
    finally:
        worker.stop()


def test_alerts_go_out_and_the_page_is_served(place: Place) -> None:
    ensure_topics(place.kafka())
    ca_file = place.authority.trusted.ca_file
    trusted = client_context(place.authority.trusted, "test")
    with Publisher(tls=place.certificate) as receiver:
        settings = place.settings(
            place.kafka(), serve=ServeSettings(port=free_port(), tls=place.certificate),
            deliver=quick(
                alertmanager=AlertmanagerSettings(url=receiver.url, ca_file=ca_file),
                webhooks=[WebhookSettings(name="hook", url=f"{receiver.url}/hook", secret=SECRET, ca_file=ca_file)]))
        producer = Producer(cast("dict[str, Any]", connection(place.kafka())))
        producer.produce(Topic.ALERTS, encode_transition(transition()), key=b"centrum", headers=list(alert_headers()))
        assert producer.flush(LIMIT_S) == 0
        with in_thread(lambda stop: run_deliver(settings, CITY, stop)), \
                in_thread(lambda stop: run_serve(settings, CITY, stop)):
            wait_until(lambda: {path for path, _, _ in receiver.posted} == {"/hook", "/api/v2/alerts"}, LIMIT_S,
                       "both are told")
            url = f"https://127.0.0.1:{settings.serve.port}"
            wait_until(lambda: answers(f"{url}/health", trusted), LIMIT_S, "the page is well")
            with pytest.raises(httpx.TransportError):
                httpx.get(f"{url}/health")  # nobody told this client whom to trust
            check_versions(settings.serve.port, trusted)


def test_the_gateway_refuses_old_tls_which_another_server_takes(place: Place) -> None:
    settings = place.settings(place.kafka(), gateway=GatewaySettings(port=free_port(), tls=place.certificate))
    trusted = client_context(place.authority.trusted, "test")
    url = f"https://127.0.0.1:{settings.gateway.port}/health"
    with in_thread(lambda stop: run_gateway(settings, CITY, stop)):
        wait_until(lambda: answers(url, trusted), LIMIT_S, "the gateway answers")
        check_versions(settings.gateway.port, trusted)
    # That our old client is refused says something only where another server takes it.
    with old_server(place.certificate) as port:
        assert shake_hands_old(port) == "TLSv1.1"


def check_versions(port: int, trusted: ssl.SSLContext) -> None:
    """TLS 1.3 is spoken and 1.1 is refused."""
    with socket.create_connection(("127.0.0.1", port), 10) as plain, trusted.wrap_socket(
            plain, server_hostname="127.0.0.1") as secure:
        assert secure.version() == "TLSv1.3"
    with pytest.raises((ssl.SSLError, ConnectionError)):
        shake_hands_old(port)


def test_a_broker_that_does_not_fit_is_named(place: Place) -> None:
    wrong: list[tuple[KafkaSettings, str]] = [
        (place.kafka(place.stranger.trusted), NOT_ACCEPTED), (place.kafka(host="localhost"), NOT_ACCEPTED),
        (place.account("wrong"), r"refuses account 'drukte'.*kafka\.password"),
        (msgspec.structs.replace(place.plain, tls=place.authority.trusted), "does not speak TLS"),
        (place.kafka(ClientTls(ca_file="/nowhere.pem")), r"kafka\.tls"),
    ]
    for kafka, words in wrong:
        with pytest.raises(FatalError, match=words) as told:
            check_admitted(kafka, ASKED_S)
        assert "wrong" not in str(told.value)
        assert "drukte.toml" in str(told.value)
    for good in (place.kafka(), place.account()):
        check_admitted(good, ASKED_S)


def test_no_service_begins_with_a_broker_that_it_does_not_trust(place: Place) -> None:
    settings = place.settings(
        place.kafka(place.stranger.trusted), gateway=GatewaySettings(port=free_port()),
        serve=ServeSettings(port=free_port()),
        deliver=quick(alertmanager=AlertmanagerSettings()))
    stop = threading.Event()
    begins: list[Callable[[], object]] = [
        lambda: run_gateway(settings, CITY, stop), lambda: run_serve(settings, CITY, stop),
        lambda: run_deliver(settings, CITY, stop), lambda: run_writer(settings, CITY, stop),
        lambda: run_worker(settings, CITY),
    ]
    for begin in begins:
        with pytest.raises(FatalError, match=NOT_ACCEPTED):
            begin()


def test_the_workers_own_client_refuses_too(place: Place) -> None:
    start_producer(place.account())
    start_producer(place.kafka())
    for kafka in (place.kafka(place.stranger.trusted), place.kafka(host="localhost")):
        with pytest.raises(KafkaConnectionError):
            start_producer(kafka)
