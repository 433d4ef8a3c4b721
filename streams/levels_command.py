# SPDX-License-Identifier: Apache-2.0
"""`drukte levels`: check a table of service levels or a profile, and show the built-in ones."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from schemas.city_fault import Fault
    from schemas.level_profiles import BuiltIn

NOT_SOUND = 1
UNREADABLE = 2
TOML_ENDING = ".toml"
_HEAD = {"format": 1, "city": "levels", "name": "levels", "version": 1, "timezone": "UTC"}
"""What a city file needs around its profiles; nothing of it is looked at."""

app = typer.Typer(no_args_is_help=True, help="Service levels: check tables and profiles, show the built-in ones.")
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of lines.")]


@app.command()
def check(
    file: Annotated[Path, typer.Argument(help="CSV in Amsterdam's layout, or TOML with \\[profiles.NAME].",
                                         exists=True, dir_okay=False)],
    as_json: JsonOption = False,
) -> None:
    """List every defect of a table of service levels or of level profiles, with what to do.

    Exit code 0: sound; 1: it has defects and must not be used; 2: it cannot be read.
    """
    from schemas.errors import DrukteError
    try:
        content = file.read_bytes()
        defects = _profile_defects(content) if file.suffix == TOML_ENDING else _table_defects(content)
    except (DrukteError, OSError) as error:
        typer.echo(f"drukte levels check: {file}: {error}", err=True)
        raise typer.Exit(UNREADABLE) from None
    if as_json:
        _print_json({"file": str(file), "sound": not defects, "defects": defects})
    else:
        for defect in defects:
            typer.echo(f"{file}: {defect['text']}")
        counted = "1 defect" if len(defects) == 1 else f"{len(defects)} defects"
        typer.echo(f"{file}: {counted}; do not use it as it is" if defects else f"{file}: sound")
    raise typer.Exit(NOT_SOUND if defects else 0)


def _table_defects(content: bytes) -> list[dict[str, Any]]:
    from schemas.level_defects import level_table_defects
    return [
        {"kind": defect.kind.value, "rows": list(defect.rows), "what": defect.what, "remedy": defect.remedy,
         "text": str(defect)}
        for defect in level_table_defects(content)
    ]


def _profile_defects(content: bytes) -> list[dict[str, Any]]:
    return [{"kind": "profile", "path": fault.path, "what": fault.text, "text": str(fault)}
            for fault in _profile_faults(content)]


def _profile_faults(content: bytes) -> "list[Fault]":
    """Faults of the profiles of a TOML document; of a whole city file nothing else is looked at."""
    import tomli
    import tomlkit

    from schemas.city_fault import CityFaultsError, Fault, key_path
    from schemas.city_types import typed_city_file
    from schemas.errors import DrukteError
    from schemas.level_check import profile_faults
    try:
        document = tomli.loads(content.decode())
    except (UnicodeDecodeError, tomli.TOMLDecodeError) as error:
        raise DrukteError(f"is no TOML: {error}; correct it there") from None
    if not document.get("profiles"):
        return [Fault("profiles", "is missing; write each profile as [profiles.NAME]")]
    try:
        city = typed_city_file(tomlkit.dumps({**_HEAD, "profiles": document["profiles"]}).encode())
    except CityFaultsError as error:
        return error.faults
    return [fault for key, profile in city.profiles.items()
            for fault in profile_faults(key_path("profiles", key), profile)]


@app.command("list")
def list_profiles(as_json: JsonOption = False) -> None:
    """Name the built-in profiles with their sources."""
    from schemas.level_profiles import BUILT_IN
    if as_json:
        _print_json([_document(found) for found in BUILT_IN.values()])
        return
    for reference, found in BUILT_IN.items():
        facilities = ", ".join(dict.fromkeys(scale.facility for scale in found.scales))
        typer.echo(f"{reference}: {facilities}; {' and '.join(found.begins)}\n    {found.source}")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="Name, or name@version; without a version the newest.")],
    as_json: JsonOption = False,
) -> None:
    """Print a built-in profile: its own scales, the colours made of them, and where each figure comes from."""
    from schemas.errors import DrukteError
    from schemas.level_profiles import BUILT_IN, newest
    found = newest(name)
    if found is None:
        raise DrukteError(f"there is no built-in profile {name!r}; known: {', '.join(BUILT_IN)}")
    if as_json:
        _print_json(_document(found))
        return
    typer.echo(f"{found.reference}\n  {found.source}")
    for note in found.notes:
        typer.echo(f"  - {note}")
    typer.echo(f'  In a city file: [profiles.NAME] with built_in = "{found.reference}"')
    for line in _scale_lines(found):
        typer.echo(f"  {line}")


def _scale_lines(found: "BuiltIn") -> list[str]:
    from schemas.level_profiles import COLOURS, MEASURED, TimeType
    lines = []
    for scale in found.scales:
        measured = MEASURED[scale.parameter]
        side = "to" if measured.falling else "from"
        steps = ", ".join(f"{name} {side} {limit:g}" for name, limit in zip(scale.names[1:], scale.limits, strict=True))
        which = f", {scale.time_type}" if scale.time_type else ""
        doubt = "" if scale.verified else " (not all checked in the source)"
        lines.append(f"{scale.parameter} {measured.unit}, {scale.facility}{which}: {scale.names[0]}, {steps}{doubt}")
        for time_type in [scale.time_type] if scale.time_type else list(TimeType):
            column = found.columns(scale.parameter, time_type).get(scale.facility)
            if column:
                shown = ", ".join(f"{colour} {side} {value:g}" for colour, value in zip(COLOURS[1:], column[1:],
                                                                                     strict=True))
                lines.append(f"    colours, {time_type}: {shown}")
    return lines


def _document(found: "BuiltIn") -> dict[str, Any]:
    from schemas.level_profiles import COLOURS, MEASURED, PERMIT_PERCENT
    return {
        "profile": found.reference, "source": found.source, "notes": list(found.notes), "colours": list(COLOURS),
        "percent_of_capacity": list(PERMIT_PERCENT),
        "begins": {time_type.value: list(levels) for time_type, levels in found.begins.items()},
        "scales": [
            {"parameter": scale.parameter.value, "unit": MEASURED[scale.parameter].unit,
             "falling": MEASURED[scale.parameter].falling, "facility": scale.facility, "names": list(scale.names),
             "limits": list(scale.limits), "verified": scale.verified, "time_type": scale.time_type,
             "area_types": list(scale.area_types)}
            for scale in found.scales
        ],
    }


def _print_json(document: object) -> None:
    import msgspec
    typer.echo(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())
