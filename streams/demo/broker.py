# SPDX-License-Identifier: Apache-2.0
"""The demo's broker: librdkafka's mock cluster, in this process, on loopback. It forgets everything."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from confluent_kafka import KafkaException, Producer

from schemas.errors import FatalError

METADATA_TIMEOUT_S = 10.0


@contextmanager
def embedded_broker(topics: Iterable[str]) -> Iterator[str]:
    """Run a mock cluster with the given topics; gives `host:port`.

    The cluster lives as long as the producer that owns it, and dies with this process whatever happens.

    Raises
    ------
    FatalError
        It does not come up.
    """
    # Log level: the cluster announces itself in a line of its own, which the terminal view has no room for.
    owner = Producer({"test.mock.num.brokers": 1, "client.id": "drukte-demo", "log_level": 4})
    try:
        for topic in topics:
            # A producer's metadata request creates the topic: the cluster knows no other way.
            owner.list_topics(topic, timeout=METADATA_TIMEOUT_S)
        brokers = owner.list_topics(timeout=METADATA_TIMEOUT_S).brokers
    except KafkaException as error:
        text = f"the embedded broker does not answer ({error}); is loopback traffic allowed on this machine?"
        raise FatalError(text) from None
    try:
        yield ",".join(f"{broker.host}:{broker.port}" for broker in brokers.values())
    finally:
        owner.flush(1.0)
        del owner
