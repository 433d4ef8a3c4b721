# SPDX-License-Identifier: Apache-2.0
"""Back-off, and what an answer means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.deliver.patience import Answer, Patience

PATIENCE = Patience(first_delay_s=1.0, longest_delay_s=60.0, limit_s=3600.0)


@given(attempts=st.integers(1, 10_000), jitter=st.floats(0, 1))
def test_the_wait_doubles_up_to_its_limit_and_jitter_takes_half_at_most(attempts: int, jitter: float) -> None:
    whole_s = PATIENCE.delay_s(attempts, 0.0)
    assert whole_s == min(2.0 ** min(attempts - 1, 100), 60.0)
    assert whole_s / 2 <= PATIENCE.delay_s(attempts, jitter) <= whole_s


@pytest.mark.parametrize(("status", "taken", "final"), [
    (200, True, False), (204, True, False), (302, False, False), (400, False, True), (401, False, True),
    (404, False, True), (408, False, False), (425, False, False), (429, False, False), (500, False, False),
    (503, False, False), (None, False, False),
])
def test_answers(status: int | None, taken: bool, final: bool) -> None:
    answer = Answer(status)
    assert (answer.taken, answer.final) == (taken, final)
