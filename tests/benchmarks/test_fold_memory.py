# SPDX-License-Identifier: Apache-2.0
"""The fold keeps nothing of what it has told."""

from benchmarks import fold_memory
from benchmarks.stage import Stage

GROWTH_MB_A_DAY = 30.0
"""Of 200 cameras; their readings alone are some 70 MB a day."""


def test_the_memory_of_the_fold_levels_out() -> None:
    with Stage(lambda _: None) as stage:
        held, growth = fold_memory.run(stage, short=True)
    assert held.value > 1
    assert abs(growth.value) < GROWTH_MB_A_DAY
