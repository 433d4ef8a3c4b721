# SPDX-License-Identifier: Apache-2.0
"""From the gateway's receipt of the message that makes a decision due to the alert at a webhook receiver.

A crowd in each zone crosses its threshold at an instant of its own. The decision is due when log time passes a
step of the 10 s grid; the message that lets it pass is found in the log, and when its request was begun is known.
"""

import time
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.city import CAPACITY, camera_city, site_of_zone
from benchmarks.feed import START_US
from benchmarks.figure import Figure
from benchmarks.poster import BenchClock, Poster, answers
from benchmarks.stage import Deployment, Stage, Tail
from benchmarks.workers import LIMIT_S, PARTITIONS, SITES, all_held
from schemas.alert import State, Transition, decode_transition
from schemas.ids import IdKind
from schemas.log import Kind, Topic, decode_log
from streams.core.layout import partition_of_site
from tests.deliver.receiver import SECRET, Receiver
from tests.services.process import ServiceError, free_port, wait_until

GOAL_MS = 500.0
BEFORE, AFTER = 0.75 * CAPACITY, 0.88 * CAPACITY
"""Below and above the threshold of level 2, one level apart: the dwell of three steps is waited for."""
RULE = "oranje"
RUN_UP_S, FALL_BEHIND_S = 40.0, 60.0
"""Log seconds before the first crossing, and after the last one."""


@dataclass(frozen=True, slots=True)
class Play:
    """What is played: so many zones, whose crowds cross within `span_s` of log time, at a speed."""

    zones: int
    span_s: float
    speed: float


@dataclass(frozen=True, slots=True)
class Arrival:
    """An alert at the receiver, nanoseconds on the wall's clock and microseconds of log time."""

    transition: Transition
    received_ns: int


def run(stage: Stage, *, short: bool) -> list[Figure]:
    """Percentiles of both delays."""
    play = Play(12, 20.0, 4.0) if short else Play(100, 120.0, 1.0)
    clock = BenchClock(play.speed)
    arrived: dict[str, int] = {}

    def answer(_number: int, body: bytes) -> int:
        arrived.setdefault(body.decode(), time.time_ns())
        return 200

    with ExitStack() as stack:
        receiver = stack.enter_context(Receiver(answer))
        port = free_port()
        settings = (f"{clock.settings}[gateway]\nport = {port}\n"
                    f'[[deliver.webhooks]]\nname = "bench"\nurl = "{receiver.url}"\nsecret = "{SECRET}"\n')
        deployment = stage.deployment("latency", camera_city(play.zones, SITES), PARTITIONS, settings)
        url = f"http://127.0.0.1:{port}"
        _start(stack, deployment, url)
        tail = Tail(deployment.kafka, Topic.SITE_LOG, Topic.ALERTS)
        stack.callback(tail.close)
        first_us = clock.now_us() + round(RUN_UP_S * 1e6)
        crossing_us = first_us + (np.random.default_rng(1).random(play.zones) * play.span_s * 1e6).astype(np.int64)
        poster = Poster(url, clock, play.zones, lambda at_us: np.where(at_us >= crossing_us, AFTER, BEFORE),
                        remember=True)
        stage.say(f"latency: {play.zones} crowds cross within {play.span_s:g} s at speed {play.speed:g}")
        poster.start()
        try:
            wait_until(lambda: bool(tail.listen() or True) and len(arrived) >= play.zones,
                       (RUN_UP_S + play.span_s + FALL_BEHIND_S) / play.speed + 30, "every alert has arrived")
        finally:
            poster.stop()
        tail.listen(0.5)
        calls = {call.body.decode(): call.key for call in receiver.calls}
    by_key = {calls[body]: received_ns for body, received_ns in arrived.items()}
    arrivals = _arrivals(tail, by_key)
    if len(arrivals) < play.zones:
        raise ServiceError(f"{len(arrivals)} of {play.zones} alerts are on topic alerts")
    due_ns = _due_ns(deployment, tail, poster, clock, play)
    return _figures(play, clock, arrivals, due_ns, crossing_us)


def _start(stack: ExitStack, deployment: Deployment, url: str) -> None:
    gateway = stack.enter_context(deployment.program("gateway"))
    worker = stack.enter_context(deployment.program("worker", "--instance", "bench"))
    deliver = stack.enter_context(deployment.program("deliver"))
    wait_until(lambda: answers(url), LIMIT_S, f"the gateway answers ({gateway.process.pid})")
    wait_until(lambda: all_held([worker]), LIMIT_S, "the worker holds all partitions")
    deliver.says("delivering", LIMIT_S)


