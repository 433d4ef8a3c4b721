# SPDX-License-Identifier: Apache-2.0
"""What `drukte replay` does with its arguments: the city, the decoder, the progress bar."""

from collections.abc import Callable
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from schemas.city import City
from schemas.errors import DrukteError
from schemas.feeds.datex2 import RoadChannels, decode_measured
from schemas.feeds.datex2_sites import SiteTable, read_site_table
from schemas.feeds.decoded import Decoded
from schemas.feeds.native import decode as decode_native
from schemas.ndw_roads import road_table
from schemas.registry import Registry
from streams.city_files import load_city
from streams.replay import city_of_roads, run


def replay_files(files: list[Path], feed: str, site_table: Path | None, city_path: Path | None, source: str,
                 out: Path | None) -> bytes:
    """Replay files and give the report as JSON.

    Raises
    ------
    DrukteError
        Arguments that do not go together, or files that cannot be read or written.
    """
    city = load_city(city_path) if city_path else None
    sites = _sites(site_table) if site_table else None
    if sites is not None:
        city = city_of_roads(road_table(sites, None), city)
    if city is None:
        raise DrukteError("nothing says what the readings belong to: give --site-table or --city")
    decode = _decoder(feed, city, sites, source)
    columns = (TextColumn("[progress.description]{task.description}"), BarColumn(), MofNCompleteColumn(),
               TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("replay", total=len(files))
        report = run(city, files, decode, out, lambda path: progress.update(
            task, advance=1, description=path.name))
    return report.as_json()


def _sites(path: Path) -> SiteTable:
    try:
        with path.open("rb") as stream:
            return read_site_table(stream)
    except OSError as error:
        raise DrukteError(f"{path}: cannot be read ({error.strerror})") from None


def _decoder(feed: str, city: City, sites: SiteTable | None, source: str) -> Callable[[Path], Decoded]:
    if feed == "native":
        if source not in city.file.sources:
            known = ", ".join(city.file.sources) or "none"
            raise DrukteError(f"--source {source!r} is not in the city file; known: {known}")
        registry = Registry.of(city)
        return lambda path: decode_native(path.read_bytes(), registry, source)
    others = frozenset() if sites is None else sites.itineraries
    channels = RoadChannels.of(city.roads, city.ids, others, None if sites is None else sites.version)

    def decode(path: Path) -> Decoded:
        with path.open("rb") as stream:
            return decode_measured(stream, channels)

    return decode


