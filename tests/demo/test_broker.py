# SPDX-License-Identifier: Apache-2.0
"""The embedded broker has its topics and carries messages."""

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from schemas.log import Topic
from streams.demo.broker import embedded_broker
from streams.topics import MOCK_PARTITIONS


def test_it_has_the_topics_and_carries_messages() -> None:
    with embedded_broker(topic.value for topic in Topic) as bootstrap:
        assert bootstrap.startswith("127.0.0.1:")
        topics = AdminClient({"bootstrap.servers": bootstrap}).list_topics(timeout=10).topics
        assert {name: len(topic.partitions) for name, topic in topics.items()} == dict.fromkeys(
            (topic.value for topic in Topic), MOCK_PARTITIONS
        )
        producer = Producer({"bootstrap.servers": bootstrap})
        producer.produce(Topic.LIVE.value, b"row", partition=1)
        assert producer.flush(10) == 0
        consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "test"})
        consumer.assign([TopicPartition(Topic.LIVE.value, 1, 0)])
        message = consumer.poll(10)
        consumer.close()
        assert message is not None
        assert message.value() == b"row"


def test_two_at_once_are_apart() -> None:
    with embedded_broker(["one"]) as first, embedded_broker(["two"]) as second:
        assert first != second
        assert set(AdminClient({"bootstrap.servers": second}).list_topics(timeout=10).topics) == {"two"}
