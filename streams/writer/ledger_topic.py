# SPDX-License-Identifier: Apache-2.0
"""The topic `ledger`: appended to with the broker's word, read in pieces, since it is kept for ever."""

import time
from collections.abc import Iterator, Sequence

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from schemas.errors import FatalError, RefusedError, TransientError
from schemas.ledger import Intent, Released, decode_ledger, encode_ledger
from schemas.log import Topic
from streams.kafka_client import connection
from streams.settings import KafkaSettings

SOURCE = "urn:drukte:writer"
PARTITION = 0
"""The topic has one: what was released after what is told by its order."""
LIMIT_S = 15.0
PIECE_RECORDS = 1_000

Record = Intent | Released


class LedgerTopic:
    """One writer's way to the topic.

    Parameters
    ----------
    settings : KafkaSettings
    limit_s : float
        How long the broker may be silent.
    """

    def __init__(self, settings: KafkaSettings, limit_s: float = LIMIT_S) -> None:
        self._settings = settings
        self._limit_s = limit_s
        self._producer = Producer({
            **connection(settings),
            "client.id": "drukte-writer-ledger",
            "log_level": 2,  # what fails is told by `append`
            "acks": "all",
            "enable.idempotence": not settings.mock,
            "linger.ms": 0,
            "message.timeout.ms": round(limit_s * 1000),
        })

    def append(self, records: Sequence[Record]) -> None:
        """Append in this order and wait until the broker has all.

        Raises
        ------
        TransientError
            It does not; some may be there, and appending them again does no harm.
        """
        lacking = len(records)

        def settle(error: KafkaError | None, _: Message) -> None:
            nonlocal lacking
            if error is None:
                lacking -= 1

        try:
            for record in records:
                headers, value = encode_ledger(SOURCE, record)
                self._producer.produce(
                    Topic.LEDGER, value, key=record.batch_key.encode(), partition=PARTITION, headers=list(headers),
                    on_delivery=settle,
                )
        except (KafkaException, BufferError) as error:
            raise TransientError(f"{Topic.LEDGER}: {error}") from None
        finally:
            # A little longer than the messages live: none may arrive after it was given up.
            self._producer.flush(self._limit_s + 5)
        if lacking:
            raise TransientError(f"{Topic.LEDGER}: {lacking} records not acknowledged; is the topic there?")

    def limits(self) -> tuple[int, int]:
        """First and next offset; raises `TransientError` where the topic cannot be read."""
        reader = self._consumer()
        try:
            if self._settings.mock:
                self._producer.list_topics(Topic.LEDGER, timeout=self._limit_s)  # the mock makes it now
            about = reader.list_topics(Topic.LEDGER, timeout=self._limit_s).topics[Topic.LEDGER]
            if about.error is not None:
                raise TransientError(f"topic {Topic.LEDGER}: {about.error.name()}; is it made yet?")
            limits: tuple[int, int] | None = reader.get_watermark_offsets(
                TopicPartition(Topic.LEDGER, PARTITION), timeout=self._limit_s
            )
        except KafkaException as error:
            raise TransientError(f"{Topic.LEDGER}: {error.args[0].str()}") from None
        finally:
            reader.close()
        if limits is None:
            raise TransientError(f"{Topic.LEDGER}: no answer about its offsets")
        return limits

    def read(self, first: int, end: int) -> Iterator[list[Record]]:
        """Records from offset `first` to before `end`, `PIECE_RECORDS` at a time.

        Raises
        ------
        TransientError
            The broker is silent.
        FatalError
            A record cannot be read, or a row is not what its hash says.
        """
        reader = self._consumer()
        try:
            reader.assign([TopicPartition(Topic.LEDGER, PARTITION, first)])
            following, heard_s = first, time.monotonic()
            while following < end:
                polled = reader.consume(PIECE_RECORDS, 0.2)
                good = [one for one in polled if one.error() is None]
                if good:
                    following, heard_s = (good[-1].offset() or 0) + 1, time.monotonic()
                    yield [_decoded(one) for one in good if (one.offset() or 0) < end]
                elif time.monotonic() - heard_s > self._limit_s:
                    raise TransientError(f"{Topic.LEDGER}: silent at offset {following}, {end} is its end")
        finally:
            reader.close()

    def _consumer(self) -> Consumer:
        return Consumer({
            **connection(self._settings),
            "client.id": "drukte-writer-ledger",
            "group.id": "drukte-writer-ledger",  # the library asks for one; it is never joined
            "enable.auto.commit": False,
            "enable.auto.offset.store": False,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 100,
            "queued.max.messages.kbytes": 4_096,
            "log_level": 2,
            "error_cb": lambda _: None,  # silence is told by `read`
        })


def _decoded(message: Message) -> Record:
    try:
        return decode_ledger(message.headers(), message.value())  # type: ignore[arg-type]  # a list, when it is read
    except RefusedError as error:
        # Going past it could mean drawing noise twice.
        raise FatalError(
            f"{Topic.LEDGER}[{PARTITION}]@{message.offset()}: {error}. Nothing is released until a person has looked"
        ) from None
