# SPDX-License-Identifier: Apache-2.0
"""What the demo plays: a copy of the city with its roads, and from where its road traffic comes."""

import datetime as dt
import io
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Protocol
from zoneinfo import ZoneInfo

import httpx
import tomlkit

from schemas.city import City, CityFile
from schemas.errors import FatalError, TransientError
from schemas.feeds.datex2 import read_site_table
from schemas.ndw_roads import road_table
from schemas.roads import NDW_SOURCE, RoadTable
from streams.city_files import add_roads, ids_path, load_city
from streams.clock import wall_us
from streams.simulate.recording import SITE_TABLE, Recording, read_recording, recorded_file
from streams.simulate.road_sites import site_table
from streams.simulate.roads import DELIVERY_S, MINUTE_US, RoadTraffic, rfc3339

LIVE = "live"
"""The value of `roads` that stands for NDW's public feed."""
NDW_MEASURED_URL = "https://opendata.ndw.nu/trafficspeed.xml.gz"
NDW_SITE_TABLE_URL = "https://opendata.ndw.nu/measurement_current.xml.gz"
"""NDW's open data, DATEX II v2.3, no account needed."""
SITE_TABLE_BYTES = 100_000_000
"""The national table has some 10 MB compressed; more is something else."""
FEED_TIMEOUT = httpx.Timeout(20.0, connect=5.0)
AROUND_DEGREES = (0.11, 0.06)
"""Roads so far (longitude, latitude; some 5 km) around the city's zones are taken from a real table."""
START_HOUR = 15
"""Local hour at which the simulated day begins: shortly before the busy hours on the roads."""


class Roads(Protocol):
    """Road traffic as publications in time."""

    def due(self, now_us: int) -> Iterator[bytes]:
        """The DATEX II publications that came out since the last call."""


@dataclass(slots=True)
class NoRoads:
    """No road traffic of the demo's own."""

    def due(self, now_us: int) -> Iterator[bytes]:
        """As `Roads.due`: none."""
        del now_us
        return iter(())


@dataclass(slots=True)
class InventedRoads:
    """Each minute of invented traffic once it is delivered."""

    traffic: RoadTraffic
    next_us: int

    def due(self, now_us: int) -> Iterator[bytes]:
        """As `Roads.due`."""
        while self.next_us + MINUTE_US + DELIVERY_S * 1e6 <= now_us:
            yield self.traffic.publication(self.next_us)
            self.next_us += MINUTE_US


@dataclass(slots=True)
class RecordedRoads:
    """A recorded publication, every minute again."""

    recording: Recording
    start_us: int
    repetition: int = 0

    def due(self, now_us: int) -> Iterator[bytes]:
        """As `Roads.due`."""
        while self.start_us + self.repetition * MINUTE_US <= now_us:
            yield self.recording.publication(self.start_us, self.repetition)
            self.repetition += 1


