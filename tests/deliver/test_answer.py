# SPDX-License-Identifier: Apache-2.0
"""What an answer means."""

import pytest

from streams.deliver.answer import Answer


@pytest.mark.parametrize(("status", "taken", "final"), [
    (200, True, False), (204, True, False), (302, False, False), (400, False, True), (401, False, True),
    (404, False, True), (408, False, False), (425, False, False), (429, False, False), (500, False, False),
    (503, False, False), (None, False, False),
])
def test_answers(status: int | None, taken: bool, final: bool) -> None:
    answer = Answer(status)
    assert (answer.taken, answer.final) == (taken, final)
