# SPDX-License-Identifier: Apache-2.0
"""`drukte db ...`: migrations, their state, retention, and what to say after a restore."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from schemas.errors import DrukteError, WrongUseError

app = typer.Typer(help="The database: migrations, retention, restores.", no_args_is_help=True)

SettingsOption = Annotated[
    Path | None, typer.Option("--settings", help="Settings file; else $DRUKTE_SETTINGS, else ./drukte.toml.")
]
UriOption = Annotated[str | None, typer.Option("--uri", help="Address of the database, instead of settings.")]
Timescale = Annotated[bool, typer.Option(
    help="Add the TimescaleDB extension where the server has it (only before the first migration)."
)]
LiveHours = Annotated[float, typer.Option(min=1, help="Live windows older than this go.")]
AsJson = Annotated[bool, typer.Option("--json", help="For machines.")]
AlertDays = Annotated[float, typer.Option(min=1, help="Alerts older than this go.")]


def _address(settings: Path | None, uri: str | None) -> str:
    from streams.settings import load_settings
    return uri if uri is not None else load_settings(settings).database.uri


@contextmanager
def _told() -> Iterator[None]:
    """Errors as one line on stderr and exit status 1; wrong use is for `drukte` itself to tell."""
    import psycopg
    try:
        yield
    except WrongUseError:
        raise
    except DrukteError as error:
        typer.echo(f"drukte db: {error}", err=True)
        raise typer.Exit(1) from None
    except psycopg.Error as error:
        text = " ".join(str(error).split())
        typer.echo(f"drukte db: {text}; was `drukte db migrate` run, by this account?", err=True)
        raise typer.Exit(1) from None


@app.command()
def migrate(settings: SettingsOption = None, uri: UriOption = None, timescale: Timescale = True) -> None:
    """Bring the database to the newest version; the account must own the database."""
    from streams import storage
    with _told():
        applied = storage.migrate(_address(settings, uri), timescale=timescale)
        typer.echo("\n".join(f"applied {name}" for name in applied) or "nothing to do")


@app.command()
def status(settings: SettingsOption = None, uri: UriOption = None) -> None:
    """Show the edition and the migrations; exit status 1 when some are missing."""
    from streams import storage
    with _told():
        address = _address(settings, uri)
        with storage.connect(address) as connection:
            typer.echo(f"edition: {storage.edition(connection)}")
        migrations = storage.migration_status(address)
    for name in migrations.applied:
        typer.echo(f"applied {name}")
    for name in migrations.pending:
        typer.echo(f"missing {name}")
    if migrations.pending:
        typer.echo("run `drukte db migrate`", err=True)
        raise typer.Exit(1)


@app.command()
def restore(settings: SettingsOption = None, uri: UriOption = None, as_json: AsJson = False) -> None:
    """Say that this database was put back from a backup; run it before a writer starts on it."""
    from streams import storage
    with _told(), storage.connect(_address(settings, uri), "drukte restore") as connection:
        number, published = storage.declare_restore(connection)
    if as_json:
        typer.echo(msgspec.json.encode({"restore": number, "published_batches": published}).decode())
        return
    typer.echo(
        f"restore {number} is noted; the database holds {published} published batches.\n"
        "A running writer stops. At its next start it takes the ledger back from topic `ledger`; every batch that was\n"
        "begun but does not stand in this database is never drawn again: those cells stay missing (status O)."
    )


@app.command()
def retention(
    settings: SettingsOption = None,
    uri: UriOption = None,
    live_hours: LiveHours = 72.0,
    alert_days: AlertDays = 730.0,
) -> None:
    """Drop what is older than it may be; run it every hour from a timer."""
    from streams import storage
    with _told():
        with storage.connect(_address(settings, uri), "drukte retention") as connection:
            windows = storage.drop_live_older_than(connection, live_hours)
            alerts = storage.drop_alerts_older_than(connection, alert_days)
        typer.echo(f"dropped {windows} chunks or rows of live windows, {alerts} rows of alerts")
