# SPDX-License-Identifier: Apache-2.0
"""`drukte simulate`: an event with known truth, to a gateway or into files."""

import datetime as dt
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from zoneinfo import ZoneInfo

import msgspec
import typer

from schemas.errors import DrukteError

if TYPE_CHECKING:
    from rich.progress import Progress

    from schemas.city import City, CityFile
    from streams.simulate.event import Event, EventFile
    from streams.simulate.gateway_post import GatewayPost
    from streams.simulate.outlets import Folder
    from streams.simulate.run import Play, Played
    from streams.simulate.synthetic import SyntheticFiles

START_HOUR = 12
"""Local hour at which an event begins that says nothing of its start."""
STEP_S = 10
ZONES_LIMIT = 50_000
MAX_SPEED = "max"
_TABLE_TIME = "2026-01-01T00:00:00.000Z"
"""The invented sites never change, so their table always says the same."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the options ask for beside the event itself."""

    city: Path | None
    zones: int | None
    write_city: Path | None
    to: str | None
    out: Path | None
    truth: Path | None
    roads: bool
    site_table: Path | None
    speed: float


def simulate(
    city: Annotated[Path | None, typer.Option(help="City file (TOML).", exists=True, dir_okay=False)] = None,
    zones: Annotated[
        int | None, typer.Option(min=1, max=ZONES_LIMIT, help="Instead of --city: an invented one of so many zones.")
    ] = None,
    write_city: Annotated[
        Path | None, typer.Option(help="Write the invented city here, with its ids beside it.", dir_okay=False)
    ] = None,
    event: Annotated[
        Path | None, typer.Option(help="Event file (TOML): tables event and errors.", exists=True, dir_okay=False)
    ] = None,
    start: Annotated[str | None, typer.Option(help="RFC 3339 with offset, on a whole 10 s.")] = None,
    length_s: Annotated[int | None, typer.Option("--for", min=60, help="Length in simulated seconds.")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of everything left to chance.")] = None,
    visitors: Annotated[int | None, typer.Option(min=1, help="Most people wanted in all zones together.")] = None,
    level: Annotated[int | None, typer.Option(min=1, max=9, help="Level of the main zone at the peaks.")] = None,
    surge_at_s: Annotated[
        int | None, typer.Option("--surge-at", min=0, help="Sudden crowding so many seconds after the start.")
    ] = None,
    surge_zone: Annotated[str | None, typer.Option(help="Where; else in the main zone.")] = None,
    errors: Annotated[
        str | None, typer.Option(help="How sensors err: none, city (as the city file says) or typical.")
    ] = None,
    to: Annotated[str | None, typer.Option(help="Address of a gateway, as http://127.0.0.1:8480.")] = None,
    out: Annotated[Path | None, typer.Option(help="New folder for NDJSON and XML files.", file_okay=False)] = None,
    truth: Annotated[Path | None, typer.Option(help="Parquet file for the truth.", dir_okay=False)] = None,
    roads: Annotated[bool, typer.Option("--roads", help="Also invented roads with a jam, as DATEX II.")] = False,
    site_table: Annotated[
        Path | None, typer.Option(help="Write the roads' site table here; with --out it stands there too.")
    ] = None,
    speed: Annotated[
        str, typer.Option(help="Simulated seconds in a second; 0 or max = as fast as possible.")
    ] = MAX_SPEED,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")] = False,
) -> None:
    """Play an event whose truth is known: people, sensors with errors of their own, roads with a jam.

    The same seed, city and event give the same bytes, of readings and of truth.
    """
    from streams.simulate.event import EventFile, read_event
    wanted = Wanted(city, zones, write_city, to, out, truth, roads, site_table, _speed(speed))
    file = read_event(event) if event else EventFile()
    given = {
        "start": _moment(start), "length_s": length_s, "seed": seed, "visitors": visitors, "level": level,
        "surge_at_s": surge_at_s, "surge_zone": surge_zone,
    }
    chosen = {name: value for name, value in given.items() if value is not None}
    file = _with(file, chosen, errors)
    summary = run_simulation(wanted, file)
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(summary)).decode() + "\n")
    else:
        sys.stdout.write("".join(f"{name}: {_shown(value)}\n" for name, value in summary.items()))


