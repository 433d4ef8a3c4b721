# SPDX-License-Identifier: Apache-2.0
"""`drukte gateway` or `drukte worker` with what the peers' task asks for and no user command has.

Gateway: a decoder for the task's JSON (an interval count over [t, t + 1 ms)), and log time from the data: one clock a
source partition, the greatest reading time of the messages before. Worker: a sink that writes each closed window
of each gate as the task's JSON, with sum and number from the fold's own counts. All else, checks, acknowledgements,
live rows and snapshots, is as in any deployment; a snapshot also waits for the sink.
"""

import asyncio
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from confluent_kafka import Producer

from benchmarks.process import around
from schemas.feeds.decoded import Decoded
from schemas.log import Clock
from schemas.reading import METRIC_LIMIT, Batch, Metric

TICK_S = 0.1
"""A silent partition gets a tick so soon: the last windows close with it. A second is the deployment's default."""
WINDOW_MS = 60_000
FLUSH_S = 20.0


class PeerReading(msgspec.Struct, gc=False):
    """The task's JSON."""

    sensor: str
    t: int
    count: int


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """What a part is told: the task's arguments, and the file by which the worker says that it is ready."""

    meter: str
    output: str
    bootstrap: str
    readings: int
    partitions: int
    ready: str


class Meter:
    """Notes the first reading handled (by the gateway) and the last (by the worker)."""

    def __init__(self, part: Part) -> None:
        self._path = Path(part.meter)
        self._wanted = part.readings
        self._seen = 0

    def begin(self) -> None:
        """The first reading is handled; only the first call counts."""
        if not self._seen:
            self._seen = 1
            self._note("first")

    def count(self, readings: int) -> None:
        """So many more are handled."""
        before, self._seen = self._seen, self._seen + readings
        if before < self._wanted <= self._seen:
            self._note("last")

    def _note(self, what: str) -> None:
        with self._path.open("a") as sink:
            sink.write(f"{what} {time.time_ns()}\n")


def change_gateway(part: Part) -> None:
    """Hang decoder and data clock in."""
    from schemas.feeds import native
    from streams.gateway import outlet
    meter = Meter(part)
    decoder = msgspec.json.Decoder(list[PeerReading])
    numbers: dict[str, int] = {}
    clock_us: dict[int, int] = {}

    def decode_messages(bodies: list[bytes], registries: Any, source: str) -> Decoded:
        meter.begin()
        registry = registries.entries[0]  # there is but one city version
        if not numbers:
            numbers.update({sensor: slot // METRIC_LIMIT for (sensor, _), slot in registry.slot_of.items()})
        readings = decoder.decode(b"[" + b",".join(bodies) + b"]")
        batch = Batch.of(
            sensor=[numbers[one.sensor] for one in readings], metric=Metric.IN, source=registry.sources[source],
            begin=np.array([one.t for one in readings], np.int64) * 1000, span_ms=1,
            value=[one.count for one in readings],
        )
        return Decoded(batch, [], {})

    def message(original: Any) -> Any:
        def stamped(sender: Any, kind: Any, number: int, *more: Any, **named: Any) -> Any:
            made = original(sender, kind, number, *more, **named)
            stamp_us = clock_us.setdefault(number, made.ingested_at_us)
            if made.batch is not None:
                clock_us[number] = max(stamp_us, int(made.batch.begin.max()))
            return replace(made, ingested_at_us=stamp_us, clock=Clock.DATA)
        return stamped

    around(native, "decode_messages", lambda _: decode_messages)
    around(outlet.Outlet, "_message", message)
    outlet.TICK_S = TICK_S


class Sink:
    """Writes closed windows to the task's topic.

    Parameters
    ----------
    part : Part
    """

    def __init__(self, part: Part) -> None:
        self._topic = part.output
        self._producer = Producer({"bootstrap.servers": part.bootstrap, "linger.ms": 20, "batch.size": 500_000,
                                   "queue.buffering.max.messages": 1_000_000, "acks": "all"})
        self._keys: dict[int, list[bytes]] = {}

    def closed(self, layout: Any, counts: Any, gate: npt.NDArray[np.intp], start_us: npt.NDArray[np.int64]) -> None:
        """Write the windows of gates that close now, those with readings; each of these covers a millisecond."""
        known = self._keys.get(id(layout))
        if known is None:
            known = self._keys[id(layout)] = [key.removeprefix("gate-").encode() for key in layout.place_key]
        number = np.rint(counts.coverage * WINDOW_MS).astype(np.int64)
        rows = zip(gate.tolist(), (start_us // 1000).tolist(), counts.way_in.tolist(), number.tolist(), strict=True)
        for at, start_ms, total, count in rows:
            if count:
                self._produce(known[at], b'{"sensor":"%b","start":%d,"sum":%d,"n":%d}'
                              % (known[at], start_ms, total, count))
        self._producer.poll(0)

    def flush(self) -> None:
        """Wait until the broker has everything.

        Raises
        ------
        TimeoutError
            It has not.
        """
        if self._producer.flush(FLUSH_S):
            raise TimeoutError

    def _produce(self, key: bytes, value: bytes) -> None:
        while True:
            try:
                return self._producer.produce(self._topic, value, key)
            except BufferError:
                self._producer.poll(0.1)


def change_worker(part: Part) -> None:
    """Hang sink and meter in, and the note that all partitions are held."""
    from streams.core import step as fold_step
    from streams.core.step import Partition
    from streams.worker.folds import Folds
    from streams.worker.publish import Publisher
    meter, sink = Meter(part), Sink(part)

    def gate_counts(original: Any) -> Any:
        def counted(layout: Any, slots: Any, usable: Any, gate: Any, start_us: Any) -> Any:
            counts = original(layout, slots, usable, gate, start_us)
            sink.closed(layout, counts, gate, start_us)
            return counts
        return counted

    def step(original: Any) -> Any:
        def counted(partition: Any, message: Any, *more: Any) -> Any:
            effects = original(partition, message, *more)
            if message.batch is not None:
                meter.count(len(message.batch))
            return effects
        return counted

    def begin(original: Any) -> Any:
        def held(folds: Any, *given: Any, **named: Any) -> Any:
            fold = original(folds, *given, **named)
            if len(folds.held()) == part.partitions:
                Path(part.ready).touch()
            return fold
        return held

    def send(original: Any) -> Any:
        async def after_sink(*given: Any) -> Any:
            await asyncio.to_thread(sink.flush)
            return await original(*given)
        return after_sink

    around(fold_step, "gate_counts", gate_counts)
    around(Partition, "step", step)
    around(Folds, "begin", begin)
    around(Publisher, "_send", send)


CHANGES = {"gateway": change_gateway, "worker": change_worker}


def main() -> None:
    """Make the changes, then be the `drukte` command."""
    from streams import cli
    part = msgspec.json.decode(sys.argv[1], type=Part)
    CHANGES[sys.argv[2]](part)
    sys.argv = ["drukte", *sys.argv[2:]]
    cli.main()


if __name__ == "__main__":
    main()
