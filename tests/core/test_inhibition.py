# SPDX-License-Identifier: Apache-2.0
"""One cause is one alarm: an alert that another one at the place says already is told suppressed from its begin."""

from msgspec.structs import replace

from schemas.alert import Cause, State, Transition
from schemas.command import Done, Drill, Suppress
from schemas.rules import Rule, RuleKind, Severity
from tests.cities import small_city, small_file
from tests.core.play import Player, at_us
from tests.core.test_alarm import crowd, told, with_rules

FORECAST = Rule(kind=RuleKind.FORECAST, level=3, limit=0.01, raise_after=1, clear_after=1, severity=Severity.WARNING)
SILENT = Rule(kind=RuleKind.NO_DATA, raise_after=2, severity=Severity.WARNING)
LOST = Rule(kind=RuleKind.SENSOR_LOSS, raise_after=6, severity=Severity.INFO)


def first(play: Player, rule: str) -> Transition:
    opened = told(play, rule)[0]
    assert opened.state_to is State.FIRING
    return opened


def test_a_forecast_of_a_level_that_has_come_calls_nobody() -> None:
    play = Player(with_rules(verwacht=FORECAST))
    crowd(play, 0, 1_900, 420)
    assert not first(play, "rood").suppressed
    assert first(play, "verwacht").suppressed


def test_a_graver_alert_is_not_hidden_by_a_level() -> None:
    play = Player(with_rules(verwacht=replace(FORECAST, severity=Severity.CRITICAL), rood=replace(
        small_file().rules["rood"], severity=Severity.WARNING)))
    crowd(play, 0, 1_900, 420)
    assert not first(play, "rood").suppressed
    assert not any(one.suppressed for one in told(play, "verwacht"))


def test_a_graver_lower_level_is_not_hidden_by_a_higher_one() -> None:
    rules = small_file().rules
    swapped = {"oranje": replace(rules["oranje"], severity=Severity.CRITICAL),
               "rood": replace(rules["rood"], severity=Severity.WARNING)}
    play = Player(small_city(rules=swapped))
    crowd(play, 0, 120, 450)
    assert first(play, "rood").severity == Severity.WARNING
    assert not any(one.suppressed for one in told(play, "oranje"))


def test_a_forecast_of_a_level_ahead_does() -> None:
    play = Player(with_rules(verwacht=FORECAST))
    crowd(play, 0, 1_900, lambda second: 200 + second // 12)
    assert told(play, "rood") == []
    assert not first(play, "verwacht").suppressed


def test_a_forecast_is_quiet_from_when_its_level_comes() -> None:
    play = Player(with_rules(verwacht=FORECAST))
    crowd(play, 0, 1_900, lambda second: 200 + second // 12)
    crowd(play, 1_900, 2_000, 420)
    assert told(play, "rood")
    assert told(play, "verwacht")[-1].suppressed


def test_the_lost_sensors_of_a_place_without_data_call_nobody() -> None:
    play = Player(with_rules(stil=SILENT, uit=LOST))
    crowd(play, 0, 300, 100)
    for second in range(300, 1_200, 10):
        play.tick(second)
    assert not first(play, "stil").suppressed
    assert first(play, "uit").suppressed


def test_an_exercise_hides_no_real_alert() -> None:
    play = Player(small_city())
    assert play.command(1, Drill(id="d", role="operator", on=True, rule="rood")).done is Done.DONE
    crowd(play, 10, 120, 450)
    assert first(play, "rood").exercise
    assert not any(one.exercise or one.suppressed for one in told(play, "oranje"))


def test_a_real_alert_hides_an_exercise() -> None:
    play = Player(small_city())
    play.command(1, Drill(id="d", role="operator", on=True, rule="oranje"))
    crowd(play, 10, 120, 450)
    assert told(play, "oranje")[-1].suppressed
    assert not told(play, "rood")[-1].suppressed


def test_data_that_are_missing_in_an_exercise_hide_no_lost_sensor() -> None:
    play = Player(with_rules(stil=SILENT, uit=LOST))
    play.command(1, Drill(id="d", role="operator", on=True, rule="stil"))
    crowd(play, 10, 300, 100)
    play.tick(1_200)
    assert first(play, "stil").exercise
    assert not any(one.suppressed for one in told(play, "uit"))


def test_a_level_whose_rule_is_suppressed_hides_no_lower_one() -> None:
    play = Player(small_city())
    play.command(1, Suppress(id="s", role="operator", rule="rood", until_us=at_us(200)))
    crowd(play, 10, 190, 450)
    assert first(play, "rood").suppressed
    assert not any(one.suppressed for one in told(play, "oranje"))
    crowd(play, 190, 220, 450)
    assert not told(play, "rood")[-1].suppressed
    last = told(play, "oranje")[-1]
    assert (last.suppressed, last.cause) == (True, Cause.INHIBITED)
