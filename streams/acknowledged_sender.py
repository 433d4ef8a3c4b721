# SPDX-License-Identifier: Apache-2.0
"""Messages of a command on their way to topics: the broker has all of them, or the command is to be given again."""

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.errors import TransientError
from schemas.log import Headers, Topic
from streams.kafka_client import connection
from streams.settings import KafkaSettings
from streams.topics import MESSAGE_BYTES

DELIVERY_S = 30.0


class AcknowledgedSender:
    """A producer that says whether all was taken; for messages that may be sent again without harm.

    Parameters
    ----------
    kafka : KafkaSettings
    delivery_s : float
        How long the broker may take.
    """

    def __init__(self, kafka: KafkaSettings, delivery_s: float = DELIVERY_S) -> None:
        self._bootstrap = kafka.bootstrap
        self._delivery_s = delivery_s
        self._failed: list[str] = []
        self._producer = Producer({
            **connection(kafka), "acks": "all", "enable.idempotence": not kafka.mock,
            "allow.auto.create.topics": kafka.mock, "message.max.bytes": MESSAGE_BYTES,
            "message.timeout.ms": round(delivery_s * 1000), "log_level": 2,
        })

    def queue(self, topic: Topic, partition: int, value: bytes, headers: Headers, key: bytes | None = None) -> None:
        """Send a message soon; raises as `flush`."""
        try:
            self._producer.produce(
                topic.value, value, key, partition, on_delivery=self._delivered, headers=list(headers))
        except KafkaException as error:
            raise self._away(error.args[0].name()) from None
        except BufferError:
            raise self._away("too many messages wait") from None
        self._producer.poll(0)

    def flush(self) -> None:
        """Wait until the broker has all of it.

        Raises
        ------
        TransientError
            It did not take all of it, or does not answer.
        """
        left = self._producer.flush(self._delivery_s + 1)
        if left or self._failed:
            raise self._away(self._failed[0] if self._failed else "no answer")

    def _delivered(self, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            self._failed.append(error.name())

    def _away(self, what: str) -> TransientError:
        return TransientError(
            f"broker {self._bootstrap} did not take all of it ({what}); do the same again, which mends it")
