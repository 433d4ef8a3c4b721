# SPDX-License-Identifier: Apache-2.0
"""Operators' commands: each has one outcome, and none of them stops an alert from being judged."""

from typing import Any

import pytest

from schemas.alert import Cause, State, Transition
from schemas.command import (
    ENGINE,
    Acknowledge,
    Assign,
    Done,
    Drill,
    GateClosed,
    GateOpen,
    Note,
    OperatorCommand,
    Outcome,
    Resolve,
    SensorOutOfService,
    Suppress,
    Unacknowledge,
    Unsuppress,
)
from schemas.reading import Metric
from schemas.rules import Rule, RuleKind, Severity
from streams.core.desk import OUTCOMES_KEPT
from tests.cities import small_city, small_file
from tests.core.play import Player, at_us
from tests.core.test_alarm import crowd, opened, told


def player(**changes: Any) -> Player:
    """A square that has been orange since the first minute; rules escalate after two minutes."""
    rules = {key: Rule(kind=RuleKind.LEVEL, level=rule.level, severity=rule.severity, escalate_after_s=120.0)
             for key, rule in small_file().rules.items()}
    play = Player(small_city(**{"rules": rules, **changes}))
    crowd(play, 0, 60, 350)
    return play


def alert(play: Player) -> str:
    return told(play)[-1].alert_id


def named(number: int, role: str = "operator") -> dict[str, str]:
    return {"id": f"c{number}", "role": role}


def escalations(play: Player) -> list[Transition]:
    return [one for one in told(play) if one.cause is Cause.TIMER and one.escalated]


def refused(play: Player, second: float, command: OperatorCommand, why: str) -> None:
    before = len(play.transitions)
    outcome = play.command(second, command)
    assert (outcome.done, len(play.transitions)) == (Done.REFUSED, before)
    assert why in outcome.reason


def test_an_acknowledgement_is_told_with_its_role_and_named_by_its_outcome() -> None:
    play = player()
    outcome = play.command(61, Acknowledge(alert=alert(play), note_id="n1", **named(1, "shift-lead")))
    last = told(play)[-1]
    assert (last.acknowledged, last.cause, last.actor, last.command_id, last.note_id) == (
        True, Cause.COMMAND, "shift-lead", "c1", "n1")
    assert outcome == Outcome(command_id="c1", command="acknowledge", done=Done.DONE, reason="",
                              alert_id=last.alert_id, seq=last.seq, site="centrum", role="shift-lead",
                              at_us=at_us(61))


def test_of_two_acknowledgements_the_second_is_refused_and_a_repeat_is_answered_as_before() -> None:
    play = player()
    first = play.command(61, Acknowledge(alert=alert(play), **named(1)))
    refused(play, 62, Acknowledge(alert=alert(play), **named(2, "medic")), "acknowledged already")
    assert play.command(63, Acknowledge(alert=alert(play), **named(1))) == first
    assert [one.actor for one in told(play) if one.cause is Cause.COMMAND] == ["operator"]


def test_a_refusal_is_repeated_though_it_could_be_done_now() -> None:
    play = player()
    refused(play, 61, Unacknowledge(alert=alert(play), **named(1)), "not acknowledged")
    play.command(62, Acknowledge(alert=alert(play), **named(2)))
    refused(play, 63, Unacknowledge(alert=alert(play), **named(1)), "not acknowledged")


@pytest.mark.parametrize("kind", [Acknowledge, Unacknowledge, Note, Resolve, Suppress])
def test_nothing_is_done_to_an_alert_that_is_over_or_never_was(kind: Any) -> None:
    play = player()
    more = {"until_us": at_us(900)} if kind is Suppress else {}
    crowd(play, 60, 240, 100)
    assert told(play)[-1].state_to is State.RESOLVED
    refused(play, 241, kind(alert=alert(play), **more, **named(1)), "resolved")
    refused(play, 242, kind(alert="0000000000000000", **more, **named(2)), "no alert")


def test_an_alert_is_handed_over_and_keeps_that_until_its_end() -> None:
    play = player()
    play.command(61, Assign(alert=alert(play), to_role="medic", **named(1)))
    play.command(62, Note(alert=alert(play), note_id="n2", **named(2)))
    assert [(one.assigned, one.note_id) for one in told(play)[-2:]] == [("medic", ""), ("medic", "n2")]
    crowd(play, 70, 240, 100)
    crowd(play, 240, 300, 350)
    assert told(play)[-1].assigned == ""


def test_an_alert_escalates_once_and_a_restart_changes_nothing() -> None:
    play, restarted = player(), player()
    for one in (play, restarted):
        for second in range(60, 600, 60):
            if one is restarted:
                one.restart()
            crowd(one, second, second + 60, 350)
    assert len(escalations(play)) == 1
    assert escalations(restarted) == escalations(play)
    [escalation] = escalations(play)
    assert escalation.at_us == told(play)[0].at_us + 120_000_000


