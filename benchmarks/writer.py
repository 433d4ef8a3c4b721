# SPDX-License-Identifier: Apache-2.0
"""Writer: live rows of a filled `live` topic into TimescaleDB, to the last commit."""

from collections.abc import Iterator

from benchmarks.city import camera_city
from benchmarks.feed import Sent, log_messages
from benchmarks.figure import Figure
from benchmarks.stage import Stage
from schemas.log import Topic, decode_log
from streams.core.effect import LiveRows
from streams.core.step import Partition
from streams.storage import connect
from streams.worker.effects import outgoing

PARTITIONS = 1
READINGS_A_MESSAGE = 5_000


def run(stage: Stage, *, short: bool) -> list[Figure]:
    """Rows per second of CPU and of the wall."""
    zones, steps = (500, 60) if short else (5_000, 480)
    uri = stage.fresh_database()
    deployment = stage.deployment("writer", camera_city(zones), PARTITIONS, f'[database]\nuri = "{uri}"\n')
    partition = Partition(deployment.city, PARTITIONS, 0)
    feed = log_messages(deployment.city, zones, 1, PARTITIONS, steps, min(READINGS_A_MESSAGE, zones))
    stage.say("writer: folding the rows")
    messages = deployment.fill(live_messages(partition, feed), Topic.LIVE)
    stage.say(f"writer: {messages} messages")
    with deployment.program("writer", expected=messages) as writer:
        notes = writer.wait_noted()
    with connect(uri) as session:
        rows = int(session.execute("SELECT count(*) FROM live.zone_minute").fetchall()[0][0])
    first, last = notes["first"], notes["last"]
    wall_s = (last.wall_ns - first.wall_ns) / 1e9
    conditions = f"{rows:,} rows in {messages} messages, TimescaleDB on the same cores"
    return [
        Figure("writer, live rows into TimescaleDB", rows / wall_s, "rows/s", conditions),
        Figure("writer, its own CPU", rows / (last.cpu_s - first.cpu_s), "rows/s of CPU", conditions),
    ]


def live_messages(partition: Partition, feed: Iterator[Sent]) -> Iterator[Sent]:
    """The live rows that a worker says of these messages."""
    for offset, (number, headers, value) in enumerate(feed):
        for position, effect in enumerate(partition.step(decode_log(headers, value), 0)):
            if isinstance(effect, LiveRows):
                letter = outgoing(effect, number, offset, position)
                yield number, letter.headers, letter.value
