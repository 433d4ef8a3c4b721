# SPDX-License-Identifier: Apache-2.0
"""`drukte dead-letters list | show | redo`: what was refused, why, and how to hand it in again."""

import asyncio
import datetime as dt
import getpass
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import structlog
import typer

from schemas.errors import FatalError

if TYPE_CHECKING:  # a client of Kafka is loaded when a command runs
    from schemas.access import Looked
    from streams.dead_letters import Bodies, Found
    from streams.settings import KafkaSettings

app = typer.Typer(no_args_is_help=True, help="What was refused, and why; never a payload.")
SHOWN = 200
"""Letters of a list, without --json."""
_AGE = re.compile(r"(\d+)([mhd])")
_SECONDS = {"m": 60, "h": 3_600, "d": 86_400}

SettingsFile = Annotated[
    Path | None, typer.Option("--settings", help="Settings file; else $DRUKTE_SETTINGS, else ./drukte.toml.")
]
LetterId = Annotated[str, typer.Argument(help="Id of the letter; `drukte dead-letters list` shows it.")]
Json = Annotated[bool, typer.Option("--json", help="As JSON.")]
log = structlog.get_logger(__name__)


class Listed(msgspec.Struct, frozen=True, kw_only=True):
    """One letter as it is shown; `kept` is "kept", "redone", or "no" where its body is not there."""

    id: str
    at: str
    source: str
    reason: str
    where: str
    detail: str
    count: int
    size: int
    kept: str


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What `redo` did for one letter: `outcome` is "redone", "redone before", "refused" or "not kept"."""

    id: str
    outcome: str
    readings: int = 0
    reasons: dict[str, int] = {}


@app.command("list")
def list_letters(
    source: Annotated[str | None, typer.Option(help="Only of this source.")] = None,
    reason: Annotated[str | None, typer.Option(help="Only of this reason.")] = None,
    since: Annotated[str | None, typer.Option(help="Only so young: 30m, 2h, 3d; or an RFC 3339 time.")] = None,
    json: Json = False,
    settings: SettingsFile = None,
) -> None:
    """List letters, newest first."""
    from streams.dead_letters import read_bodies, read_letters
    from streams.settings import load_settings
    loaded = load_settings(settings)
    listed = _listed(chosen(read_letters(loaded.kafka), source, reason, since, _now()), read_bodies(loaded.kafka))
    if json:
        _print_json(listed)
        return
    if not listed:
        typer.echo("no letter fits")
        return
    from rich.console import Console
    from rich.table import Table
    table = Table("id", "time (UTC)", "source", "reason", "where", "values", "bytes", "body")
    for one in listed[:SHOWN]:
        table.add_row(one.id, one.at, one.source, one.reason, one.where, str(one.count), str(one.size), one.kept)
    Console().print(table)
    if len(listed) > SHOWN:
        typer.echo(f"{len(listed) - SHOWN} older ones are not shown; narrow it with --source, --reason, --since")


@app.command()
def show(letter: LetterId, json: Json = False, settings: SettingsFile = None) -> None:
    """Show one letter: reason, place and what to do. Never the body; the look is logged."""
    from schemas.access import Looked
    from streams.dead_letters import read_bodies, read_letters
    from streams.settings import load_settings
    loaded = load_settings(settings)
    (found,) = _by_id(read_letters(loaded.kafka), [letter])
    _note_access(loaded.kafka, Looked.LETTER, [letter])
    (listed,) = _listed([found], read_bodies(loaded.kafka))
    if json:
        _print_json(listed)
        return
    for name, value in msgspec.structs.asdict(listed).items():
        typer.echo(f"{name:>8}  {value}")


@app.command()
def redo(
    letters: Annotated[list[str] | None, typer.Argument(help="Ids of letters.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All whose bodies are kept and not redone.")] = False,
    json: Json = False,
    settings: SettingsFile = None,
) -> None:
    """Hand the bodies of letters in again, by the city file that holds now. Twice is harmless."""
    from schemas.access import Looked
    from streams.city_files import load_city
    from streams.dead_letters import read_bodies, read_letters
    from streams.gateway.redo import redo as hand_in
    from streams.settings import load_settings
    if every == bool(letters):
        raise FatalError("give either ids of letters or --all")
    loaded = load_settings(settings)
    found, bodies = read_letters(loaded.kafka), read_bodies(loaded.kafka)
    wanted = found if every else _by_id(found, letters or [])
    _note_access(loaded.kafka, Looked.REDO, [one.id for one in wanted])
    due = {one.letter.body: bodies.kept[one.letter.body] for one in wanted
           if one.letter.body in bodies.kept and one.letter.body not in bodies.redone}
    done = {} if not due else {
        one.id: one for one in asyncio.run(hand_in(loaded, load_city(loaded.city), list(due.values())))}
    answers = []
    for one in wanted:
        body = one.letter.body
        if body in done:
            outcome = "refused" if done[body].reasons else "redone"
            answers.append(Answer(id=one.id, outcome=outcome, readings=done[body].readings, reasons=done[body].reasons))
        elif not every:
            answers.append(Answer(id=one.id, outcome="redone before" if body in bodies.redone else "not kept"))
    _tell(answers, json)
    if any(one.outcome in ("refused", "not kept") for one in answers):
        raise typer.Exit(1)


def chosen(
    found: "Sequence[Found]", source: str | None, reason: str | None, since: str | None, now: dt.datetime
) -> "list[Found]":
    """The letters that fit all that is given; raises `FatalError` for a time that is none."""
    from_us = None if since is None else _since(since, now).timestamp() * 1e6
    return [
        one for one in found
        if (source is None or one.letter.source == source)
        and (reason is None or one.letter.reason == reason)
        and (from_us is None or one.letter.at_us >= from_us)
    ]


def _since(text: str, now: dt.datetime) -> dt.datetime:
    if age := _AGE.fullmatch(text):
        return now - dt.timedelta(seconds=int(age[1]) * _SECONDS[age[2]])
    try:
        given = dt.datetime.fromisoformat(text)
    except ValueError:
        given = None
    if given is None or given.tzinfo is None:
        raise FatalError(f"--since {text!r} is neither an age (30m, 2h, 3d) nor an RFC 3339 time with an offset")
    return given


def _listed(found: "Sequence[Found]", bodies: "Bodies") -> list[Listed]:
    def kept(body: str | None) -> str:
        if body is None or body not in bodies.kept:
            return "no"
        return "redone" if body in bodies.redone else "kept"

    return [
        Listed(
            id=one.id, at=f"{dt.datetime.fromtimestamp(one.letter.at_us / 1e6, dt.UTC):%Y-%m-%d %H:%M:%S}",
            source=one.letter.source, reason=one.letter.reason, where=one.letter.where, detail=one.letter.detail,
            count=one.letter.count, size=one.letter.size, kept=kept(one.letter.body),
        )
        for one in found
    ]


def _by_id(found: "Sequence[Found]", wanted: Sequence[str]) -> "list[Found]":
    by_id = {one.id: one for one in found}
    if missing := [one for one in wanted if one not in by_id]:
        raise FatalError(f"no letter {', '.join(missing)}; `drukte dead-letters list` tells their ids")
    return [by_id[one] for one in wanted]


def _tell(answers: Sequence[Answer], json: bool) -> None:
    if json:
        _print_json(answers)
        return
    for one in answers:
        reasons = ", ".join(f"{reason}: {count}" for reason, count in one.reasons.items())
        typer.echo(f"{one.id}  {one.outcome}  {one.readings} readings" + (f"  ({reasons})" if reasons else ""))
    if not answers:
        typer.echo("nothing to redo")


def _note_access(kafka: "KafkaSettings", looked: "Looked", letters: Sequence[str]) -> None:
    from streams.access_log import note_access
    who = getpass.getuser()
    note_access(kafka, who, looked, letters)
    log.info("access", who=who, what=looked.value, letters=list(letters))


def _print_json(document: object) -> None:
    sys.stdout.write(msgspec.json.format(msgspec.json.encode(document), indent=2).decode() + "\n")


def _now() -> dt.datetime:
    return dt.datetime.now(dt.UTC)
