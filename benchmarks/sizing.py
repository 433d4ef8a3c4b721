# SPDX-License-Identifier: Apache-2.0
"""Sizing: 20,000 sensors that report every second, over HTTP and over MQTT, to a gateway on one core."""

import http.client
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
import numpy as np
import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion
from prometheus_client.parser import text_string_to_metric_families

from benchmarks.city import SOURCE, camera, crowded_city
from benchmarks.feed import instant_text
from benchmarks.figure import Figure
from benchmarks.stage import Deployment, NotRunError, Stage, cpu_s
from tests.services.mosquitto import PROGRAM, MosquittoServer
from tests.services.process import ServiceError, free_port, wait_until

SENSORS, ZONES, PARTITIONS = 20_000, 20, 4
READINGS_A_BODY = 100
BODIES_A_S = SENSORS // READINGS_A_BODY
GOAL = float(SENSORS)
CONNECTIONS = 32
LIMIT_S = 120.0
GATEWAY_CORE = 0


def run(stage: Stage, *, short: bool) -> list[Figure]:
    """What one core of a gateway takes, and what it costs."""
    if shutil.which(PROGRAM, path=f"{os.environ.get('PATH', '')}:/usr/sbin") is None:
        raise NotRunError("Mosquitto is not installed: `apt-get install mosquitto`")
    with others_elsewhere():
        return _measured(stage, 2.0 if short else 10.0, 2_000 if short else 10_000)


