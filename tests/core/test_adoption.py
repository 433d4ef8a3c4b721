# SPDX-License-Identifier: Apache-2.0
"""Alerts that were open before a worker had to begin without a snapshot."""

import pytest
from msgspec.structs import replace

from schemas.alert import Cause, State, Transition
from tests.cities import small_city, small_file
from tests.core.play import Player, at_us

BEFORE_US = at_us(-7_200)


def crowd(play: Player, from_s: int, to_s: int, people: float = 350) -> None:
    """People on the square at every step; 350 of 400 are orange."""
    play.camera("cam-plein", ((second, people + second // 10 % 2) for second in range(from_s, to_s, 10)))


def orange(play: Player) -> list[Transition]:
    return [told for told in play.transitions if told.rule == "oranje"]


def opened() -> Transition:
    """An alert as a worker without trouble tells it."""
    play = Player(small_city())
    crowd(play, 0, 60)
    [told] = orange(play)
    return told


def before() -> Transition:
    """The same one, but of two hours ago, with an id of its own."""
    return replace(opened(), alert_id="00000000deadbeef", seq=4, opened_at_us=BEFORE_US, at_us=BEFORE_US)


def test_nothing_is_told_before_the_old_alerts_are_known() -> None:
    play = Player(small_city(), awaiting_adoption=True)
    crowd(play, 0, 180)
    assert (orange(play), bool(play.zone("plein"))) == ([], True)


def test_an_alert_that_still_holds_goes_on_under_its_old_id() -> None:
    play = Player(small_city(), awaiting_adoption=True)
    crowd(play, 0, 120)
    play.adopt(121, before())
    assert orange(play) == []  # the same state and level: nothing new
    crowd(play, 130, 400, people=100)
    told = orange(play)
    assert {one.alert_id for one in told} == {"00000000deadbeef"}
    assert [(one.seq, one.state_to) for one in told] == [(5, State.RECOVERING), (6, State.RESOLVED)]
    assert {one.opened_at_us for one in told} == {BEFORE_US}


@pytest.mark.parametrize("people", [350, 450])
def test_a_suppression_that_nobody_knows_of_any_more_ends_and_that_is_told(people: int) -> None:
    play = Player(small_city(), awaiting_adoption=True)
    crowd(play, 0, 120, people=people)
    play.adopt(121, replace(before(), suppressed=True))
    crowd(play, 130, 150, people=people)
    if people == 450:  # red says more than orange
        assert all(one.suppressed for one in orange(play))
    else:
        [told] = orange(play)
        assert (told.seq, told.suppressed, told.cause) == (5, False, Cause.TIMER)


def test_another_level_is_told_with_cause_adopt() -> None:
    play = Player(small_city(), awaiting_adoption=True)
    crowd(play, 0, 120, people=450)
    play.adopt(121, before())
    [told] = orange(play)
    assert (told.alert_id, told.seq, told.cause) == ("00000000deadbeef", 5, Cause.ADOPT)
    assert (told.level_from, told.level_to, told.state_to) == (2, 3, State.FIRING)


def test_an_alert_whose_condition_is_gone_closes_at_the_next_window() -> None:
    play = Player(small_city(), awaiting_adoption=True)
    crowd(play, 0, 120, people=50)
    play.adopt(121, before())
    assert orange(play) == []
    crowd(play, 130, 200, people=50)
    [told] = orange(play)
    assert (told.alert_id, told.seq, told.state_to, told.cause) == (
        "00000000deadbeef", 5, State.RESOLVED, Cause.ADOPT)


def test_without_data_an_old_alert_stays_open() -> None:
    play = Player(small_city(), awaiting_adoption=True)
    play.adopt(1, before())
    play.tick(600)
    assert {(one.state_to, one.stale) for one in orange(play)} == {(State.FIRING, True)}
    crowd(play, 610, 800)
    assert all(one.state_to is State.FIRING for one in orange(play))


def test_what_is_open_and_not_adopted_is_told_then() -> None:
    play = Player(small_city(), awaiting_adoption=True)
    crowd(play, 0, 120)
    play.adopt(121)
    assert orange(play) == [opened()]


def test_an_alert_of_a_rule_that_is_gone_closes_with_cause_city() -> None:
    play = Player(small_city(), awaiting_adoption=True)
    play.adopt(1, replace(before(), rule="paars"))
    [told] = play.transitions
    assert (told.rule, told.state_to, told.cause, told.seq) == ("paars", State.RESOLVED, Cause.CITY, 5)


def test_of_two_open_alerts_of_one_case_the_later_goes_on() -> None:
    play = Player(small_city(), awaiting_adoption=True)
    crowd(play, 0, 120)
    older = replace(before(), alert_id="00000000000000aa", opened_at_us=BEFORE_US - 1)
    play.adopt(121, before(), older)
    [told] = orange(play)
    assert (told.alert_id, told.state_to, told.cause) == (older.alert_id, State.RESOLVED, Cause.ADOPT)


def test_the_same_adoption_twice_says_nothing_new() -> None:
    play = Player(small_city(), awaiting_adoption=True)
    crowd(play, 0, 120)
    play.adopt(121, before())
    play.adopt(122, before())
    assert orange(play) == []


def test_an_open_alert_is_told_again_every_hour() -> None:
    play = Player(small_city())
    crowd(play, 0, 2 * 3_600 + 60)
    told = orange(play)
    assert told == [opened()] * 3


def test_an_alert_that_the_fold_saw_end_is_ended_and_not_opened_again() -> None:
    play = Player(small_city(), awaiting_adoption=True)
    crowd(play, 0, 60)
    crowd(play, 60, 300, people=50)
    play.adopt(301, opened())
    [told] = orange(play)
    assert (told.alert_id, told.state_to, told.cause) == (opened().alert_id, State.RESOLVED, Cause.THRESHOLD)
    crowd(play, 310, 400, people=50)
    assert len(orange(play)) == 1


def test_an_old_alert_that_nobody_took_escalates_on_its_own_clock() -> None:
    rules = {key: replace(rule, escalate_after_s=3_600.0) for key, rule in small_file().rules.items()}
    play = Player(small_city(rules=rules), awaiting_adoption=True)
    crowd(play, 0, 120)
    play.adopt(121, replace(before(), at_us=at_us(-60)))
    crowd(play, 130, 150)
    assert [one.escalated for one in orange(play)] == [True]
