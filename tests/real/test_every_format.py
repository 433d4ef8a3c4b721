# SPDX-License-Identifier: Apache-2.0
"""One gateway, every door, every format at the same time: what each feed says stands in the log, and nothing else.

The feeds are the examples of `docs/feeds`, sent as they stand there, on a clock that shows the day after them.
"""

import datetime as dt
import json
import math
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import paho.mqtt.client as paho
import pytest
import tomlkit
from confluent_kafka import Message, Producer
from paho.mqtt.enums import CallbackAPIVersion
from prometheus_client.parser import text_string_to_metric_families

from schemas.feeds.formats import FORMATS
from schemas.ids import IdKind
from schemas.log import Topic, decode_log
from schemas.reading import Metric
from streams.kafka_client import headers_of
from streams.settings import KafkaSettings
from streams.verify.topics import TopicReader
from tests.real.every_feed import (
    CANARY,
    EXPECTED,
    FEEDS,
    FILTERS,
    FROM_EDGE,
    IN_FOLDERS,
    OVER_HTTP,
    OVER_MQTT,
    PULLED,
    REFUSED,
    Row,
    written_city,
)
from tests.real.kafka_service import MakeTopics, _Topics
from tests.services.mosquitto import MosquittoServer
from tests.services.process import Process, free_port, wait_until

pytestmark = pytest.mark.real
LIMIT_S = 60.0
PARTITIONS = 2
EDGE = "every-format-edge"
NOW = dt.datetime(2026, 6, 1, 11, 10, tzinfo=dt.UTC)
"""What the deployment's clock shows at the start: the examples are of this day, or of 1 March."""


@contextmanager
def eco_counter() -> Iterator[str]:
    """A stand-in for the vendor's service: a channel with counts, one about persons, one with nonsense; its address."""
    answers = dict(zip(("101", "102", "103"), PULLED.all, strict=True))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self._answer(200, b'{"access_token": "good"}')

        def do_GET(self) -> None:
            known = self.headers["Authorization"] == "Bearer good"
            self._answer(200 if known else 401, answers[urlsplit(self.path).path.rpartition("/")[2]])

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # its name in the library
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Gateway:
    """The gateway as a process, with all its doors.

    Parameters
    ----------
    folder : Path
    bootstrap : str
    mqtt_port : int
    vendor_url : str
    """

    def __init__(self, folder: Path, bootstrap: str, mqtt_port: int, vendor_url: str) -> None:
        self.folder = folder
        self.port, self.metrics_port = free_port(), free_port()
        self.city = written_city(folder)
        self.kafka = KafkaSettings(bootstrap=bootstrap, partitions=PARTITIONS)
        for feed in IN_FOLDERS:
            (folder / feed.source).mkdir()
        settings = {
            "city": "klein.toml",
            "kafka": {"bootstrap": bootstrap, "partitions": PARTITIONS},
            "clock": {"kind": "simulated", "start_us": int(NOW.timestamp()) * 1_000_000,
                      "wall_start_us": time.time_ns() // 1000},
            "gateway": {
                "port": self.port, "oldest_s": 1e7,
                "edge": {"topic": EDGE, "source": FROM_EDGE.source, "group": EDGE},
                "mqtt": {"port": mqtt_port, "topics": FILTERS},
                "folders": {feed.source: {"path": str(folder / feed.source), "poll_s": 0.2} for feed in IN_FOLDERS},
                "pulls": {PULLED.source: {"kind": "eco-counter", "url": vendor_url, "user": "u", "password": "p",
                                          "devices": ["101", "102", "103"], "first_s": 900, "poll_s": 900}},
            },
            "metrics": {"port_gateway": self.metrics_port},
        }
        path = folder / "drukte.toml"
        path.write_text(tomlkit.dumps(settings))
        command: list[str | Path] = [sys.executable, "-m", "streams.cli", "gateway", "--settings", path]
        self.process = Process(command, folder / "gateway.log")

    def metrics(self) -> dict[tuple[str, str], float]:
        """Value by name and label; nothing before it answers."""
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.metrics_port}/metrics", timeout=10)
        except httpx.TransportError:
            return {}
        return {
            (sample.name, next(iter(sample.labels.values()), "")): sample.value
            for family in text_string_to_metric_families(answer.text) for sample in family.samples
        }

    def health(self) -> dict[str, Any]:
        """What `/health` says; nothing before it answers."""
        try:
            answer = httpx.get(f"http://127.0.0.1:{self.port}/health", timeout=10)
        except httpx.TransportError:
            return {}
        return dict(answer.json())

    def messages(self, topic: Topic) -> list[Message]:
        """All of a topic."""
        reader = TopicReader(self.kafka)
        try:
            count = PARTITIONS if topic is Topic.SITE_LOG else 1
            return [one for number in range(count)
                    for one in reader.messages(topic, number, *reader.limits(topic, number))]
        finally:
            reader.close()

    def logged(self) -> tuple[set[Row], set[str]]:
        """Readings, and ids of context records."""
        rows, records = set[Row](), set[str]()
        sensor, source = ({number: key for key, number in self.city.ids[kind].items()}
                          for kind in (IdKind.SENSOR, IdKind.SOURCE))
        for message in self.messages(Topic.SITE_LOG):
            decoded = decode_log(headers_of(message), message.value())
            records |= {one.record for one in decoded.context or ()}
            if decoded.batch is None:
                continue
            batch = decoded.batch
            for number, metric, from_, begin, value in zip(
                    batch.sensor.tolist(), batch.metric.tolist(), batch.source.tolist(), batch.begin.tolist(),
                    batch.value.tolist(), strict=True):
                at = dt.datetime.fromtimestamp(begin / 1e6, dt.UTC).replace(tzinfo=None).isoformat()
                said = None if math.isnan(value) else value
                assert source[from_] == decoded.source
                rows.add((source[from_], sensor[number], Metric(metric).key, at, said))
        return rows, records


