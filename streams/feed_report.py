# SPDX-License-Identifier: Apache-2.0
"""A trial of a feed as tables for a terminal, and as a page for a vendor's acceptance test."""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.refusal import Reason
from streams.feed_lines import SENSOR_LIMIT, city_lines
from streams.feed_shown import DIRECTION, Seen
from streams.feed_try import Tried

REFUSALS_SHOWN = 20
MANY_SENSORS = 200
"""From so many names on, they may be those of passers-by."""


@dataclass(frozen=True, slots=True)
class Document:
    """The file that was tried: its name, its bytes as they lie there, and their SHA-256."""

    name: str
    size_bytes: int
    sha256: str


def show(tried: Tried, console: Console) -> None:
    """Everything of a trial, for people."""
    note = "" if tried.proven else " (read by its documentation only: no real message of it was seen yet)"
    console.print(Text(f"{tried.title} [{tried.format}]{note}; counts: {tried.semantics}"))
    if tried.suggestions:
        console.print(Text(f"No format was given; the file looks like: {', '.join(tried.suggestions)}"))
    if tried.whole is not None:
        console.print(Text(f"Refused as a whole, {tried.whole.reason}: {tried.whole.detail}", style="bold red"))
        return
    console.print(Text(f"Read {tried.readings}, without a value {tried.missing}, refused {tried.refused}"))
    if not tried.readings + tried.missing + tried.refused + len(tried.passed):
        console.print(Text("The file holds nothing that is a reading."))
    _show_refusals(tried, console)
    if tried.passed:
        console.print(Text("Beside them: " + ", ".join(f"{name} {n}" for name, n in sorted(tried.passed.items()))))
    _show_sensors(tried, console)
    _show_rows(tried, console)
    _show_next(tried, console)


def json_text(tried: Tried, document: Document) -> str:
    """Everything of a trial, for programs."""
    lines = city_lines(tried.sensors, tried.format, tried.source)
    said = {"file": document.name, "size_bytes": document.size_bytes, "sha256": document.sha256,
            "is_refused": tried.is_refused, **msgspec.structs.asdict(tried), "city_lines": lines}
    return msgspec.json.format(msgspec.json.encode(said)).decode()


def _table(console: Console, title: str, columns: list[str], rows: list[list[str]]) -> None:
    if not rows:
        return
    table = Table(*columns, title=title, box=SIMPLE_HEAD, title_justify="left")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    console.print(table)


def _show_refusals(tried: Tried, console: Console) -> None:
    rows = [[one.reason, str(one.count), one.where, one.detail] for one in tried.refusals[:REFUSALS_SHOWN]]
    _table(console, "Refused", ["why", "values", "first at", "what to do"], rows)
    if len(tried.refusals) > REFUSALS_SHOWN:
        console.print(Text(f"and {len(tried.refusals) - REFUSALS_SHOWN} more kinds; --json has all"))


def _show_sensors(tried: Tried, console: Console) -> None:
    rows = [_sensor_row(one) for one in tried.sensors[:SENSOR_LIMIT]]
    title = "Sensors, as the file names them" if tried.city is None else f"Sensors (city {tried.city})"
    _table(console, title, ["sensor", "metric", "read", "no value", "interval", "every", "in the city file"],
           [row if tried.city is not None else [*row[:-1], "not asked"] for row in rows])
    names = {one.sensor for one in tried.sensors}
    if len(tried.sensors) > SENSOR_LIMIT:
        console.print(Text(f"and {len(tried.sensors) - SENSOR_LIMIT} more; --json has all"))
    if len(names) >= MANY_SENSORS:
        console.print(Text(f"{len(names)} different names: make sure that they are of sensors, not of passers-by or "
                           "their devices", style="bold yellow"))
    if tried.sites:
        console.print(Text(f"{len(tried.sites)} measuring sites, the first: {', '.join(tried.sites[:SENSOR_LIMIT])}"))


def _sensor_row(one: Seen) -> list[str]:
    return [one.sensor, _metric(one), str(one.readings), str(one.missing), _span(one), _seconds(one.every_s),
            "yes" if one.known else "no"]


def _metric(one: Seen) -> str:
    return f"{DIRECTION} {', '.join(one.directions)}" if one.metric == DIRECTION else one.metric


def _span(one: Seen) -> str:
    if one.span_s is None:
        return "differs"
    return "instant" if one.span_s == 0 else _seconds(one.span_s)


def _seconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:g} s"


def _time(at_us: int) -> str:
    try:
        at = dt.datetime(1970, 1, 1, tzinfo=dt.UTC) + dt.timedelta(microseconds=at_us)
    except OverflowError:
        return "beyond every calendar"
    return at.isoformat(sep=" ", timespec="seconds").replace("+00:00", "Z")


def _show_rows(tried: Tried, console: Console) -> None:
    rows = [[one.sensor, one.metric, _time(one.begin_us), _time(one.end_us), one.value] for one in tried.rows]
    _table(console, "First readings; people as bands", ["sensor", "metric", "from", "to", "value"], rows)