def _arrivals(tail: Tail, received_ns: Mapping[str, int]) -> list[Arrival]:
    """The first firing of each alert of the rule, with its arrival."""
    found: dict[str, Arrival] = {}
    for _, message in tail.messages:
        if message.topic() != Topic.ALERTS:
            continue
        told = decode_transition(message.value() or b"")
        key = f"{told.alert_id}/{told.seq}"
        if told.rule == RULE and told.state_to is State.FIRING and key in received_ns:
            found.setdefault(told.alert_id, Arrival(told, received_ns[key]))
    return list(found.values())


@dataclass(frozen=True, slots=True)
class _Log:
    """Messages of one partition: log time after each, and when the gateway had it."""

    log_time_us: npt.NDArray[np.int64]
    receipt_ns: npt.NDArray[np.int64]

    def due_ns(self, step_us: int) -> int:
        """When the gateway received the message that let log time pass a step."""
        return int(self.receipt_ns[np.searchsorted(self.log_time_us, step_us)])


def _due_ns(deployment: Deployment, tail: Tail, poster: Poster, clock: BenchClock, play: Play) -> dict[str, _Log]:
    """The log of each site."""
    sensors = deployment.city.ids[IdKind.SENSOR]
    sent_ns = {(sensors[f"camera-{zone}"], at_us): begun_ns for (zone, at_us), begun_ns in poster.sent_ns.items()}
    times: dict[int, list[int]] = {number: [] for number in range(PARTITIONS)}
    receipts: dict[int, list[int]] = {number: [] for number in range(PARTITIONS)}
    for _, message in tail.messages:
        if message.topic() != Topic.SITE_LOG:
            continue
        headers: Any = message.headers()
        decoded = decode_log(headers, message.value())
        number = message.partition() or 0
        receipt_ns = clock.wall_ns(decoded.ingested_at_us)  # a tick is made by the gateway itself
        if decoded.kind is Kind.READINGS and decoded.batch is not None:
            readings = zip(decoded.batch.sensor.tolist(), decoded.batch.begin.tolist(), strict=True)
            receipt_ns = _earliest(sent_ns, readings)
        times[number].append(max(decoded.ingested_at_us, times[number][-1] if times[number] else START_US))
        receipts[number].append(receipt_ns)
    numbers = deployment.city.ids[IdKind.SITE]
    logs = {number: _Log(np.array(times[number], np.int64), np.array(receipts[number], np.int64))
            for number in times}
    return {
        f"zone-{zone}": logs[partition_of_site(numbers[f"site-{site_of_zone(zone, play.zones, SITES)}"], PARTITIONS)]
        for zone in range(play.zones)
    }


def _earliest(sent_ns: Mapping[tuple[int, int], int], readings: Iterable[tuple[int, int]]) -> int:
    return min(sent_ns[reading] for reading in readings)


def _figures(play: Play, clock: BenchClock, arrivals: list[Arrival], logs: Mapping[str, _Log],
             crossing_us: npt.NDArray[np.int64]) -> list[Figure]:
    delay_ms = np.array([
        (one.received_ns - logs[one.transition.place].due_ns(one.transition.at_us)) / 1e6 for one in arrivals
    ])
    whole_s = np.array([
        (one.transition.at_us - crossing_us[int(one.transition.place.removeprefix("zone-"))]) / 1e6
        + (one.received_ns - clock.wall_ns(one.transition.at_us)) / 1e9 for one in arrivals
    ])
    steps = len({one.transition.at_us for one in arrivals})
    conditions = f"{len(arrivals)} alerts decided at {steps} steps, {play.zones} zones, clock at speed {play.speed:g}"
    named = [
        Figure(f"receipt of the deciding message -> alert at the webhook, p{share}",
               float(np.percentile(delay_ms, share)), "ms", conditions, goal, lower_is_better=True)
        for share, goal in ((50, None), (99, GOAL_MS))
    ]
    by_rule = "with the camera's interval of 10 s, the 10 s grid and a dwell of three steps: by rule, not by speed"
    return named + [
        Figure(f"true crossing -> alert at the webhook, p{share}", float(np.percentile(whole_s, share)), "s", by_rule,
               lower_is_better=True)
        for share in (50, 99)
    ]
