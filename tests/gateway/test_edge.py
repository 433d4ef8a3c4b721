# SPDX-License-Identifier: Apache-2.0
import asyncio
import datetime as dt
import re
import threading
from collections.abc import Callable
from functools import partial

import httpx
import msgspec
import pytest
from confluent_kafka import Consumer, TopicPartition

from schemas.errors import FatalError
from schemas.letter import decode_letter
from schemas.log import Kind, LogMessage, Topic
from streams.cities import Cities
from streams.gateway import edge as edge_module
from streams.gateway import outlet as outlet_module
from streams.gateway.edge import UNDER_WAY, Edge
from streams.gateway.intake import Intake
from streams.gateway.outlet import Outlet
from streams.gateway.producer import LogProducer
from streams.gateway.run import run_gateway
from streams.gateway.tally import Tally
from streams.gateway.versions import Versions
from streams.settings import EdgeSettings, KafkaSettings, MetricsSettings, Settings
from tests.gateway.mock_broker import MockBroker, nowhere
from tests.gateway.running import LIMIT_S, road_city, running, settings_for
from tests.services.process import free_port, wait_until

EDGE = EdgeSettings(topic="sensoren", source="cameras", group="test-edge")
BATCH = 10


def reading(number: int, **changes: object) -> bytes:
    """A reading of its own time."""
    at = (dt.datetime.now(dt.UTC) - dt.timedelta(seconds=number)).isoformat()
    return msgspec.json.encode(
        {"sensor": "cam-plein", "metric": "people", "from": at, "to": at, "value": number, **changes}
    )


def produce(broker: MockBroker, *bodies: bytes | None, partition: int = 0) -> None:
    for body in bodies:
        broker.producer.produce(EDGE.topic, body, partition=partition)
    assert broker.producer.flush(LIMIT_S) == 0


def committed(kafka: KafkaSettings, partition: int = 0) -> int:
    """Where the group goes on; negative before its first commit."""
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": EDGE.group, "log_level": 2})
    try:
        offset: int = consumer.committed([TopicPartition(EDGE.topic, partition)], timeout=LIMIT_S)[0].offset
    finally:
        consumer.close()
    return offset


def with_edge(settings: Settings, edge: EdgeSettings = EDGE) -> Settings:
    gateway = msgspec.structs.replace(settings.gateway, edge=edge)
    return msgspec.structs.replace(settings, gateway=gateway)


def values(messages: list[LogMessage]) -> list[float]:
    return [
        float(value) for message in messages if message.kind is Kind.READINGS and message.batch is not None
        for value in message.batch.value
    ]


def test_readings_pass_and_bad_messages_are_refused_one_by_one(broker: MockBroker) -> None:
    metrics_port = free_port()
    settings = msgspec.structs.replace(
        with_edge(settings_for(broker.kafka)), metrics=MetricsSettings(port_gateway=metrics_port)
    )
    produce(broker, reading(1), b"no json", None, reading(2, mac="00:11:22:33:44:55"), reading(3, sensor="nobody"),
            reading(4))
    produce(broker, reading(5), b"\xff\xfe", reading(6), partition=2)
    with running(settings) as client:
        logged = broker.decoded(lambda found: len(values(found)) == 4)
        assert sorted(values(logged)) == [1, 4, 5, 6]
        letters = [
            decode_letter(letter.value() or b"")
            for letter in broker.read(Topic.DEAD_LETTERS, lambda found: len(found) >= 4)
        ]
        refused = client.get("/health").json()["refused"]["cameras"]
        scraped = httpx.get(f"http://127.0.0.1:{metrics_port}/metrics").text
    places = {letter.where for letter in letters if letter.reason == "malformed"}
    assert places == {"sensoren[0]@1", "sensoren[0]@2", "sensoren[2]@1"}
    assert {letter.reason for letter in letters} == {"malformed", "unknown-sensor"}
    assert refused == {"malformed": 3, "person-level": 1, "unknown-sensor": 1}
    assert 'drukte_refused_total{reason="person-level"} 1.0' in scraped
    assert re.search(r"^drukte_edge_messages_total 9\.0$", scraped, re.MULTILINE)
    assert "cam-plein" not in scraped
    assert "00:11" not in scraped
    # The gateway has stopped: all that it took in is committed.
    assert (committed(broker.kafka), committed(broker.kafka, 2)) == (6, 3)


