# SPDX-License-Identifier: Apache-2.0
"""The queue before a webhook: every transition ends once, in order, and the last word is always told."""

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from schemas.delivery import Delivery, Outcome
from streams.deliver.answer import Answer, Patience
from streams.deliver.line import Line
from streams.deliver.present import Told
from tests.deliver.samples import SECOND_US, START_US, resolved, told

PATIENCE = Patience(first_delay_s=1.0, longest_delay_s=30.0, limit_s=3600.0)
IDS = [f"{number:016x}" for number in range(3)]
ANSWERS = [Answer(200), Answer(200), Answer(503), Answer(None, "ConnectError"), Answer(429)]


def at(seconds: float) -> int:
    return START_US + round(seconds * SECOND_US)


def drained(line: Line, now_us: int) -> list[Delivery]:
    """Everything that waits, sent to a receiver that takes it."""
    done: list[Delivery] = []
    while line:
        wait_s = line.wait_s(now_us)
        assert wait_s is not None
        now_us += round(wait_s * SECOND_US)
        waiting, settled = line.take(now_us)
        done += settled
        if waiting is not None:
            delivery = line.answered(waiting, Answer(200), now_us, 0.0)
            assert delivery is not None
            done.append(delivery)
    return done


def test_a_clock_that_is_set_back_makes_no_alarm_wait() -> None:
    line = Line("desk", PATIENCE, 10)
    line.add(told(IDS[0]), at(0))
    waiting, _ = line.take(at(0))
    assert waiting is not None
    line.answered(waiting, Answer(503), at(0), 0.0)
    assert line.wait_s(at(0)) == 1.0
    assert line.take(at(0.5))[0] is None
    assert line.wait_s(at(-3600)) == 0
    assert line.take(at(-3600))[0] is waiting


@given(
    steps=st.lists(st.tuples(st.sampled_from([*IDS, None, None]), st.integers(0, 400), st.sampled_from(ANSWERS))),
    limit=st.integers(1, 4),
)
def test_every_transition_ends_once_and_the_last_word_is_told(
    steps: list[tuple[str | None, int, Answer]], limit: int
) -> None:
    line, now_s = Line("desk", PATIENCE, limit), 0.0
    seqs: dict[str, int] = defaultdict(int)
    done: list[Delivery] = []
    for alert_id, wait_s, answer in steps:
        now_s += wait_s
        if alert_id is not None:
            seqs[alert_id] += 1
            done += line.add(told(alert_id, seqs[alert_id], at_s=now_s), at(now_s))
            continue
        waiting, settled = line.take(at(now_s))
        done += settled
        if waiting is not None:
            delivery = line.answered(waiting, answer, at(now_s), 0.5)
            done += [] if delivery is None else [delivery]
    assert len(line) + len(done) == sum(seqs.values())
    done += drained(line, at(now_s))
    assert sorted((one.alert_id, one.seq) for one in done) == sorted(
        (alert_id, seq) for alert_id, last in seqs.items() for seq in range(1, last + 1)
    )
    for alert_id, last in seqs.items():
        delivered = [one.seq for one in done if one.alert_id == alert_id and one.outcome is Outcome.DELIVERED]
        assert delivered == sorted(delivered)
        given_up = [one.seq for one in done if one.alert_id == alert_id and one.outcome is Outcome.FAILED]
        assert last in delivered or last in given_up
    assert all(one.receiver == "desk" and one.site == "centrum" for one in done)
    assert all((one.attempts == 0) is (one.first_try_at_us is None) for one in done)


def test_stale_at_the_first_try_leaves_only_the_present_state() -> None:
    line = Line("desk", PATIENCE, 100)
    for seq in (1, 2, 3):
        line.add(told(seq=seq, at_s=seq), at(400))
    waiting, settled = line.take(at(400))
    assert [(one.seq, one.outcome, one.attempts) for one in settled] == [
        (1, Outcome.SKIPPED_STALE, 0), (2, Outcome.SKIPPED_STALE, 0)
    ]
    assert waiting is not None
    assert (waiting.told.transition.seq, waiting.late) == (3, True)


