# SPDX-License-Identifier: Apache-2.0
"""Purging a sensor: the command goes to the partition of the sensor's site, and the fold's answer is awaited."""

import time
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from schemas.city import City
from schemas.command import PurgeSensor
from schemas.errors import RefusedError, TransientError
from schemas.health import PURGED_TYPE, decode_purged
from schemas.ids import IdKind
from schemas.log import Kind, LogMessage, Topic, encode_log, event_type
from schemas.refusal import Reason
from streams.acknowledged_sender import AcknowledgedSender
from streams.clock import now_us
from streams.core.layout import partition_of_sensor
from streams.kafka_client import connection, headers_of
from streams.settings import KafkaSettings, Settings

DELIVERY_S = 20.0
OUTCOME_S = 2.0
"""How long the fold's answer is waited for."""
METADATA_S = 5.0
SOURCE = "data-engineer"


@dataclass(frozen=True, slots=True)
class Purge:
    """What became of a purge: it is in `partition` of the log; `done` = the fold has said that it forgot the sensor."""

    partition: int
    done: bool


def purge_sensor(settings: Settings, city: City, key: str, outcome_s: float = OUTCOME_S) -> Purge:
    """Append the purge of a sensor to the log and wait a moment for its outcome. Blocks.

    A sensor that was purged before is not purged again: the fold says nothing then, and `done` stays false.

    Raises
    ------
    RefusedError
        `unknown-sensor`: the city file has none of this key. Road sensors are public and cannot be purged.
    TransientError
        The broker did not acknowledge it. Doing it again does no harm.
    """
    if key not in city.file.sensors:
        raise RefusedError(Reason.UNKNOWN_SENSOR, f"the city file has no sensor {key!r}; roads are never purged")
    number = city.ids[IdKind.SENSOR][key]
    partition = int(partition_of_sensor(city, settings.kafka.partitions)[number])
    answers = _Answers(settings.kafka, partition)
    try:
        _append(settings, city, key, partition)
        return Purge(partition, answers.wait(key, outcome_s))
    finally:
        answers.close()


class _Answers:
    """The end of one partition of `live`, from now on; joins no group."""

    def __init__(self, kafka: KafkaSettings, partition: int) -> None:
        self._consumer = Consumer({
            **connection(kafka), "client.id": "drukte-purge", "group.id": "drukte-purge", "enable.auto.commit": False,
            "auto.offset.reset": "latest", "fetch.wait.max.ms": 50, "log_level": 2, "error_cb": lambda _: None,
        })
        try:
            end = self._end(partition)
        except BaseException:
            self._consumer.close()
            raise
        self._consumer.assign([TopicPartition(Topic.LIVE.value, partition, end)])

    def _end(self, partition: int) -> int:
        try:
            limits = self._consumer.get_watermark_offsets(
                TopicPartition(Topic.LIVE.value, partition), timeout=METADATA_S)
        except KafkaException as error:
            raise TransientError(f"{Topic.LIVE}[{partition}]: {error.args[0].str()}; is the broker running?") from None
        if limits is None:
            raise TransientError(f"{Topic.LIVE}[{partition}]: no answer about its offsets; is the broker running?")
        return limits[1]

    def wait(self, key: str, limit_s: float) -> bool:
        """Whether the fold says within the limit that it forgot the sensor."""
        until_s = time.monotonic() + limit_s
        while (left_s := until_s - time.monotonic()) > 0:
            message = self._consumer.poll(min(left_s, 0.2))
            if message is not None and message.error() is None and _tells(message, key):
                return True
        return False

    def close(self) -> None:
        """Leave the broker."""
        self._consumer.close()


def _tells(message: Message, key: str) -> bool:
    return event_type(headers_of(message)) == PURGED_TYPE and decode_purged(message.value() or b"").sensor == key


def _append(settings: Settings, city: City, key: str, partition: int) -> None:
    at_us = now_us(settings.clock)
    message = LogMessage(Kind.COMMAND, at_us, settings.clock.kind, city.version, SOURCE, f"purge/{key}/{at_us}",
                         command=PurgeSensor(sensor=key))
    headers, value = encode_log(message)
    sender = AcknowledgedSender(settings.kafka, DELIVERY_S)
    sender.queue(Topic.SITE_LOG, partition, value, headers)
    sender.flush()
