# SPDX-License-Identifier: Apache-2.0
"""`drukte verify`: compare the database with the log; changes nothing."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from schemas.errors import DrukteError

if TYPE_CHECKING:
    from streams.verify.comparison import Difference, Report

LISTED = 10_000
"""So many differences stand in the JSON; all are counted."""

SettingsOption = Annotated[
    Path | None, typer.Option("--settings", help="Settings file; else $DRUKTE_SETTINGS, else ./drukte.toml.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead of lines.")]


def verify(settings: SettingsOption = None, as_json: JsonOption = False) -> None:
    """Fold the log again and compare the database with it; exit status 1 when a row differs, 2 when it cannot tell."""
    from streams.city_files import load_city
    from streams.settings import load_settings
    from streams.verify.comparison import Watch
    from streams.verify.run import verify as run
    listed: list[Difference] = []

    def told(difference: "Difference") -> None:
        if not as_json:
            typer.echo(str(difference))
        elif len(listed) < LISTED:
            listed.append(difference)

    try:
        loaded = load_settings(settings)
        report = run(loaded, load_city(loaded.city), Watch(told, _progress))
    except DrukteError as error:
        typer.echo(f"drukte verify: {error}", err=True)
        raise typer.Exit(2) from None
    typer.echo(_document(report, listed) if as_json else _summary(report))
    raise typer.Exit(1 if report.differences else 0)


def _progress(partition: int, done: int, messages: int) -> None:
    """One line that overwrites itself; on a terminal only."""
    if sys.stderr.isatty():
        end = "\n" if done == messages else ""
        sys.stderr.write(f"\rsite-log[{partition}] {done} of {messages} messages{end}")
        sys.stderr.flush()


def _document(report: "Report", listed: "list[Difference]") -> str:
    import msgspec
    document = {"equal": not report.differences, **msgspec.to_builtins(report), "listed": listed}
    return msgspec.json.format(msgspec.json.encode(document), indent=2).decode()


def _summary(report: "Report") -> str:
    rows = ", ".join(f"{count} {table}" for table, count in report.rows.items())
    unknown = ", ".join(f"{column} of {count}" for column, count in sorted(report.not_known.items()))
    said = f"{report.differences} differences" if report.differences else "equal"
    return (
        f"{said}: compared {rows}, {report.transitions} transitions (from {report.messages} messages, "
        f"{report.refused} refused); {report.waiting} not yet written; left out {report.left_out} rows from before "
        f"the log and {report.cases_left_out} alerts that were open then"
        + (f"; not compared, since those who told the rows did not know the column yet: {unknown}" if unknown else "")
    )