def run_simulation(wanted: Wanted, file: "EventFile") -> dict[str, object]:
    """Do what is wanted, and give the summary.

    Raises
    ------
    DrukteError
        Options that do not go together, a file that cannot be read or written, a gateway that takes nothing.
    """
    begin_s = time.monotonic()
    city, synthetic = _city(wanted)
    _write_site_table(wanted)
    if wanted.to is None and wanted.out is None and wanted.truth is None:
        if wanted.write_city is None and wanted.site_table is None:
            raise DrukteError("nothing would come of it; give --to, --out or --truth")
        return {"city": city.file.city, "written": [str(path) for path in (wanted.write_city, wanted.site_table)
                                                    if path is not None]}
    playing = _playing(wanted, city, file)
    with ExitStack() as closing:
        folder, post = _outlets(wanted, playing, synthetic, closing)
        played = _played(wanted, playing, folder, post, closing)
    return _summary(playing, played, post, time.monotonic() - begin_s)


def _speed(text: str) -> float:
    try:
        speed = 0.0 if text == MAX_SPEED else float(text)
    except ValueError:
        speed = -1.0
    if not 0 <= speed < float("inf"):
        raise DrukteError(f"--speed {text!r} is no speed; give a number from 0 on, or max")
    return speed


def _moment(text: str | None) -> dt.datetime | None:
    if text is None:
        return None
    try:
        return msgspec.convert(text, dt.datetime, strict=False)
    except msgspec.ValidationError:
        raise DrukteError(f"--start {text!r} is no time; write it as 2026-09-05T12:00:00+02:00") from None


def _with(file: "EventFile", chosen: Mapping[str, object], mix: str | None) -> "EventFile":
    """The event file with what the options say instead; checked as the file itself is."""
    from streams.simulate.event import Errors, Event, EventFile
    try:
        event = msgspec.convert({**msgspec.structs.asdict(file.event), **chosen}, Event)
        errors = {**msgspec.structs.asdict(file.errors), **({"mix": mix} if mix is not None else {})}
        return EventFile(event=event, errors=msgspec.convert(errors, Errors))
    except msgspec.ValidationError as error:
        raise DrukteError(f"options of the event: {error}") from None


def _city(wanted: Wanted) -> "tuple[City, SyntheticFiles | None]":
    from streams.city_files import ids_path, load_city
    from streams.simulate.synthetic import SyntheticFiles
    if (wanted.city is None) == (wanted.zones is None):
        raise DrukteError("give exactly one of --city and --zones: whose sensors shall report?")
    if wanted.city is not None:
        if wanted.write_city is not None:
            raise DrukteError("--write-city is for an invented city; give --zones, or leave it out")
        return load_city(wanted.city), None
    files = SyntheticFiles.of(wanted.zones or 0)
    if wanted.write_city is not None:
        _write_new(wanted.write_city, files.toml.encode())
        _write_new(ids_path(wanted.write_city), files.ids.encode())
    return files.city(), files


def _write_site_table(wanted: Wanted) -> None:
    if wanted.site_table is not None:
        from streams.simulate.road_sites import site_table
        _write_new(wanted.site_table, site_table(_TABLE_TIME))


def _write_new(path: Path, content: bytes) -> None:
    """Write a file unless another one would be lost; the same content may be there already."""
    try:
        if path.exists() and path.read_bytes() != content:
            raise DrukteError(f"{path}: holds something else; remove it or give another name")
        path.write_bytes(content)
    except OSError as error:
        raise DrukteError(f"{path}: cannot be written ({error.strerror})") from None


def _playing(wanted: Wanted, city: "City", file: "EventFile") -> "Play":
    from streams.simulate.run import Play
    from streams.simulate.sensor_errors import chosen_errors
    errors = chosen_errors(city, file.event.seed, file.errors.mix, file.errors.sensors)
    start_us = _start_us(city.file, file.event, is_live=wanted.to is not None)
    return Play(city, file.event, start_us, file.errors.mix, errors, wanted.roads)


