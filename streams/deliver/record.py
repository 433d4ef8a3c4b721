# SPDX-License-Identifier: Apache-2.0
"""Deliveries to their topic."""

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.delivery import DELIVERY_TYPE, Delivery, encode_delivery
from schemas.errors import FatalError
from schemas.log import JSON, Topic, event_headers
from streams.kafka_client import connection
from streams.settings import KafkaSettings

SOURCE = "urn:drukte:deliver"


class Recorder:
    """Writes deliveries; while the broker is away they wait in memory.

    Parameters
    ----------
    kafka : KafkaSettings
    """

    def __init__(self, kafka: KafkaSettings) -> None:
        self._lost = ""
        self._producer = Producer({
            **connection(kafka),
            "client.id": "drukte-deliver",
            "acks": "all",
            # The mock cluster knows idempotence only in part.
            "enable.idempotence": not kafka.mock,
            "allow.auto.create.topics": kafka.mock,
            "linger.ms": 0,
            "message.timeout.ms": 0,  # never given up: what is not recorded is told again after a restart
            "log_level": 2,
        })

    def record(self, delivery: Delivery) -> None:
        """Send one record.

        Raises
        ------
        FatalError
            It cannot be kept: so many wait that the broker must have been away for long, or it refuses.
        """
        name = f"{delivery.receiver}/{delivery.alert_id}/{delivery.seq}"
        headers = event_headers(DELIVERY_TYPE, SOURCE, name, JSON, delivery.done_at_us)
        try:
            self._producer.produce(
                Topic.DELIVERIES.value, encode_delivery(delivery), key=delivery.site.encode(),
                headers=list(headers), on_delivery=self._settle,
            )
        except (BufferError, KafkaException) as error:
            raise FatalError(f"{Topic.DELIVERIES}: a record cannot be kept ({type(error).__name__})") from None
        self.poll()

    def poll(self) -> None:
        """Hear what the broker says about earlier records; raises `FatalError` when it refused one."""
        self._producer.poll(0)
        if self._lost:
            raise FatalError(f"{Topic.DELIVERIES}: the broker refused a record ({self._lost}); mend the topic")

    def __len__(self) -> int:
        """Records that wait for the broker."""
        return len(self._producer)

    def close(self, limit_s: float) -> int:
        """Wait for the broker, at most `limit_s`; how many records it has not taken. Blocks."""
        left: int = self._producer.flush(limit_s)
        return left

    def _settle(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._lost = error.name()