def test_what_was_begun_in_time_keeps_going() -> None:
    line = Line("desk", PATIENCE, 100)
    line.add(told(seq=1, at_s=0), at(0))
    line.add(told(seq=2, at_s=1), at(1))
    first, _ = line.take(at(299))
    assert first is not None
    line.answered(first, Answer(503), at(299), 0.0)
    again, settled = line.take(at(1000))
    assert again is first
    assert (again.late, again.attempts, settled) == (False, 2, [])


def test_no_second_try_before_its_time_and_none_after_the_limit() -> None:
    line = Line("desk", PATIENCE, 100)
    line.add(told(), at(0))
    waiting, _ = line.take(at(0))
    assert waiting is not None
    assert line.answered(waiting, Answer(503), at(0), 0.0) is None
    assert line.take(at(0.9)) == (None, [])
    assert line.take(at(1.0))[0] is waiting
    failed = line.answered(waiting, Answer(503), at(3601), 0.0)
    assert failed is not None
    assert (failed.outcome, failed.attempts, failed.http_status) == (Outcome.FAILED, 2, 503)
    assert len(line) == 0


def test_a_refusal_is_final_and_recorded_and_the_next_one_goes() -> None:
    line = Line("desk", PATIENCE, 100)
    line.add(told(seq=1), at(0))
    line.add(told(seq=2), at(0))
    waiting, _ = line.take(at(0))
    assert waiting is not None
    failed = line.answered(waiting, Answer(403), at(0), 0.0)
    assert failed is not None
    assert (failed.outcome, failed.http_status) == (Outcome.FAILED, 403)
    following, _ = line.take(at(0))
    assert following is not None
    assert following.told.transition.seq == 2


def test_one_alert_in_trouble_does_not_hold_up_another() -> None:
    line = Line("desk", PATIENCE, 100)
    line.add(told(IDS[0]), at(0))
    line.add(told(IDS[1]), at(0))
    first, _ = line.take(at(0))
    assert first is not None
    line.answered(first, Answer(500), at(0), 0.0)
    second, _ = line.take(at(0))
    assert second is not None
    assert second.told.transition.alert_id != first.told.transition.alert_id


def test_a_full_queue_drops_the_oldest_untried_of_the_same_alert_only() -> None:
    line = Line("desk", PATIENCE, 3)
    line.add(told(IDS[0], 1), at(0))
    tried, _ = line.take(at(0))
    assert tried is not None
    line.answered(tried, Answer(503), at(0), 0.0)
    line.add(told(IDS[1], 1), at(0))
    line.add(told(IDS[0], 2), at(0))
    assert line.add(told(IDS[2], 1), at(0)) == []
    [dropped] = line.add(told(IDS[0], 3), at(0))
    assert (dropped.alert_id, dropped.seq, dropped.outcome) == (IDS[0], 2, Outcome.SUPERSEDED)
    assert len(line) == 4


def test_what_comes_out_of_order_is_never_sent() -> None:
    line = Line("desk", PATIENCE, 3)
    [settled] = line.add(told(seq=1), at(0), outdated=True)
    assert (settled.outcome, len(line)) == (Outcome.SUPERSEDED, 0)


def test_an_alert_that_closed_before_the_limit_is_only_recorded() -> None:
    def outcome(ended: Told, now_s: float) -> Outcome | None:
        line = Line("desk", PATIENCE, 3)
        line.add(ended, at(now_s))
        waiting, settled = line.take(at(now_s))
        return settled[0].outcome if waiting is None else None
    assert outcome(resolved(), 3500) is None
    assert outcome(resolved(), 3700) is Outcome.SKIPPED_STALE
    assert outcome(told(), 3700) is None  # still open
