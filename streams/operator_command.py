# SPDX-License-Identifier: Apache-2.0
"""`drukte drill | gate | measure`, and `zone empty | set`: what operators tell a running `drukte serve`."""

import datetime as dt
import re
import sys
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from schemas.command import RoleName
from streams import zone_command
from streams.service_client import ask_service, service_url

Url = Annotated[str | None, typer.Option(help="Address of `drukte serve`; else that of the settings.")]
Token = Annotated[str | None, typer.Option(envvar="DRUKTE_COMMAND_TOKEN", help="The role's token.")]


def role_name(text: str) -> str:
    """A role as commands name it.

    Examples
    --------
    >>> role_name("coordinator-2")
    'coordinator-2'
    """
    try:
        return msgspec.convert(text, RoleName)
    except msgspec.ValidationError:
        # Not repeated: it may be somebody's name.
        raise typer.BadParameter(
            "a role, never a name, in lower case: letters, digits and hyphens, such as coordinator") from None


Role = Annotated[
    str, typer.Option(envvar="DRUKTE_ROLE", callback=role_name, help="Whose decision it is; a role, never a name.")
]
NoteText = Annotated[
    str | None, typer.Option("--note", help="Free text, kept 7 days. Write no names or other personal data.")
]
SettingsFile = Annotated[
    Path | None, typer.Option("--settings", help="Settings file; else $DRUKTE_SETTINGS, else ./drukte.toml.")
]
AsJson = Annotated[bool, typer.Option("--json", help="The service's own answer.")]
CommandId = Annotated[str | None, typer.Option("--id", help="Of an earlier try: it is done once.")]
At = Annotated[str | None, typer.Option("--time", help="When it was so, RFC 3339 with an offset; else now.")]
For = Annotated[str, typer.Option("--for", help="How long, such as 45s, 30m or 2h.")]

gate_app = typer.Typer(no_args_is_help=True, help="Tell that a gate is closed or open.")
measure_app = typer.Typer(no_args_is_help=True, help="Tell what was done of a plan.")


class Door(msgspec.Struct, frozen=True, kw_only=True):
    """Where a running `drukte serve` is, and who asks.

    Parameters
    ----------
    url : str
    token : str, optional
    as_json : bool
        Print the service's own answer.
    """

    url: str
    token: str | None = None
    as_json: bool = False

    def ask(self, path: str) -> dict[str, Any]:
        """What the service says of a path; raises as `ask_service` does."""
        return ask_service(self.url, "GET", path, self.token)

    def give(self, kind: str, fields: dict[str, Any]) -> None:
        """Give a command and print what became of it; fields that are None are left out.

        Raises
        ------
        TransientError
            The service, or the broker behind it, does not answer.
        DrukteError
            It was refused; the text says why.
        """
        told = {"type": kind, **{name: value for name, value in fields.items() if value is not None}}
        receipt = ask_service(self.url, "POST", "/api/commands", self.token, told)
        if self.as_json:
            print_json(receipt)
        else:
            sys.stdout.write(f"{receipt['command']} {receipt['id']}: {receipt['what']}\n")


def door(url: str | None, settings: Path | None, token: str | None = None, *, as_json: bool = False) -> Door:
    """The service at an address, or at that of the settings."""
    return Door(url=service_url(url, settings), token=token, as_json=as_json)


def print_json(document: object) -> None:
    """As JSON for people and programs."""
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(document)).decode() + "\n")


def seconds(text: str) -> int:
    """A duration such as 45s, 30m or 2h in seconds.

    Examples
    --------
    >>> seconds("30m")
    1800
    """
    found = re.fullmatch(r"([1-9][0-9]{0,5})([smh])", text)
    if found is None:
        raise typer.BadParameter(f"{text!r} is no duration; write one as 45s, 30m or 2h")
    return int(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]


def until_us(where: Door, duration: str) -> int:
    """So long from now, by the service's clock: a demo's runs at another speed than the machine's."""
    wanted_s = seconds(duration)
    now = dt.datetime.fromisoformat(where.ask("/v1/state")["now"])
    return round((now.timestamp() + wanted_s) * 1e6)


