# SPDX-License-Identifier: Apache-2.0
"""Partitions that were made a moment ago have no leader yet: who asks for their offsets waits for one."""

import pytest
from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from streams.kafka_client import offset_limits

pytestmark = pytest.mark.real
PARTITIONS, ROUNDS = 60, 5
LIMIT_S = 60.0


def test_offsets_of_topics_that_were_just_made(kafka_bootstrap: str) -> None:
    client = AdminClient({"bootstrap.servers": kafka_bootstrap, "log_level": 2})
    consumer = Consumer({"bootstrap.servers": kafka_bootstrap, "group.id": "test-leaders", "log_level": 2})
    names: list[str] = []
    try:
        for number in range(ROUNDS):
            name = f"test-leaders-{number}"
            client.create_topics([NewTopic(name, PARTITIONS, 1)])[name].result()
            names.append(name)
            assert offset_limits(consumer, TopicPartition(name, PARTITIONS - 1), LIMIT_S) == (0, 0)
        with pytest.raises(KafkaException):
            offset_limits(consumer, TopicPartition(names[0], PARTITIONS), 1.0)
    finally:
        consumer.close()
        for done in client.delete_topics(names).values():
            done.result()
