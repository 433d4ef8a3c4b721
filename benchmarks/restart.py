# SPDX-License-Identifier: Apache-2.0
"""Restart after kill -9 to the first new effect, and take-over by another worker."""

import signal
import statistics
import threading
import time
from typing import Any

from benchmarks.city import camera_city
from benchmarks.feed import log_messages
from benchmarks.figure import Figure
from benchmarks.stage import Deployment, Running, Stage, Tail, produce, quick_producer
from benchmarks.workers import LIMIT_S, PARTITIONS, SITES, all_held
from schemas.log import Topic
from tests.services.process import wait_until

ZONES, MANY_ZONES = 200, 5_000
STEP_PACE_S = 0.05
"""A step of 10 s in so many seconds: every partition says something new three times a second."""
SESSION_S = 10
GOAL_S, TAKE_OVER_GOAL_S = 5.0, SESSION_S + 2.0
RUN_UP_S = 4.0
IN_FLIGHT_S = 0.2
SETTINGS = f"[worker]\nsnapshot_s = 1.0\nsession_s = {SESSION_S}\n"


class Feeder(threading.Thread):
    """Writes steps into the log at their pace until it is stopped."""

    def __init__(self, deployment: Deployment, zones: int) -> None:
        super().__init__(name="feeder")
        self._deployment, self._zones = deployment, zones
        self._stopping = threading.Event()

    def run(self) -> None:
        """Feed."""
        producer = quick_producer(self._deployment.kafka.bootstrap)
        feed = log_messages(self._deployment.city, self._zones, SITES, PARTITIONS, 1_000_000, self._zones // SITES)
        for number, (partition, headers, value) in enumerate(feed):
            produce(producer, Topic.SITE_LOG.value, value, partition, headers=headers)
            if number % SITES == SITES - 1 and self._stopping.wait(STEP_PACE_S):
                break
        producer.flush(10)

    def stop(self) -> None:
        """End it."""
        self._stopping.set()
        self.join()


class Listener:
    """Who has said what, and when a partition last said something new."""

    def __init__(self, deployment: Deployment) -> None:
        self._tail = Tail(deployment.kafka, Topic.LIVE)
        self._said: set[bytes] = set()
        self.new_ns: dict[int, int] = {}

    def listen(self) -> dict[int, int]:
        """When each partition last said something that nobody had said before, wall clock in ns."""
        for seen_ns, message in self._tail.listen():
            headers: Any = message.headers()
            identity = dict(headers)["ce_id"]
            if identity not in self._said:
                self._said.add(identity)
                self.new_ns[message.partition() or 0] = seen_ns
        return self.new_ns

    def all_since(self, since_ns: int) -> bool:
        """Whether every partition has said something new since then."""
        last_ns = self.listen()
        return len(last_ns) == PARTITIONS and min(last_ns.values()) > since_ns

    def any_since(self, since_ns: int) -> bool:
        """Whether any has."""
        return max(self.listen().values(), default=0) > since_ns

    def close(self) -> None:
        """Leave the broker."""
        self._tail.close()


def run(stage: Stage, *, short: bool) -> list[Figure]:
    """Seconds from process start to the first effect that is new; seconds from a kill to the last partition's."""
    if short:
        return measured(stage, ZONES, restarts=1, take_overs=1)
    return measured(stage, ZONES, restarts=5, take_overs=3) + measured(stage, MANY_ZONES, restarts=3, take_overs=1)


def measured(stage: Stage, zones: int, *, restarts: int, take_overs: int) -> list[Figure]:
    """Both figures for a city of so many zones."""
    deployment = stage.deployment("restart", camera_city(zones, SITES), PARTITIONS, SETTINGS)
    feeder, listener, running = Feeder(deployment, zones), Listener(deployment), list[Running]()
    try:
        running.append(deployment.start("worker", "--instance", "one"))
        feeder.start()
        restarts_s = [restart_s(deployment, listener, running, stage) for _ in range(restarts)]
        take_overs_s = [take_over_s(deployment, listener, running, stage) for _ in range(take_overs)]
    finally:
        feeder.stop()
        listener.close()
        for worker in running:
            worker.process.stop(signal.SIGKILL)
    conditions = f"{PARTITIONS} partitions, snapshots every second"
    return [
        Figure(f"restart after kill -9 to first new effect, {zones:,} zones", statistics.median(restarts_s), "s",
               f"{conditions}; median of {len(restarts_s)}, longest {max(restarts_s):.2f} s, the reading of the "
               "city file included", GOAL_S, lower_is_better=True),
        Figure(f"take-over by another worker, {zones:,} zones", statistics.median(take_overs_s), "s",
               f"kill -9 until every partition says something new; {conditions}; median of {len(take_overs_s)}, "
               f"longest {max(take_overs_s):.2f} s; session time-out {SESSION_S} s", TAKE_OVER_GOAL_S,
               "session time-out + 2 s", lower_is_better=True),
    ]


def restart_s(deployment: Deployment, listener: Listener, running: list[Running], stage: Stage) -> float:
    """Kill the only worker, start it again under its name."""
    run_up(listener)
    running.pop().process.stop(signal.SIGKILL)
    silent_since_s = time.monotonic()
    while time.monotonic() - silent_since_s < IN_FLIGHT_S:  # what it said before its end is not new
        listener.listen()
    begun_ns = time.time_ns()
    running.append(deployment.start("worker", "--instance", "one"))
    wait_until(lambda: listener.any_since(begun_ns), LIMIT_S, "a new effect")
    spent_s = (max(listener.new_ns.values()) - begun_ns) / 1e9
    stage.say(f"restart: {spent_s:.2f} s")
    return spent_s


def take_over_s(deployment: Deployment, listener: Listener, running: list[Running], stage: Stage) -> float:
    """Let a second worker join, kill the first."""
    running.append(deployment.start("worker", "--instance", f"next-{time.time_ns()}"))
    wait_until(lambda: bool(listener.listen()) and all_held(running), LIMIT_S, "both workers hold partitions")
    run_up(listener)
    killed_ns = time.time_ns()
    running.pop(0).process.stop(signal.SIGKILL)
    first_ns: dict[int, int] = {}

    def all_new() -> bool:
        for partition, at_ns in listener.listen().items():
            if at_ns > killed_ns:
                first_ns.setdefault(partition, at_ns)
        return len(first_ns) == PARTITIONS
    wait_until(all_new, LIMIT_S, "every partition says something new")
    spent_s = (max(first_ns.values()) - killed_ns) / 1e9
    stage.say(f"take-over: {spent_s:.2f} s")
    return spent_s


def run_up(listener: Listener) -> None:
    """Wait until all partitions speak, and then some seconds, so that snapshots are there."""
    begun_ns = time.time_ns()
    wait_until(lambda: listener.all_since(begun_ns), LIMIT_S, "every partition says something")
    wait_until(lambda: listener.all_since(begun_ns + round(RUN_UP_S * 1e9)), LIMIT_S, "every partition goes on")
