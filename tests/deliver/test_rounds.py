# SPDX-License-Identifier: Apache-2.0
"""What Alertmanager hears: the present, again and again; what is recorded: each transition once."""

from hypothesis import given
from hypothesis import strategies as st

from schemas.delivery import Delivery, Outcome
from streams.deliver.answer import Answer, Patience
from streams.deliver.present import Alerts, Told
from streams.deliver.rounds import Rounds
from tests.deliver.samples import SECOND_US, START_US, resolved, told

PATIENCE = Patience(first_delay_s=1.0, longest_delay_s=30.0, limit_s=3600.0)
OLD, NEW = "0" * 16, "1" * 16


def at(seconds: float) -> int:
    return START_US + round(seconds * SECOND_US)


class Desk:
    """Rounds on alerts of their own."""

    def __init__(self) -> None:
        self.alerts = Alerts()
        self.rounds = Rounds("alertmanager", self.alerts, PATIENCE, 300.0)

    def hear(self, *transitions: Told) -> None:
        for one in transitions:
            if self.alerts.take(one):
                self.rounds.add(one)

    def turn(self, now_s: float, answer: Answer) -> tuple[list[tuple[str, int]], list[Delivery]]:
        """One round: the identities told, and what was settled."""
        this = self.rounds.begin(at(now_s))
        settled = this.settled + self.rounds.answered(this.alerts, answer, at(now_s))
        sent = [(alert.newest.transition.alert_id, alert.newest.transition.seq) for alert in this.alerts]
        return sent, settled


def outcomes(settled: list[Delivery]) -> dict[tuple[str, int], Outcome]:
    return {(one.alert_id, one.seq): one.outcome for one in settled}


def test_an_open_alert_is_told_again_and_recorded_once() -> None:
    desk = Desk()
    desk.hear(told(OLD))
    assert desk.turn(0, Answer(200))[0] == [(OLD, 1)]
    for now_s in (60, 3600, 36_000):
        assert desk.turn(now_s, Answer(200)) == ([(OLD, 1)], [])


def test_a_closed_one_is_told_for_five_minutes() -> None:
    desk = Desk()
    desk.hear(told(OLD), resolved(OLD, at_s=10))
    sent, settled = desk.turn(10, Answer(200))
    assert sent == [(OLD, 2)]
    assert outcomes(settled) == {(OLD, 1): Outcome.SUPERSEDED, (OLD, 2): Outcome.DELIVERED}
    assert desk.turn(309, Answer(200))[0] == [(OLD, 2)]
    assert desk.turn(311, Answer(200))[0] == []


def test_a_close_that_was_not_heard_is_told_until_it_is() -> None:
    desk = Desk()
    desk.hear(told(OLD), resolved(OLD))
    for now_s in (0, 400, 3000):
        assert desk.turn(now_s, Answer(None))[0] == [(OLD, 2)]
    sent, settled = desk.turn(3001, Answer(200))
    assert (sent, outcomes(settled)) == ([(OLD, 2)], {(OLD, 2): Outcome.DELIVERED})
    assert settled[0].attempts == 4
    assert desk.turn(3002, Answer(200))[0] == []


def test_the_end_of_an_older_alert_does_not_close_a_newer_one_of_the_same_labels() -> None:
    desk = Desk()
    desk.hear(told(OLD, opened_at_us=1), resolved(OLD, opened_at_us=1, at_s=1), told(NEW, opened_at_us=2, at_s=2))
    sent, settled = desk.turn(2, Answer(200))
    assert sent == [(NEW, 1)]
    assert outcomes(settled)[OLD, 2] is Outcome.SUPERSEDED


def test_old_transitions_are_skipped_as_stale_and_the_present_is_told() -> None:
    desk = Desk()
    desk.hear(told(OLD, 1), told(OLD, 2, at_s=1))
    sent, settled = desk.turn(1000, Answer(200))
    assert sent == [(OLD, 2)]
    assert outcomes(settled) == {(OLD, 1): Outcome.SKIPPED_STALE, (OLD, 2): Outcome.DELIVERED}