@pytest.fixture
def gateway(tmp_path: Path, kafka_bootstrap: str, make_topics: MakeTopics) -> Iterator[Gateway]:
    topics = _Topics(kafka_bootstrap)
    topics.delete([topic.value for topic in Topic])
    make_topics(EDGE)
    mosquitto = MosquittoServer(tmp_path)
    mosquitto.start()
    running = None
    try:
        with eco_counter() as vendor_url:
            running = Gateway(tmp_path, kafka_bootstrap, mosquitto.port, vendor_url)
            running.process.wait_ready(lambda: running.health().get("status") == "ok", LIMIT_S)
            yield running
    except BaseException as error:
        if running is not None:
            error.add_note(running.process.log_tail())
        raise
    finally:
        if running is not None:
            running.process.stop()
        mosquitto.stop()
        topics.delete([topic.value for topic in Topic])


def publish(port: int) -> None:
    """All of the MQTT feeds; returns when the broker has every message."""
    client = paho.Client(CallbackAPIVersion.VERSION2)
    client.connect("127.0.0.1", port)
    client.loop_start()
    try:
        for feed in OVER_MQTT:
            for body in feed.all:
                client.publish(feed.topic, body, qos=1).wait_for_publish(LIMIT_S)
    finally:
        client.disconnect()
        client.loop_stop()


def drop_into_folders(folder: Path) -> None:
    """All files, each whole when it gets its name."""
    for feed in IN_FOLDERS:
        for number, body in enumerate(feed.all):
            hidden = folder / feed.source / f".{number}"
            hidden.write_bytes(body)
            hidden.rename(folder / feed.source / f"{number}.txt")


def produce(bootstrap: str) -> None:
    """All of the edge feed."""
    producer = Producer({"bootstrap.servers": bootstrap})
    for body in FROM_EDGE.all:
        producer.produce(EDGE, body)
    assert producer.flush(LIMIT_S) == 0


def post(port: int) -> dict[str, list[int]]:
    """All of the HTTP feeds; the answers by source."""
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=30) as client:
        return {feed.source: [client.post(f"/in/{feed.source}", content=body).status_code for body in feed.all]
                for feed in OVER_HTTP}


def counted(figures: dict[tuple[str, str], float], name: str) -> dict[str, float]:
    """A metric's values by label."""
    return {label: value for (one, label), value in figures.items() if one == name}