def _show_next(tried: Tried, console: Console) -> None:
    if tried.sites:
        console.print(Text("Roads come from NDW's site table: `drukte city import-ndw SITE_TABLE --into CITY "
                           "--bbox ...`, then try again with --city CITY"))
        return
    if lines := city_lines(tried.sensors, tried.format, tried.source):
        console.print(Text("Lines for the city file; fill in what is empty, then `drukte city check --assign-ids`:"))
        console.print(Text(lines), soft_wrap=True)


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the acceptance test; `passed` is None where nothing could be judged."""

    name: str
    passed: bool | None
    found: str


def checks(tried: Tried) -> list[Check]:
    """What a vendor's file is judged by."""
    whole = tried.whole
    if whole is not None:
        persons = whole.reason is Reason.PERSON_LEVEL
        return [
            Check("The document can be read", persons, f"{whole.reason}: {whole.detail}"),
            Check("No field describes one person or device", False if persons else None,
                  "see above" if persons else "not judged"),
        ]
    return list(_reading_checks(tried))


def _reading_checks(tried: Tried) -> Iterator[Check]:
    total = tried.readings + tried.missing
    persons = sum(one.count for one in tried.refusals if one.reason is Reason.PERSON_LEVEL)
    repeats = sum(one.repeats for one in tried.sensors)
    uneven = sorted({f"{one.sensor} {one.metric}" for one in tried.sensors if one.span_s is None})
    strangers = sorted({one.sensor for one in tried.sensors if not one.known})
    yield Check("The document can be read", total > 0, f"{total} readings, {tried.missing} of them without a value")
    yield Check("No field describes one person or device", persons == 0, f"{persons} such fields")
    yield Check("Nothing is refused", tried.refused == 0, f"{tried.refused} values refused")
    yield Check("Every sensor stands in the city file", None if tried.city is None else not strangers,
                "not judged: no city file was given" if tried.city is None else f"{len(strangers)} do not")
    yield Check("The intervals of a measure have one length", not uneven,
                ", ".join(uneven[:SENSOR_LIMIT]) or "they have")
    yield Check("No value is there twice", repeats == 0, f"{repeats} repeated")
    gaps = {f"{one.sensor} {one.metric}": gap for one in tried.sensors if (gap := missed(one))}
    found = ", ".join(f"{name} {count}" for name, count in list(gaps.items())[:SENSOR_LIMIT])
    yield Check("No report is missing between the first and the last", not gaps, found or "none is")


def missed(one: Seen) -> int:
    """How many reports are missing between the first and the last, by the median distance of two."""
    if not one.every_s:
        return 0
    last_begin_us = one.last_us - round((one.span_s or 0) * 1e6)
    expected = round((last_begin_us - one.first_us) / 1e6 / one.every_s) + 1
    ways = max(1, len(one.directions)) if one.metric == DIRECTION else 1
    return max(0, expected - (one.readings + one.missing - one.repeats) // ways)


def certificate(tried: Tried, document: Document) -> str:
    """A page in Markdown to sign: what was tried, every check with its result, what was refused."""
    judged = checks(tried)
    passed = all(one.passed is not False for one in judged)
    lines = [
        "# Acceptance test of a feed", "",
        *_bullets({
            "File": f"{_cell(document.name)}, {document.size_bytes} bytes", "SHA-256": f"`{document.sha256}`",
            "Format": f"{tried.title} (`{tried.format}`)", "Counts": tried.semantics,
            "City file": tried.city or "none given", "Source": tried.source or "none given",
        }), "",
        f"Result: **{'passed' if passed else 'not passed'}**", "",
        "| check | result | found |", "|---|---|---|",
        *(f"| {one.name} | {_RESULTS[one.passed]} | {_cell(one.found)} |" for one in judged), "",
    ]
    if tried.refusals:
        lines += ["## Refused", "", "| why | values | first at | what to do |", "|---|---|---|---|"]
        lines += [f"| {one.reason} | {one.count} | {_cell(one.where)} | {_cell(one.detail)} |"
                  for one in tried.refusals]
        lines.append("")
    if tried.passed:
        lines += ["## Read past, and tallies", "", *_bullets({_cell(name): n for name, n in tried.passed.items()}), ""]
    if tried.sensors:
        lines += ["## Sensors", "", "| sensor | metric | read | no value | interval | every | from | to |",
                  "|---|---|---|---|---|---|---|---|", *(_certificate_row(one) for one in tried.sensors), ""]
    lines += ["Ages of readings and the truth of the counts were not judged.", "",
              "| | supplier | city |", "|---|---|---|", "| date | | |", "| name | | |", "| signature | | |", ""]
    return "\n".join(lines)


_RESULTS = {True: "passed", False: "**not passed**", None: "not judged"}


def _bullets(facts: Mapping[str, object]) -> list[str]:
    return [f"- {name}: {fact}" for name, fact in facts.items()]


def _certificate_row(one: Seen) -> str:
    cells = (one.sensor, _metric(one), str(one.readings), str(one.missing), _span(one), _seconds(one.every_s),
             _time(one.first_us), _time(one.last_us))
    return f"| {' | '.join(_cell(cell) for cell in cells)} |"


def _cell(text: str) -> str:
    """A text of the sender's inside a table: no mark-up of Markdown or HTML in it works."""
    for sign in "\\|`*_[]":
        text = text.replace(sign, f"\\{sign}")
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