def test_a_change_while_a_call_is_under_way_is_not_counted_as_told() -> None:
    desk = Desk()
    desk.hear(told(OLD, 1))
    this = desk.rounds.begin(at(0))
    desk.hear(told(OLD, 2, at_s=1))
    assert outcomes(desk.rounds.answered(this.alerts, Answer(200), at(1))) == {(OLD, 1): Outcome.DELIVERED}
    assert outcomes(desk.turn(2, Answer(200))[1]) == {(OLD, 2): Outcome.DELIVERED}


def test_a_refused_alert_is_left_alone_until_it_changes() -> None:
    desk = Desk()
    desk.hear(told(OLD, 1))
    assert outcomes(desk.turn(0, Answer(400))[1]) == {(OLD, 1): Outcome.FAILED}
    assert desk.turn(60, Answer(200))[0] == []
    desk.hear(told(OLD, 2, at_s=61))
    assert desk.turn(61, Answer(200))[0] == [(OLD, 2)]


def test_who_closed_long_ago_is_not_told() -> None:
    desk = Desk()
    desk.hear(told(OLD), resolved(OLD))
    sent, settled = desk.turn(4000, Answer(200))
    assert sent == []
    assert set(outcomes(settled).values()) == {Outcome.SKIPPED_STALE}


def test_a_suppressed_alert_is_told_as_ended_and_active_again_afterwards() -> None:
    desk = Desk()
    desk.hear(told(OLD))
    desk.turn(0, Answer(200))
    desk.hear(told(OLD, 2, at_s=10, suppressed=True))
    sent, settled = desk.turn(10, Answer(200))
    assert (sent, outcomes(settled)) == ([(OLD, 2)], {(OLD, 2): Outcome.DELIVERED})
    assert desk.turn(309, Answer(200))[0] == [(OLD, 2)]
    assert desk.turn(311, Answer(200))[0] == []
    desk.hear(told(OLD, 3, at_s=400))
    assert desk.turn(400, Answer(200))[0] == [(OLD, 3)]
    assert desk.turn(4000, Answer(200))[0] == [(OLD, 3)]


def test_the_end_of_an_exercise_is_told_though_a_real_alert_follows() -> None:
    desk = Desk()
    desk.hear(told(OLD, opened_at_us=1, exercise=True), resolved(OLD, opened_at_us=1, at_s=1, exercise=True),
              told(NEW, opened_at_us=2, at_s=2))
    sent, settled = desk.turn(2, Answer(200))
    assert sorted(sent) == [(OLD, 2), (NEW, 1)]
    assert outcomes(settled)[OLD, 2] is Outcome.DELIVERED


@given(steps=st.lists(st.tuples(
    st.sampled_from([OLD, NEW, None, None]), st.integers(0, 500),
    st.sampled_from([Answer(200), Answer(503), Answer(None)]),
)))
def test_every_transition_is_recorded_exactly_once(steps: list[tuple[str | None, int, Answer]]) -> None:
    desk, now_s, seqs, settled = Desk(), 0.0, {OLD: 0, NEW: 0}, list[Delivery]()
    for alert_id, wait_s, answer in steps:
        now_s += wait_s
        if alert_id is None:
            settled += desk.turn(now_s, answer)[1]
        else:
            seqs[alert_id] += 1
            place = "plein" if alert_id == OLD else "straat"
            desk.hear(told(alert_id, seqs[alert_id], at_s=now_s, place=place))
    sent, last = desk.turn(now_s, Answer(200))
    settled += last
    assert sorted((one.alert_id, one.seq) for one in settled) == sorted(
        (alert_id, seq) for alert_id, newest in seqs.items() for seq in range(1, newest + 1)
    )
    assert sorted(sent) == sorted((alert_id, newest) for alert_id, newest in seqs.items() if newest)
    assert len(desk.rounds) == 0
