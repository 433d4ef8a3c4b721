# SPDX-License-Identifier: Apache-2.0
"""librdkafka's mock cluster as a broker for tests: a real peer of the protocol, in memory."""

import time
from collections.abc import Callable
from typing import cast

import pytest
from confluent_kafka import Consumer, Message, Producer, TopicPartition

from schemas.log import Headers, LogMessage, Topic, decode_log
from streams.settings import KafkaSettings
from streams.topics import MOCK_PARTITIONS
from tests.services.process import free_port

LIMIT_S = 60.0


class MockBroker:
    """A cluster of one broker that lives as long as this object."""

    def __init__(self) -> None:
        self.producer = Producer({"test.mock.num.brokers": 1, "linger.ms": 1, "log_level": 2})
        broker = next(iter(self.producer.list_topics(timeout=5).brokers.values()))
        self.kafka = KafkaSettings(
            bootstrap=f"{broker.host}:{broker.port}", partitions=MOCK_PARTITIONS, mock=True
        )
        for topic in Topic:
            self.producer.list_topics(topic.value, timeout=5)

    def close(self) -> None:
        """End the cluster: it dies with its owner."""
        del self.producer

    def decoded(self, enough: Callable[[list[LogMessage]], bool]) -> list[LogMessage]:
        """All messages of `site-log`, decoded."""
        return [log_message(one) for one in self.read(
            Topic.SITE_LOG, lambda found: enough([log_message(one) for one in found])
        )]

    def read(
        self, topic: Topic, enough: Callable[[list[Message]], bool], limit_s: float = LIMIT_S
    ) -> list[Message]:
        """All messages of `topic` from its beginning, as soon as `enough` says so; else the test fails."""
        consumer = Consumer({
            "bootstrap.servers": self.kafka.bootstrap, "group.id": "test", "fetch.wait.max.ms": 50,
            "log_level": 2,
        })
        consumer.assign([TopicPartition(topic.value, number, 0) for number in range(MOCK_PARTITIONS)])
        found: list[Message] = []
        until_s = time.monotonic() + limit_s
        try:
            while not enough(found):
                assert time.monotonic() < until_s, f"{len(found)} messages in {topic} are not enough"
                found += [one for one in consumer.consume(500, timeout=0.1) if one.error() is None]
        finally:
            consumer.close()
        return found


def nowhere() -> KafkaSettings:
    """Settings of a broker that is not there."""
    return KafkaSettings(bootstrap=f"127.0.0.1:{free_port()}", partitions=MOCK_PARTITIONS, mock=True)


def headers(message: Message) -> Headers:
    """The headers of a message."""
    return cast("Headers", message.headers())


def log_message(message: Message) -> LogMessage:
    """A message of `site-log`, decoded."""
    return decode_log(headers(message), message.value())


@pytest.fixture
def broker() -> MockBroker:
    """A fresh broker."""
    return MockBroker()