def moment_us(where: Door, text: str | None) -> int:
    """A time with an offset, or now by the service's clock."""
    if text is None:
        return round(dt.datetime.fromisoformat(where.ask("/v1/state")["now"]).timestamp() * 1e6)
    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no time; write one as 2026-04-27T14:30:00+02:00") from None
    if at.tzinfo is None:
        raise typer.BadParameter("say the offset too, as in 2026-04-27T14:30:00+02:00")
    return round(at.timestamp() * 1e6)


def drill(
    on: Annotated[bool, typer.Option("--on/--off", help="Begin or end it.")],
    role: Role,
    site: Annotated[str | None, typer.Option(help="Key of a site.")] = None,
    rule: Annotated[str | None, typer.Option(help="Key of a rule.")] = None,
    note: NoteText = None, url: Url = None, token: Token = None, settings: SettingsFile = None, json: AsJson = False,
    command_id: CommandId = None,
) -> None:
    """Begin or end an exercise at a site or of a rule: what opens meanwhile says that it is one.

    It ends by itself after 4 hours. At its end its alerts end; where their condition holds, real ones open.
    """
    where = door(url, settings, token, as_json=json)
    where.give("drill", {"on": on, "site": site, "rule": rule, "role": role, "note": note, "id": command_id})


@gate_app.command("close")
def gate_close(
    gate: Annotated[str, typer.Argument(help="Key of the gate.")],
    role: Role, duration: For,
    note: NoteText = None, url: Url = None, token: Token = None, settings: SettingsFile = None, json: AsJson = False,
    command_id: CommandId = None,
) -> None:
    """Nobody passes the gate for so long: its silence is no fault."""
    where = door(url, settings, token, as_json=json)
    where.give("gate_closed", {"gate": gate, "until_us": until_us(where, duration), "role": role, "note": note,
                               "id": command_id})


@gate_app.command("open")
def gate_open(
    gate: Annotated[str, typer.Argument(help="Key of the gate.")],
    role: Role,
    note: NoteText = None, url: Url = None, token: Token = None, settings: SettingsFile = None, json: AsJson = False,
    command_id: CommandId = None,
) -> None:
    """The gate is open again."""
    where = door(url, settings, token, as_json=json)
    where.give("gate_open", {"gate": gate, "role": role, "note": note, "id": command_id})


@measure_app.callback()
def _measure() -> None:
    """Tell what was done of a plan."""


@measure_app.command("taken")
def measure_taken(
    plan: Annotated[str, typer.Argument(help="Key of the plan.")],
    measure: Annotated[str, typer.Argument(help="Key of the measure.")],
    zone: Annotated[str, typer.Option(help="Where it was taken.")],
    role: Role,
    note: NoteText = None, url: Url = None, token: Token = None, settings: SettingsFile = None, json: AsJson = False,
    command_id: CommandId = None,
) -> None:
    """A measure of a plan was taken: the clock of its effect starts."""
    where = door(url, settings, token, as_json=json)
    where.give("measure_taken", {"place": zone, "plan": plan, "measure": measure, "role": role, "note": note,
                                 "id": command_id})


@zone_command.app.command("empty")
def zone_empty(
    zone: Annotated[str, typer.Argument(help="Key of the zone.")],
    role: Role,
    at: At = None,
    note: NoteText = None, url: Url = None, token: Token = None, settings: SettingsFile = None, json: AsJson = False,
    command_id: CommandId = None,
) -> None:
    """Nobody is in the zone."""
    where = door(url, settings, token, as_json=json)
    where.give("zone_empty", {"zone": zone, "at_us": moment_us(where, at), "role": role, "note": note,
                              "id": command_id})


@zone_command.app.command("set")
def zone_set(
    zone: Annotated[str, typer.Argument(help="Key of the zone.")],
    persons: Annotated[int, typer.Argument(help="How many people are in it.", min=0)],
    role: Role,
    at: At = None,
    note: NoteText = None, url: Url = None, token: Token = None, settings: SettingsFile = None, json: AsJson = False,
    command_id: CommandId = None,
) -> None:
    """So many people are in the zone."""
    where = door(url, settings, token, as_json=json)
    where.give("set_occupancy", {"zone": zone, "persons": persons, "at_us": moment_us(where, at), "role": role,
                                 "note": note, "id": command_id})
