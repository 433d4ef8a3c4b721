# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks.backfill [--days N]`: loading the history of 500 zones, fold and release apart.

A day is folded; its seals, moved on day by day, are released on real Kafka and TimescaleDB. A year is said as so
many days of what was measured: it is an extrapolation, and printed as one.
"""

import argparse
import time
from collections.abc import Iterator
from dataclasses import replace

import msgspec
import numpy as np
from rich.console import Console

from benchmarks.figure import Figure
from benchmarks.fold import START_US, city_of_cameras
from benchmarks.stage import Stage
from schemas.city import City, Grain
from schemas.city_timeline import Timeline
from schemas.reading import Batch, Metric
from schemas.seal import Seal
from streams.backfill import CELLS_AT_ONCE, Bounds, Collector, Report, fold
from streams.recorded import Piece
from streams.writer.database import Database
from streams.writer.ledger_topic import LedgerTopic
from streams.writer.release import Place, Release
from streams.writer.release_together import BulkRelease, Together

ZONES = 500
DAY_US = 86_400_000_000
STEP_US = 10_000_000
STEPS_A_PIECE = 120
YEAR_DAYS = 365
GOAL_S = 600.0
SEED = 1


class Kept:
    """Keeps seals instead of releasing them."""

    def __init__(self) -> None:
        self.seals: list[Seal] = []

    def release(self, seals: list[Seal], partition: int) -> Together:
        """Keep them."""
        del partition
        self.seals += seals
        return Together()


def city_by_the_quarter() -> City:
    """`ZONES` zones with a camera each, published by the quarter hour: the most cells that a zone can have."""
    city = city_of_cameras(ZONES)
    zones = {key: msgspec.structs.replace(zone, grain=Grain.QUARTER) for key, zone in city.file.zones.items()}
    return replace(city, file=msgspec.structs.replace(city.file, zones=zones))


def pieces(interval_s: int) -> Iterator[Piece]:
    """A day of readings of every camera."""
    rng = np.random.default_rng(SEED)
    sensor = np.arange(1, ZONES + 1)
    for first in range(0, 86_400, STEPS_A_PIECE * interval_s):
        seconds = np.arange(first, min(first + STEPS_A_PIECE * interval_s, 86_400), interval_s)
        begin = np.repeat(START_US + seconds * 1_000_000, ZONES)
        yield Piece(Batch.of(sensor=np.tile(sensor, len(seconds)), metric=Metric.PEOPLE, begin=begin,
                             value=rng.integers(0, 300, len(begin))), begin)


def folded_day(interval_s: int) -> tuple[list[Seal], float]:
    """The seals of a day, and the processor time of folding it."""
    cities, kept, report = Timeline.of(city_by_the_quarter()), Kept(), Report(dry_run=True)
    bounds = Bounds(START_US, START_US + DAY_US, 2 * START_US, with_ends=False)
    collector = Collector(cities, 1, bounds, kept, report)
    begun_s = time.process_time()
    fold(cities, pieces(interval_s), bounds, collector, report)
    return kept.seals, time.process_time() - begun_s


def released(stage: Stage, day: list[Seal], days: int) -> tuple[float, float, float]:
    """Seconds for one day one by one and for `days` days together, and processor time of the latter here."""
    deployment = stage.deployment("backfill", CITY_TOML, 1)
    database, ledger = Database(stage.fresh_database()), LedgerTopic(deployment.kafka)
    release = Release(database, ledger)
    release.begin()
    begun_s = time.monotonic()
    for number, seal in enumerate(day):
        release.release(seal, Place(0, number))
    single_s = time.monotonic() - begun_s
    stage.say(f"backfill: one by one, {len(day)} batches in {single_s:.1f} s")
    bulk = BulkRelease(database, ledger, release)
    begun_s, begun_cpu_s = time.monotonic(), time.process_time()
    waiting: list[Seal] = []
    for number in range(1, days + 1):
        for seal in day:
            waiting.append(replace(seal, start_us=seal.start_us + number * DAY_US))
            if len(waiting) * ZONES >= CELLS_AT_ONCE:
                bulk.release(waiting, 0)
                waiting = []
    if waiting:
        bulk.release(waiting, 0)
    together_s, cpu_s = time.monotonic() - begun_s, time.process_time() - begun_cpu_s
    database.close()
    return single_s, together_s, cpu_s


CITY_TOML = """\
format = 1
city = "bench"
name = "Bench"
version = 1
timezone = "UTC"
"""


def run(stage: Stage, *, short: bool, days: int = 30) -> list[Figure]:
    """Seconds for a year, from a day folded and released one by one, and `days` days released together."""
    measured_days = 1 if short else days
    stage.say("backfill: folding a day")
    day, fold_s = folded_day(60 if short else 10)
    single_s, together_s, cpu_s = released(stage, day, measured_days)
    what = f"{ZONES} zones by the quarter hour, {len(day)} batches and {len(day) * ZONES} cells a day"
    interval_s = 60 if short else 10
    return [
        Figure("sealing a year, one by one", single_s * YEAR_DAYS, "s", f"{what}; 1 day measured", GOAL_S,
               lower_is_better=True),
        Figure("sealing a year, together", together_s / measured_days * YEAR_DAYS, "s",
               f"{what}; {measured_days} days measured", GOAL_S, lower_is_better=True),
        Figure("sealing a year, together, processor time of the back-fill itself", cpu_s / measured_days * YEAR_DAYS,
               "s CPU", "the rest is the database's, the broker's, and waiting"),
        Figure(f"folding a year, a reading every {interval_s} s", fold_s * YEAR_DAYS, "s CPU", "1 day measured"),
    ]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.backfill", description=__doc__)
    parser.add_argument("--days", type=int, default=30, help="days that are released together")
    parser.add_argument("--short", action="store_true", help="a reading a minute, one day together")
    given = parser.parse_args()
    console = Console()
    with Stage(lambda text: console.print(text, highlight=False)) as stage:
        figures = run(stage, short=given.short, days=given.days)
    for figure in figures:
        ratio = "" if figure.ratio is None else f", {figure.ratio:.2f} of the goal of {figure.target:g} s"
        console.print(f"{figure.name}: {figure.value:,.0f} {figure.unit}{ratio} ({figure.conditions})", highlight=False)


if __name__ == "__main__":
    main()
