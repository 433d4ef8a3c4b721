# SPDX-License-Identifier: Apache-2.0
"""`drukte zone`: what a running `drukte serve` knows of a zone beyond its present."""

import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer

from streams.service_client import ask_service, service_url

ANSWER_S = 15.0

app = typer.Typer(no_args_is_help=True, help="Questions about a zone.")


@app.callback()
def _zone() -> None:
    """Questions about a zone."""


@app.command("time-to-empty")
def time_to_empty(
    zone: Annotated[str, typer.Argument(help="Key of the zone in the city file.")],
    shut: Annotated[list[str] | None, typer.Option(
        help="Key of one more gate that is shut; may be repeated. Those that operators closed are known.")] = None,
    url: Annotated[str | None, typer.Option(help="Address of `drukte serve`; else that of the settings.")] = None,
    settings: Annotated[
        Path | None, typer.Option("--settings", help="Settings file; else $DRUKTE_SETTINGS, else ./drukte.toml.")
    ] = None,
) -> None:
    """How long a zone needs to empty: `drukte zone time-to-empty plein --shut poort-4`."""
    told = ask_time_to_empty(service_url(url, settings), zone, shut or [])
    whole = "cannot say" if told["site_minutes"] is None else f"{told['site_minutes']:g} min"
    known = "not known" if told["people_at_most"] is None else f"at most {told['people_at_most']}"
    sys.stdout.write(
        f"{told['zone']}: {told['text']}\n"
        f"{_closed(told)}{_lost(told)}"
        f"  people: {known}; all of {told['site']}: {whole}\n"
        f"  planning value: {told['flow_per_m_min']:g} persons per metre and minute; {told['note']}\n")


def _closed(told: dict[str, Any]) -> str:
    return f"  closed by operators: {', '.join(told['closed'])}\n" if told["closed"] else ""


def _lost(told: dict[str, Any]) -> str:
    return "".join(f"  {one['text']}\n" for one in told["with_one_shut"])


def ask_time_to_empty(url: str, zone: str, shut: list[str]) -> dict[str, Any]:
    """Ask a running page.

    Raises
    ------
    TransientError
        It does not answer.
    DrukteError
        It knows no such zone or gate.
    """
    path = f"/api/zones/{quote(zone, safe='')}/empty"
    query = urlencode({"shut": shut}, doseq=True)
    return ask_service(url, "GET", f"{path}?{query}", answer_s=ANSWER_S, refused="no answer")
