# SPDX-License-Identifier: Apache-2.0
"""Refused messages as dead letters: reason and place, never a payload."""

from confluent_kafka import KafkaError, KafkaException, Producer
from confluent_kafka import Message as KafkaMessage

from schemas.errors import TransientError
from schemas.letter import Letter, encode_letter, letter_headers, message_letter
from schemas.log import Topic
from streams.kafka_client import connection
from streams.settings import KafkaSettings
from streams.writer.rows import Message

SOURCE = "writer"
FLUSH_LIMIT_S = 15.0
ADVICE = "skipped; is a newer worker writing than this writer can read?"


class DeadLetters:
    """Letters that wait for the broker's word; the offset moves on only after it.

    Parameters
    ----------
    settings : KafkaSettings
    flush_limit_s : float
        How long `flush` waits for the broker.
    """

    def __init__(self, settings: KafkaSettings, flush_limit_s: float = FLUSH_LIMIT_S) -> None:
        self._flush_limit_s = flush_limit_s
        self.producer = Producer({
            **connection(settings),
            "client.id": "drukte-writer",
            "log_level": 2,  # what fails is told by `flush`
            "acks": "all",
            "message.timeout.ms": round(flush_limit_s * 1000),
        })
        self._waiting: dict[tuple[str, int, int], Letter] = {}

    def add(self, message: Message, reason: str) -> None:
        """Put a refused message on the list."""
        place = (message.topic, message.partition, message.offset)
        self._waiting[place] = message_letter(reason, ADVICE, SOURCE, place, len(message.value), message.at_us)

    def flush(self) -> None:
        """Send the list; raises `TransientError` and keeps what the broker has not acknowledged."""
        if not self._waiting:
            return
        try:
            for place, letter in list(self._waiting.items()):
                self._produce(place, letter)
        except (KafkaException, BufferError) as error:
            raise TransientError(f"{Topic.DEAD_LETTERS}: {error}") from None
        finally:
            self.producer.flush(self._flush_limit_s)
        if self._waiting:
            raise TransientError(f"{Topic.DEAD_LETTERS}: {len(self._waiting)} not acknowledged; is it there?")

    def _produce(self, place: tuple[str, int, int], letter: Letter) -> None:
        topic, partition, offset = place
        headers = letter_headers(f"urn:drukte:{SOURCE}", f"{topic}/{partition}/{offset}", letter)

        def settle(error: KafkaError | None, _: KafkaMessage) -> None:
            if error is None:
                self._waiting.pop(place, None)

        self.producer.produce(
            Topic.DEAD_LETTERS, encode_letter(letter), key=topic.encode(), headers=list(headers),
            on_delivery=settle,
        )