def test_an_acknowledged_alert_does_not_escalate_until_that_is_taken_back() -> None:
    play = player()
    play.command(61, Acknowledge(alert=alert(play), **named(1)))
    crowd(play, 70, 400, 350)
    assert escalations(play) == []
    play.command(401, Unacknowledge(alert=alert(play), **named(2)))
    crowd(play, 410, 600, 350)
    assert [one.at_us for one in escalations(play)] == [at_us(530)]


@pytest.mark.parametrize("what", ["alert", "rule", "place"])
def test_a_suppression_ends_by_itself_and_judging_goes_on_beneath(what: str) -> None:
    play = player()
    about: dict[str, Any] = {what: {"alert": alert(play), "rule": "oranje", "place": "plein"}[what]}
    outcome = play.command(61, Suppress(until_us=at_us(300), **about, **named(1)))
    assert (outcome.done, outcome.site) == (Done.DONE, "" if what == "rule" else "centrum")
    assert (told(play)[-1].suppressed, told(play)[-1].cause) == (True, Cause.COMMAND)
    crowd(play, 70, 290, 350)
    assert escalations(play) == []
    crowd(play, 290, 310, 350)
    ends = [one for one in told(play) if one.cause is Cause.TIMER]
    assert [(one.suppressed, one.escalated, one.at_us) for one in ends] == [
        (False, False, at_us(300)), (False, True, at_us(300))]
    assert opened(play) == 1


def test_an_alert_may_open_and_end_while_its_place_is_suppressed() -> None:
    play = Player(small_city())
    play.command(1, Suppress(place="plein", until_us=at_us(3_000), **named(1)))
    crowd(play, 10, 120, 350)
    crowd(play, 120, 300, 100)
    states = [(one.state_to, one.suppressed) for one in told(play)]
    assert (State.FIRING, True) in states
    assert states[-1][0] is State.RESOLVED


def test_a_suppression_is_ended_by_hand_and_only_where_there_is_one() -> None:
    play = player()
    refused(play, 61, Unsuppress(place="plein", **named(1)), "not suppressed")
    play.command(62, Suppress(place="plein", until_us=at_us(900), **named(2)))
    play.command(63, Unsuppress(place="plein", **named(3)))
    assert (told(play)[-1].suppressed, told(play)[-1].command_id) == (False, "c3")
    refused(play, 64, Suppress(place="plein", until_us=at_us(60), **named(4)), "passed")
    refused(play, 65, Suppress(place="nergens", until_us=at_us(900), **named(5)), "no such")
    refused(play, 66, Suppress(rule="geen", until_us=at_us(900), **named(6)), "no such rule")


def test_two_suppressions_end_when_the_last_one_does() -> None:
    play = player()
    play.command(61, Suppress(place="plein", until_us=at_us(120), **named(1)))
    play.command(62, Suppress(rule="oranje", until_us=at_us(240), **named(2)))
    crowd(play, 70, 300, 350)
    assert [one.at_us for one in told(play) if not one.suppressed and one.seq > 1][:1] == [at_us(240)]


def test_a_command_about_one_rule_is_not_blamed_for_what_happens_to_another() -> None:
    play = player()
    crowd(play, 60, 120, 420)
    crowd(play, 120, 240, 350)
    play.command(241, Suppress(rule="rood", until_us=at_us(900), **named(1)))
    crowd(play, 250, 300, 350)
    assert {one.rule for one in play.transitions if one.command_id == "c1"} <= {"rood"}
    assert all(one.command_id == "" for one in told(play) if one.cause is Cause.INHIBITED)


def test_an_exercise_marks_only_what_opens_meanwhile() -> None:
    play = player()
    play.command(61, Drill(on=True, site="centrum", **named(1)))
    refused(play, 62, Drill(on=True, site="centrum", **named(2)), "on already")
    crowd(play, 70, 240, 100)
    assert not any(one.exercise for one in told(play))
    crowd(play, 240, 300, 350)
    second = alert(play)
    play.command(301, Drill(on=False, site="centrum", **named(3)))
    refused(play, 302, Drill(on=False, rule="oranje", **named(4)), "no such exercise")
    of_second = [one for one in told(play) if one.alert_id == second]
    assert all(one.exercise for one in of_second)
    assert (of_second[-1].state_to, of_second[-1].cause, of_second[-1].command_id) == (
        State.RESOLVED, Cause.DRILL, "c3")
    crowd(play, 310, 330, 350)
    real = told(play)[-1]  # the first step with new data
    assert (real.state_to, real.exercise, real.opened_at_us) == (State.FIRING, False, at_us(320))