def _start_us(file: "CityFile", event: "Event", *, is_live: bool) -> int:
    """Begin of the event: as given; now, for a gateway; else noon of the first day on which all may report."""
    start = event.start
    if start is None and is_live:
        return int(time.time()) // STEP_S * STEP_S * 1_000_000
    if start is None:
        day = max((sensor.start for sensor in file.sensors.values()), default=dt.date(2026, 1, 1))
        start = dt.datetime.combine(day, dt.time(START_HOUR), ZoneInfo(file.timezone))
    if start.tzinfo is None:
        raise DrukteError(f"the event's start {start.isoformat()} has no offset; write it as {start.isoformat()}+01:00")
    return round(start.timestamp() * 1_000_000)


def _outlets(
    wanted: Wanted, playing: "Play", synthetic: "SyntheticFiles | None", closing: ExitStack
) -> tuple["Folder | None", "GatewayPost | None"]:
    from streams.simulate.gateway_post import GatewayPost
    from streams.simulate.outlets import SITE_TABLE_NAME, Folder
    from streams.simulate.road_sites import site_table
    folder = post = None
    if wanted.to is not None:
        post = GatewayPost(wanted.to, tell=lambda text: typer.echo(f"drukte simulate: {text}", err=True))
        closing.callback(post.close)
    if wanted.out is not None:
        folder = Folder(wanted.out)
        closing.callback(folder.close)
        if playing.roads:
            folder.write(SITE_TABLE_NAME, site_table(_TABLE_TIME))
        if synthetic is not None:
            folder.write(f"{playing.city.file.city}.toml", synthetic.toml.encode())
            folder.write(f"{playing.city.file.city}.ids", synthetic.ids.encode())
    return folder, post


def _played(
    wanted: Wanted, playing: "Play", folder: "Folder | None", post: "GatewayPost | None", closing: ExitStack
) -> "Played":
    from streams.simulate.ground import Ground
    from streams.simulate.run import Pace, play
    from streams.simulate.truth import TruthFile
    truth = None
    if wanted.truth is not None:
        truth = TruthFile(wanted.truth, Ground.of(playing.city), playing.about())
        closing.callback(truth.close)
    outlets = [outlet for outlet in (folder, post) if outlet is not None]
    with _progress(playing.event.length_s) as progress:
        return play(playing, outlets, truth, Pace(wanted.speed), progress)


@contextmanager
def _progress(length_s: int) -> Iterator["_Bar"]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
    columns = (TextColumn("simulated"), BarColumn(), TextColumn("{task.completed:.0f} of {task.total:.0f} s"),
               TimeElapsedColumn(), TimeRemainingColumn())
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        yield _Bar(progress, length_s)


class _Bar:
    def __init__(self, progress: "Progress", length_s: int) -> None:
        self._progress = progress
        self._task = progress.add_task("simulated", total=length_s)

    def __call__(self, simulated_s: int) -> None:
        self._progress.update(self._task, completed=simulated_s)


def _summary(playing: "Play", played: "Played", post: "GatewayPost | None", wall_s: float) -> dict[str, object]:
    file = playing.city.file
    total = sum(played.readings.values())
    summary: dict[str, object] = {
        "city": file.city, "zones": len(file.zones), "sensors": len(file.sensors),
        "seed": playing.event.seed, "errors": playing.mix.value,
        "start": dt.datetime.fromtimestamp(playing.start_us / 1e6, dt.UTC).isoformat().replace("+00:00", "Z"),
        "simulated_s": played.length_s, "wall_s": round(wall_s, 2),
        "readings": total, "readings_by_source": played.readings, "publications": played.publications,
        "truth_rows": played.truth_rows,
    }
    if post is not None:
        summary |= {
            "posts": post.posts, "repeats": post.repeats, "taken": post.taken, "refused": dict(post.refused),
        }
    return summary


def _shown(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {number}" for name, number in value.items()) or "none"
    return ", ".join(value) if isinstance(value, list) else str(value)