@dataclass(frozen=True, slots=True)
class Scene:
    """The city that is played.

    Parameters
    ----------
    path : Path
        The copy of the city file.
    city : City
    recording : Recording or None
    invented : bool
        Whether the roads are invented.
    live : bool
        Whether the gateway polls NDW.
    notes : tuple of str
        What the viewer has to know.
    """

    path: Path
    city: City
    recording: Recording | None = None
    invented: bool = False
    live: bool = False
    notes: tuple[str, ...] = ()

    def roads(self, seed: int, start_us: int) -> Roads:
        """The road traffic from `start_us` on."""
        if self.recording is not None:
            return RecordedRoads(self.recording, self.recording.aligned_start_us(start_us))
        if self.invented:
            first_us = -(-start_us // MINUTE_US) * MINUTE_US
            return InventedRoads(RoadTraffic(seed, first_us), first_us)
        return NoRoads()


def make_scene(folder: Path, city_path: Path | None, roads: str | None) -> Scene:
    """Copy a city into `folder` and give it roads.

    Parameters
    ----------
    folder : Path
    city_path : Path, optional
        A city file; else that of The Hague.
    roads : str, optional
        A folder with a recorded NDW feed, or `LIVE`; else roads are invented.

    Raises
    ------
    FatalError, CityFaultsError
        The city or the recording is not there or not sound.
    """
    if city_path is not None:
        path = _copied(folder, city_path)
    else:
        with as_file(files("infra") / "cities" / "den-haag") as cities:
            path = _copied(folder, cities / "den-haag.toml")
    city = load_city(path)
    if roads is None:
        table = road_table(read_site_table(io.BytesIO(site_table(rfc3339(wall_us())))), None)
        return Scene(path, add_roads(path, table).city, invented=True)
    if roads == LIVE:
        return _live_scene(path, city)
    return _recorded_scene(path, city, Path(roads))


def start_us(file: CityFile, today: dt.date) -> int:
    """Begin of the simulated day: today, or the nearest day on which all sensors may report.

    Returns
    -------
    int
        Microseconds since 1970, UTC.
    """
    first = max((sensor.start for sensor in file.sensors.values()), default=today)
    last = min((sensor.end for sensor in file.sensors.values()), default=today)
    day = max(first, min(today, last))
    begin = dt.datetime.combine(day, dt.time(START_HOUR), ZoneInfo(file.timezone))
    return round(begin.timestamp() * 1_000_000)


def _copied(folder: Path, city_path: Path) -> Path:
    """Copy the city's files: the TOML, the ids and the companions that may be named in it."""
    path = folder / city_path.name
    try:
        for original in (city_path, ids_path(city_path), *city_path.parent.glob("roads-*.parquet")):
            if original.exists():
                shutil.copyfile(original, folder / original.name)
    except OSError as error:
        raise FatalError(f"{city_path}: cannot be copied ({error.strerror})") from None
    return path


def _recorded_scene(path: Path, city: City, recorded: Path) -> Scene:
    table_path = recorded_file(recorded, SITE_TABLE)
    with table_path.open("rb") as stream:
        table = road_table(read_site_table(stream), _around(city.file))
    if not len(table):
        raise FatalError(f"{table_path}: no measuring site lies around {city.file.name}; take another recording")
    add_roads(path, table)
    document = tomlkit.parse(path.read_text(encoding="utf-8"))
    # It is played again and again: an unchanged speed is then no sign of a stuck sensor.
    document["sources"][NDW_SOURCE]["is_recording"] = True
    path.write_text(tomlkit.dumps(document), encoding="utf-8")
    return Scene(path, load_city(path), recording=read_recording(recorded, _periods_s(table)))


def _live_scene(path: Path, city: City) -> Scene:
    try:
        table = road_table(read_site_table(io.BytesIO(_fetched(NDW_SITE_TABLE_URL))), _around(city.file))
    except TransientError as error:
        note = f"NDW's public feed cannot be reached ({error}): crowds only, no roads."
        return Scene(path, city, notes=(note,))
    return Scene(path, add_roads(path, table).city, live=True)


def _fetched(url: str) -> bytes:
    body = bytearray()
    try:
        with httpx.stream("GET", url, timeout=FEED_TIMEOUT, follow_redirects=True) as answer:
            answer.raise_for_status()
            for part in answer.iter_raw():
                body += part
                if len(body) > SITE_TABLE_BYTES:
                    raise TransientError(f"{url} sends more than {SITE_TABLE_BYTES} bytes")
    except httpx.HTTPStatusError as error:
        raise TransientError(f"{url} answers {error.response.status_code}") from None
    except httpx.HTTPError as error:
        raise TransientError(f"{url}: {type(error).__name__}") from None
    return bytes(body)


def _around(file: CityFile) -> tuple[float, float, float, float]:
    """West, south, east, north of the city's zones and some way around them."""
    corners = [corner for zone in file.zones.values() for corner in zone.polygon]
    longitudes, latitudes = zip(*corners, strict=True)
    beside, beyond = AROUND_DEGREES
    return min(longitudes) - beside, min(latitudes) - beyond, max(longitudes) + beside, max(latitudes) + beyond


def _periods_s(roads: RoadTable) -> dict[str, float]:
    return {
        str(zone): float(str(period)) for zone, period in
        zip(roads.column("zone"), roads.column("period_s"), strict=True)
    }
