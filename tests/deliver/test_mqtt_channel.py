# SPDX-License-Identifier: Apache-2.0
"""Alerts to a real Mosquitto, which goes away and comes back."""

import signal
import threading
from pathlib import Path
from typing import Any, Self

import msgspec
import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from schemas.delivery import Outcome
from schemas.event_profile import profile_faults
from streams.deliver_settings import AlertMqttSettings
from streams.settings import DeliverSettings
from tests.deliver.running import LIMIT_S, Alerts, quick, recorded, running, wait_recorded
from tests.deliver.samples import resolved
from tests.gateway.mock_broker import MockBroker
from tests.services.mosquitto import MosquittoServer
from tests.services.process import wait_until
from tests.writer.samples import transition

OLD, NEW = "0" * 16, "1" * 16
TOPIC = "den-haag/alerts/centrum/plein/oranje"


class Listener:
    """Everything that a subscriber sees; `kept` of messages that the broker had kept for it."""

    def __init__(self, port: int, topics: str = "den-haag/#") -> None:
        self.seen: list[paho.MQTTMessage] = []
        self._subscribed = threading.Event()
        self._client = paho.Client(CallbackAPIVersion.VERSION2)
        self._client.on_message = lambda *given: self.seen.append(given[2])
        self._client.on_connect = lambda client, *_: client.subscribe(topics, qos=1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._port = port

    def __enter__(self) -> Self:
        self._client.connect("127.0.0.1", self._port)
        self._client.loop_start()
        assert self._subscribed.wait(LIMIT_S)
        return self

    def __exit__(self, *error: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    @property
    def ids(self) -> list[str]:
        """Ids in the order in which they came; empty for a kept state that is taken away."""
        return [body(one)["id"] if one.payload else "" for one in list(self.seen)]

    def wait(self, last: str) -> None:
        wait_until(lambda: self.ids[-1:] == [last], LIMIT_S, f"{last!r} came last")


def body(message: paho.MQTTMessage) -> dict[str, Any]:
    decoded: dict[str, Any] = msgspec.json.decode(message.payload)
    return decoded


def kept(port: int) -> dict[str, str]:
    """Topic to id of what the broker keeps, as a new subscriber sees it; a message of its own shows the end.

    Live messages may come after that one: an engine that connects again says what it knows at any moment.
    """
    with Listener(port) as fresh:
        fresh._client.publish("den-haag/end", b'{"id": "end"}', qos=1)
        wait_until(lambda: "end" in fresh.ids, LIMIT_S, "the end of what is kept")
        return {one.topic: body(one)["id"] for one in fresh.seen if one.retain}


def to(server: MosquittoServer, **changes: Any) -> DeliverSettings:
    return quick(mqtt=AlertMqttSettings(port=server.port, prefix="den-haag", **changes),
                 event_source="urn:nld:oin:00000001234567890000:systeem:drukte")


def test_transitions_come_in_order_and_the_present_state_is_kept(
    broker: MockBroker, mosquitto: MosquittoServer
) -> None:
    alerts = Alerts(broker.kafka)
    with Listener(mosquitto.port) as listener, running(broker.kafka, to(mosquitto)):
        alerts.send(transition(OLD, 1), transition(OLD, 2), transition("f" * 16, 1, place="a/b #+", rule="rood"))
        alerts.send(transition(OLD, 2))  # a repeat of the worker is no news
        wait_recorded(broker.kafka, {
            ("mqtt", OLD, 1): Outcome.DELIVERED, ("mqtt", OLD, 2): Outcome.DELIVERED,
            ("mqtt", "f" * 16, 1): Outcome.DELIVERED,
        })
        wait_until(lambda: len(listener.seen) == 3, LIMIT_S, "three messages")
        assert [one for one in listener.ids if one.startswith(OLD)] == [f"{OLD}/1", f"{OLD}/2"]
        first = body(next(one for one in listener.seen if one.topic == TOPIC))
        assert (first["specversion"], first["type"], first["subject"]) == (
            "1.0", "nl.drukte.alert.transition.v1", "centrum/plein")
        data = first.pop("data")
        assert profile_faults(first, msgspec.json.encode(data)) == []
        assert (first["source"], first["time"]) == ("urn:nld:oin:00000001234567890000:systeem:drukte", data["at"])
        assert (data["people"], data["level"], data["seq"]) == ("340-344", "oranje", 1)
        assert {one.qos for one in listener.seen} == {1}
    assert kept(mosquitto.port) == {TOPIC: f"{OLD}/2", "den-haag/alerts/centrum/a%2Fb%20%23%2B/rood": f"{'f' * 16}/1"}


def test_a_broker_that_is_restarted_misses_nothing_and_keeps_the_state_again(
    broker: MockBroker, mosquitto: MosquittoServer, tmp_path: Path
) -> None:
    alerts = Alerts(broker.kafka)
    with running(broker.kafka, to(mosquitto)):
        alerts.send(transition(OLD, 1), transition(NEW, 1, place="straat"))
        first = {("mqtt", OLD, 1): Outcome.DELIVERED, ("mqtt", NEW, 1): Outcome.DELIVERED}
        wait_recorded(broker.kafka, first)
        mosquitto.stop(signal.SIGKILL)
        (tmp_path / "mosquitto.db").unlink(missing_ok=True)  # it has lost what it kept
        alerts.send(transition(OLD, 2), transition(OLD, 3))
        mosquitto.start()
        wait_recorded(broker.kafka, first | {("mqtt", OLD, seq): Outcome.DELIVERED for seq in (2, 3)})
        straat = "den-haag/alerts/centrum/straat/oranje"
        wait_until(lambda: kept(mosquitto.port) == {TOPIC: f"{OLD}/3", straat: f"{NEW}/1"}, LIMIT_S, "both are kept")


def test_an_idle_connection_that_is_lost_is_made_again(
    broker: MockBroker, mosquitto: MosquittoServer, tmp_path: Path
) -> None:
    with running(broker.kafka, to(mosquitto)):
        Alerts(broker.kafka).send(transition(OLD, 1))
        wait_recorded(broker.kafka, {("mqtt", OLD, 1): Outcome.DELIVERED})
        mosquitto.stop(signal.SIGKILL)
        (tmp_path / "mosquitto.db").unlink(missing_ok=True)
        mosquitto.start()
        wait_until(lambda: kept(mosquitto.port) == {TOPIC: f"{OLD}/1"}, LIMIT_S, "it is kept again")


def test_the_state_is_taken_away_some_time_after_the_end(broker: MockBroker, mosquitto: MosquittoServer) -> None:
    alerts = Alerts(broker.kafka)
    with Listener(mosquitto.port) as listener, running(broker.kafka, to(mosquitto, clear_after_h=0.5 / 3600)):
        alerts.send(transition(OLD, 1), transition(NEW, 1, place="straat"))
        alerts.send(resolved(OLD, 2).transition)
        listener.wait("")
        assert listener.ids.count("") == 1
        assert [one for one in listener.ids if one.startswith(OLD)] == [f"{OLD}/1", f"{OLD}/2"]
        assert kept(mosquitto.port) == {"den-haag/alerts/centrum/straat/oranje": f"{NEW}/1"}


def test_the_end_of_a_former_alert_does_not_replace_the_present_one(
    broker: MockBroker, mosquitto: MosquittoServer
) -> None:
    alerts = Alerts(broker.kafka)
    later_us = transition(OLD).opened_at_us + 1
    with running(broker.kafka, to(mosquitto)):
        alerts.send(transition(NEW, 1, opened_at_us=later_us))
        wait_recorded(broker.kafka, {("mqtt", NEW, 1): Outcome.DELIVERED})
        alerts.send(resolved(OLD, 2).transition)
        wait_recorded(broker.kafka, {("mqtt", NEW, 1): Outcome.DELIVERED, ("mqtt", OLD, 2): Outcome.DELIVERED})
    assert kept(mosquitto.port) == {TOPIC: f"{NEW}/1"}


def test_a_restart_tells_nothing_new_but_the_kept_state(broker: MockBroker, mosquitto: MosquittoServer) -> None:
    alerts = Alerts(broker.kafka)
    with running(broker.kafka, to(mosquitto)):
        alerts.send(transition(OLD, 1), transition(OLD, 2))
        wait_recorded(broker.kafka, {("mqtt", OLD, seq): Outcome.DELIVERED for seq in (1, 2)})
    with Listener(mosquitto.port) as listener, running(broker.kafka, to(mosquitto)):
        alerts.send(transition(OLD, 3))
        listener.wait(f"{OLD}/3")
        assert listener.ids in ([f"{OLD}/2", f"{OLD}/2", f"{OLD}/3"], [f"{OLD}/2", f"{OLD}/3"])


def test_a_broker_that_refuses_has_not_taken_it(
    broker: MockBroker, mosquitto: MosquittoServer, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    mosquitto.stop()
    allowed = tmp_path / "acl"
    allowed.write_text("topic read den-haag/#\n")
    allowed.chmod(0o600)
    config = tmp_path / "mosquitto.conf"
    config.write_text(config.read_text() + f"acl_file {allowed}\n")
    mosquitto.start()
    with running(broker.kafka, to(mosquitto)):
        Alerts(broker.kafka).send(transition(OLD, 1))
        wait_until(lambda: "Not authorized" in capfd.readouterr().out, LIMIT_S, "it was refused")
        assert recorded(broker.kafka) == {}
        mosquitto.stop()
        allowed.write_text("topic readwrite den-haag/#\n")
        mosquitto.start()
        wait_recorded(broker.kafka, {("mqtt", OLD, 1): Outcome.DELIVERED})
    assert kept(mosquitto.port) == {TOPIC: f"{OLD}/1"}
