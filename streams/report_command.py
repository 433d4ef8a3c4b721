# SPDX-License-Identifier: Apache-2.0
"""`drukte report handover | situation | shift`: what operators hand over, generated."""

import datetime as dt
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from schemas.errors import FatalError

if TYPE_CHECKING:
    from streams.report_sources import ReportKind, Wish

app = typer.Typer(help="Reports for operators, in plain Dutch and English.", no_args_is_help=True)
HOURS = {"handover": 1, "situation": 1, "shift": 8}
"""How far back a report looks where nothing else is said."""
MOST_HOURS = 24 * 7
AHEAD_US = 60_000_000
"""So far may the clock of who asks be ahead."""


class Written(StrEnum):
    """Languages of the text."""

    DUTCH = "nl"
    ENGLISH = "en"
    BOTH = "both"


Since = Annotated[str | None, typer.Option(help="From when, RFC 3339; else 1 h (a shift 8 h) before the end.")]
Until = Annotated[str | None, typer.Option(help="Until when; else now.")]
SiteKey = Annotated[str | None, typer.Option("--site", help="Only this site of the city file.")]
InLanguage = Annotated[Written, typer.Option(help="Of the text.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object instead of a text.")]
SettingsFile = Annotated[
    Path | None, typer.Option("--settings", help="Settings file; else $DRUKTE_SETTINGS, else ./drukte.toml.")
]


@app.command()
def handover(since: Since = None, until: Until = None, site: SiteKey = None, language: InLanguage = Written.BOTH,
             json: AsJson = False, settings: SettingsFile = None) -> None:
    """Show open alerts: state, since when, level, who does what, measures taken."""
    _print("handover", since, until, site, language, json, settings)


@app.command()
def situation(since: Since = None, until: Until = None, site: SiteKey = None, language: InLanguage = Written.BOTH,
              json: AsJson = False, settings: SettingsFile = None) -> None:
    """Show how each site stands, what changed in the last hour, and how sure that is."""
    _print("situation", since, until, site, language, json, settings)


@app.command()
def shift(since: Since = None, until: Until = None, site: SiteKey = None, language: InLanguage = Written.BOTH,
          json: AsJson = False, settings: SettingsFile = None) -> None:
    """Show how many alarms a shift had, which were of use, how early, and how they were spread."""
    _print("shift", since, until, site, language, json, settings)


def _print(kind: str, since: str | None, until: str | None, site: str | None, language: Written, as_json: bool,
           settings: Path | None) -> None:
    import msgspec

    from streams.city_files import load_city
    from streams.clock import now_us
    from streams.report_sources import ReportKind, report, text_of
    from streams.reports.material import Origin
    from streams.reports.wording import Language
    from streams.settings import load_settings
    loaded = load_settings(settings)
    city = load_city(loaded.city)
    wish = wish_of(ReportKind(kind), since, until, site, now_us(loaded.clock), set(city.file.sites))
    found = report(loaded, city, wish)
    if found.origin == Origin.TOPICS:
        sys.stderr.write("drukte: the database does not answer or lags behind; read from the topics, which keep 72 h "
                         "of windows\n")
    if as_json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(found)).decode() + "\n")
        return
    languages = list(Language) if language is Written.BOTH else [Language(language.value)]
    sys.stdout.write("\n".join(text_of(found, one) for one in languages))


def wish_of(kind: "ReportKind", since: str | None, until: str | None, site: str | None, present_us: int,
            sites: set[str]) -> "Wish":
    """What is wished for, from texts.

    Raises
    ------
    FatalError
        A time is none, the time is empty, longer than what is kept or still to come, or there is no such site.
    """
    from streams.report_sources import Wish
    until_us = present_us if until is None else time_of(until, "until")
    from_us = until_us - HOURS[kind] * 3_600_000_000 if since is None else time_of(since, "since")
    if not 0 < until_us - from_us <= MOST_HOURS * 3_600_000_000:
        raise FatalError(f"since and until: give a time of at most {MOST_HOURS} hours that ends behind its begin")
    if from_us < 0 or until_us > present_us + AHEAD_US:
        raise FatalError("since and until: a report tells of what was; give a time after 1970 that is not to come yet")
    if site is not None and site not in sites:
        raise FatalError(f"site {site[:80]!r}: the city file has only {', '.join(sorted(sites))}")
    return Wish(kind, from_us, until_us, site)


def time_of(text: str, name: str) -> int:
    """A time stamp in microseconds since 1970, UTC; raises `FatalError` without an offset."""
    try:
        at = dt.datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise FatalError(f"{name}: {text[:40]!r} is no time; write it as 2026-06-01T20:00:00+02:00")
    return round(at.timestamp() * 1_000_000)
