# SPDX-License-Identifier: Apache-2.0
"""`drukte privacy access`: who looked at what, for the privacy officer."""

import datetime as dt
import sys
from pathlib import Path
from typing import Annotated

import typer

from schemas.errors import FatalError

app = typer.Typer(help="What the privacy officer checks.", no_args_is_help=True)


@app.callback()
def _privacy() -> None:
    """What the privacy officer checks."""


@app.command()
def access(
    days: Annotated[float, typer.Option(min=0, max=731, help="How far back.")] = 30,
    who: Annotated[str | None, typer.Option(help="Only of this role or account.")] = None,
    most: Annotated[int, typer.Option(min=1, help="At most so many, the newest.")] = 200,
    json: Annotated[bool, typer.Option("--json", help="One JSON array instead of a table.")] = False,
    settings: Annotated[
        Path | None, typer.Option("--settings", help="Settings file; else $DRUKTE_SETTINGS, else ./drukte.toml.")
    ] = None,
) -> None:
    """Show who traced a sensor, opened a dead letter or handed one in again; never what was seen."""
    import msgspec
    import psycopg

    from streams import storage
    from streams.access_log import read_access
    from streams.settings import load_settings
    since = dt.datetime.now(dt.UTC) - dt.timedelta(days=days)
    try:
        with storage.connect(load_settings(settings).database.uri, "drukte privacy") as connection:
            found = read_access(connection, since, who, most)
    except psycopg.Error as error:
        text = f"database: {type(error).__name__} {error.sqlstate or ''}".rstrip()
        raise FatalError(f"{text}; was `drukte db migrate` run, and may this account read privacy.access "
                         "(GRANT drukte_officer TO it)?") from None
    if json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(found)).decode() + "\n")
        return
    if not found:
        typer.echo(f"nobody looked in the last {days:g} days")
        return
    from rich.console import Console
    from rich.table import Table
    table = Table("time (UTC)", "who", "looked", "at")
    for one in found:
        table.add_row(f"{one.at.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S}", one.who, one.looked, one.subject)
    Console().print(table)
