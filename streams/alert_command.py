# SPDX-License-Identifier: Apache-2.0
"""`drukte alert`: what stands open and why, and what an operator says to it, through a running `drukte serve`."""

import datetime as dt
import sys
from collections.abc import Iterator
from typing import Annotated, Any
from urllib.parse import quote

import typer

from schemas.errors import DrukteError
from streams.operator_command import (
    AsJson,
    CommandId,
    Door,
    For,
    NoteText,
    Role,
    SettingsFile,
    Token,
    Url,
    door,
    print_json,
    role_name,
    until_us,
)

app = typer.Typer(no_args_is_help=True, help="Alerts: what stands open and why, and what you say to it.")

AlertId = Annotated[str, typer.Argument(help="Id of the alert; `drukte alert list` shows it.")]
AlertOption = Annotated[str | None, typer.Option("--alert", help="Id of an alert.")]
RuleOption = Annotated[str | None, typer.Option("--rule", help="Key of a rule: all its alerts.")]
PlaceOption = Annotated[str | None, typer.Option("--place", help="Key of a zone or gate: all its alerts.")]
_ARROWS = {-1: "↓", 0: "→", 1: "↑"}
_FLAGS = ("acknowledged", "escalated", "suppressed", "stale", "exercise")
_CARD_LINES = (("trigger", "trigger"), ("decides", "decides"), ("sign_text", "sign"), ("detour", "detour"),
               ("stop_when", "stop when"), ("effect", "effect"))


@app.command("list")
def list_alerts(
    all_: Annotated[bool, typer.Option("--all", help="Those that ended of late too.")] = False,
    url: Url = None, token: Token = None, settings: SettingsFile = None, json: AsJson = False,
) -> None:
    """List the alerts that are open."""
    told = door(url, settings, token).ask("/api/alerts")["alerts"]
    shown = [one for one in told if all_ or one["open"]]
    if json:
        print_json(shown)
    else:
        sys.stdout.write("".join(f"{_headline(one)}\n" for one in shown) or "no alert is open\n")


@app.command()
def show(
    alert: AlertId, url: Url = None, token: Token = None, settings: SettingsFile = None, json: AsJson = False,
) -> None:
    """Show how an alert stands, and what the plan says."""
    told = door(url, settings, token).ask(_path(alert))
    if json:
        print_json({name: told[name] for name in ("alert", "camera_url", "cards")})
    else:
        sys.stdout.write("\n".join([*_present(told), *_cards(told)]) + "\n")


@app.command()
def explain(
    alert: AlertId, url: Url = None, token: Token = None, settings: SettingsFile = None, json: AsJson = False,
) -> None:
    """Say why an alert is: sensors, rule, inputs and every change with its cause."""
    told = door(url, settings, token).ask(_path(alert))
    if json:
        print_json(told)
    else:
        parts = (_present, _sensors, _rule, _inputs, _changes, _notes, _cards)
        sys.stdout.write("\n".join(line for part in parts for line in part(told)) + "\n")


@app.command()
def acknowledge(
    alert: AlertId, role: Role,
    note: NoteText = None, url: Url = None, token: Token = None, settings: SettingsFile = None, json: AsJson = False,
    command_id: CommandId = None,
) -> None:
    """You work on it: it does not escalate; it is judged on as before."""
    _give("acknowledge", alert, role, note, door(url, settings, token, as_json=json), id=command_id)


@app.command()
def unacknowledge(
    alert: AlertId, role: Role,
    note: NoteText = None, url: Url = None, token: Token = None, settings: SettingsFile = None, json: AsJson = False,
    command_id: CommandId = None,
) -> None:
    """Nobody works on it after all; the escalation clock starts anew."""
    _give("unacknowledge", alert, role, note, door(url, settings, token, as_json=json), id=command_id)


@app.command()
def note(
    alert: AlertId,
    text: Annotated[str, typer.Argument(help="Kept 7 days. Write no names or other personal data.")],
    role: Role,
    url: Url = None, token: Token = None, settings: SettingsFile = None, json: AsJson = False,
    command_id: CommandId = None,
) -> None:
    """Write something beside an alert."""
    _give("note", alert, role, text, door(url, settings, token, as_json=json), id=command_id)


@app.command()
def assign(
    alert: AlertId,
    to: Annotated[str, typer.Option(callback=role_name, help="The role that takes it over.")],
    role: Role,
    note: NoteText = None, url: Url = None, token: Token = None, settings: SettingsFile = None, json: AsJson = False,
    command_id: CommandId = None,
) -> None:
    """Hand an alert to another role."""
    _give("assign", alert, role, note, door(url, settings, token, as_json=json), to_role=to, id=command_id)


@app.command()
def resolve(
    alert: AlertId, role: Role,
    note: NoteText = None, url: Url = None, token: Token = None, settings: SettingsFile = None, json: AsJson = False,
    command_id: CommandId = None,
) -> None:
    """End an alert by hand. If its condition still holds a new one opens after the dwell."""
    _give("resolve", alert, role, note, door(url, settings, token, as_json=json), id=command_id)


@app.command()
def suppress(
    role: Role, duration: For,
    alert: AlertOption = None, rule: RuleOption = None, place: PlaceOption = None,
    note: NoteText = None, url: Url = None, token: Token = None, settings: SettingsFile = None, json: AsJson = False,
    command_id: CommandId = None,
) -> None:
    """Do not tell receivers for so long: exactly one of --alert, --rule and --place. It is judged on as before.

    At most 12 hours; then it can be given again.
    """
    where, what = door(url, settings, token, as_json=json), _one_of(alert, rule, place)
    where.give("suppress", {**what, "until_us": until_us(where, duration), "role": role, "note": note,
                            "id": command_id})


