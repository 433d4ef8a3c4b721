# SPDX-License-Identifier: Apache-2.0
"""One worker or two at a fixed load: CPU time a reading, and the same answer."""

import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from benchmarks.city import camera_city
from benchmarks.feed import Sent, log_messages
from benchmarks.figure import Figure
from benchmarks.stage import Deployment, Running, Stage, Tail, cpu_s, produce, quick_producer
from schemas.log import Topic
from tests.services.process import ServiceError, wait_until

SITES, PARTITIONS = 4, 4
READINGS_A_MESSAGE = 250
HELD = ("partition begins", "partition goes on at its snapshot", "cold start")
"""What a worker says when it takes a partition."""
SETTLE_S = 1.5
LIMIT_S = 120.0

Answer = dict[tuple[str, str], bytes]
"""By topic and identity, what was said."""


def run(stage: Stage, *, short: bool) -> list[Figure]:
    """CPU time a reading with one and with two workers; raises where their answers differ."""
    zones, steps, load = (200, 60, 20_000) if short else (2_000, 300, 40_000)
    deployment = stage.deployment("workers", camera_city(zones, SITES), PARTITIONS)
    answers: list[Answer] = []
    figures: list[Figure] = []
    for count in (1, 2):
        deployment.remake(Topic.SITE_LOG, Topic.SNAPSHOTS, Topic.LIVE, Topic.ALERTS)
        stage.say(f"workers: {count} at {load:,} readings/s")
        feed = log_messages(deployment.city, zones, SITES, PARTITIONS, steps, READINGS_A_MESSAGE)
        spent_s, said = at_load(deployment, count, paced(feed, load))
        answers.append(said)
        figures.append(Figure(
            f"{count} worker{'s' * (count > 1)} at a fixed load", 1e6 * spent_s / (zones * steps),
            "us of CPU a reading",
            f"{load:,} readings/s, {READINGS_A_MESSAGE} a message, {zones} zones, {SITES} sites, idle time included",
            figures[0].value if figures else None, "one worker", lower_is_better=True))
    one, two = answers
    if one != two:
        raise ServiceError(f"one worker says {len(one)} effects, two say {len(two)}; "
                           f"{len(set(one.items()) ^ set(two.items()))} differ")
    figures.append(Figure("effects, the same with one worker and with two", len(one), "effects",
                          "compared byte for byte by identity"))
    return figures


def paced(feed: Iterator[Sent], readings_a_s: float) -> Iterator[Sent]:
    """The same messages, no faster than a load."""
    begun_s = time.monotonic()
    for number, sent in enumerate(feed):
        due_s = begun_s + number * READINGS_A_MESSAGE / readings_a_s
        while (left_s := due_s - time.monotonic()) > 0:
            time.sleep(left_s)
        yield sent


def at_load(deployment: Deployment, count: int, feed: Iterator[Sent]) -> tuple[float, Answer]:
    """Start workers, feed them, and wait until they have folded everything.

    Returns
    -------
    tuple of float and dict
        Their CPU seconds from the first message on, and what they said.
    """
    with ExitStack() as stack:
        workers = [stack.enter_context(deployment.program("worker", "--instance", f"worker-{number}"))
                   for number in range(count)]
        wait_until(lambda: all_held(workers), LIMIT_S, f"{count} workers hold all partitions")
        tail = Tail(deployment.kafka, Topic.SITE_LOG, Topic.LIVE, Topic.ALERTS)
        stack.callback(tail.close)
        before_s = [cpu_s(worker.process.pid) for worker in workers]
        producer = quick_producer(deployment.kafka.bootstrap)
        for partition, headers, value in feed:
            produce(producer, Topic.SITE_LOG.value, value, partition, headers=headers)
        producer.flush(60)
        wait_quiet(tail)
        spent_s = sum(cpu_s(worker.process.pid) for worker in workers) - sum(before_s)
    return spent_s, said(tail)


def all_held(workers: list[Running]) -> bool:
    """Whether the newest assignment of the workers covers all partitions, each of them holding some."""
    texts = [worker.process.log.read_text(errors="replace") for worker in workers]
    taken = [sum(text.count(phrase) for phrase in HELD) for text in texts]
    return all(taken) and sum(taken) >= PARTITIONS


def wait_quiet(tail: Tail) -> None:
    """Listen until nothing new has come for a while."""
    quiet_since_s = time.monotonic()
    end_s = quiet_since_s + LIMIT_S
    while time.monotonic() - quiet_since_s < SETTLE_S:
        if tail.listen(0.1):
            quiet_since_s = time.monotonic()
        if time.monotonic() > end_s:
            raise ServiceError(f"workers still speak after {LIMIT_S:g} s")


def said(tail: Tail) -> Answer:
    """Every effect once; raises `ServiceError` where one identity has two contents."""
    found: Answer = {}
    for _, message in tail.messages:
        if message.topic() == Topic.SITE_LOG:
            continue
        headers: Any = message.headers()
        identity = (str(message.topic()), dict(headers)["ce_id"].decode())
        value = message.value() or b""
        if found.setdefault(identity, value) != value:
            raise ServiceError(f"{identity} was said with two contents")
    return found