HOUR_S = 3_600
BEGUN_S, OVER_S = 61, 61 + 4 * HOUR_S
FIRST_STEP_AFTER_S = OVER_S + 9


def ends_by_itself(play: Player) -> list[Outcome]:
    return [one for one in play.effects if isinstance(one, Outcome) and one.role == ENGINE]


@pytest.mark.parametrize("restarted", [False, True])
@pytest.mark.parametrize("where", [{"site": "centrum"}, {"rule": "oranje"}])
def test_an_exercise_that_nobody_ends_is_over_after_four_hours_and_what_is_real_opens_at_once(
    where: dict[str, str], restarted: bool,
) -> None:
    play = Player(small_city())
    begun = play.command(BEGUN_S, Drill(on=True, **where, **named(1)))
    assert begun.until_us == at_us(OVER_S)
    crowd(play, OVER_S - 231, OVER_S - 21, 350)
    if restarted:
        play.restart()
    assert ends_by_itself(play) == []
    crowd(play, OVER_S - 21, OVER_S + 60, 350)
    exercise, *_, end, real = told(play)
    assert exercise.exercise
    assert (end.alert_id, end.state_to, end.cause, end.at_us) == (
        exercise.alert_id, State.RESOLVED, Cause.DRILL, at_us(FIRST_STEP_AFTER_S))
    assert (end.exercise, end.actor) == (True, "")
    assert (real.state_to, real.exercise, real.at_us) == (State.FIRING, False, at_us(FIRST_STEP_AFTER_S))
    assert real.alert_id != exercise.alert_id
    [over] = ends_by_itself(play)
    assert (over.command, over.standing_order, over.stands, over.site, over.at_us) == (
        "drill", begun.standing_order, False, begun.site, at_us(FIRST_STEP_AFTER_S))
    assert "4 hours" in over.reason
    assert orders_told(play, 5 * HOUR_S) == []
    assert play.command(5 * HOUR_S + 1, Drill(on=True, **where, **named(2))).done is Done.DONE


def test_when_an_exercise_is_over_a_calm_place_stays_calm() -> None:
    play = Player(small_city())
    play.command(1, Drill(on=True, site="centrum", **named(1)))
    crowd(play, 10, 50, 350)
    play.send(50, play.reading("cam-plein", Metric.PEOPLE, 50, 300))
    play.command(51, Drill(on=False, site="centrum", **named(2)))
    crowd(play, 60, 90, 300)
    assert opened(play) == 1
    crowd(play, 90, 110, 350)
    assert opened(play) == 1  # the dwell begins anew where a step was below


def test_an_alert_of_two_exercises_goes_on_until_the_second_is_over() -> None:
    play = Player(small_city())
    play.command(1, Drill(on=True, site="centrum", **named(1)))
    play.command(2, Drill(on=True, rule="oranje", **named(2)))
    crowd(play, 10, 60, 350)
    play.command(61, Drill(on=False, site="centrum", **named(3)))
    crowd(play, 70, 90, 350)
    assert all(one.cause is not Cause.DRILL for one in told(play))
    play.command(91, Drill(on=False, rule="oranje", **named(4)))
    assert told(play)[-1].cause is Cause.DRILL


def test_the_end_of_an_exercise_leaves_real_alerts_alone() -> None:
    play = player()
    play.command(61, Drill(on=True, site="centrum", **named(1)))
    before = told(play)
    play.command(62, Drill(on=False, site="centrum", **named(2)))
    assert told(play) == before


def test_an_exercise_that_a_cold_start_forgot_ends() -> None:
    play = Player(small_city())
    play.command(1, Drill(on=True, site="centrum", **named(1)))
    crowd(play, 10, 60, 350)
    [known] = told(play)
    anew = Player(small_city(), start_s=60, awaiting_adoption=True)
    anew.adopt(61, known)
    crowd(anew, 70, 100, 350)
    [end, real] = told(anew)
    assert (end.alert_id, end.cause, end.state_to) == (known.alert_id, Cause.DRILL, State.RESOLVED)
    assert (real.exercise, real.state_to) == (False, State.FIRING)


def test_a_suppression_lasts_at_most_twelve_hours_and_can_be_given_again() -> None:
    play = player()
    refused(play, 61, Suppress(rule="oranje", until_us=at_us(61 + 12 * HOUR_S) + 1, **named(1)), "at most 12 hours")
    assert play.command(62, Suppress(rule="oranje", until_us=at_us(62 + 12 * HOUR_S), **named(2))).done is Done.DONE
    assert play.command(63, Suppress(rule="oranje", until_us=at_us(63 + 12 * HOUR_S), **named(3))).done is Done.DONE
    assert [one.command_id for one in orders_told(play, HOUR_S)] == ["c3"]