class EdgeAlone:
    """An edge that runs in a thread of the test, with a log on a broker of choice."""

    def __init__(self, settings: Settings, log_kafka: KafkaSettings, delivery_s: float = 0.3) -> None:
        self.failures: list[BaseException] = []
        self.edge: Edge | None = None
        self.most_waiting = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(settings, log_kafka, delivery_s))
        self._thread.start()

    def _run(self, settings: Settings, log_kafka: KafkaSettings, delivery_s: float) -> None:
        try:
            asyncio.run(self._serve(settings, log_kafka, delivery_s))
        except BaseException as error:  # noqa: BLE001  # told by the test
            self.failures.append(error)

    async def _serve(self, settings: Settings, log_kafka: KafkaSettings, delivery_s: float) -> None:
        city, tally, producer = road_city(), Tally(), LogProducer(log_kafka, delivery_s)
        partitions = log_kafka.partitions
        versions = Versions(Cities(city), partitions)
        outlet = Outlet(producer, settings.clock, lambda: city.version, partitions, tally)
        intake = Intake(settings, versions, producer, outlet, tally)
        self.edge = edge = Edge(settings.kafka, EDGE, intake, outlet)
        stopping = asyncio.Event()
        task = asyncio.create_task(edge.run(stopping))
        while not self._stop.is_set() and not task.done():
            self.most_waiting = max(self.most_waiting, edge.waiting_batches)
            await asyncio.sleep(0.01)
        stopping.set()
        await task
        await asyncio.to_thread(producer.close, 0.1)

    def until(self, condition: Callable[[Edge], bool], what: str) -> None:
        def so() -> bool:
            assert not self.failures, self.failures
            return self.edge is not None and condition(self.edge)
        wait_until(so, LIMIT_S, what)

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(LIMIT_S)
        assert not self._thread.is_alive()
        assert not self.failures, self.failures


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edge_module, "BATCH_MESSAGES", BATCH)
    monkeypatch.setattr(edge_module, "STOP_S", 0.2)


@pytest.mark.usefixtures("small_batches")
def test_while_the_log_is_away_little_is_held_and_nothing_committed(broker: MockBroker) -> None:
    settings = settings_for(broker.kafka)
    produce(broker, *map(reading, range(20 * BATCH)))
    stuck = EdgeAlone(settings, nowhere())
    try:
        stuck.until(lambda edge: edge.waiting_batches == UNDER_WAY, "batches wait")
        stuck.until(lambda _: _tries(stuck) >= 2, "they were sent again")
    finally:
        stuck.stop()
    assert stuck.most_waiting == UNDER_WAY
    assert stuck.edge is not None
    assert stuck.edge.messages == 0
    assert committed(broker.kafka) < 0
    # Another one, with a log that answers, loses nothing.
    well = EdgeAlone(settings, broker.kafka, delivery_s=5.0)
    try:
        well.until(lambda edge: edge.messages == 20 * BATCH, "all is taken in")
    finally:
        well.stop()
    assert sorted(values(broker.decoded(lambda found: len(values(found)) >= 20 * BATCH))) == list(range(20 * BATCH))
    assert committed(broker.kafka) == 20 * BATCH


def _tries(alone: EdgeAlone) -> int:
    return 0 if alone.edge is None else alone.edge._tries


@pytest.mark.usefixtures("small_batches")
def test_after_a_failure_all_under_way_is_sent_again_in_order(
    broker: MockBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = outlet_module.WAITING_READINGS
    monkeypatch.setattr(outlet_module, "WAITING_READINGS", 0)
    produce(broker, *map(reading, range(6 * BATCH)))
    alone = EdgeAlone(settings_for(broker.kafka), broker.kafka, delivery_s=5.0)
    try:
        alone.until(lambda edge: edge.waiting_batches == UNDER_WAY, "batches wait")
        assert alone.edge is not None
        assert alone.edge.messages == 0
        monkeypatch.setattr(outlet_module, "WAITING_READINGS", usual)
        alone.until(lambda edge: edge.messages == 6 * BATCH, "it goes on")
        alone.until(lambda edge: edge.lag_messages == 0, "nothing is behind")
    finally:
        alone.stop()
    assert values(broker.decoded(lambda found: len(values(found)) >= 6 * BATCH)) == list(range(6 * BATCH))


@pytest.mark.parametrize(("edge", "said"), [
    (EdgeSettings(topic="sensoren", source="nobody"), r"gateway\.edge\.source"),
    (EdgeSettings(topic="site-log", source="cameras"), r"gateway\.edge\.topic"),
])
def test_an_edge_that_cannot_be_is_fatal(edge: EdgeSettings, said: str) -> None:
    with pytest.raises(FatalError, match=said):
        run_gateway(with_edge(settings_for(nowhere()), edge), road_city(), threading.Event())


def test_a_gateway_whose_edge_is_away_still_answers_and_stops() -> None:
    with running(with_edge(settings_for(nowhere())), status=503) as client:
        wait_until(partial(_answers_503, client), LIMIT_S, "it answers")


def _answers_503(client: httpx.Client) -> bool:
    return client.get("/health").status_code == 503
