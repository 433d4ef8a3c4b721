# SPDX-License-Identifier: Apache-2.0
"""Sending with the broker's word, and what its errors mean: to be waited for, or past mending."""

import pytest
from confluent_kafka import KafkaError

from schemas.errors import FatalError, TransientError
from schemas.log import Topic
from streams.acknowledged_sender import AcknowledgedSender
from streams.kafka_client import told_apart
from streams.settings import KafkaSettings
from tests.gateway.mock_broker import MockBroker, nowhere


def test_what_was_flushed_is_on_the_topic(broker: MockBroker) -> None:
    sender = AcknowledgedSender(broker.kafka)
    sender.queue(Topic.SITE_LOG, 1, b"value", [("name", b"text")])
    sender.flush()
    [message] = broker.read(Topic.SITE_LOG, bool)
    assert (message.partition(), message.value()) == (1, b"value")


def test_a_broker_that_is_away_is_named_with_what_to_do() -> None:
    kafka = nowhere()
    sender = AcknowledgedSender(kafka, 0.1)
    sender.queue(Topic.SITE_LOG, 0, b"value", [])
    with pytest.raises(TransientError, match=rf"{kafka.bootstrap} did not take all of it .*; do the same again"):
        sender.flush()


@pytest.mark.parametrize(("code", "kind"), [
    (KafkaError.SASL_AUTHENTICATION_FAILED, FatalError), (KafkaError.TOPIC_AUTHORIZATION_FAILED, FatalError),
    (KafkaError.LEADER_NOT_AVAILABLE, TransientError),
])
def test_only_a_broker_that_does_not_let_us_in_is_past_mending(code: int, kind: type[Exception]) -> None:
    told = told_apart(KafkaSettings(bootstrap="broker.example:9092"), KafkaError(code))
    assert type(told) is kind
    assert "broker broker.example:9092" in str(told)
