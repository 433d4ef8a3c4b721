# SPDX-License-Identifier: Apache-2.0
"""`drukte sensor purge` and `drukte scorecard`: what a data engineer does to sensors and asks of their suppliers."""

import datetime as dt
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import quote

import typer

from schemas.errors import FatalError
from streams.service_client import ask_service, service_url

if TYPE_CHECKING:
    from streams.scorecard import Score

app = typer.Typer(help="Sensors: forget one.", no_args_is_help=True)

SettingsOption = Annotated[
    Path | None, typer.Option("--settings", help="Settings file; else $DRUKTE_SETTINGS, else ./drukte.toml.")
]
ANSWER_S = 40.0
"""The service waits for the broker and for the fold."""
_SHARES = ("available_share", "uptime_share", "late_share", "corrected_share", "missed_share", "unusable_share")


@app.callback()
def _sensor() -> None:
    """Sensors: forget one."""


@app.command()
def purge(
    key: Annotated[str, typer.Argument(help="Key of the sensor in the city file.")],
    url: Annotated[str | None, typer.Option(help="Address of `drukte serve`; else that of the settings.")] = None,
    token: Annotated[
        str | None, typer.Option(envvar="DRUKTE_DATA_ENGINEER_TOKEN", help="The data engineer's token.")
    ] = None,
    settings: SettingsOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Forget a sensor and refuse its readings from now on. It cannot be taken back; published cells stay."""
    if not yes:
        typer.confirm(f"Forget sensor {key} for good?", abort=True)
    receipt = post_purge(service_url(url, settings), key, token)
    typer.echo(f"{key}: {receipt['what']}. Take it out of the city file, so that the gateway refuses it.")


def post_purge(url: str, key: str, token: str | None) -> dict[str, Any]:
    """Tell a running `drukte serve` to purge a sensor; its receipt.

    Raises
    ------
    TransientError
        The service, or the broker behind it, does not answer.
    DrukteError
        It was refused; the text says why.
    """
    path = f"/api/sensors/{quote(key, safe='')}/purge"
    return ask_service(url, "POST", path, token, {}, answer_s=ANSWER_S, refused="not purged")



def scorecard(
    settings: SettingsOption = None,
    month: Annotated[str | None, typer.Option(help="As 2026-01, UTC; else the present month.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON array instead of a table.")] = False,
) -> None:
    """Show how each supplier's sensors did in a month: availability, uptime, lateness, corrections, refusals."""
    import msgspec
    import psycopg

    from streams import storage
    from streams.scorecard import scores
    from streams.settings import load_settings
    first = _month(month)
    try:
        with storage.connect(load_settings(settings).database.uri, "drukte scorecard") as connection:
            found = scores(connection, first)
    except psycopg.Error as error:
        text = f"database: {type(error).__name__} {error.sqlstate or ''}".rstrip()
        raise FatalError(f"{text}; was `drukte db migrate` run?") from None
    if json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(found)).decode() + "\n")
    else:
        _print(found, first)


def _month(text: str | None) -> dt.date:
    if text is None:
        return dt.datetime.now(dt.UTC).date()
    try:
        return dt.datetime.strptime(text, "%Y-%m").replace(tzinfo=dt.UTC).date()
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no month; write one as 2026-01") from None


def _print(found: "Sequence[Score]", first: dt.date) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    if not found:
        typer.echo(f"nothing is known of {first:%Y-%m}; days are told at midnight UTC")
        return
    table = Table("supplier", "sensors", *(name.removesuffix("_share") for name in _SHARES), "refused", box=SIMPLE_HEAD,
                  title=f"{first:%Y-%m}")
    for score in found:
        shares = (getattr(score, name) for name in _SHARES)
        shown = ("-" if share is None else f"{100 * share:.1f} %" for share in shares)
        table.add_row(score.supplier, str(score.sensors), *shown, str(score.refused))
    Console(width=140).print(table)
