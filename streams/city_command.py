# SPDX-License-Identifier: Apache-2.0
"""`drukte city`: check a city file, number its keys, bring in roads, publish versions and compare them."""

import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from schemas.city_fault import CityFaultsError, Fault
from schemas.errors import DrukteError, RefusedError

if TYPE_CHECKING:  # what reads a city is loaded when a command runs
    from schemas.city import City
    from schemas.feeds.datex2_sites import SiteTable
    from schemas.roads import RoadTable
    from streams.city_files import RoadsAdded
    from streams.core.thresholds import ZoneThresholds

Box = tuple[float, float, float, float]
"""West, south, east and north edge in degrees, WGS 84."""
UNSOUND = 1
"""Exit code: the city file has faults."""
WRONG_INPUT = 2
"""Exit code: the command cannot do what it was asked to."""
PUBLISHED = "published"
"""Instead of a file: the newest published version."""
SettingsOption = Annotated[
    Path | None, typer.Option("--settings", help="Settings file; else $DRUKTE_SETTINGS, else ./drukte.toml.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")]

app = typer.Typer(
    help="Check the city file, number its keys, bring in road sensors, publish new versions and compare them.",
    no_args_is_help=True,
    rich_markup_mode=None,
)


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="The city file, such as den-haag.toml.", show_default=False)],
    assign: Annotated[
        bool,
        typer.Option(
            "--assign-ids",
            help="Append a number to the ids file beside it for each key without one, if the city is sound. "
            "Numbers are never changed or taken back.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document instead of text.")] = False,
) -> None:
    """Report every fault of a city file with its key path, or show what it holds.

    For each zone it shows from how many people its levels hold, and at how many counted persons they are
    raised and cleared: the thresholds as snapped to the edges of the bands that protect people.

    Exit code 0: sound; 1: faults; 2: the file cannot be read.
    """
    from streams.city_files import assign_ids, load_city
    from streams.core.thresholds import zone_thresholds
    with _one_line_errors():
        try:
            added = assign_ids(file) if assign else 0
            city = load_city(file)
        except CityFaultsError as error:
            _show_faults(file, error, as_json)
            raise typer.Exit(UNSOUND) from None
    thresholds = zone_thresholds(city.file)
    if as_json:
        typer.echo(msgspec.json.format(msgspec.json.encode(_summary(file, city, thresholds, added))))
    else:
        _show_city(file, city, thresholds, added)


@app.command("import-ndw")
def import_ndw(
    site_table: Annotated[
        Path,
        typer.Argument(
            help="NDW's measurement site table (DATEX II v2 XML, also gzipped).", show_default=False
        ),
    ],
    into: Annotated[Path, typer.Option("--into", help="The city file to extend.", show_default=False)],
    bbox: Annotated[
        str,
        typer.Option(
            "--bbox", help="West, south, east and north edge in degrees (WGS 84), such as "
            "4.18,52.01,4.42,52.14.", metavar="LON,LAT,LON,LAT", show_default=False
        ),
    ],
) -> None:
    """Bring the road sensors of a site table into a city.

    Writes the companion file `roads-SHA256.parquet` beside the city file, names it there under `roads`, adds
    the source `ndw` if it is missing and appends numbers to the ids file. Comments stay; earlier companions
    stay too, since earlier versions of the city need them.

    Exit code 0: done; 1: the city file has faults, nothing was written; 2: wrong input.
    """
    from schemas.ndw_roads import road_table
    from streams.city_files import add_roads
    box = _parsed_box(bbox)
    with _one_line_errors():
        sites = _read_sites(site_table)
        roads = road_table(sites, box)
        if not len(roads):
            raise DrukteError(f"{site_table}: no detector with flows or speeds lies in {bbox}; widen the box")
        try:
            written = add_roads(into, roads)
        except CityFaultsError as error:
            _show_faults(into, error, as_json=False)
            raise typer.Exit(UNSOUND) from None
    _show_import(sites, roads, box, written)


