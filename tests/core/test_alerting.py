# SPDX-License-Identifier: Apache-2.0
"""The life of an alert."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.alert import Cause, State
from streams.core.alerting import (
    FIRST_OPEN,
    TRANSITIONS,
    Case,
    Change,
    Fall,
    Parameters,
    Rise,
    Said,
    acknowledged,
    ended,
    escalated,
    fall,
    moved,
    rise,
    suppressed,
)

RULE = Parameters(level=2, raise_after=3, clear_after=2, skip_levels=2)
OVER = Rise(over=True, fresh=True, level=2, level_before=1)
CALM = Rise(over=False, fresh=True, level=0, level_before=0)
STALE_OVER = Rise(over=True, fresh=False, level=2, level_before=2)
FULL = Fall(missing=False, over_up=True, over_down=True, level=2, coverage=1.0)
EMPTY = Fall(missing=False, over_up=False, over_down=False, level=0, coverage=1.0)
BETWEEN = Fall(missing=False, over_up=False, over_down=True, level=1, coverage=1.0)
MISSING = Fall(missing=True, over_up=False, over_down=False, level=-1, coverage=0.0)
BLINDED = Fall(missing=False, over_up=False, over_down=False, level=0, coverage=0.3)


def lived(events: Sequence[Rise | Fall], case: Case | None = None) -> tuple[Case, list[Change]]:
    case = case or Case()
    told: list[Change] = []
    for event in events:
        told += rise(case, RULE, event) if isinstance(event, Rise) else fall(case, RULE, event)
    return case, told


def states(told: list[Change]) -> list[State]:
    return [change.state_to for change in told]


def firing() -> Case:
    case, told = lived([OVER, OVER, OVER])
    assert states(told) == [State.FIRING]
    return case


def test_it_fires_after_its_dwell_and_pending_is_never_told() -> None:
    case, told = lived([OVER, OVER])
    assert (case.state, told) == (State.PENDING, [])
    _, told = lived([OVER], case)
    assert told == [Change(State.PENDING, State.FIRING, 0, 2, Cause.THRESHOLD)]


def test_the_dwell_counts_only_new_data() -> None:
    case, told = lived([OVER, STALE_OVER, STALE_OVER, STALE_OVER, OVER])
    assert (case.state, told) == (State.PENDING, [])


def test_a_broken_dwell_begins_anew() -> None:
    case, told = lived([OVER, OVER, CALM, OVER, OVER])
    assert (case.state, told) == (State.PENDING, [])


def test_pending_ends_only_at_a_window_without_the_threshold() -> None:
    case, _ = lived([OVER, CALM, FULL])
    assert case.state is State.PENDING
    case, told = lived([EMPTY], case)
    assert (case.state, told) == (State.NORMAL, [])


def test_a_jump_of_two_levels_skips_the_dwell() -> None:
    _, told = lived([Rise(over=True, fresh=True, level=3, level_before=1)])
    assert told == [Change(State.NORMAL, State.FIRING, 0, 3, Cause.SKIP)]


def test_a_rising_level_is_told_at_the_step_and_a_falling_one_at_the_close() -> None:
    case = firing()
    _, told = lived([Rise(over=True, fresh=True, level=3, level_before=2)], case)
    assert told == [Change(State.FIRING, State.FIRING, 2, 3, Cause.THRESHOLD)]
    _, told = lived([OVER], case)
    assert told == []
    _, told = lived([FULL], case)
    assert told == [Change(State.FIRING, State.FIRING, 3, 2, Cause.THRESHOLD)]


def test_it_clears_after_enough_windows_below_the_lower_edge() -> None:
    _, told = lived([EMPTY], case := firing())
    assert states(told) == [State.RECOVERING]
    _, told = lived([EMPTY], case)
    assert states(told) == [State.RESOLVED]


def test_between_the_two_edges_it_stays() -> None:
    case, told = lived([BETWEEN, BETWEEN, BETWEEN], firing())
    assert case.state is State.FIRING
    assert states(told) == [State.FIRING]  # only the level fell


def test_a_window_above_the_lower_edge_restarts_the_clearing() -> None:
    case, _ = lived([EMPTY, BETWEEN, EMPTY], firing())
    assert case.state is State.RECOVERING


def test_recovering_that_rises_again_is_the_same_alert() -> None:
    case = firing()
    case.alert_id = "same"
    _, told = lived([EMPTY, OVER], case)
    assert states(told) == [State.RECOVERING, State.FIRING]
    assert case.alert_id == "same"


@pytest.mark.parametrize("blind", [MISSING, BLINDED])
def test_blindness_never_clears(blind: Fall) -> None:
    case, told = lived([blind] * 10, firing())
    assert case.state is State.FIRING
    assert State.RESOLVED not in states(told)


def test_missing_windows_make_it_stale_once_and_data_make_it_fresh_again() -> None:
    case, told = lived([MISSING, MISSING], firing())
    assert (case.stale, [change.cause for change in told]) == (True, [Cause.NO_DATA])
    case, told = lived([FULL], case)
    assert (case.stale, told[0].cause) == (False, Cause.NO_DATA)


def test_missing_windows_leave_the_clearing_where_it_was() -> None:
    case, _ = lived([EMPTY, MISSING], firing())
    assert (case.state, case.cleared) == (State.RECOVERING, 1)


def test_after_resolved_a_new_case_begins_with_a_new_dwell() -> None:
    case, _ = lived([EMPTY, EMPTY], firing())
    assert case.state is State.RESOLVED
    case, told = lived([OVER, OVER], case)
    assert (case.state, told) == (State.PENDING, [])


EVENTS = st.lists(st.one_of(
    st.builds(Rise, over=st.booleans(), fresh=st.booleans(), level=st.integers(0, 3),
              level_before=st.integers(0, 3)),
    st.builds(lambda over_up, over_down, level, coverage: Fall(False, over_up, over_up or over_down, level, coverage),
              st.booleans(), st.booleans(), st.integers(0, 3), st.floats(0, 1)),
    st.just(MISSING),
), max_size=60)
ALLOWED = {
    State.NORMAL: {State.FIRING}, State.PENDING: {State.FIRING},
    State.FIRING: {State.FIRING, State.RECOVERING},
    State.RECOVERING: {State.FIRING, State.RECOVERING, State.RESOLVED}, State.RESOLVED: set(),
}


@given(EVENTS)
def test_no_path_takes_a_step_that_the_table_does_not_have(events: list[Rise | Fall]) -> None:
    _, told = lived(events)
    for change in told:
        assert change.state_to in ALLOWED[change.state_from]
    opened = [change for change in told if change.state_from in (State.NORMAL, State.PENDING)]
    resolved = states(told).count(State.RESOLVED)
    assert resolved <= len(opened) <= resolved + 1


@given(EVENTS)
def test_every_firing_ends_once_the_crowd_has_gone(events: list[Rise | Fall]) -> None:
    case, _ = lived([*events, CALM, *[EMPTY] * (RULE.clear_after + 1)])
    assert case.state in (State.NORMAL, State.RESOLVED)
    assert not case.open


EVERY_PAIR = [(state, said) for state in State for said in Said]
REFUSED = [pair for pair in EVERY_PAIR if pair not in TRANSITIONS]
TABLE = """\
normal: over pending, reached firing, calm normal
pending: over pending, reached firing, calm normal
firing: over firing, reached firing, below recovering, ended resolved
recovering: over firing, reached firing, below recovering, safe resolved, ended resolved
resolved: next normal
"""


def test_the_table_is_the_one_that_was_agreed() -> None:
    found: dict[tuple[str, str], str] = {}
    for line in TABLE.splitlines():
        state, _, rest = line.partition(": ")
        found |= {(state, one.split()[0]): one.split()[1] for one in rest.split(", ")}
    assert {(state.value, said.value): to.value for (state, said), to in TRANSITIONS.items()} == found


@pytest.mark.parametrize(("state", "said"), list(TRANSITIONS))
def test_what_the_table_has_happens(state: State, said: Said) -> None:
    case = Case(state=state, level=1)
    change = moved(case, said, 2, Cause.THRESHOLD)
    assert change == Change(state, TRANSITIONS[state, said], 1, 2, Cause.THRESHOLD)
    assert (case.state, case.level) == (TRANSITIONS[state, said], 2)


@pytest.mark.parametrize(("state", "said"), REFUSED)
def test_what_the_table_does_not_have_is_refused_and_changes_nothing(state: State, said: Said) -> None:
    case = Case(state=state, level=1)
    with pytest.raises(KeyError):
        moved(case, said, 2, Cause.THRESHOLD)
    assert case == Case(state=state, level=1)


FLAGS = ("stale", "acknowledged", "escalated", "suppressed", "inhibited")


@pytest.mark.parametrize("state", FIRST_OPEN)
def test_the_end_of_an_alert_ends_its_flags(state: State) -> None:
    case = Case(state=state, assigned="shift-lead", adopted=True, exercise=True)
    for flag_name in FLAGS:
        setattr(case, flag_name, True)
    ended(case, Cause.COMMAND)
    assert not any(getattr(case, flag) for flag in FLAGS)
    assert (case.assigned, case.adopted, case.exercise) == ("", False, True)  # its last word says it was a drill


@pytest.mark.parametrize("state", [state for state in State if state not in FIRST_OPEN])
def test_no_flag_is_set_where_nothing_is_open(state: State) -> None:
    case = Case(state=state)
    told = [*acknowledged(case, True, 5), *suppressed(case, True, Cause.COMMAND), *escalated(case, QUICK, 10**9),
            *ended(case, Cause.COMMAND), *fall(case, RULE, MISSING)]
    assert (told, case) == ([], Case(state=state))


QUICK = Parameters(level=2, raise_after=3, clear_after=2, skip_levels=2, escalate_after_us=60_000_000)


@pytest.mark.parametrize("state", FIRST_OPEN)
def test_every_flag_is_set_and_cleared_in_every_open_state(state: State) -> None:
    case = Case(state=state, level=2)
    flagged = Change(state, state, 2, 2, Cause.COMMAND)
    assert acknowledged(case, True, 5) == [flagged]
    assert acknowledged(case, True, 6) == []
    assert acknowledged(case, False, 7) == [flagged]
    assert suppressed(case, True, Cause.COMMAND) == [flagged]
    assert suppressed(case, True, Cause.COMMAND) == []
    assert suppressed(case, False, Cause.TIMER) == [replace(flagged, cause=Cause.TIMER)]
    assert escalated(case, QUICK, 7 + 60_000_000) == [replace(flagged, cause=Cause.TIMER)]
    assert case.escalated
    acknowledged(case, True, 80_000_000)
    assert (case.acknowledged, case.escalated) == (True, False)
    assert fall(case, RULE, MISSING) == [replace(flagged, cause=Cause.NO_DATA)]
    assert case.stale
    fall(case, RULE, FULL)
    assert not case.stale


def test_escalation_waits_for_its_time_and_comes_once() -> None:
    case, minute = firing(), 60_000_000
    assert escalated(case, QUICK, case.clock_us + minute - 1) == []
    assert len(escalated(case, QUICK, case.clock_us + minute)) == 1
    assert escalated(case, QUICK, case.clock_us + 2 * minute) == []


def test_escalation_waits_while_suppressed_and_is_not_without_a_timer() -> None:
    case = firing()
    suppressed(case, True, Cause.COMMAND)
    assert escalated(case, QUICK, 10**9) == []
    suppressed(case, False, Cause.TIMER)
    assert escalated(case, RULE, 10**15) == []
    assert len(escalated(case, QUICK, 10**9)) == 1


def test_taking_an_acknowledgement_back_starts_the_timer_anew() -> None:
    case, minute = firing(), 60_000_000
    acknowledged(case, True, 30_000_000)
    acknowledged(case, False, 50_000_000)
    assert escalated(case, QUICK, 50_000_000 + minute - 1) == []
    assert len(escalated(case, QUICK, 50_000_000 + minute)) == 1


def test_an_alert_that_opens_too_often_is_held_until_the_hour_has_passed() -> None:
    rule, case, minute = Parameters(2, 1, 1, 2, flap_limit=3), Case(), 60_000_000
    opened = 0
    for at in range(120):
        seen_over = at % 2 == 0 and at < 60
        told = rise(case, rule, replace(OVER, over=seen_over), at * minute)
        opened += sum(change.state_from not in FIRST_OPEN for change in told)
        fall(case, rule, FULL if seen_over else EMPTY, at * minute)
        if 5 <= at < 60:
            assert case.open
    assert opened == 3
    assert not case.open


def test_half_of_the_area_dark_lowers_no_level() -> None:
    case, told = lived([BLINDED], firing())
    assert (case.level, told) == (2, [])


def test_a_dark_window_leaves_the_clearing_where_it_was() -> None:
    case, _ = lived([EMPTY, BLINDED], firing())
    assert (case.state, case.cleared) == (State.RECOVERING, 1)


def test_a_dark_window_that_is_still_full_restarts_the_clearing() -> None:
    case, _ = lived([EMPTY, replace(FULL, coverage=0.3), EMPTY], firing())
    assert case.state is State.RECOVERING


def test_a_gap_inside_pending_neither_counts_nor_ends_it() -> None:
    case, told = lived([OVER, OVER, MISSING, MISSING])
    assert (case.state, case.raised, told) == (State.PENDING, 2, [])
    assert states(lived([OVER], case)[1]) == [State.FIRING]


def test_an_adopted_alert_ended_by_hand_does_not_end_again() -> None:
    case = firing()
    case.adopted = True
    ended(case, Cause.COMMAND)
    assert lived([EMPTY], case)[1] == []


FLAGGING = st.lists(st.sampled_from(["ack", "unack", "mute", "unmute", "escalate", "none", "none"]), min_size=60,
                    max_size=60)


def flag(case: Case, what: str, at_us: int) -> None:
    if what in ("ack", "unack"):
        acknowledged(case, what == "ack", at_us)
    elif what in ("mute", "unmute"):
        suppressed(case, what == "mute", Cause.COMMAND)
    elif what == "escalate":
        escalated(case, QUICK, at_us)


def judged(events: Sequence[Rise | Fall], flags: Sequence[str]) -> list[tuple[Change, State, int, int]]:
    case, told = Case(), []
    for number, event in enumerate(events):
        at_us = number * 10_000_000
        seen = rise(case, QUICK, event, at_us) if isinstance(event, Rise) else fall(case, QUICK, event, at_us)
        told += [(change, case.state, case.raised, case.cleared) for change in seen]
        if flags:
            flag(case, flags[number], at_us)
    return told


@given(EVENTS, FLAGGING)
def test_flags_change_no_state_and_no_level(events: list[Rise | Fall], flags: list[str]) -> None:
    assert judged(events, flags) == judged(events, [])


@given(EVENTS, st.booleans(), st.integers(1, 4), st.integers(1, 4), st.integers(1, 5))
def test_every_alert_ends_when_it_is_calm_for_long(events: list[Rise | Fall], adopted: bool, raise_after: int,
                                                  clear_after: int, flap_limit: int) -> None:
    rule = Parameters(2, raise_after, clear_after, 2, flap_limit)
    case, at_us = Case(), 0
    if adopted:
        case = Case(state=State.FIRING, level=2, adopted=True)
    for event in events:
        at_us += 60_000_000
        for change in rise(case, rule, event, at_us) if isinstance(event, Rise) else fall(case, rule, event, at_us):
            assert change.state_from is change.state_to or change.state_to in TABLE_TO[change.state_from]
    for _ in range(60 + clear_after):
        at_us += 60_000_000
        fall(case, rule, EMPTY, at_us)
    assert case.state in (State.NORMAL, State.RESOLVED)
    assert (case.raised, case.cleared) == (0, 0) or case.state is State.NORMAL


TABLE_TO = {state: {to for (one, _), to in TRANSITIONS.items() if one is state} for state in State}
