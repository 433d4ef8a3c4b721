# SPDX-License-Identifier: Apache-2.0
"""`drukte token new`: a token for a sender, shown once, and the line for `drukte.toml`."""

import re
from typing import Annotated

import typer

from schemas.errors import FatalError

app = typer.Typer(no_args_is_help=True, help="Tokens of senders.")
_BARE = re.compile(r"[A-Za-z0-9_-]+")


@app.callback()
def tokens() -> None:
    """Tokens of senders."""


@app.command("new")
def new(source: Annotated[str, typer.Argument(help="Source of the city file.")]) -> None:
    """Make a token. It is shown this once and kept nowhere; `drukte.toml` gets its hash."""
    from streams.gateway.access import new_token
    if not _BARE.fullmatch(source):
        raise FatalError(f"{source!r} is no key of a source: letters, digits, - and _ only")
    token, hashed = new_token()
    typer.echo(f"Token for the sender, shown this once (header `Authorization: Bearer TOKEN`):\n\n{token}\n")
    typer.echo(f'For drukte.toml (keep the old hash in the list until the sender has changed):\n\n'
               f'[gateway.sources.{source}]\ntoken_hash = ["{hashed}"]')
