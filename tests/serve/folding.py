# SPDX-License-Identifier: Apache-2.0
"""The fold itself in a thread, between the log and the alerts of a test's broker, and readings for it."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from confluent_kafka import Consumer, Message, TopicPartition

from schemas.city import City
from schemas.city_change import CityChange
from schemas.ids import IdKind
from schemas.log import Clock, Kind, LogMessage, Topic, encode_log
from schemas.reading import Batch, Metric, NoValue
from streams.core.layout import partition_of_site
from streams.core.step import Partition
from streams.topics import MOCK_PARTITIONS
from streams.worker.effects import in_messages, outgoing
from tests.gateway.mock_broker import MockBroker, log_message
from tests.services.threads import in_thread
from tests.writer.samples import NOON

LIMIT_S = 30.0


class Fold:
    """Partitions of a city, fed from the log; stands between the broker's topics as a worker does."""

    def __init__(self, broker: MockBroker, city: City, *later: City) -> None:
        self._broker, self.city = broker, city
        self._cities = {one.version: one for one in (city, *later)}
        self._partitions = [Partition(city, MOCK_PARTITIONS, number) for number in range(MOCK_PARTITIONS)]

    def run(self, stop: threading.Event) -> None:
        """Fold until told to stop."""
        consumer = Consumer({"bootstrap.servers": self._broker.kafka.bootstrap, "group.id": "fold", "log_level": 2,
                             "fetch.wait.max.ms": 20})
        consumer.assign([TopicPartition(Topic.SITE_LOG.value, number, 0) for number in range(MOCK_PARTITIONS)])
        try:
            while not stop.is_set():
                for message in consumer.consume(100, 0.05):
                    if message.error() is None:
                        self._step(message)
        finally:
            consumer.close()

    def _step(self, message: Message) -> None:
        partition, offset = message.partition() or 0, message.offset() or 0
        told = log_message(message)
        if told.change is not None:
            told = replace(told, city=self._cities[told.change.version])
        effects = in_messages(self._partitions[partition].step(told, message.timestamp()[1] * 1000))
        for position, effect in enumerate(effects):
            out = outgoing(effect, partition, offset, position)
            self._broker.producer.produce(
                out.topic.value, out.value, out.key, -1 if out.partition is None else out.partition,
                headers=list(out.headers))
        self._broker.producer.flush(LIMIT_S)

    def people(self, value: float, *seconds: float) -> None:
        """The camera of the square sees so many people, at seconds from the samples' noon."""
        for second in seconds:
            at_us = round((NOON.timestamp() + second) * 1e6)
            batch = Batch.of(sensor=self.city.ids[IdKind.SENSOR]["cam-plein"], metric=Metric.PEOPLE, begin=at_us,
                             span_ms=0, value=value, reason=NoValue.NONE, weight=np.nan)
            self.send(LogMessage(Kind.READINGS, at_us, Clock.SIMULATED, self.city.version, "test", "1", batch))

    def change(self, city: City, second: float) -> None:
        """A version takes over, at a second from the samples' noon."""
        at_us = round((NOON.timestamp() + second) * 1e6)
        change = CityChange(version=city.version, sha256=city.sha256, effective_at_us=at_us)
        self.send(LogMessage(Kind.CITY, at_us - 1, Clock.SIMULATED, self.city.version, "test", "1", change=change))

    def send(self, message: LogMessage) -> None:
        """Append a message to the log of the city's one site with people."""
        headers, value = encode_log(message)
        partition = partition_of_site(self.city.ids[IdKind.SITE]["centrum"], MOCK_PARTITIONS)
        self._broker.producer.produce(Topic.SITE_LOG.value, value, partition=partition, headers=list(headers))
        assert self._broker.producer.flush(LIMIT_S) == 0


@contextmanager
def folding(broker: MockBroker, city: City, *later: City) -> Iterator[Fold]:
    """A fold that runs; at the end it has stopped, and fails where it did."""
    fold = Fold(broker, city, *later)
    with in_thread(fold.run, LIMIT_S):
        yield fold
