# SPDX-License-Identifier: Apache-2.0
"""`drukte baseline compute | show`: what is usual at each quarter of the week, from published figures."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from schemas.errors import DrukteError, FatalError

if TYPE_CHECKING:
    from schemas.baseline import BaselineRows
    from schemas.city import City
    from streams.settings import Settings

app = typer.Typer(help="Baselines: what is usual at each quarter of the week.", no_args_is_help=True)
SettingsOption = Annotated[
    Path | None, typer.Option("--settings", help="Settings file; else $DRUKTE_SETTINGS, else ./drukte.toml.")
]
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun", "holiday")


@app.command()
def compute(settings: SettingsOption = None) -> None:
    """Tell the log what is usual by the last eight weeks, and what the forecast learns from the last three days.

    Run it once a day.
    """
    from streams.baseline_job import append
    from streams.baseline_job import compute as computed
    from streams.baseline_lessons import taught
    loaded, city = _given(settings)
    with _reading():
        found = [*computed(loaded, city), *taught(loaded, city)]
    told = append(loaded, city, found)
    lessons = sum(len(rows.lessons) for _, rows in found)
    typer.echo(f"{told} baselines told" if told else "no published cells yet: no baseline")
    typer.echo(f"{lessons} lessons told" if lessons else "no published windows yet: no lesson for the forecast")


@app.command()
def show(
    place: Annotated[str, typer.Argument(help="Key of a zone, gate or road.")], settings: SettingsOption = None,
) -> None:
    """Show the baseline of a place as it would be told now: mean of each hour; changes nothing."""
    from streams.baseline_job import compute as computed
    loaded, city = _given(settings)
    with _reading():
        rows = [one for _, one in computed(loaded, city, [place])]
    if not rows:
        raise DrukteError(f"{place}: nothing is published of a place of this key in the last weeks")
    for found in rows:
        _print(place, found)


def _given(settings: Path | None) -> "tuple[Settings, City]":
    from streams.city_files import load_city
    from streams.settings import load_settings
    loaded = load_settings(settings)
    return loaded, load_city(loaded.city)


@contextmanager
def _reading() -> Iterator[None]:
    import psycopg
    try:
        yield
    except psycopg.Error as error:
        text = f"database: {type(error).__name__} {error.sqlstate or ''}".rstrip()
        raise FatalError(f"{text}; may this account read research and live, and was `drukte db migrate` run?") from None


def _print(place: str, rows: "BaselineRows") -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from schemas.baseline import DAY_QUARTERS
    from schemas.reading import Metric
    for at, (_, _, vehicle_class, measure) in enumerate(rows.keys()):
        title = " ".join(part for part in (place, Metric(measure).key, vehicle_class) if part)
        table = Table("hour", *_DAYS, box=SIMPLE_HEAD, title=title)
        by_day = rows.mean[at].reshape(len(_DAYS), DAY_QUARTERS)
        for hour in range(24):
            quarters = by_day[:, 4 * hour : 4 * hour + 4]
            shown = ("-" if one != one else f"{one:.0f}" for one in quarters.mean(axis=1).tolist())
            table.add_row(f"{hour:02}", *shown)
        Console(width=100).print(table)
