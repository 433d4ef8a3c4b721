# SPDX-License-Identifier: Apache-2.0
"""Waiting that grows: doubling, a limit, jitter; and trying until it is done or told to stop."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import FatalError, TransientError
from streams.backoff import StoppedError, delay_s, retried
from tests.services.process import wait_until

SHORT_S, LONG_S = 1.0, 60.0


@given(failures=st.integers(1, 10_000), jitter=st.floats(0, 1))
def test_the_wait_doubles_up_to_its_limit_and_jitter_takes_half_at_most(failures: int, jitter: float) -> None:
    whole_s = delay_s(failures, LONG_S, SHORT_S, 0.0)
    assert whole_s == min(2.0 ** min(failures - 1, 100), LONG_S)
    for one_s in (delay_s(failures, LONG_S, SHORT_S, jitter), delay_s(failures, LONG_S, SHORT_S)):
        assert whole_s / 2 <= one_s <= whole_s


def test_two_clients_do_not_come_back_together() -> None:
    assert len({delay_s(3) for _ in range(20)}) > 1


def test_what_is_away_is_tried_until_it_is_back() -> None:
    answers: list[Exception | str] = [TransientError("away"), "done"]

    def action() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert retried(action, threading.Event()) == "done"
    assert answers == []


def test_what_no_waiting_mends_is_not_tried_again() -> None:
    tries = []

    def action() -> None:
        tries.append(1)
        raise FatalError("wrong")

    with pytest.raises(FatalError, match="wrong"):
        retried(action, threading.Event())
    assert len(tries) == 1


def test_told_to_stop_it_waits_no_longer() -> None:
    stop, tries, ends = threading.Event(), list[int](), list[str]()

    def action() -> None:
        tries.append(1)
        raise TransientError("away")

    def wait() -> None:
        try:
            retried(action, stop)
        except StoppedError:
            ends.append("stopped")

    waiting = threading.Thread(target=wait)
    waiting.start()
    wait_until(lambda: bool(tries), 10, "it has been tried")
    stop.set()
    waiting.join(10)
    assert ends == ["stopped"]
