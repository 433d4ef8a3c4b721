# SPDX-License-Identifier: Apache-2.0
"""Fixture `kafka_bootstrap`: a real broker for the run, started once."""

import os
from collections.abc import Callable, Collection, Iterator

import pytest
from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from tests.services.cache import kafka_dir
from tests.services.containers import KAFKA_IMAGE, KafkaContainer, image_present
from tests.services.kafka import KafkaServer
from tests.services.missing import give_up
from tests.services.process import wait_until

MakeTopics = Callable[..., None]
TOPIC_LIMIT_S = 30.0


@pytest.fixture(scope="session")
def kafka_bootstrap(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """`host:port` of a real broker: of `DRUKTE_TEST_KAFKA`, a container, or one started natively."""
    if address := os.environ.get("DRUKTE_TEST_KAFKA"):
        yield address
    elif image_present(KAFKA_IMAGE):
        container = KafkaContainer()
        try:
            container.start()
            yield container.bootstrap
        finally:
            container.remove()
    elif kafka_dir().is_dir():
        server = KafkaServer(kafka_dir(), tmp_path_factory.mktemp("kafka"))
        try:
            server.start()
            yield server.bootstrap
        finally:
            server.stop()
    else:
        give_up("Kafka")


class _Topics:
    """Makes and deletes topics. The controller does it at once; the broker that is asked learns of it later."""

    def __init__(self, bootstrap: str) -> None:
        self._client = AdminClient({"bootstrap.servers": bootstrap})
        self._made: set[str] = set()

    def _partitions(self) -> dict[str, int]:
        return {name: len(topic.partitions) for name, topic in self._client.list_topics(timeout=30).topics.items()}

    def delete(self, names: Collection[str]) -> None:
        for done in self._client.delete_topics(list(names), operation_timeout=30).values() if names else ():
            try:
                done.result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise
        wait_until(lambda: not self._partitions().keys() & set(names), TOPIC_LIMIT_S, f"{names} are gone")

    def make(self, *names: str, partitions: int = 1, settings: dict[str, str] | None = None) -> None:
        self.delete(names)
        topics = [NewTopic(name, partitions, 1, config=settings or {}) for name in names]
        for done in self._client.create_topics(topics, operation_timeout=30).values():
            done.result()
        self._made |= set(names)
        wanted = dict.fromkeys(names, partitions)
        wait_until(lambda: wanted.items() <= self._partitions().items(), TOPIC_LIMIT_S, f"{names} are there")

    def delete_made(self) -> None:
        self.delete(self._made)


@pytest.fixture
def make_topics(kafka_bootstrap: str) -> Iterator[MakeTopics]:
    """`make_topics(name, ..., partitions=1, settings=None)`: topics anew, deleted when the test ends."""
    topics = _Topics(kafka_bootstrap)
    yield topics.make
    topics.delete_made()