def test_every_format_arrives_through_its_door_and_no_person_does(gateway: Gateway) -> None:
    file = gateway.city.file
    assert {file.sources[feed.source].format for feed in FEEDS} == {*FORMATS, "native", "datex2"}
    wait_until(lambda: gateway.metrics().get(("drukte_mqtt_connected", "")) == 1, LIMIT_S, "MQTT is connected")
    mqtt_port = int(re.findall(r"(?m)^listener (\d+)", (gateway.folder / "mosquitto.conf").read_text())[0])
    publishing = threading.Thread(target=publish, args=(mqtt_port,))
    publishing.start()
    drop_into_folders(gateway.folder)
    produce(gateway.kafka.bootstrap)
    answers = post(gateway.port)
    publishing.join()
    last: dict[str, float] = {}

    def all_refused() -> bool:
        last.update(counted(gateway.metrics(), "drukte_refused_total"))
        return sum(last.values()) >= sum(REFUSED.values())

    wait_until(all_refused, LIMIT_S, f"all that is to be refused: {last}")
    wait_until(lambda: gateway.logged()[0] >= EXPECTED, LIMIT_S, "all readings are in the log")
    rows, records = gateway.logged()
    assert rows == EXPECTED
    assert records == {"DH_PRINSESSEGRACHT_1"}
    for feed in OVER_HTTP:
        assert answers[feed.source][:-2] == [202] * len(feed.sends), feed.source
        assert set(answers[feed.source][-2:]) <= {400, 422}, feed.source
    check_figures(gateway)
    check_letters(gateway)
    assert CANARY not in gateway.process.log.read_text()


def check_figures(gateway: Gateway) -> None:
    # A door counts a message when all is done with it, also the acknowledgement and the moving of its file.
    dealt_with = {"mqtt": sum(len(feed.all) for feed in OVER_MQTT), "pull": len(PULLED.all),
                  "folder": sum(len(feed.all) for feed in IN_FOLDERS)}
    wait_until(lambda: counted(gateway.metrics(), "drukte_door_messages_total") == dealt_with, LIMIT_S, f"{dealt_with}")
    figures = gateway.metrics()
    assert counted(figures, "drukte_refused_total") == REFUSED
    both = ("person-level", "malformed")
    assert counted(figures, "drukte_mqtt_refused_total") == dict.fromkeys(both, len(OVER_MQTT))
    assert counted(figures, "drukte_folder_refused_total") == dict.fromkeys(both, len(IN_FOLDERS))
    assert counted(figures, "drukte_pull_refused_total") == dict.fromkeys(both, 1)
    doors = {"mqtt", "pull paden", "folder bezoekers", "folder straattellers"}
    assert counted(figures, "drukte_door_failures") == dict.fromkeys(doors, 0)
    assert counted(figures, "drukte_door_success_age_seconds").keys() == doors
    waiting = counted(figures, "drukte_waiting")
    assert (waiting["folder bezoekers"], waiting["folder straattellers"]) == (0, 0)
    assert gateway.health()["doors"].keys() == doors


def check_letters(gateway: Gateway) -> None:
    """Every refusal but those about persons has a letter; none holds anything of the body."""
    letters: list[bytes] = []
    told: Counter[str] = Counter()
    lettered = {reason: count for reason, count in REFUSED.items() if reason != "person-level"}

    def all_told() -> bool:
        letters[:] = [message.value() or b"" for message in gateway.messages(Topic.DEAD_LETTERS)]
        told.clear()
        for letter in map(json.loads, letters):
            told[letter["reason"]] += letter["count"]
        return told.total() >= sum(lettered.values())

    wait_until(all_told, LIMIT_S, "the letters are there")
    assert told == lettered
    kept = [message.value() or b"" for message in gateway.messages(Topic.DEAD_LETTER_BODIES)]
    in_log = [message.value() or b"" for message in gateway.messages(Topic.SITE_LOG)]
    assert not any(CANARY.encode() in one for one in (*letters, *kept, *in_log))
    reports = [path.read_text() for path in gateway.folder.rglob("*.report.json")]
    assert len(reports) == 2 * len(IN_FOLDERS)
    assert not any(CANARY in one for one in reports)
