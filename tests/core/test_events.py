# SPDX-License-Identifier: Apache-2.0
"""Events add and tighten for their time, and city versions change, while alerts are open."""

import datetime as dt

from msgspec.structs import replace

from schemas.alert import Cause, State
from schemas.city import City, Facility
from schemas.events import Event
from schemas.rules import Rule, RuleKind, Severity
from tests.cities import small_city, small_file
from tests.core.play import START_S, Player, at_us
from tests.core.test_alarm import crowd, opened, told

FROM_S, UNTIL_S = 300, 900


def instant(second: float) -> dt.datetime:
    return dt.datetime.fromtimestamp(START_S + second, dt.UTC)


def feast(strict: float = 0.2, rule_level: int = 1) -> City:
    """A quarter of an hour in which orange begins at `strict` persons/m2, and with a rule of its own."""
    file = small_file()
    own = file.profiles["nl-evenement"]
    stricter = replace(own, percent_of_capacity=None, density_per_m2={
        Facility.STANDING: [0.0, strict / 2, strict, strict * 2]})
    event = Event(name="Feest", from_=instant(FROM_S), until=instant(UNTIL_S), sites=["centrum"], profile="streng")
    only = Rule(kind=RuleKind.LEVEL, level=rule_level, severity=Severity.INFO, events=["feest"])
    return small_city(profiles={**file.profiles, "streng": stricter}, events={"feest": event},
                      rules={**file.rules, "feestgeel": only})


def test_an_event_tightens_the_levels_for_its_time_only() -> None:
    play = Player(feast())
    crowd(play, 0, 1_500, 250)
    assert at_us(FROM_S) <= told(play)[0].at_us <= at_us(FROM_S + 60)
    assert told(play)[-1].state_to is State.RESOLVED
    assert at_us(UNTIL_S) <= told(play)[-1].at_us <= at_us(UNTIL_S + 240)
    levels = {row["window_start"]: row["level"] for row in play.zone("plein")}
    assert [levels[start] for start in (120, 600, 1_200)] == [0, 2, 0]


def test_an_event_never_loosens_a_level() -> None:
    plain, event = Player(small_city()), Player(feast(strict=4.0, rule_level=3))
    for play in (plain, event):
        crowd(play, 0, 1_200, lambda second: 350 + second % 40)
    assert [(one.state_to, one.level_to, one.at_us) for one in told(event)] == [
        (one.state_to, one.level_to, one.at_us) for one in told(plain)]


def test_a_rule_of_an_event_raises_only_while_it_lasts_and_its_alert_ends_after_it() -> None:
    play = Player(feast(strict=4.0))
    crowd(play, 0, 1_500, 310)
    own = told(play, "feestgeel")
    assert at_us(FROM_S) <= own[0].at_us < at_us(UNTIL_S)
    assert [one.state_to for one in own] == [State.FIRING, State.RESOLVED]
    # The crowd is still there: what ends is the rule, and nothing says that it is calm.
    assert (own[1].cause, own[1].at_us) == (Cause.TIMER, at_us(UNTIL_S + 10))
    assert opened(play, "feestgeel") == 1


def test_the_alert_of_an_event_whose_sensors_went_with_it_ends() -> None:
    play = Player(feast(strict=4.0))
    crowd(play, 0, UNTIL_S - 100, 310)
    play.tick(UNTIL_S + 600)
    assert told(play, "feestgeel")[-1].state_to is State.RESOLVED


def test_a_restart_within_an_event_changes_nothing() -> None:
    city = feast()
    plain, restarted = Player(city), Player(city)
    for second in range(0, 1_200, 30):
        for play in (plain, restarted):
            crowd(play, second, second + 30, 250)
        restarted.restart()
    assert restarted.transitions == plain.transitions


def test_a_limit_that_an_event_makes_small_is_decided_at_the_close() -> None:
    """Fewer than 25 people decide nothing on a step: the time of the crossing would tell of single persons."""
    play = Player(feast(strict=0.04, rule_level=1))
    crowd(play, 0, 600, 22)
    own = told(play, "feestgeel")
    assert own
    closes = {row["window_start"] + 60 for row in play.zone("plein")}
    assert {(one.at_us - at_us(0)) // 1_000_000 // 60 * 60 for one in own} <= closes
    assert own[0].at_us >= at_us(FROM_S + 3 * 60)  # three windows, not three steps


def test_an_open_alert_keeps_its_id_when_its_rule_stays_and_ends_when_it_goes() -> None:
    first = small_city()
    kept, gone = small_city(version=2), small_city(version=3, rules={"rood": small_file().rules["rood"]})
    play = Player(first)
    play.change(1, kept, 300)
    crowd(play, 10, 600, 350)
    assert opened(play) == 1
    play.change(601, gone, 900)
    crowd(play, 610, 1_000, 350)
    last = told(play)[-1]
    assert (opened(play), last.state_to, last.cause, last.at_us) == (1, State.RESOLVED, Cause.CITY, at_us(900))
