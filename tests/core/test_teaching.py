# SPDX-License-Identifier: Apache-2.0
"""A forecast that begins anew and is taught by a baseline message says what one that saw it all says, nearly."""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest

from schemas.baseline import BaselineRows, no_rows
from schemas.ids import IdKind
from schemas.lesson import PEOPLE, SUMS, Lesson
from schemas.live import LiveTable
from schemas.log import Kind, LogMessage, decode_log, encode_log
from schemas.reading import Metric
from streams.core.effect import LiveRows
from streams.core.layout import PlaceKind, layout
from streams.core.levels import zone_figures
from streams.core.lookahead import QUARTER_US, LookAhead
from tests.cities import small_city
from tests.core.play import Player, at_us
from tests.core.test_alarm_estimates import usual

CITY = small_city()
LAID_OUT = layout(CITY, 1, 0)
FIGURES = zone_figures(CITY, LAID_OUT)
CENTRUM = CITY.ids[IdKind.SITE]["centrum"]
ZONES = LAID_OUT.places_of(PlaceKind.ZONE)
NOBODY = np.full(len(ZONES), -1, np.int64)
USUAL = 150
DAY = 96
Floats = npt.NDArray[np.float64]


def people(quarter: int) -> int:
    """In waves of two hours: what is busier than usual now is quieter an hour later, which no baseline knows."""
    return round(USUAL + 60 * float(np.sin(2 * np.pi * quarter / 8)))


def seen_quarters(ahead: LookAhead, first: int, last: int) -> LookAhead:
    """Let a look ahead see quarters, counted from the tests' begin."""
    for quarter in range(first, last):
        low = np.full(len(ZONES), people(quarter) // 5 * 5.0)
        ahead.zones.add(ZONES, low, low + 4, np.full(len(ZONES), 900.0))
        ahead.at_quarter(at_us(900 * (quarter + 1)), (NOBODY, NOBODY))
    return ahead


def fresh() -> LookAhead:
    return LookAhead(CITY, LAID_OUT, FIGURES)


@pytest.fixture(scope="module")
def lessons() -> tuple[Lesson, ...]:
    """What the day before the tests' begin teaches."""
    teacher = fresh()
    teacher.know_usual(usual(Player(CITY), "plein", USUAL))
    return seen_quarters(teacher, -DAY, 0).lessons()


def told(play: Player, rows: BaselineRows) -> None:
    """As it comes from the log."""
    message = LogMessage(Kind.BASELINE, at_us(1), play.clock, 1, "baseline", "1", baseline=rows)
    play.effects += play.partition.step(decode_log(*encode_log(message)), at_us(1))


def seen(play: Player, until_s: int, from_s: int = 0) -> None:
    """The square's camera, twice a minute."""
    for second in range(from_s, until_s, 30):
        play.send(second + 1, play.reading("cam-plein", Metric.PEOPLE, second, people(second // 900)))


def off(play: Player) -> float:
    """Mean distance of the forecasts for the square an hour ahead from what came."""
    plein = CITY.ids[IdKind.ZONE]["plein"]
    rows = [row for effect in play.effects if isinstance(effect, LiveRows) and effect.table is LiveTable.OUTLOOK
            for row in effect.rows.to_pylist()
            if (row["kind"], row["place"], row["ahead_min"]) == ("zone", plein, 60)]
    ahead = [(round(row["window_start"].timestamp() * 1e6) - at_us(0)) // QUARTER_US + 4 for row in rows]
    assert len(rows) == 5
    return float(np.mean([abs(row["middle"] - people(at)) for row, at in zip(rows, ahead, strict=True)]))


def test_a_cold_start_with_the_baseline_message_forecasts_closer_than_without(lessons: tuple[Lesson, ...]) -> None:
    taught, untaught = Player(CITY), Player(CITY)
    for play in (taught, untaught):
        rows = usual(play, "plein", USUAL)
        told(play, replace(rows, lessons=lessons) if play is taught else rows)
        seen(play, 5_000)
    assert off(taught) < 0.7 * off(untaught)


def test_a_restart_behind_the_lesson_changes_nothing(lessons: tuple[Lesson, ...]) -> None:
    whole, again = Player(CITY), Player(CITY)
    for play in (whole, again):
        told(play, replace(usual(play, "plein", USUAL), lessons=lessons))
        seen(play, 1_000)
        if play is again:
            play.restart()
        seen(play, 2_000, 1_000)
    one, other = (play.partition._alarm.ahead.forecast.quantiles for play in (whole, again))
    assert one.tobytes() == other.tobytes()
    assert not np.isnan(one).all()


def test_a_lesson_replaces_what_is_less_and_never_what_is_more(lessons: tuple[Lesson, ...]) -> None:
    begun, learned = seen_quarters(fresh(), 0, 12), seen_quarters(fresh(), -DAY - 12, 0)
    before = [getattr(learned.forecast, name).copy() for name in SUMS]
    for ahead in (begun, learned):
        ahead.know_usual(replace(no_rows(), lessons=lessons))
    assert all((getattr(learned.forecast, name) == was).all() for name, was in zip(SUMS, before, strict=True))
    [mine] = [one for one in begun.lessons() if one.site == CENTRUM]
    [given] = [one for one in lessons if one.site == CENTRUM]
    assert all((getattr(mine, name) == getattr(given, name)).all() for name in SUMS)


@pytest.mark.parametrize("changes", [{"site": 999}, {"model": 999}, {"about": "road"}, {"histogram": np.ones(3)}])
def test_a_lesson_of_another_site_or_model_changes_nothing(
        lessons: tuple[Lesson, ...], changes: dict[str, object]) -> None:
    assert [(one.about, one.site) for one in lessons] == [(PEOPLE, CENTRUM)]
    ahead = fresh()
    ahead.know_usual(replace(no_rows(), lessons=tuple(replace(one, **changes) for one in lessons)))  # type: ignore[arg-type]
    assert ahead.lessons() == ()
