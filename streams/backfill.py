# SPDX-License-Identifier: Apache-2.0
"""The back-fill: recorded readings through the same fold, in process, into the research tier.

Log time comes from the data. Only seals leave: no live row, no alert. What is released stands; running it again
changes nothing.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

import msgspec

from schemas.city import City
from schemas.city_timeline import Timeline
from schemas.ids import IdKind
from schemas.ledger import grid_of
from schemas.seal import Seal
from streams.backfill_files import Taken
from streams.core.effect import Effect
from streams.core.layout import partition_of_site
from streams.recorded import Piece, messages, started, tick
from streams.writer.release_together import BulkRelease, Together, as_json

SOURCE = "backfill"
SECOND_US = 1_000_000
HOUR_US = 3_600 * SECOND_US
LEAST_SEAL_HOURS = 6
"""Also of places that seal sooner or are not in the city file: roads, and nights everywhere."""
LONGEST_GRAIN_HOURS = 6
LOG_US = 24 * HOUR_US
"""What ended less than a day ago is the log's: its own seal is still to come."""
CELLS_AT_ONCE = 30_000
"""About so many cells are released in one transaction."""


class Releases(Protocol):
    """Where seals go."""

    def release(self, seals: list[Seal], partition: int) -> Together:
        """Bring seals of one partition to their end."""


class Plans:
    """A dry run: says what would be done.

    Parameters
    ----------
    bulk : BulkRelease
    """

    def __init__(self, bulk: BulkRelease) -> None:
        self._bulk = bulk

    def release(self, seals: list[Seal], partition: int) -> Together:
        """What would become of them."""
        del partition
        return self._bulk.planned(seals)


@dataclass(slots=True)
class Report:
    """What a back-fill did; as JSON through `as_json`. No counts of people."""

    dry_run: bool
    taken: Taken = field(default_factory=Taken)
    fold: dict[str, int] = field(default_factory=dict)
    together: Together = field(default_factory=Together)
    incomplete: int = 0
    """Batches at either end of the data that the files hold in part only."""
    recent: int = 0
    """Batches that ended less than a day ago."""
    runs_on_disk: int = 0
    fold_s: float = 0.0
    release_s: float = 0.0

    def as_json(self) -> bytes:
        """Indented JSON."""
        document = {
            "dry_run": self.dry_run, "files": self.taken.files, "readings": self.taken.readings,
            "refused": dict(self.taken.refused), "refused_files": self.taken.refused_files, "fold": self.fold,
            "batches": {**as_json(self.together), "incomplete": self.incomplete, "recent": self.recent},
            "runs_on_disk": self.runs_on_disk, "fold_s": round(self.fold_s, 3), "release_s": round(self.release_s, 3),
        }
        return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


@dataclass(slots=True)
class Bounds:
    """Between which moments a grain has to lie to be released.

    Parameters
    ----------
    first_us, last_us : int
        What the files hold.
    now_us : int
        The machine's clock: what is younger than a day belongs to the log.
    with_ends : bool
        Whether grains that the files hold in part only are released as well.
    """

    first_us: int
    last_us: int
    now_us: int
    with_ends: bool

    def is_recent(self, seal: Seal) -> bool:
        """Whether the log's own seal may still come."""
        return seal.start_us + seal.grain_s * SECOND_US > self.now_us - LOG_US

    def is_incomplete(self, seal: Seal) -> bool:
        """Whether the files hold a part of the grain only."""
        begins_before = seal.start_us < self.first_us
        ends_after = seal.start_us + seal.grain_s * SECOND_US > self.last_us
        return not self.with_ends and (begins_before or ends_after)


class Collector:
    """Gathers the seals of each partition until they make a transaction.

    Parameters
    ----------
    cities : Timeline of City
    partitions : int
        Of the deployment.
    bounds : Bounds
    releases : Releases
    report : Report
    """

    def __init__(self, cities: Timeline[City], partitions: int, bounds: Bounds, releases: Releases,
                 report: Report) -> None:
        self._sites = cities.newest.ids[IdKind.SITE]
        self._partitions, self._bounds, self._releases, self._report = partitions, bounds, releases, report
        self._waiting: dict[int, list[Seal]] = {}

    def take(self, effects: Iterable[Effect]) -> None:
        """Keep the seals among them, release what is enough."""
        for seal in effects:
            if not isinstance(seal, Seal) or not self._has_values(seal):
                continue
            if self._bounds.is_recent(seal):
                self._report.recent += 1
            elif self._bounds.is_incomplete(seal):
                self._report.incomplete += 1
            else:
                self._add(seal)

    @staticmethod
    def _has_values(seal: Seal) -> bool:
        """A batch without any value says nothing: a hole in the files must not close the log's own grid."""
        return bool(seal.cells.column("value").null_count < seal.cells.num_rows)

    def _add(self, seal: Seal) -> None:
        partition = partition_of_site(self._sites[seal.site], self._partitions)
        waiting = self._waiting.setdefault(partition, [])
        # A grid may be sealed in two pieces around a change of the city: one at a time.
        if any(grid_of(one.batch_key) == grid_of(seal.batch_key) for one in waiting):
            self._release(partition)
            waiting = self._waiting.setdefault(partition, [])
        waiting.append(seal)
        if sum(one.cells.num_rows for one in waiting) >= CELLS_AT_ONCE:
            self._release(partition)

    def flush(self) -> None:
        """Release what waits."""
        for partition in sorted(self._waiting):
            self._release(partition)

    def _release(self, partition: int) -> None:
        seals = self._waiting.pop(partition, [])
        if seals:
            began_s = time.monotonic()
            self._report.together.add(self._releases.release(seals, partition))
            self._report.release_s += time.monotonic() - began_s


def fold(cities: Timeline[City], pieces: Iterable[Piece], bounds: Bounds, collector: Collector, report: Report,
         on_readings: Callable[[int], None] = lambda _: None) -> None:
    """Fold sorted readings and hand over the seals.

    Parameters
    ----------
    cities : Timeline of City
        Each reading goes by the version in force at its own time.
    pieces : iterable of Piece
        As `Runs.merged` gives them.
    bounds : Bounds
        `first_us` is where log time starts.
    collector : Collector
    report : Report
    on_readings : callable
        Told how many readings were folded, now and then.
    """
    partition = started(cities, bounds.first_us, SOURCE, seals_only=True)
    began_s, released_s = time.monotonic(), report.release_s
    for piece in pieces:
        for message in messages(cities, piece, SOURCE):
            collector.take(partition.step(message, message.ingested_at_us))
        on_readings(len(piece))
    end_us = bounds.last_us + drain_us(cities, with_ends=bounds.with_ends)
    collector.take(partition.step(tick(cities.newest, end_us, SOURCE), end_us))
    collector.flush()
    report.fold = dict(partition.counters)
    report.fold_s += time.monotonic() - began_s - (report.release_s - released_s)


def drain_us(cities: Timeline[City], *, with_ends: bool) -> int:
    """How much log time passes after the last reading, until all that is wanted is sealed; one hour to spare."""
    zones = (zone.seal_after_h for city in cities.entries for zone in city.file.zones.values())
    gates = (gate.seal_after_h for city in cities.entries for gate in city.file.gates.values())
    longest = max([LEAST_SEAL_HOURS, *zones, *gates])
    return (longest + 1 + (LONGEST_GRAIN_HOURS if with_ends else 0)) * HOUR_US