@contextmanager
def others_elsewhere() -> Iterator[None]:
    """Senders and brokers, which are started from here, leave the gateway's core to it."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, before - {GATEWAY_CORE} or before)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _measured(stage: Stage, seconds: float, singles: int) -> list[Figure]:
    folder = stage.folder("mosquitto")
    mosquitto = MosquittoServer(folder)
    with (folder / "mosquitto.conf").open("a") as config:
        # As docs/operate.md says, and without the tests' writing to disk at every message.
        config.write("max_queued_messages 0\nmax_inflight_messages 0\nautosave_on_changes false\n")
    mosquitto.start()
    port, metrics_port = free_port(), free_port()
    try:
        deployment = stage.deployment("sizing", crowded_city(SENSORS, ZONES), PARTITIONS, (
            f"[gateway]\nport = {port}\nrequests_per_minute = 1e6\n"
            f'[gateway.mqtt]\nport = {mosquitto.port}\ntopics = {{ "bench/#" = "{SOURCE}" }}\n'
            f"[metrics]\nport_gateway = {metrics_port}\n"))
        with _pinned(deployment) as pid:
            gateway = _Gateway(pid, port, metrics_port)
            wait_until(gateway.is_ready, LIMIT_S, "the gateway answers")
            stage.say("sizing: 20,000 readings a second over HTTP")
            figures = steady_http(gateway, seconds)
            stage.say("sizing: as many as it takes over HTTP")
            figures += full_http(gateway, seconds / 2)
            stage.say("sizing: over MQTT")
            batches = round(seconds * BODIES_A_S)
            figures += over_mqtt(gateway, mosquitto.port, READINGS_A_BODY, batches)
            return figures + over_mqtt(gateway, mosquitto.port, 1, singles)
    finally:
        mosquitto.stop()


@contextmanager
def _pinned(deployment: Deployment) -> Iterator[int]:
    command = ["taskset", "-c", str(GATEWAY_CORE), sys.executable, "-m", "streams.cli"]
    with deployment.command("gateway", command) as running:
        yield running.process.pid


@dataclass(frozen=True, slots=True)
class _Gateway:
    pid: int
    port: int
    metrics_port: int

    def is_ready(self) -> bool:
        try:
            health = httpx.get(f"http://127.0.0.1:{self.port}/health", timeout=5, trust_env=False)
        except httpx.HTTPError:
            return False
        return health.status_code == 200 and self.metric("drukte_mqtt_connected") == 1.0

    def metric(self, name: str, label: str = "") -> float:
        text = httpx.get(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=30, trust_env=False).text
        return sum(sample.value for family in text_string_to_metric_families(text) for sample in family.samples
                   if sample.name == name and (not label or label in sample.labels.values()))


def body(number: int, readings: int, at_us: int) -> bytes:
    """Readings of the next sensors, all at one instant."""
    first, at = number * readings % SENSORS, instant_text(at_us).encode()
    return b"[" + b",".join(
        b'{"sensor":"%b","metric":"people","from":"%b","to":"%b","value":%d}' % (camera(one).encode(), at, at, one % 50)
        for one in range(first, first + readings)) + b"]"


class Senders:
    """Connections that post bodies; `per_s` bodies a second at even distances, or 0: as many as are answered.

    Each time is from the moment at which a body was due until its answer was read.
    """

    def __init__(self, port: int, seconds: float, per_s: float) -> None:
        self._port = port
        self._end = round(seconds * per_s) if per_s else 0
        self._per_s, self._seconds = per_s, seconds
        self._numbers = iter(range(sys.maxsize))
        self._lock = threading.Lock()
        self._begun_s = 0.0
        self.answer_s: list[float] = []
        self.failures: list[str] = []

    def run(self) -> float:
        """Send all; how long it took, seconds."""
        self._begun_s = time.monotonic()
        threads = [threading.Thread(target=self._send) for _ in range(CONNECTIONS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self.failures:
            raise ServiceError(f"{len(self.failures)} posts failed: {self.failures[0]}")
        return time.monotonic() - self._begun_s

    def _send(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            while (due := self._next()) is not None:
                number, due_s = due
                time.sleep(max(due_s - time.monotonic(), 0.0))
                connection.request("POST", f"/in/{SOURCE}", body(number, READINGS_A_BODY, time.time_ns() // 1000))
                answer = connection.getresponse()
                said = answer.read()
                if answer.status != 202:
                    self.failures.append(f"{answer.status} {said[:200]!r}")
                    return
                self.answer_s.append(time.monotonic() - due_s)
        except OSError as error:
            self.failures.append(type(error).__name__)
        finally:
            connection.close()

    def _next(self) -> tuple[int, float] | None:
        with self._lock:
            number = next(self._numbers)
        now_s = time.monotonic()
        if self._per_s:
            return (number, self._begun_s + number / self._per_s) if number < self._end else None
        return (number, now_s) if now_s < self._begun_s + self._seconds else None


def steady_http(gateway: _Gateway, seconds: float) -> list[Figure]:
    """20,000 readings a second, open loop."""
    Senders(gateway.port, 1.0, BODIES_A_S).run()  # connections and caches
    senders, before_s = Senders(gateway.port, seconds, BODIES_A_S), cpu_s(gateway.pid)
    wall_s = senders.run()
    spent_s = cpu_s(gateway.pid) - before_s
    rate = len(senders.answer_s) * READINGS_A_BODY / wall_s
    told = f"{BODIES_A_S} posts a second of {READINGS_A_BODY} readings for {seconds:g} s"
    p99_ms = float(np.percentile(senders.answer_s, 99)) * 1000
    return [
        Figure("HTTP, 20,000 sensors a second", rate, "readings/s", told, GOAL),
        Figure("HTTP, 20,000 sensors a second: of the gateway's core", 100 * spent_s / wall_s, "%", told),
        Figure("HTTP, 20,000 sensors a second: answer, p99", p99_ms, "ms",
               "from when a post was due to its 202, after the broker's acknowledgement", lower_is_better=True),
    ]


def full_http(gateway: _Gateway, seconds: float) -> list[Figure]:
    """As many posts as are answered."""
    senders, before_s = Senders(gateway.port, seconds, 0.0), cpu_s(gateway.pid)
    wall_s = senders.run()
    spent_s = cpu_s(gateway.pid) - before_s
    readings = len(senders.answer_s) * READINGS_A_BODY
    return [
        Figure("HTTP, as many as it takes", readings / wall_s, "readings/s",
               f"{CONNECTIONS} connections, {100 * spent_s / wall_s:.0f} % of the core, senders elsewhere", GOAL),
        Figure("HTTP, of CPU", readings / spent_s, "readings/s of CPU", "the same posts", GOAL),
    ]


def over_mqtt(gateway: _Gateway, port: int, readings_a_message: int, messages: int) -> list[Figure]:
    """So many messages, as fast as the broker takes them, until the gateway has dealt with the last."""
    already = gateway.metric("drukte_door_messages_total", "mqtt")
    before_s, begun_s = cpu_s(gateway.pid), time.monotonic()
    publish(port, readings_a_message, messages)
    wait_until(lambda: gateway.metric("drukte_door_messages_total", "mqtt") >= already + messages, LIMIT_S,
               "all messages are dealt with")
    wall_s, spent_s = time.monotonic() - begun_s, cpu_s(gateway.pid) - before_s
    if gateway.metric("drukte_mqtt_refused_total"):
        raise ServiceError("the gateway refused some of them")
    readings = messages * readings_a_message
    name = f"MQTT, {readings_a_message} reading{'s' if readings_a_message > 1 else ''} a message"
    return [
        Figure(name, readings / wall_s, "readings/s",
               f"{messages:,} messages, QoS 1, {100 * spent_s / wall_s:.0f} % of the core", GOAL),
        Figure(f"{name}: of CPU", readings / spent_s, "readings/s of CPU", "the same messages", GOAL),
    ]


def publish(port: int, readings_a_message: int, messages: int) -> None:
    """Publish with QoS 1; returns when the broker has all."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.max_inflight_messages_set(1_000)
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        at_us, last = time.time_ns() // 1000, None
        for number in range(messages):
            # A time of its own for each round of the sensors, so that no reading comes twice.
            at = at_us + number * readings_a_message // SENSORS * 1_000
            last = client.publish(f"bench/{number % 100}", body(number, readings_a_message, at), qos=1)
        if last is not None:
            last.wait_for_publish(LIMIT_S)
    finally:
        client.disconnect()
        client.loop_stop()
