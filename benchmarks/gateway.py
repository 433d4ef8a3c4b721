# SPDX-License-Identifier: Apache-2.0
"""Gateway: one JSON reading a message from `edge` into the log, beside a loop that only decodes and sums."""

import time
from itertools import islice

import msgspec
import numpy as np
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic

from benchmarks.city import SOURCE, camera_city
from benchmarks.feed import native_readings
from benchmarks.figure import Figure
from benchmarks.process import Note
from benchmarks.stage import Stage, delete_topics, gateway_settings, produce, quick_producer
from schemas.feeds.native_reading import RawReading
from tests.services.process import wait_until

GOAL = 400_000.0
PLAIN_WHERE_GOALS_WERE_SET = 725_000.0
"""Such a loop there, DESIGN 12: how much slower this machine is than the goals suppose."""
EDGE, EDGE_PARTITIONS = "bench-edge", 4
ZONES, SITES, PARTITIONS = 500, 4, 4
READ_MESSAGES = 10_000


def run(stage: Stage, *, short: bool) -> list[Figure]:
    """Readings per second of CPU and of the wall."""
    readings = 50_000 if short else 1_500_000
    make_topic(stage.bootstrap, EDGE, EDGE_PARTITIONS)
    stage.say(f"gateway: writing {readings:,} readings to the edge")
    fill_edge(stage.bootstrap, readings)
    deployment = stage.deployment("gateway", camera_city(ZONES, SITES), PARTITIONS, gateway_settings(SOURCE, EDGE))
    stage.say("gateway: reading them")
    with deployment.program("gateway", expected=readings) as gateway:
        notes = gateway.wait_noted()
    stage.say("gateway: the plain loop")
    plain_cpu_s, plain_wall_s = plain_loop(stage.bootstrap, readings)
    delete_topics(stage.bootstrap, [EDGE])
    return speeds(readings, notes["first"], notes["last"], plain_cpu_s, plain_wall_s)


def make_topic(bootstrap: str, topic: str, partitions: int) -> None:
    """Make a topic anew."""
    delete_topics(bootstrap, [topic])
    client = AdminClient({"bootstrap.servers": bootstrap})
    for made in client.create_topics([NewTopic(topic, partitions, 1)], operation_timeout=30).values():
        made.result()
    wait_until(lambda: topic in client.list_topics(timeout=10).topics, 30, f"{topic} is there")


def fill_edge(bootstrap: str, readings: int) -> None:
    """Write native JSON readings, a zone's always to one partition."""
    producer = quick_producer(bootstrap)
    for zone, value in islice(native_readings(ZONES, -(-readings // ZONES)), readings):
        produce(producer, EDGE, value, zone % EDGE_PARTITIONS)
    producer.flush(60)


def plain_loop(bootstrap: str, readings: int) -> tuple[float, float]:
    """Read and decode the same messages and sum their values: no guarantees, no checks, nothing sent.

    Returns
    -------
    tuple of float
        CPU seconds and seconds, from the first messages on.
    """
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench-plain", "enable.auto.commit": False,
                         "fetch.wait.max.ms": 50, "fetch.queue.backoff.ms": 10})
    consumer.assign([TopicPartition(EDGE, number, 0) for number in range(EDGE_PARTITIONS)])
    decoder = msgspec.json.Decoder(list[RawReading])
    number_of: dict[str, int] = {}
    total, done = np.zeros(ZONES), 0
    polled = consumer.consume(1, 30)
    begun_cpu_s, begun_s = time.process_time(), time.monotonic()
    while done < readings:
        decoded = decoder.decode(b"[" + b",".join(message.value() or b"" for message in polled) + b"]")
        zone = [number_of.setdefault(reading.sensor, len(number_of)) for reading in decoded]
        total += np.bincount(zone, [reading.value or 0.0 for reading in decoded], ZONES)
        done += len(decoded)
        if done < readings:
            polled = consumer.consume(READ_MESSAGES, 0.2)
    spent = time.process_time() - begun_cpu_s, time.monotonic() - begun_s
    consumer.close()
    return spent


def speeds(readings: int, first: Note, last: Note, plain_cpu_s: float, plain_wall_s: float) -> list[Figure]:
    """Figures of both."""
    cpu_s, wall_s = last.cpu_s - first.cpu_s, (last.wall_ns - first.wall_ns) / 1e9
    conditions = f"{readings:,} readings of {ZONES} sensors, to the broker's acknowledgement in `site-log`"
    rate = readings / cpu_s
    return [
        Figure("gateway from `edge`", rate, "readings/s of CPU", conditions, GOAL),
        Figure("gateway from `edge`, by the wall", readings / wall_s, "readings/s",
               f"{wall_s:.2f} s, {cpu_s / wall_s:.2f} cores busy, broker on the same cores"),
        Figure("gateway against the plain loop", rate, "readings/s of CPU", "the same messages, the same broker",
               readings / plain_cpu_s, "plain consume-decode-sum loop, no guarantees"),
        Figure("plain consume-decode-sum loop", readings / plain_cpu_s, "readings/s of CPU",
               f"{plain_wall_s:.2f} s by the wall; decodes the same JSON, checks and sends nothing",
               PLAIN_WHERE_GOALS_WERE_SET, "such a loop where the goals were set; its messages may have been shorter"),
    ]