@app.command()
def unsuppress(
    role: Role,
    alert: AlertOption = None, rule: RuleOption = None, place: PlaceOption = None,
    note: NoteText = None, url: Url = None, token: Token = None, settings: SettingsFile = None, json: AsJson = False,
    command_id: CommandId = None,
) -> None:
    """End a suppression, as it was given."""
    what = _one_of(alert, rule, place)
    door(url, settings, token, as_json=json).give("unsuppress", {**what, "role": role, "note": note, "id": command_id})


def _give(kind: str, alert: str, role: str, text: str | None, where: Door, **more: str | None) -> None:
    where.give(kind, {"alert": alert, "role": role, "note": text, **more})


def _one_of(alert: str | None, rule: str | None, place: str | None) -> dict[str, str]:
    given = {"alert": alert, "rule": rule, "place": place}
    said = {name: value for name, value in given.items() if value is not None}
    if len(said) != 1:
        raise DrukteError("say exactly one of --alert, --rule and --place")
    return said


def _path(alert: str) -> str:
    return f"/api/alerts/{quote(alert, safe='')}"


def _headline(one: dict[str, Any]) -> str:
    percent = f" {one['percent']['text']}" if one["percent"] else ""
    arrow = _ARROWS.get(one["trend"], "")
    flags = [flag for flag in _FLAGS if one.get(flag)]
    return (f"{one['id']}  {one['word']}{percent} {arrow}  {one['name']}  rule {one['rule']}  {one['state']} since "
            f"{_time(one['opened_at'])}  {one['certainty']}" + (f"  [{', '.join(flags)}]" if flags else ""))


def _present(told: dict[str, Any]) -> Iterator[str]:
    one = told["alert"]
    yield _headline(one)
    people = f"{one['people']['text']} people" if one["people"] else "no band of people"
    yield f"  {told['site_name']}; {people}; {told['next_level']}"
    if one["acknowledged"]:
        yield f"  acknowledged by {one['acknowledged_by'] or 'a role that is no longer known'}"
    if one["assigned"]:
        yield f"  assigned to {one['assigned']}"
    if told["empty"] is not None:
        lost = "".join(f"; {one['text']}" for one in told["empty"]["with_one_shut"])
        yield f"  time to empty: {told['empty']['text']}{lost}"
    if told["camera_url"]:
        yield f"  camera: {told['camera_url']}"


def _sensors(told: dict[str, Any]) -> Iterator[str]:
    yield "sensors:"
    for one in told["sensors"]:
        yield f"  {one['key']}: {one['word']}" + (f" since {_time(one['since'])}" if one["since"] else "")


def _rule(told: dict[str, Any]) -> Iterator[str]:
    if told["rule"] is None:
        yield f"rule {told['alert']['rule']}: the city file no longer has it"
        return
    said = (f"{name} {value}" for name, value in told["rule"].items() if value not in (None, [], ["*"]))
    yield f"rule {told['alert']['rule']}: {', '.join(said)}"


def _inputs(told: dict[str, Any]) -> Iterator[str]:
    one = told["inputs"]
    figure = "" if one["low"] is None else f"; {one['low']:g} to {one['high']:g} {one['unit']}"
    limit = "" if one["limit"] is None else f"; limit {one['limit']:g} {one['unit']}"
    people = "" if one["people_low"] is None else f"; people {one['people_low']} to {one['people_high']}"
    yield (f"inputs: {_time(one['window_start'])} to {_time(one['window_end'])}, {100 * one['coverage']:.0f} % seen"
           f"{people}{figure}{limit}; dwell reached {one['dwell_reached']}; profile {one['profile'] or 'none'}, city "
           f"version {one['city_version']}, method {one['method']}")


def _changes(told: dict[str, Any]) -> Iterator[str]:
    yield "changes:"
    if told["transitions_missing"] > 0:
        yield f"  {told['transitions_missing']} earlier ones are no longer kept here; the database has them"
    for one in told["transitions"]:
        actor = f" by {one['actor']}" if one["actor"] else ""
        flags = f" [{', '.join(one['flags'])}]" if one["flags"] else ""
        yield f"  {one['seq']:>3}  {_time(one['at'])}  {one['state']}  {one['word']}  {one['cause']}{actor}{flags}"


def _notes(told: dict[str, Any]) -> Iterator[str]:
    for one in told["notes"] or ():
        yield f"note {_time(one['at'])} {one['role']}: {one['text']}"


def _cards(told: dict[str, Any]) -> Iterator[str]:
    for card in told["cards"]:
        taken = f"taken at {_time(card['taken_at'])} by {card['taken_by']}" if card["taken_at"] else "not taken"
        yield f"measure {card['plan']} {card['measure']}: {card['title']} ({taken})"
        yield from (f"  {word}: {card[name]}" for name, word in _CARD_LINES if card[name])
        yield from (f"  {number}. {step}" for number, step in enumerate(card["steps"], start=1))


def _time(stamp: str) -> str:
    return dt.datetime.fromisoformat(stamp).astimezone().strftime("%Y-%m-%d %H:%M:%S")