def blind_gates(**changes: Any) -> Player:
    rules = {"blind": Rule(kind=RuleKind.NO_DATA, severity=Severity.INFO),
             "verlies": Rule(kind=RuleKind.SENSOR_LOSS, severity=Severity.INFO)}
    return Player(small_city(rules=rules, **changes))


def of_gate(play: Player, gate: str) -> set[str]:
    return {one.rule for one in play.transitions if one.place == gate}


def test_the_silence_of_a_closed_gate_is_no_fault() -> None:
    play = blind_gates()
    play.command(1, GateClosed(gate="plein-straat", until_us=at_us(3_000), **named(1)))
    crowd(play, 10, 2_400, 100)
    assert of_gate(play, "plein-straat") == set()
    assert "blind" in of_gate(play, "straat-uit")
    crowd(play, 2_400, 4_200, 100)
    assert "blind" in of_gate(play, "plein-straat")  # it opened by itself


def test_an_alert_about_silence_ends_when_its_gate_is_closed() -> None:
    play = blind_gates()
    crowd(play, 0, 1_200, 100)
    assert told(play, "blind", "plein-straat")[-1].state_to is State.FIRING
    play.command(1_201, GateClosed(gate="plein-straat", until_us=at_us(9_000), **named(1)))
    crowd(play, 1_210, 1_800, 100)
    assert told(play, "blind", "plein-straat")[-1].state_to is State.RESOLVED


def test_a_closed_gate_is_told_with_its_end_and_again_every_hour() -> None:
    play = blind_gates()
    told = play.command(1, GateClosed(gate="plein-straat", until_us=at_us(5_000), **named(1)))
    assert (told.place, told.until_us) == ("plein-straat", at_us(5_000))
    play.restart()
    play.tick(3_600)
    again = [one for one in play.effects if isinstance(one, Outcome)]
    assert again == [told, told]
    opened = play.command(3_700, GateOpen(gate="plein-straat", **named(2)))
    assert (opened.place, opened.until_us) == ("plein-straat", None)
    play.tick(7_200)
    assert [one for one in play.effects if isinstance(one, Outcome)] == [told, told, opened]


def orders_told(play: Player, second: float) -> list[Outcome]:
    """What is told again at that time."""
    play.effects.clear()
    play.tick(second)
    return [one for one in play.effects if isinstance(one, Outcome)]


def test_what_stands_is_told_again_however_much_was_commanded_since_and_no_longer_than_it_stands() -> None:
    play = player()
    until = at_us(9_000)
    orders: list[OperatorCommand] = [
        GateClosed(gate="plein-straat", until_us=until, **named(1)),
        SensorOutOfService(sensor="cam-straat", until_us=until, **named(2)),
        Suppress(place="plein", until_us=until, **named(3)),
        Drill(on=True, rule="oranje", **named(4)),
    ]
    given = [play.command(61 + at, order) for at, order in enumerate(orders)]
    assert [one.standing_order for one in given] == [
        "gate/plein-straat", "sensor/cam-straat", "place/plein", "drill/rule/oranje"]
    for number in range(OUTCOMES_KEPT):
        play.command(70, Acknowledge(alert="0000000000000000", **named(100 + number)))
    play.restart()
    assert orders_told(play, 3_600) == given
    assert play.command(3_601, orders[0]) == given[0]  # a repeat is still known
    play.command(3_602, Unsuppress(place="plein", **named(5)))
    ended = play.command(3_603, Drill(on=False, rule="oranje", **named(6)))
    assert (ended.standing_order, ended.stands) == ("drill/rule/oranje", False)
    assert orders_told(play, 7_200) == given[:2]
    assert orders_told(play, 10_800) == []


def test_an_order_that_is_given_anew_stands_once_and_a_refused_one_does_not() -> None:
    play = player()
    play.command(61, GateClosed(gate="plein-straat", until_us=at_us(5_000), **named(1)))
    longer = play.command(62, GateClosed(gate="plein-straat", until_us=at_us(9_000), **named(2)))
    refused(play, 63, GateClosed(gate="straat-uit", until_us=at_us(1), **named(3)), "passed")
    assert orders_told(play, 3_600) == [longer]
    assert orders_told(play, 7_200) == [longer]


def test_a_gate_is_opened_only_once() -> None:
    play = blind_gates()
    refused(play, 1, GateOpen(gate="plein-straat", **named(1)), "not closed")
    refused(play, 2, GateClosed(gate="geen", until_us=at_us(60), **named(2)), "no such gate")
    refused(play, 3, GateClosed(gate="plein-straat", until_us=at_us(2), **named(3)), "passed")
    play.command(4, GateClosed(gate="plein-straat", until_us=at_us(900), **named(4)))
    play.restart()
    assert play.command(5, GateOpen(gate="plein-straat", **named(5))).done is Done.DONE
    refused(play, 6, GateOpen(gate="plein-straat", **named(6)), "not closed")
