# SPDX-License-Identifier: Apache-2.0
"""A dead letter is kept until the broker has it, so that no offset passes a message that nobody knows of."""

import pytest
from confluent_kafka import Producer

from schemas.errors import TransientError
from schemas.refusal import Reason
from streams.settings import KafkaSettings
from streams.writer.dead_letters import DeadLetters
from tests.writer.samples import alert_message, transition


def test_without_a_broker_the_letter_waits() -> None:
    letters = DeadLetters(KafkaSettings(bootstrap="127.0.0.1:1"), flush_limit_s=0.2)
    letters.flush()
    letters.add(alert_message(transition()), Reason.MALFORMED)
    for _ in range(2):
        with pytest.raises(TransientError, match="1 not acknowledged"):
            letters.flush()


def test_what_the_broker_has_is_not_sent_again() -> None:
    owner = Producer({"test.mock.num.brokers": 1})
    [broker] = owner.list_topics(timeout=10).brokers.values()
    letters = DeadLetters(KafkaSettings(bootstrap=f"{broker.host}:{broker.port}", mock=True))
    letters.add(alert_message(transition()), Reason.MALFORMED)
    letters.flush()
    del owner  # the cluster ends with it: a second sending would fail
    letters.flush()
