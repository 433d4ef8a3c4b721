# SPDX-License-Identifier: Apache-2.0
"""One cause is one alarm: an alert that another one at the place says already is told suppressed from its begin."""

from schemas.alert import State, Transition
from schemas.rules import Rule, RuleKind, Severity
from tests.core.play import Player
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
