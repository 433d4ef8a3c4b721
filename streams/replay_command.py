# SPDX-License-Identifier: Apache-2.0
"""What `drukte replay` does with its arguments: the city, the decoder, the progress bar."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from schemas.city import City
from schemas.city_timeline import Timeline
from schemas.errors import DrukteError, RefusedError
from schemas.feeds.datex2 import RoadChannels
from schemas.feeds.datex2_sites import SiteTable, read_site_table
from schemas.feeds.decoded import Decoded
from schemas.feeds.native import decode as decode_native
from schemas.ndw_roads import road_table
from schemas.registry import Registry
from streams.city_files import load_city
from streams.recorded import measured
from streams.replay import city_of_roads, run


def replay_files(files: list[Path], feed: str, site_table: Path | None, city_versions: list[str], source: str,
                 out: Path | None) -> bytes:
    """Replay files and give the report as JSON.

    Of `city_versions` the first is a path, the others are `PATH@TIME`: from when that version holds.

    Raises
    ------
    DrukteError
        Arguments that do not go together, or files that cannot be read or written.
    """
    cities = timeline(city_versions) if city_versions else None
    sites = _sites(site_table) if site_table else None
    if sites is not None:
        if cities is not None and len(cities) > 1:
            raise DrukteError("--site-table gives its roads to one city; leave it out where --city stands twice")
        cities = Timeline.of(city_of_roads(road_table(sites, None), None if cities is None else cities.newest))
    if cities is None:
        raise DrukteError("nothing says what the readings belong to: give --site-table or --city")
    decode = _decoder(feed, cities, sites, source)
    columns = (TextColumn("[progress.description]{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("replay", total=len(files))
        report = run(cities, files, decode, out, lambda path: progress.update(
            task, advance=1, description=path.name))
    return report.as_json()


def check_writable(option: str, path: Path | None) -> None:
    """See before a long run whether its report can be written; raises `DrukteError`."""
    if path is None:
        return
    try:
        with path.open("ab"):
            pass
    except OSError as error:
        raise DrukteError(f"{option} {path}: cannot be written ({error.strerror}); name another file") from None


def timeline(texts: list[str]) -> Timeline[City]:
    """City versions and from when each holds.

    Raises
    ------
    DrukteError
        A file that is not sound, a later one without a time, or versions or times that do not rise.
    """
    since_us, cities = [0], [load_city(Path(texts[0]))]
    for text in texts[1:]:
        path, _, time = text.rpartition("@")
        try:
            at = dt.datetime.fromisoformat(time)
        except ValueError:
            at = None
        if not path or at is None or at.tzinfo is None:
            raise DrukteError(f"--city {text!r}: of several city files all but the first are PATH@TIME, TIME with an "
                              "offset, such as den-haag-2.toml@2026-05-01T04:00Z")
        since_us.append(round(at.timestamp()) * 1_000_000)
        cities.append(load_city(Path(path)))
        if since_us[-1] <= since_us[-2] or cities[-1].version <= cities[-2].version:
            raise DrukteError(f"--city {text!r}: give the versions in their order; version and time have to rise")
    return Timeline(tuple(since_us), tuple(cities))


def _sites(path: Path) -> SiteTable:
    try:
        with path.open("rb") as stream:
            return read_site_table(stream)
    except OSError as error:
        raise DrukteError(f"--site-table {path}: cannot be read ({error.strerror})") from None
    except RefusedError as error:
        raise DrukteError(f"--site-table {path}: {error}") from None


def _decoder(feed: str, cities: Timeline[City], sites: SiteTable | None, source: str) -> Callable[[Path], Decoded]:
    if feed == "native":
        if not any(source in city.file.sources for city in cities.entries):
            known = ", ".join(cities.newest.file.sources) or "none"
            wrong = f"--source {source!r} is not in the city file" if source else "native readings need a --source"
            raise DrukteError(f"{wrong}; known: {known}")
        registries = cities.mapped(Registry.of)
        return lambda path: decode_native(path.read_bytes(), registries, source)
    others = frozenset() if sites is None else sites.itineraries
    version = None if sites is None else sites.version
    channels = cities.mapped(lambda city: RoadChannels.of(city.roads, city.ids, others, version))

    return lambda path: measured(path, channels)
