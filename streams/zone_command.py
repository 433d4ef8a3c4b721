# SPDX-License-Identifier: Apache-2.0
"""`drukte zone`: what a running `drukte serve` knows of a zone beyond its present."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from schemas.errors import DrukteError, TransientError

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
    told = ask_time_to_empty(url or _address(settings), zone, shut or [])
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
    from urllib.parse import quote

    import httpx
    try:
        answer = httpx.get(f"{url.rstrip('/')}/api/zones/{quote(zone, safe='')}/empty", params={"shut": shut},
                           timeout=ANSWER_S)
        document: dict[str, Any] = answer.json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        what = f"{url} does not answer ({type(error).__name__})"
        raise TransientError(f"{what}; does `drukte serve` run there?") from None
    if answer.status_code != httpx.codes.OK:
        text = f"no answer ({answer.status_code}): {document.get('detail', 'no reason was given')}"
        raise TransientError(text) if answer.status_code >= httpx.codes.INTERNAL_SERVER_ERROR else DrukteError(text)
    return document


def _address(settings: Path | None) -> str:
    from streams.settings import load_settings
    serve = load_settings(settings).serve
    return f"{'http' if serve.tls is None else 'https'}://{serve.host}:{serve.port}"