@app.command()
def publish(
    file: Annotated[Path, typer.Argument(help="The city file of the new version.", show_default=False)],
    effective_at: Annotated[
        str,
        typer.Option(
            "--effective-at", metavar="TIME", show_default=False,
            help="From when it holds: a whole minute at least 2 minutes ahead on the deployment's clock, with an "
            "offset (2026-05-01T06:00:00+02:00); 00:00 UTC where zones or gates change their shape.",
        ),
    ],
    settings: SettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Publish a version of the city file to a running deployment; nothing needs a restart.

    The file has to be sound, its `version` above the newest published one, and its ids those of that one with
    nothing but lines appended. A publication that was cut off is mended by the same command again.

    Exit code 0: done; 1: the city file has faults; 2: it may not follow, or the broker is away.
    """
    from streams.city_publish import publish as published
    from streams.city_show import json_text, publication_document, publication_text
    from streams.settings import load_settings
    at_us = _parsed_time(effective_at)
    with _one_line_errors():
        try:
            done = published(load_settings(settings), file, at_us)
        except CityFaultsError as error:
            _show_faults(file, error, as_json)
            raise typer.Exit(UNSOUND) from None
    typer.echo(json_text(publication_document(done)) if as_json else publication_text(done))


@app.command()
def diff(
    before: Annotated[str, typer.Argument(help=f"A city file, or `{PUBLISHED}`.", show_default=False)],
    after: Annotated[str, typer.Argument(help=f"A city file, or `{PUBLISHED}`.", show_default=False)],
    settings: SettingsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tell what changed between two versions: places, sensors, thresholds as snapped to bands, geometry, rules.

    `published` is the newest published version; it needs the settings.
    """
    from streams.city_diff import city_differences
    from streams.city_show import differences_document, differences_text, json_text
    with _one_line_errors():
        names, cities = zip(*(_named_city(one, settings) for one in (before, after)), strict=True)
    found = city_differences(*cities)
    if as_json:
        typer.echo(json_text(differences_document(names, found)))
    else:
        typer.echo(differences_text(names, found))


@app.command()
def history(settings: SettingsOption = None, as_json: JsonOption = False) -> None:
    """Show the published versions: from when, sha256, what kind of change."""
    from streams.city_publish import city_topic
    from streams.city_show import history_rows, json_text, show_history
    from streams.clock import now_us
    from streams.settings import load_settings
    with _one_line_errors():
        loaded = load_settings(settings)
        with city_topic(loaded.kafka) as topic:
            rows = history_rows(topic.new_versions(), now_us(loaded.clock))
    if as_json:
        typer.echo(json_text(rows))
    elif rows:
        show_history(rows)
    else:
        typer.echo(f"Nothing was published yet: the city file of the settings holds ({loaded.city}).")


def _named_city(name: str, settings: Path | None) -> "tuple[str, City]":
    """A city and what to call it; `published` is the newest of the topic."""
    from streams.city_files import load_city
    if name != PUBLISHED:
        city = load_city(Path(name))
        return f"{name} (version {city.version})", city
    from streams.city_publish import city_topic
    from streams.settings import load_settings
    with city_topic(load_settings(settings).kafka) as topic:
        versions = topic.new_versions()
    if not versions:
        raise DrukteError("nothing was published yet; give the path of a city file")
    # The first of a number is the one that stands.
    newest = {one.change.version: one for one in reversed(versions)}[max(one.change.version for one in versions)]
    return f"{PUBLISHED} (version {newest.change.version})", newest.city()


def _parsed_time(text: str) -> int:
    """Microseconds since 1970, UTC; raises `typer.BadParameter` for a time without an offset."""
    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        wrong = f"{text!r} is no time with an offset, such as 2026-05-01T06:00:00+02:00 or 2026-05-01T04:00Z"
        raise typer.BadParameter(wrong, param_hint="--effective-at")
    return round(at.replace(microsecond=0).timestamp()) * 1_000_000 + at.microsecond


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except CityFaultsError:
        raise
    except DrukteError as error:
        typer.echo(f"drukte: {error}", err=True)
        raise typer.Exit(WRONG_INPUT) from None


def _read_sites(path: Path) -> "SiteTable":
    from schemas.feeds.datex2_sites import read_site_table
    try:
        with path.open("rb") as stream:
            return read_site_table(stream)
    except OSError as error:
        text = f"{path}: cannot be read ({error.strerror}); give NDW's measurement site table"
        raise DrukteError(text) from None
    except RefusedError as error:
        raise DrukteError(f"{path}: {error}") from None


def _parsed_box(text: str) -> Box:
    """West, south, east, north; raises `typer.BadParameter` for anything else."""
    from schemas.city_geometry import LATITUDES, LONGITUDES
    try:
        west, south, east, north = (float(edge) for edge in text.split(","))
    except ValueError:
        wrong = f"{text!r} is not four numbers LON,LAT,LON,LAT"
        raise typer.BadParameter(wrong, param_hint="--bbox") from None
    in_range = LONGITUDES[0] <= west < east <= LONGITUDES[1] and LATITUDES[0] <= south < north <= LATITUDES[1]
    if not in_range:
        raise typer.BadParameter(
            f"{text!r} is not west,south,east,north within the Netherlands (longitude first)",
            param_hint="--bbox",
        )
    return west, south, east, north


def _show_faults(file: Path, error: CityFaultsError, as_json: bool) -> None:
    if as_json:
        found = {"file": str(file), "sound": False, "faults": [_fault_row(fault) for fault in error.faults]}
        typer.echo(msgspec.json.format(msgspec.json.encode(found)))
    else:
        typer.echo(str(error))


def _fault_row(fault: Fault) -> dict[str, str]:
    return {"path": fault.path, "text": fault.text}


def _counts(city: "City") -> dict[str, int]:
    file, roads = city.file, city.roads
    return {
        "sources": len(file.sources),
        "sites": len(file.sites),
        "zones": len(file.zones),
        "gates": len(file.gates),
        "sensors": len(file.sensors),
        "rules": len(file.rules),
        "events": len(file.events),
        "plans": len(file.plans),
        "road_sites": len(set(roads.column("site"))),
        "road_zones": len(set(roads.column("zone"))),
        "road_sensors": len(set(roads.column("sensor"))),
    }


def _level_rows(city: "City", found: "ZoneThresholds") -> list[dict[str, Any]]:
    levels = city.file.profiles[city.file.zones[found.zone].profile].levels[1:]
    return [
        {"level": name, "people": people, "raised_at_counted": up, "cleared_below_counted": down}
        for name, people, up, down in zip(levels, found.people, found.up, found.down, strict=False)
    ]


def _density_rows(found: "ZoneThresholds") -> list[dict[str, Any]]:
    return [{"rule": key, "raised_at_counted": up, "cleared_below_counted": down}
            for key, (up, down) in found.own.items()]


def _summary(file: Path, city: "City", thresholds: "list[ZoneThresholds]", added: int) -> dict[str, Any]:
    return {
        "file": str(file),
        "sound": True,
        "faults": [],
        "city": city.file.city,
        "version": city.version,
        "sha256": city.sha256,
        "numbers_added": added,
        "counts": _counts(city),
        "zones": [
            {"zone": found.zone, "gain": found.gain, "levels": _level_rows(city, found),
             "density_rules": _density_rows(found)}
            for found in thresholds
        ],
    }


def _show_city(file: Path, city: "City", thresholds: "list[ZoneThresholds]", added: int) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text
    typer.echo(f"{file}: sound. {city.file.name}, version {city.version}, sha256 {city.sha256}")
    if added:
        typer.echo(f"Numbers given: {added}")
    typer.echo(", ".join(f"{name.replace('_', ' ')} {count}" for name, count in _counts(city).items()))
    table = Table(title="Level thresholds, snapped to the bands of counted persons", box=SIMPLE_HEAD)
    table.add_column("zone", no_wrap=True, overflow="fold")
    for heading in ("gain", "level", "people from", "raised at", "cleared below"):
        # No narrower than its longest word: a heading that is cut off says nothing.
        table.add_column(heading, justify="left" if heading == "level" else "right", no_wrap=heading == "level",
                         min_width=max(map(len, heading.split())))
    for found in thresholds:
        first = [found.zone, f"{found.gain:.3g}"]
        for row in _level_rows(city, found):
            cells = [*first, row["level"], f"{row['people']:.0f}", row["raised_at_counted"],
                     row["cleared_below_counted"]]
            table.add_row(*(Text(str(cell)) for cell in cells))
            first = ["", ""]
        for row in _density_rows(found):
            cells = [*first, f"rule {row['rule']}", "", row["raised_at_counted"], row["cleared_below_counted"]]
            table.add_row(*(Text(str(cell)) for cell in cells))
            first = ["", ""]
    if thresholds:
        Console().print(table)


def _show_import(sites: "SiteTable", roads: "RoadTable", box: Box, written: "RoadsAdded") -> None:
    west, south, east, north = box
    taken = set(roads.column("zone"))
    points = [record for record in sites.records.values() if record.is_point]
    inside = [
        record.id for record in points if west <= record.lon <= east and south <= record.lat <= north
    ]
    squares, sensors = set(roads.column("site")), set(roads.column("sensor"))
    typer.echo(f"Written: {written.companion.name}")
    typer.echo(
        f"Brought in: {len(taken)} measuring sites in {len(squares)} squares of 5 km, {len(sensors)} sensors, "
        f"{len(roads)} channels; numbers given: {written.numbers}"
    )
    typer.echo(
        f"Left out: {len(points) - len(inside)} detectors outside the box, {len(set(inside) - taken)} inside it "
        f"without flow or speed, {len(sites.records) - len(points)} sites along a route"
    )
    tallies = ", ".join(
        f"{str(name).replace('_', ' ')} {count}" for name, count in sites.counts.items() if count
    )
    typer.echo(f"Site table {sites.id} version {sites.version}: {tallies}")
    typer.echo(f"Raise `version` (now {written.city.version}) before this city file is used by a running city.")
