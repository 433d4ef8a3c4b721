# SPDX-License-Identifier: Apache-2.0
"""Purging a sensor: the command goes into the log, to the partition that holds the sensor's site."""

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from schemas.city import City
from schemas.command import PurgeSensor
from schemas.errors import RefusedError, TransientError
from schemas.ids import IdKind
from schemas.log import Kind, LogMessage, Topic, encode_log
from schemas.refusal import Reason
from streams.clock import now_us
from streams.core.layout import partition_of_sensor
from streams.kafka_client import connection
from streams.settings import Settings

DELIVERY_S = 20.0
SOURCE = "data-engineer"


def purge_sensor(settings: Settings, city: City, key: str) -> int:
    """Append the purge of a sensor to the log; the partition that got it.

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
    at_us = now_us(settings.clock)
    message = LogMessage(Kind.COMMAND, at_us, settings.clock.kind, city.version, SOURCE, f"purge/{key}/{at_us}",
                         command=PurgeSensor(sensor=key))
    headers, value = encode_log(message)
    failed: list[KafkaError | None] = []

    def settle(error: KafkaError | None, _: Message) -> None:
        failed.append(error)

    producer = Producer({**connection(settings.kafka), "acks": "all", "log_level": 2,
                         "message.timeout.ms": round(DELIVERY_S * 1000)})
    try:
        producer.produce(Topic.SITE_LOG.value, value, partition=partition, headers=list(headers), on_delivery=settle)
        producer.flush(DELIVERY_S + 5)
    except (KafkaException, BufferError) as error:
        raise TransientError(f"{Topic.SITE_LOG}[{partition}]: {error}") from None
    if failed != [None]:
        raise TransientError(f"{Topic.SITE_LOG}[{partition}]: the purge was not acknowledged; give the command again")
    return partition
