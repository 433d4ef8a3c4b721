# SPDX-License-Identifier: Apache-2.0
"""`drukte trace SENSOR`: a sensor's messages on their way, live. People only as bands of closed windows."""

import getpass
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import structlog
import typer

if TYPE_CHECKING:  # a client of Kafka is loaded when the command runs
    from rich.console import Console

    from streams.settings import KafkaSettings
    from streams.trace.events import Event
    from streams.trace.subject import Head, Subject

_AGE = re.compile(r"(\d{1,6})([smh])")
_SECONDS = {"s": 1, "m": 60, "h": 3_600}
LONGEST_S = 72 * 3_600
"""So long `live` is kept."""
_ROLE = re.compile(r"[a-z][a-z0-9-]{0,39}")
_STYLES = {"why": "yellow", "refused": "red", "unreadable": "red", "purged": "yellow", "well": "green"}

SettingsFile = Annotated[
    Path | None, typer.Option("--settings", help="Settings file; else $DRUKTE_SETTINGS, else ./drukte.toml.")
]


def trace(
    sensor: Annotated[str, typer.Argument(help="Key of the sensor in the city file.")],
    since: Annotated[str, typer.Option(help="How far back, in log time: 30s, 10m, 2h.")] = "10m",
    for_s: Annotated[float | None, typer.Option("--for", min=0, help="Stop after so many seconds.")] = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON document a line.")] = False,
    role: Annotated[
        str | None, typer.Option(help="Who looks, for the access log; else the account of this machine.")
    ] = None,
    settings: SettingsFile = None,
) -> None:
    """Follow a sensor: rows of its place as they close, its state, what was refused and why nothing comes."""
    from streams.city_files import load_city
    from streams.settings import load_settings
    from streams.trace.follow import Wish
    from streams.trace.follow import trace as follow
    wish = Wish(sensor, round(_seconds(since) * 1e6), for_s)
    who = _who(role)
    loaded = load_settings(settings)
    try:
        follow(loaded, load_city(loaded.city), wish, lambda subject: _note_access(loaded.kafka, who, subject),
               _print_json if json else _printer(), threading.Event())
    except KeyboardInterrupt:
        return  # the way in which it is ended


def _seconds(text: str) -> int:
    age = _AGE.fullmatch(text)
    seconds = 0 if age is None else int(age[1]) * _SECONDS[age[2]]
    if age is None or seconds > LONGEST_S:
        raise typer.BadParameter(f"--since {text!r} is no age of 72 hours at most; write one as 30s, 10m or 2h")
    return seconds


def _who(role: str | None) -> str:
    if role is None:
        return getpass.getuser()
    if _ROLE.fullmatch(role) is None:
        raise typer.BadParameter("--role is a role, not a name: small letters, digits and hyphens")
    return role


def _note_access(kafka: "KafkaSettings", who: str, subject: "Subject") -> None:
    from schemas.access import Looked
    from streams.access_log import note_access
    note_access(kafka, who, Looked.TRACE, [subject.registered.key])
    # Not on standard output, where the events are.
    access = structlog.wrap_logger(structlog.PrintLogger(sys.stderr))
    access.info("access", who=who, what=Looked.TRACE.value, sensor=subject.registered.key)


def _print_json(shown: "Head | Event") -> None:
    import msgspec
    sys.stdout.write(msgspec.json.encode(shown).decode() + "\n")
    sys.stdout.flush()


def _printer() -> "Callable[[Head | Event], None]":
    from rich.console import Console

    from streams.trace.subject import Head
    console = Console(highlight=False)

    def show(shown: "Head | Event") -> None:
        if isinstance(shown, Head):
            _print_head(console, shown)
        else:
            _print_event(console, shown)

    return show


def _print_head(console: "Console", head: "Head") -> None:
    from rich.table import Table
    from rich.text import Text
    table = Table.grid(padding=(0, 2))
    for name, text in _head_lines(head):
        table.add_row(Text(name, style="bold"), Text(text))
    console.print(table)
    console.print(Text(f"\n{'log time':<21}{'after':>9}  {'what':<12}", style="bold"))


def _head_lines(head: "Head") -> "list[tuple[str, str]]":
    version = f"version {head.city_version}"
    if head.city_version != head.version_in_force:
        version += f" ({head.version_in_force} is in force)"
    source = f"{head.source} ({head.format})  {head.supplier}"
    lines = [
        ("sensor", head.sensor), ("city file", version),
        ("source", source + (f"  there: {head.vendor_id}" if head.vendor_id else "")),
        ("place", f"{head.place_kind} {head.place}, site {head.site}, partition {head.partition}"),
        ("status", head.status + (f", {head.start} to {head.end}" if head.start else ", without dates")),
    ]
    lines += [("device", head.device)] if head.device else []
    lines += [("out of service", text) for text in head.out_of_service]
    for one in head.measures:
        beats = f", heartbeat {one.heartbeat_s:g} s" if one.heartbeat_s is not None else ""
        counts = "" if one.counts else ", not counted in rows"
        every = "on event" if one.on_event else f"every {one.interval_s:g} s"
        lines.append((f"measure {one.metric}",
                      f"{one.semantics}, {every}, allowed delay {one.allowed_delay_s:g} s{beats}{counts}"))
    return [*lines, ("window", f"{head.window_s:g} s; {head.waits_for}")]


def _print_event(console: "Console", one: "Event") -> None:
    from rich.text import Text
    after = "" if one.after_s is None else f"{round(one.after_s, 1) + 0.0:+.1f} s"
    line = f"{one.at[:19] + 'Z':<21}{after:>9}  {one.kind:<12}{one.says}"
    console.print(Text(line, style=_STYLES.get(one.kind, "")), soft_wrap=True)
