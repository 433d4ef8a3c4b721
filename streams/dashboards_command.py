# SPDX-License-Identifier: Apache-2.0
"""`drukte dashboards`: write the files for Grafana, or check that they are current."""

from pathlib import Path
from typing import Annotated

import typer

from schemas.errors import DrukteError

STALE = 1
"""Exit code: a file is not what the code makes."""

app = typer.Typer(help="Write the files for Grafana.", no_args_is_help=True, rich_markup_mode=None)


@app.callback()
def dashboards() -> None:
    """Write the files for Grafana."""


@app.command()
def build(
    check: Annotated[bool, typer.Option("--check", help="Change nothing; say what is not current.")] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="Folder; else infra/grafana of this project.", show_default=False)
    ] = None,
) -> None:
    """Write dashboards, data source and settings for Grafana.

    Exit code 0: written, or current; 1: with --check, something is not current; 2: the folder cannot be written.
    """
    from dashboards.generated import DEFAULT_FOLDER, stale_files, write_files
    folder = out or DEFAULT_FOLDER
    if check:
        stale = stale_files(folder)
        for path in stale:
            typer.echo(f"{path}: not current; run `drukte dashboards build`")
        if stale:
            raise typer.Exit(STALE)
        return
    try:
        written = write_files(folder)
    except OSError as error:
        raise DrukteError(f"{folder}: cannot be written ({error.strerror}); name another with --out") from None
    for path in written:
        typer.echo(f"written: {path}")
