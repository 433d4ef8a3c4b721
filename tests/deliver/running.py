# SPDX-License-Identifier: Apache-2.0
"""Deliver in a thread, and what goes into and comes out of its topics."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confluent_kafka import Producer

from schemas.alert import Transition, encode_transition
from schemas.delivery import Outcome
from schemas.log import Headers, Topic
from streams.deliver.dispatch import deliveries
from streams.deliver.log import TopicReader
from streams.deliver.run import run_deliver
from streams.settings import ClockSettings, DeliverSettings, KafkaSettings, Settings, WebhookSettings
from tests.cities import small_city
from tests.deliver.receiver import SECRET
from tests.services.process import wait_until
from tests.services.threads import in_thread
from tests.writer.samples import alert_headers

LIMIT_S = 60.0
Outcomes = dict[tuple[str, str, int], Outcome]


def webhook(name: str, url: str, secret: str = SECRET) -> WebhookSettings:
    """A receiver of the settings."""
    return WebhookSettings(name=name, url=url, secret=secret)


def quick(**changes: Any) -> DeliverSettings:
    """Settings whose waits a test can bear."""
    given: dict[str, Any] = {
        "first_delay_s": 0.02, "longest_delay_s": 0.05, "resend_s": 0.2, "connect_s": 2.0, "read_s": 2.0
    }
    return DeliverSettings(**(given | changes))


class Alerts:
    """Sends transitions to `alerts`, all of a site to one partition, as the worker does."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._producer = Producer({"bootstrap.servers": kafka.bootstrap, "linger.ms": 0, "log_level": 2})

    def send(self, *found: Transition, at_ms: int = 0) -> None:
        """Send and wait for the broker; `at_ms` sets the stamp where the topic leaves it to the sender."""
        for one in found:
            self.send_raw(encode_transition(one), alert_headers(), at_ms)

    def send_raw(self, value: bytes, headers: Headers, at_ms: int = 0) -> None:
        """Send any message."""
        failed: list[object] = []
        self._producer.produce(
            Topic.ALERTS, value, key=b"centrum", headers=list(headers), timestamp=at_ms,
            on_delivery=lambda error, _: failed.append(error) if error else None,
        )
        assert self._producer.flush(LIMIT_S) == 0
        assert not failed, failed


def recorded(kafka: KafkaSettings) -> Outcomes:
    """What `deliveries` says; each identity once, else the test fails."""
    reader = TopicReader(kafka, Topic.DELIVERIES)
    try:
        found = deliveries(reader.read_to_end(lambda: False))
    finally:
        reader.close()
    outcomes = {(one.receiver, one.alert_id, one.seq): one.outcome for one in found}
    assert len(outcomes) == len(found)
    return outcomes


def wait_recorded(kafka: KafkaSettings, wanted: Outcomes) -> None:
    """Until `deliveries` says exactly this."""
    found: list[Outcomes] = [{}]

    def same() -> bool:
        found[0] = recorded(kafka)
        return found[0] == wanted

    try:
        wait_until(same, LIMIT_S, "deliveries are as wanted")
    except Exception as error:
        error.add_note(f"found {found[0]}\nwanted {wanted}")
        raise


@contextmanager
def running(
    kafka: KafkaSettings, deliver: DeliverSettings, clock: ClockSettings | None = None
) -> Iterator[threading.Thread]:
    """Deliver, until the block ends; its failure is the test's."""
    settings = Settings(city=Path("unused.toml"), kafka=kafka, deliver=deliver, clock=clock or ClockSettings())
    with in_thread(lambda stop: run_deliver(settings, small_city(), stop), LIMIT_S) as thread:
        yield thread
