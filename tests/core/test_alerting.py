# SPDX-License-Identifier: Apache-2.0
"""The life of an alert."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.alert import Cause, State
from streams.core.alerting import Case, Change, Fall, Parameters, Rise, fall, rise

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
