# SPDX-License-Identifier: Apache-2.0
import datetime as dt
import json
import threading

import msgspec
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion

from schemas.log import LogMessage
from streams.door_settings import MqttSettings
from streams.settings import Settings
from tests.gateway.mock_broker import MockBroker
from tests.gateway.running import running, settings_for
from tests.services.mosquitto import MosquittoServer

START = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)


class Publisher:
    """A sender whose messages the broker has when `send` returns."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.sent = 0

    def send(self, count: int, topic: str = "den-haag/crowd/plein/cam") -> None:
        client = paho.Client(CallbackAPIVersion.VERSION2)
        client.connect("127.0.0.1", self._port)
        client.loop_start()
        try:
            for _ in range(count):
                client.publish(topic, _body(self.sent), qos=1).wait_for_publish(20)
                self.sent += 1
        finally:
            client.disconnect()
            client.loop_stop()


def _body(number: int) -> bytes:
    at = (START + dt.timedelta(seconds=number)).isoformat()
    return json.dumps({"sensor": "cam-plein", "metric": "people", "from": at, "to": at, "value": number}).encode()


def _values(found: list[LogMessage]) -> set[float]:
    return {float(value) for one in found if one.batch is not None for value in one.batch.value}


def _settings(broker: MockBroker, server: MosquittoServer) -> Settings:
    settings = settings_for(broker.kafka)
    mqtt = MqttSettings(port=server.port, topics={"den-haag/+/plein/#": "cameras"}, client_id="drukte-test")
    return msgspec.structs.replace(settings, gateway=msgspec.structs.replace(settings.gateway, mqtt=mqtt))


def test_nothing_is_lost_while_gateway_and_broker_restart(broker: MockBroker, mosquitto: MosquittoServer) -> None:
    settings, sender = _settings(broker, mosquitto), Publisher(mosquitto.port)
    with running(settings):
        # What is sent before the first subscription is not ours.
        _wait_for_first(broker, sender)
        first = sender.sent
        sender.send(30)
        mosquitto.stop()
        mosquitto.start()
        sender.send(30)
        broker.decoded(lambda found: set(range(first, sender.sent)) <= _values(found))
    sender.send(40)
    mosquitto.stop()
    mosquitto.start()
    with running(settings):
        broker.decoded(lambda found: set(range(first, sender.sent)) <= _values(found))


def _wait_for_first(broker: MockBroker, sender: Publisher) -> None:
    arrived = threading.Event()

    def wait() -> None:
        broker.decoded(lambda found: bool(_values(found)))
        arrived.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    while not arrived.wait(0.2):
        assert waiting.is_alive() or arrived.is_set()
        sender.send(1)
    waiting.join()


def test_refused_messages_are_acknowledged_and_do_not_hold_up_others(
    broker: MockBroker, mosquitto: MosquittoServer
) -> None:
    settings, sender = _settings(broker, mosquitto), Publisher(mosquitto.port)
    with running(settings) as client:
        _wait_for_first(broker, sender)
        publisher = paho.Client(CallbackAPIVersion.VERSION2)
        publisher.connect("127.0.0.1", mosquitto.port)
        publisher.loop_start()
        for _ in range(100):  # more than the broker sends ahead of acknowledgements
            publisher.publish("den-haag/crowd/plein/cam", b"no json", qos=1).wait_for_publish(20)
        publisher.disconnect()
        publisher.loop_stop()
        last = sender.sent
        sender.send(1)
        broker.decoded(lambda found: last in _values(found))
        assert client.get("/health").json()["refused"]["cameras"]["malformed"] == 100
