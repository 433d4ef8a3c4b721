# SPDX-License-Identifier: Apache-2.0
"""The present state is a fact about the transitions, not about the way they came."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.alert import State
from streams.deliver.present import Alert, Alerts, Told
from tests.deliver.samples import START_US, resolved, told

IDS = [f"{number:016x}" for number in range(3)]
# One alert after the other at the same place, each of up to five transitions.
HISTORY = [
    told(alert_id, seq, at_s=100 * number + seq, opened_at_us=number + 1)
    for number, alert_id in enumerate(IDS) for seq in range(1, 6)
]


def known(history: list[Told]) -> tuple[list[Alert], list[bool]]:
    alerts = Alerts()
    new = [alerts.take(one) for one in history]
    return list(alerts.current()), new


@given(history=st.lists(st.sampled_from(HISTORY), min_size=1), order=st.randoms(use_true_random=False))
def test_repeats_and_order_change_nothing(history: list[Told], order: Any) -> None:
    shuffled = list(history)
    order.shuffle(shuffled)
    first, _ = known(history)
    second, new = known(shuffled)
    assert first == second
    assert sum(new) == len({(one.transition.alert_id, one.transition.seq) for one in history})
    [alert] = first
    newest = max(history, key=lambda one: (one.transition.opened_at_us, one.transition.seq))
    assert alert.newest == newest
    assert alert.first.transition.alert_id == newest.transition.alert_id
    assert alert.starts_us == min(
        one.appended_us for one in history if one.transition.alert_id == newest.transition.alert_id
    )


def test_a_repeat_does_not_make_an_alert_younger() -> None:
    alerts = Alerts()
    assert alerts.take(told(at_s=0))
    assert not alerts.take(told(at_s=500))
    assert next(alerts.current()).starts_us == START_US


def test_an_end_never_lies_before_the_beginning() -> None:
    alerts = Alerts()
    alerts.take(resolved(seq=2, at_s=0))
    alerts.take(told(seq=1, at_s=5))
    alert = next(alerts.current())
    assert alert.ends_us is not None
    assert alert.ends_us >= alert.starts_us


@pytest.mark.parametrize("state", [State.PENDING, State.NORMAL])
def test_what_is_never_told_is_not_taken(state: State) -> None:
    alerts = Alerts()
    assert not alerts.take(told(state_to=state))
    assert len(alerts) == 0


def test_the_newer_alert_of_a_place_and_rule_is_the_current_one() -> None:
    alerts = Alerts()
    alerts.take(told(IDS[0], opened_at_us=1))
    alerts.take(told(IDS[1], opened_at_us=2))
    alerts.take(resolved(IDS[0], opened_at_us=1))
    assert [alert.newest.transition.alert_id for alert in alerts.current()] == [IDS[1]]
    assert (alerts.is_current(IDS[0]), alerts.is_current(IDS[1])) == (False, True)


def test_only_closed_alerts_are_forgotten() -> None:
    alerts = Alerts()
    alerts.take(told(IDS[0], place="plein"))
    alerts.take(told(IDS[1], place="straat"))
    alerts.take(resolved(IDS[1], place="straat", at_s=10))
    alerts.forget_closed(START_US + 5_000_000)
    assert len(alerts) == 2
    alerts.forget_closed(START_US + 99_000_000)
    assert [alert.newest.transition.alert_id for alert in alerts.current()] == [IDS[0]]


def test_suppression_is_the_run_that_reaches_up_to_now() -> None:
    flags = [True, False, True, True]
    history = [told(seq=seq, at_s=seq, suppressed=flag) for seq, flag in enumerate(flags, 1)]
    for order in (history, history[::-1]):
        [alert], _ = known(order)
        assert (alert.suppressed_since, alert.active, alert.ends_us) == (history[2], False, None)
        assert alert.inactive_us == history[2].appended_us
    [alert], _ = known([*history, resolved(seq=5, at_s=9)])
    assert (alert.active, alert.inactive_us) == (False, alert.ends_us)
    [alert], _ = known(history[:2])
    assert (alert.active, alert.suppressed_since, alert.inactive_us) == (True, None, None)


def test_an_exercise_is_another_alert_only_where_labels_tell_them_apart() -> None:
    alerts = Alerts()
    alerts.take(told(IDS[0], opened_at_us=1, exercise=True))
    alerts.take(resolved(IDS[0], opened_at_us=1, exercise=True))
    alerts.take(told(IDS[1], opened_at_us=2))
    assert [alert.newest.transition.alert_id for alert in alerts.current()] == [IDS[1]]
    assert {alert.newest.transition.alert_id for alert in alerts.current(drills_apart=True)} == {IDS[0], IDS[1]}
    assert (alerts.is_current(IDS[0]), alerts.is_current(IDS[0], drills_apart=True)) == (False, True)
    alerts.forget_closed(START_US + 99_000_000)
    assert [alert.newest.transition.alert_id for alert in alerts.current(drills_apart=True)] == [IDS[1]]
