# SPDX-License-Identifier: Apache-2.0
"""`drukte backfill`: years of recorded files into the research tier, once."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from schemas.errors import DrukteError

if TYPE_CHECKING:
    from schemas.city import City
    from schemas.city_timeline import Timeline
    from streams.backfill import Releases, Report
    from streams.backfill_runs import Runs
    from streams.settings import Settings


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for.

    Parameters
    ----------
    files : dict of str to list of Path
        Files and folders by source.
    feed : str, optional
        Their format, where it is not the one of the city file.
    dry_run : bool
        Say what would be released, and release nothing.
    with_ends : bool
        Release grains at either end that the files hold in part only.
    now_us : int
        The machine's clock.
    """

    files: dict[str, list[Path]]
    feed: str | None
    dry_run: bool
    with_ends: bool
    now_us: int


def backfill(
    paths: Annotated[list[str], typer.Argument(help="Files or folders; of several sources as SOURCE=PATH.")],
    source: Annotated[str, typer.Option(help="Source of the city file that paths without one belong to.")] = "",
    feed: Annotated[str | None, typer.Option(help="Format; else the one that the city file gives the source.")] = None,
    city: Annotated[
        list[str] | None,
        typer.Option(help="City file. Repeat it for later versions, as PATH@TIME; else the settings' and topic city."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be released; change nothing.")] = False,
    ends: Annotated[
        bool, typer.Option("--ends", help="Release also the first and last grain, of which the files hold a part.")
    ] = False,
    json: Annotated[Path | None, typer.Option("--json", help="JSON file for the report; else it is printed.")] = None,
    settings: Annotated[
        Path | None, typer.Option("--settings", help="Settings file; else $DRUKTE_SETTINGS, else ./drukte.toml.")
    ] = None,
) -> None:
    """Load recorded files into the research tier: noised and sealed as live, nothing twice, restartable."""
    from streams.clock import wall_us
    from streams.replay_command import check_writable
    from streams.settings import load_settings
    check_writable("--json", json)
    loaded = load_settings(settings)
    order = Order(by_source(paths, source), feed, dry_run, ends, wall_us())
    printed = run_backfill(loaded, _cities(loaded, city or []), order).as_json()
    if json is None:
        sys.stdout.write(printed.decode())
    else:
        json.write_bytes(printed)


def by_source(paths: list[str], source: str) -> dict[str, list[Path]]:
    """Paths by source; raises `DrukteError` for one that is not there or belongs to none."""
    found: dict[str, list[Path]] = {}
    for text in paths:
        key, separator, rest = text.partition("=")
        path = Path(rest if separator and not Path(text).exists() else text)
        owner = key if path == Path(rest) and separator else source
        if not path.exists():
            raise DrukteError(f"{path}: there is no such file or folder; give recorded files, or a folder of them")
        if not owner:
            raise DrukteError(f"{path}: say whose readings these are, with --source or as SOURCE={path}")
        found.setdefault(owner, []).append(path)
    return found


def run_backfill(settings: "Settings", cities: "Timeline[City]", order: Order) -> "Report":
    """Read, sort, fold and release.

    Raises
    ------
    DrukteError
        Files that cannot be read, a source or a format that is not known, another city's file.
    TransientError
        Broker or database is away; run the same again: what is released stands.
    FatalError
        As the writer's.
    """
    from streams.backfill import Bounds, Collector, Report, fold
    from streams.backfill_runs import Runs
    report = Report(order.dry_run)
    _check_city(settings, cities)
    with Runs() as runs:
        _read(cities, order, runs, report)
        report.runs_on_disk = runs.on_disk
        if runs.earliest_us is None or runs.latest_us is None:
            return report
        bounds = Bounds(runs.earliest_us, runs.latest_us, order.now_us, order.with_ends)
        with _releases(settings, dry_run=order.dry_run) as releases, _bar("readings", runs.readings) as advance:
            collector = Collector(cities, settings.kafka.partitions, bounds, releases, report)
            fold(cities, runs.merged(), bounds, collector, report, advance.by)
    return report


def _check_city(settings: "Settings", cities: "Timeline[City]") -> None:
    from streams.backfill_city import check_city
    from streams.writer.database import Database
    database = Database(settings.database.uri)
    try:
        check_city(database, cities)
    finally:
        database.close()


def _read(cities: "Timeline[City]", order: Order, runs: "Runs", report: "Report") -> None:
    from streams.backfill_files import decoder, listed, pieces
    files = {source: listed(paths) for source, paths in order.files.items()}
    with _bar("files", sum(map(len, files.values()))) as advance:
        for source, paths in files.items():
            decode = decoder(cities, source, order.feed)
            for piece in pieces(paths, decode, cities, report.taken, lambda _: advance.by(1)):
                runs.add(piece)


def _cities(settings: "Settings", texts: list[str]) -> "Timeline[City]":
    from streams.city_files import load_city
    from streams.replay_command import timeline
    if texts:
        return timeline(texts)
    from streams.cities import Cities
    cities = Cities(load_city(settings.city), settings.kafka)
    try:
        cities.refresh()
        return cities.timeline()
    finally:
        cities.close()


@contextmanager
def _releases(settings: "Settings", *, dry_run: bool) -> "Iterator[Releases]":
    """Where seals go: the writer's own way, or a look at what it would do."""
    from streams.backfill import Plans
    from streams.writer.database import Database
    from streams.writer.ledger_topic import LedgerTopic
    from streams.writer.release import Release
    from streams.writer.release_together import BulkRelease
    from streams.writer.restored import reconcile
    database, ledger = Database(settings.database.uri), LedgerTopic(settings.kafka)
    release = Release(database, ledger)
    bulk = BulkRelease(database, ledger, release)
    try:
        if dry_run:
            yield Plans(bulk)
            return
        reconcile(database, ledger)
        release.begin()
        yield bulk
    finally:
        database.close()


class _Advance:
    """A progress bar on the terminal's error output, moved on by `by`."""

    def __init__(self, what: str, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        self.progress = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self.progress.add_task(what, total=total)

    def by(self, count: int) -> None:
        """Move on."""
        self.progress.advance(self._task, count)


@contextmanager
def _bar(what: str, total: int) -> Iterator[_Advance]:
    advance = _Advance(what, total)
    with advance.progress:
        yield advance
