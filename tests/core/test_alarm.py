# SPDX-License-Identifier: Apache-2.0
"""Alerts through the fold: what a crowd on the square makes the rules say."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.alert import Cause, State, Transition
from schemas.city import City
from schemas.command import Acknowledge, Note, OperatorCommand, Resolve, Suppress, Unacknowledge
from schemas.reading import Metric
from schemas.rules import Rule, RuleKind, Severity
from tests.cities import small_city, small_file
from tests.core.play import Player, at_us

Told = list[tuple[State, int, Cause]]


def crowd(play: Player, from_s: int, to_s: int, people: Callable[[int], float | None] | float) -> None:
    """People on the square every 10 s; of 400 permitted 340 are orange and 400 red, 300 clear orange."""
    for second in range(from_s, to_s, 10):
        seen = people(second) if callable(people) else people + second // 10 % 2
        play.camera("cam-plein", [(second, seen)])


def told(play: Player, rule: str = "oranje", place: str = "plein") -> list[Transition]:
    return [one for one in play.transitions if (one.rule, one.place) == (rule, place)]


def path(transitions: Iterable[Transition]) -> Told:
    return [(one.state_to, one.level_to, one.cause) for one in transitions]


def opened(play: Player, rule: str = "oranje", place: str = "plein") -> int:
    return len({one.alert_id for one in told(play, rule, place)})


def with_rules(**rules: Rule) -> City:
    return small_city(rules={**small_file().rules, **rules})


QUICK = (Phase.explicit, Phase.reuse, Phase.generate)
"""Without shrinking: each example plays twenty minutes."""
FIRED = (State.FIRING, 2, Cause.THRESHOLD)


def test_the_minutes_to_the_next_level_go_by_and_end_with_it() -> None:
    """What was looked ahead at the quarter is told by alerts of minutes later."""
    play = Player(small_city())
    crowd(play, 0, 120, 100)
    zones = len(play.partition._alarm.book.next_level)
    to_red = np.full(zones, 3), np.tile([[at_us(300.0)], [at_us(900.0)]], zones).astype(np.float64)
    play.partition._alarm.book.know_next(*to_red)
    crowd(play, 120, 240, 345)
    first = told(play)[0]
    left = (300 - (first.at_us - at_us(0)) / 1e6) / 60
    assert (first.next_low_min, first.next_high_min) == pytest.approx((left, left + 10), abs=0.001)
    play.command(360, Acknowledge(alert=first.alert_id, id="c1", role="shift-lead"))
    assert (told(play)[-1].next_low_min, told(play)[-1].next_high_min) == pytest.approx((0, 9), abs=0.001)
    play.command(960, Unacknowledge(alert=first.alert_id, id="c2", role="shift-lead"))
    assert (told(play)[-1].next_low_min, told(play)[-1].next_high_min) == (None, None)


def test_of_a_level_that_is_reached_nobody_says_when_it_comes() -> None:
    play = Player(small_city())
    crowd(play, 0, 120, 100)
    zones = len(play.partition._alarm.book.next_level)
    play.partition._alarm.book.know_next(  # orange was next at the last look
        np.full(zones, 2), np.tile([[at_us(300.0)], [at_us(900.0)]], zones).astype(np.float64))
    crowd(play, 120, 240, 345)
    assert [(one.next_low_min, one.next_high_min) for one in told(play)] == [(None, None)]


def test_a_noisy_density_around_a_threshold_for_an_hour_is_one_alert() -> None:
    play = Player(small_city())
    rng = np.random.default_rng(3)
    noisy = rng.normal(340, 12, 360)
    crowd(play, 0, 3_600, lambda second: float(noisy[second // 10]))
    assert opened(play) == 1
    assert told(play)[-1].state_to is not State.RESOLVED


def test_a_crowd_that_comes_and_goes_all_day_is_held_open() -> None:
    city = small_city(rules={key: replace(rule, flap_limit=3) for key, rule in small_file().rules.items()})
    play = Player(city)
    crowd(play, 0, 3_600, lambda second: 350 + second // 10 % 2 if second // 180 % 2 == 0 else 100)
    assert opened(play) == 3
    assert told(play)[-1].state_to is not State.RESOLVED
    crowd(play, 3_600, 3_600 + 1_800, 100)
    assert (opened(play), told(play)[-1].state_to) == (3, State.RESOLVED)


def test_a_jump_of_two_levels_fires_at_its_first_step() -> None:
    play = Player(small_city())
    crowd(play, 0, 120, 100)
    crowd(play, 120, 130, 420)
    play.tick(130)
    first = told(play)[0]
    assert path([first]) == [(State.FIRING, 3, Cause.SKIP)]
    assert [one.cause for one in told(play, "rood")] == [Cause.SKIP]
    assert first.at_us <= at_us(130)


def test_a_gap_in_the_dwell_neither_counts_nor_ends_it() -> None:
    play = Player(small_city())
    crowd(play, 0, 120, 300)
    crowd(play, 120, 140, 350)
    play.tick(420)
    assert told(play) == []
    crowd(play, 420, 430, 350)
    play.tick(430)
    assert path(told(play))[:1] == [FIRED]


def test_a_gap_while_firing_makes_it_stale_and_moves_no_state() -> None:
    play = Player(small_city())
    crowd(play, 0, 60, 310)
    crowd(play, 60, 120, 350)
    play.tick(600)
    assert path(told(play)) == [FIRED, (State.FIRING, 2, Cause.NO_DATA)]
    assert told(play)[-1].stale
    crowd(play, 600, 720, 350)
    assert path(told(play))[2:] == [(State.FIRING, 2, Cause.NO_DATA)]
    assert not told(play)[-1].stale


def test_a_gap_while_recovering_does_not_resolve_it() -> None:
    play = Player(small_city())
    crowd(play, 0, 120, 350)
    crowd(play, 120, 180, 100)
    play.tick(900)
    assert told(play)[-1].state_to is State.RECOVERING
    crowd(play, 900, 1_020, 100)
    assert told(play)[-1].state_to is State.RESOLVED
    assert opened(play) == 1


def test_an_empty_square_clears_and_a_silent_one_does_not() -> None:
    empty, silent = Player(small_city()), Player(small_city())
    for play in (empty, silent):
        crowd(play, 0, 120, 350)
    crowd(empty, 120, 300, lambda _: 0)
    crowd(silent, 120, 300, lambda _: None)
    assert told(empty)[-1].state_to is State.RESOLVED
    assert (told(silent)[-1].state_to, told(silent)[-1].stale) == (State.FIRING, True)


def test_a_square_that_is_hardly_seen_does_not_clear() -> None:
    play = Player(small_city())
    crowd(play, 0, 120, 350)
    for minute in range(2, 20):
        play.send(60 * minute, play.reading("cam-plein", Metric.PEOPLE, 60 * minute - 15, 20 + minute % 2))
        play.tick(60 * minute + 9)
    assert {row["people_low"] for row in play.zone("plein")[4:]} == {20}
    assert max(row["coverage"] for row in play.zone("plein")[4:]) < 0.5
    assert {one.state_to for one in told(play)} == {State.FIRING}


def test_a_rule_of_density_carries_its_own_level_and_waits_for_its_group() -> None:
    dense = Rule(kind=RuleKind.DENSITY, level=2, limit=0.2, min_people=250, severity=Severity.CRITICAL,
                 zones=["plein"])
    play = Player(with_rules(dicht=dense))
    crowd(play, 0, 300, 230)
    assert told(play, "dicht") == []
    crowd(play, 300, 420, 260)
    assert path(told(play, "dicht")) == [FIRED]
    assert (told(play, "dicht")[0].measure, told(play, "dicht")[0].limit) == ("density", 0.2)
    crowd(play, 420, 600, 120)
    assert [one.state_to for one in told(play, "dicht")][1:] == [State.RECOVERING, State.RESOLVED]


def test_a_density_between_its_two_limits_stays_at_its_level() -> None:
    dense = Rule(kind=RuleKind.DENSITY, level=2, limit=0.2, severity=Severity.CRITICAL, zones=["plein"])
    play = Player(with_rules(dicht=dense))
    crowd(play, 0, 120, 210)
    crowd(play, 120, 600, 187)
    assert path(told(play, "dicht")) == [FIRED]


def test_a_higher_level_inhibits_the_lower_one_until_it_ends() -> None:
    play = Player(small_city())
    crowd(play, 0, 120, 350)
    crowd(play, 120, 240, 420)
    lower = told(play)
    assert [(one.cause, one.suppressed) for one in lower if one.cause is Cause.INHIBITED] == [(Cause.INHIBITED, True)]
    assert not any(one.suppressed for one in told(play, "rood"))
    crowd(play, 240, 480, 350)
    assert told(play, "rood")[-1].state_to is State.RESOLVED
    last = told(play)[-1]
    assert (last.cause, last.suppressed, last.state_to) == (Cause.INHIBITED, False, State.FIRING)


COMMANDS = st.lists(st.tuples(st.integers(0, 119), st.sampled_from(
    ["acknowledge", "unacknowledge", "note", "suppress", "place"])), min_size=3, max_size=12)


def said_by(number: int, what: str, play: Player, second: float) -> OperatorCommand:
    known = told(play) or told(play, "rood")
    alert = known[-1].alert_id if known else "none"
    named = {"id": f"c{number}", "role": "operator"}
    if what == "acknowledge":
        return Acknowledge(alert=alert, **named)
    if what == "unacknowledge":
        return Unacknowledge(alert=alert, **named)
    if what == "note":
        return Note(alert=alert, note_id=f"n{number}", **named)
    if what == "suppress":
        return Suppress(alert=alert, until_us=at_us(second + 95), **named)
    return Suppress(place="plein", until_us=at_us(second + 95), **named)


def day(commands: list[tuple[int, str]], restarts: set[int], seed: int, repeats: bool = False) -> Player:
    """Twenty minutes on the square and in the street, with commands and restarts after some messages."""
    rules = {key: replace(rule, escalate_after_s=60.0) for key, rule in small_file().rules.items()}
    rules["blind"] = Rule(kind=RuleKind.NO_DATA, severity=Severity.INFO)
    play = Player(small_city(rules=rules))
    rng = np.random.default_rng(seed)
    people = 330.0
    for step in range(120):
        second = 10 * step
        people = float(np.clip(people + rng.normal(0, 25), 250, 430))
        seen = None if rng.random() < 0.02 or 60 < step < 75 else people
        play.send(second, play.reading("cam-plein", Metric.PEOPLE, second, seen),
                  play.reading("cam-straat", Metric.PEOPLE, second, 80 + step % 3))
        for number, (at, what) in enumerate(commands):
            if at == step:
                command = said_by(number, what, play, second + 3)
                first = play.command(second + 3, command)
                if repeats:
                    before = len(play.effects)
                    assert play.command(second + 3, command) == first
                    assert [one for one in play.effects[before:] if isinstance(one, Transition)] == []
                    del play.effects[before:]
        if step in restarts:
            play.restart()
    return play


def plain(effect: Any) -> Any:
    return effect.rows.to_pylist() if hasattr(effect, "rows") else effect


@settings(max_examples=4, deadline=None, phases=QUICK)
@given(COMMANDS, st.sets(st.integers(0, 119), max_size=8), st.integers(0, 50))
def test_the_same_log_says_the_same_with_restarts_and_repeated_commands(
        commands: list[tuple[int, str]], restarts: set[int], seed: int) -> None:
    undisturbed = [plain(effect) for effect in day(commands, set(), seed).effects]
    assert [plain(effect) for effect in day(commands, restarts, seed, repeats=True).effects] == undisturbed


def moves_of(play: Player) -> list[tuple[Any, ...]]:
    flagging = (Cause.COMMAND, Cause.TIMER, Cause.INHIBITED)
    return [(one.place, one.rule, one.alert_id, one.state_from, one.state_to, one.level_from, one.level_to, one.stale,
             one.at_us) for one in play.transitions if one.cause not in flagging]


@settings(max_examples=4, deadline=None, phases=QUICK)
@given(COMMANDS, st.integers(0, 50))
def test_what_operators_say_changes_no_state_and_no_level(commands: list[tuple[int, str]], seed: int) -> None:
    commanded = day(commands, set(), seed)
    assert moves_of(commanded) == moves_of(day([], set(), seed))


def test_resolved_by_hand_it_opens_anew_after_the_dwell_while_it_is_still_over() -> None:
    play = Player(small_city())
    crowd(play, 0, 120, 350)
    first = told(play)[0].alert_id
    assert play.command(121, Resolve(id="c1", role="shift-lead", alert=first, note_id="n1")).reason == ""
    ending = told(play)[-1]
    assert (ending.state_to, ending.cause, ending.actor, ending.note_id) == (
        State.RESOLVED, Cause.COMMAND, "shift-lead", "n1")
    crowd(play, 130, 150, 350)
    assert opened(play) == 1
    crowd(play, 150, 190, 350)
    assert opened(play) == 2
    assert told(play)[-1].state_to is State.FIRING


@pytest.mark.parametrize("kind", [RuleKind.LEVEL, RuleKind.DENSITY, RuleKind.RISE, RuleKind.FLOW,
                                  RuleKind.STOP_AND_GO])
def test_other_people_inside_the_same_bands_say_the_same(kind: RuleKind) -> None:
    rule = {
        RuleKind.LEVEL: Rule(kind=kind, level=1, severity=Severity.INFO),
        RuleKind.DENSITY: Rule(kind=kind, limit=0.3, min_people=150, severity=Severity.INFO),
        RuleKind.RISE: Rule(kind=kind, limit=5, raise_after=1, severity=Severity.INFO),
        RuleKind.FLOW: Rule(kind=kind, limit=6, raise_after=1, severity=Severity.INFO),
        RuleKind.STOP_AND_GO: Rule(kind=kind, density_from_per_m2=0.2, raise_after=1, severity=Severity.INFO),
    }[kind]
    said = []
    for shift in range(3):
        play = Player(with_rules(regel=rule))
        rng, other = np.random.default_rng(8), np.random.default_rng(shift)
        for step in range(160):
            second = 10 * step
            bands = rng.integers(40, 90), 15 + rng.integers(0, 5)
            square, street = (5 * int(one) + int(other.integers(0, 5)) for one in bands)
            play.send(second, play.reading("cam-plein", Metric.PEOPLE, second, square),
                      play.reading("cam-straat", Metric.PEOPLE, second, street))
            if step % 6 == 0 and step:
                play.send(second + 1, *(
                    play.reading(sensor, metric, second - 60, 5 * int(rng.integers(2, 9)) + int(other.integers(0, 5)),
                                 60)
                    for sensor in ("teller-plein-straat", "teller-straat-uit") for metric in (Metric.IN, Metric.OUT)))
        said.append(play.transitions)
    assert {one.rule for one in said[0]} >= {"regel"}
    assert said[1] == said[0]
    assert said[2] == said[0]
