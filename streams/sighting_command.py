# SPDX-License-Identifier: Apache-2.0
"""`drukte sighting`: what somebody on the ground sees of a zone, told to a running `drukte serve`."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from schemas.errors import DrukteError
from schemas.sighting import Role
from streams.service_client import ask_service, service_url

ANSWER_S = 15.0
"""The service waits up to ten seconds for the broker."""


def sighting(
    zone: Annotated[str, typer.Argument(help="Key of the zone in the city file.")],
    role: Annotated[Role, typer.Option(help="Whose eyes it was; never a name.")],
    percent: Annotated[float | None, typer.Option(help="Percent of the permitted capacity.", min=0, max=1000)] = None,
    colour: Annotated[str | None, typer.Option(help="A level of the zone's profile, such as oranje.")] = None,
    count: Annotated[int | None, typer.Option(help="People, as estimated.", min=0)] = None,
    time: Annotated[str | None, typer.Option(help="When it was seen, RFC 3339 with an offset; else now.")] = None,
    url: Annotated[str | None, typer.Option(help="Address of `drukte serve`; else that of the settings.")] = None,
    token: Annotated[str | None, typer.Option(envvar="DRUKTE_SIGHTING_TOKEN", help="The role's token.")] = None,
    settings: Annotated[
        Path | None, typer.Option("--settings", help="Settings file; else $DRUKTE_SETTINGS, else ./drukte.toml.")
    ] = None,
) -> None:
    """Tell what you see of a zone: `drukte sighting plein --percent 80 --role steward`."""
    given = {"percent": percent, "colour": colour, "count": count}
    said = {name: value for name, value in given.items() if value is not None}
    if len(said) != 1:
        raise DrukteError("say exactly one of --percent, --colour and --count")
    told = {"zone": zone, "role": role.value, **said, **({} if time is None else {"time": time})}
    receipt = post_sighting(service_url(url, settings), told, token)
    sys.stdout.write(f"{receipt['zone']} ({receipt['site']}): told at {receipt['time']}\n")


def post_sighting(url: str, told: dict[str, Any], token: str | None) -> dict[str, Any]:
    """Post a sighting; the service's receipt.

    Raises
    ------
    TransientError
        The service, or the broker behind it, does not answer.
    DrukteError
        It was refused; the text says why.
    """
    return ask_service(url, "POST", "/api/sightings", token, told, answer_s=ANSWER_S, refused="not taken")
