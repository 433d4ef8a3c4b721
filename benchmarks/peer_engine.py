# SPDX-License-Identifier: Apache-2.0
"""Drukte as one more engine of the peers' task: gateway and worker as processes, started by this one.

Its command line is that of the peers' scripts. Before anything is measured it reads which sensors the topic holds,
writes a city file with one gate a sensor, makes Drukte's topics anew and waits until the worker holds all
partitions. What differs from `drukte gateway` and `drukte worker` stands in `benchmarks.peer_part`.
"""

import argparse
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import msgspec
from confluent_kafka import Consumer, KafkaError, TopicPartition

from benchmarks.city import counter_city
from benchmarks.peer_part import Part, PeerReading
from benchmarks.stage import Stage, alive, delete_group, gateway_settings
from tests.services.process import wait_until

LOOK_MESSAGES = 20_000
"""In so many messages of a partition every one of its sensors has reported."""
MINUTE_US = 60_000_000
LIMIT_S = 120.0
WATCH_S = 0.5


def arguments() -> argparse.Namespace:
    """The peers' command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peer_engine", description=__doc__)
    for name in ("bootstrap", "input", "output", "group", "state-dir", "meter"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--readings", type=int, required=True)
    parser.add_argument("--variant", default="")
    return parser.parse_args()


def look(bootstrap: str, topic: str) -> tuple[list[list[str]], int]:
    """Which sensors each partition of a topic holds, and the earliest time, microseconds since 1970, UTC."""
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "bench-look", "enable.auto.commit": False,
                         "enable.partition.eof": True})
    numbers = sorted(consumer.list_topics(topic, timeout=30).topics[topic].partitions)
    sensors: list[set[str]] = []
    earliest_ms = 2**62
    for number in numbers:
        consumer.assign([TopicPartition(topic, number, 0)])
        mine: set[str] = set()
        left = LOOK_MESSAGES
        while left > 0:
            for message in consumer.consume(left, 1.0):
                error = message.error()
                if error is not None:
                    left = 0 if error.code() == KafkaError._PARTITION_EOF else left  # noqa: SLF001  # its only name
                    continue
                reading = msgspec.json.decode(message.value() or b"", type=PeerReading)
                mine.add(reading.sensor)
                earliest_ms = min(earliest_ms, reading.t)
                left -= 1
        sensors.append(mine)
    consumer.close()
    return [sorted(mine) for mine in sensors], earliest_ms * 1000


def main() -> None:
    """Run until SIGTERM."""
    given = arguments()
    stopping = threading.Event()

    def stop(*_: Any) -> None:
        stopping.set()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    sensors, earliest_us = look(given.bootstrap, given.input)
    wait_until(lambda: delete_group(given.bootstrap, "drukte-worker"), LIMIT_S, "no worker of an earlier run is left")
    with Stage(lambda text: print(text, flush=True), given.bootstrap) as stage:
        # The simulated clock stands still at the begin of the data; `peer_part` moves log time with the readings.
        clock = (f'[clock]\nkind = "simulated"\nspeed = 1e-9\nstart_us = {earliest_us // MINUTE_US * MINUTE_US}\n'
                 f"wall_start_us = {time.time_ns() // 1000}\n")
        deployment = stage.deployment("peer", counter_city(site_order(sensors)), len(sensors),
                                      clock + gateway_settings("bench", given.input, group=given.group))
        ready = Path(given.state_dir) / "ready"
        part = Part(meter=given.meter, output=given.output, bootstrap=given.bootstrap, readings=given.readings,
                    partitions=len(sensors), ready=str(ready))
        command = [sys.executable, "-m", "benchmarks.peer_part", msgspec.json.encode(part).decode()]
        with deployment.command("worker", command, "--instance", "bench") as worker:
            wait_until(ready.exists, LIMIT_S, f"the worker holds all partitions:\n{worker.process.log_tail()}")
            with deployment.command("gateway", command) as gateway:
                while not stopping.wait(WATCH_S):
                    for one in (worker, gateway):
                        if not alive(one.process.pid):
                            sys.exit(f"a part has ended:\n{one.process.log_tail()}")


def site_order(sensors: list[list[str]]) -> list[list[str]]:
    """Sensors by site, so that a site's partition of the log is the source partition of its readings.

    Sites get numbers from 1 in the order of the file, and a site's partition is its number modulo P.
    """
    partitions = len(sensors)
    return [sensors[(site + 1) % partitions] for site in range(partitions)]


if __name__ == "__main__":
    main()
