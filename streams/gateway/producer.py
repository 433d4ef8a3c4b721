# SPDX-License-Identifier: Apache-2.0
"""The Kafka producer of the gateway: one future per message, resolved by the broker's acknowledgement."""

import asyncio
import logging
import threading
import time
from dataclasses import dataclass

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.errors import FatalError, TransientError
from schemas.log import Headers, Topic
from streams.kafka_client import connection
from streams.settings import KafkaSettings
from streams.topics import MESSAGE_BYTES

QUEUE_KIB = 65_536
"""Most memory for messages that wait for the broker, in KiB."""
DELIVERY_S = 10.0
"""A message that the broker has not acknowledged by then counts as not delivered."""
POLL_S = 0.1
COMPLAINT_S = 10.0
"""The same trouble with the broker is logged at most so often."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Waiting:
    loop: asyncio.AbstractEventLoop
    delivered: asyncio.Future[None]

    def settle(self, error: KafkaError | None, _: Message) -> None:
        """Called by librdkafka in the poll thread."""
        failure = None if error is None else TransientError(f"the broker did not take it ({error.name()})")
        try:
            self.loop.call_soon_threadsafe(self._resolve, failure)
        except RuntimeError:  # the loop was closed meanwhile: nobody waits any more
            return

    def _resolve(self, failure: TransientError | None) -> None:
        if self.delivered.done():
            return
        if failure is None:
            self.delivered.set_result(None)
        else:
            self.delivered.set_exception(failure)


class LogProducer:
    """A producer with bounded memory, bound to the event loop that it is made in.

    Parameters
    ----------
    kafka : KafkaSettings
    delivery_s : float
        How long a message may wait for its acknowledgement.
    """

    def __init__(self, kafka: KafkaSettings, delivery_s: float = DELIVERY_S) -> None:
        self._loop = asyncio.get_running_loop()
        self._complained_at = -COMPLAINT_S
        self._stopping = threading.Event()
        self._producer = Producer({
            **connection(kafka),
            "acks": "all",
            # The mock cluster knows idempotence only in part.
            "enable.idempotence": not kafka.mock,
            # Topics are made as planned before anything is sent; the broker must not make others by itself.
            "allow.auto.create.topics": kafka.mock,
            "linger.ms": 5,
            "compression.type": "lz4",
            "message.max.bytes": MESSAGE_BYTES,
            "message.timeout.ms": round(delivery_s * 1000),
            "queue.buffering.max.kbytes": QUEUE_KIB,
            "reconnect.backoff.max.ms": 2_000,
            "error_cb": self._on_error,
            "log_level": 2,
        }, logger=logging.getLogger("librdkafka"))
        self._thread = threading.Thread(target=self._poll, name="producer-poll", daemon=True)
        self._thread.start()

    def send(
        self, topic: Topic, value: bytes, headers: Headers, *, partition: int = -1, key: bytes | None = None
    ) -> asyncio.Future[None]:
        """Queue one message; the future is done when the broker has it, or fails with `TransientError`.

        Messages of one partition are delivered in the order of the calls.

        Raises
        ------
        TransientError
            The queue is full: the broker is away or too slow.
        FatalError
            The message cannot be sent at all.
        """
        waiting = _Waiting(self._loop, self._loop.create_future())
        try:
            self._producer.produce(
                topic.value, value, key, partition, on_delivery=waiting.settle, headers=list(headers)
            )
        except BufferError:
            raise TransientError("the queue to the broker is full") from None
        except KafkaException as error:
            text = f"a message for {topic}[{partition}] cannot be sent: {error.args[0].name()}"
            raise FatalError(text) from None
        return waiting.delivered

    def __len__(self) -> int:
        """Messages that wait for the broker."""
        return len(self._producer)

    def close(self, timeout_s: float) -> int:
        """Deliver what is queued, for at most `timeout_s`; how many messages were given up. Blocks."""
        left: int = self._producer.flush(timeout_s)
        self._producer.purge()
        self._stopping.set()
        self._thread.join(2 * POLL_S + timeout_s)
        return left

    def _poll(self) -> None:
        while not self._stopping.is_set():
            self._producer.poll(POLL_S)

    def _on_error(self, error: KafkaError) -> None:
        now = time.monotonic()
        if now - self._complained_at >= COMPLAINT_S:
            self._complained_at = now
            log.warning("broker trouble", error=error.name(), do="is the broker running? see kafka.bootstrap")
