# SPDX-License-Identifier: Apache-2.0
import datetime as dt
import json
import threading

import msgspec
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from schemas.log import LogMessage
from streams.door_settings import MqttSettings
from streams.settings import Settings
from tests.gateway.mock_broker import MockBroker
from tests.gateway.running import running, settings_for
from tests.services.mosquitto import MosquittoServer

START = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
TOPIC = "den-haag/crowd/plein/cam"


class Publisher:
    """A sender whose messages the broker has when `send` returns."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.sent = 0

    def send(self, messages: int, readings: int = 0, topic: str = TOPIC) -> None:
        """Send messages of one reading each, or of arrays of so many."""
        bodies = []
        for _ in range(messages):
            first, self.sent = self.sent, self.sent + max(readings, 1)
            texts = [_body(number) for number in range(first, self.sent)]
            bodies.append(b"[" + b",".join(texts) + b"]" if readings else texts[0])
        self.publish(bodies, topic)

    def publish(self, bodies: list[bytes], topic: str = TOPIC) -> None:
        """Publish any bodies."""
        client = paho.Client(CallbackAPIVersion.VERSION2)
        client.connect("127.0.0.1", self._port)
        client.loop_start()
        try:
            for body in bodies:
                client.publish(topic, body, qos=1).wait_for_publish(20)
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


@pytest.mark.parametrize("flaw", [False, True], ids=["flawless", "one-refused"])
def test_many_readings_that_waited_arrive_in_their_order(
    broker: MockBroker, mosquitto: MosquittoServer, flaw: bool
) -> None:
    settings, sender = _settings(broker, mosquitto), Publisher(mosquitto.port)
    with running(settings):
        _wait_for_first(broker, sender)
    first = sender.sent
    for _ in range(4):  # together too large to be read between two turns of the event loop
        sender.send(1, readings=300)
    if flaw:
        sender.publish([b"no json"])
    with running(settings) as client:
        found = broker.decoded(lambda found: set(range(first, sender.sent)) <= _values(found))
        refused = client.get("/health").json()["refused"]
    values = [float(value) for one in found if one.batch is not None for value in one.batch.value]
    # What was sent before may have come twice: it was not acknowledged when the gateway stopped.
    assert [value for value in values if value >= first] == list(range(first, sender.sent))
    assert refused.get("cameras", {}) == ({"malformed": 1} if flaw else {})


def test_refused_messages_are_acknowledged_and_do_not_hold_up_others(
    broker: MockBroker, mosquitto: MosquittoServer
) -> None:
    settings, sender = _settings(broker, mosquitto), Publisher(mosquitto.port)
    with running(settings) as client:
        _wait_for_first(broker, sender)
        sender.publish([b"no json"] * 100)  # more than the broker sends ahead of acknowledgements
        last = sender.sent
        sender.send(1)
        broker.decoded(lambda found: last in _values(found))
        assert client.get("/health").json()["refused"]["cameras"]["malformed"] == 100
