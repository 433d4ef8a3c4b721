# SPDX-License-Identifier: Apache-2.0
import asyncio

from hypothesis import given
from hypothesis import strategies as st

from streams.worker.acknowledged import Unacknowledged


@given(st.lists(st.integers(0, 3), max_size=12), st.randoms(use_true_random=False))
def test_the_wait_ends_with_the_last_effect_below_and_not_before(effects: list[int], shuffler: object) -> None:
    under_way = [offset for offset, number in enumerate(effects) for _ in range(number)]
    shuffler.shuffle(under_way)  # type: ignore[attr-defined]  # a random.Random
    cut = len(effects) // 2

    async def play() -> None:
        tracked = Unacknowledged()
        for offset, number in enumerate(effects):
            tracked.register(offset, number)
        waiting = asyncio.create_task(tracked.clear_below(cut))
        for position, offset in enumerate(under_way):
            await asyncio.sleep(0)
            left = under_way[position:]
            assert tracked.lowest == min(left)
            assert waiting.done() == (min(left) >= cut)
            tracked.acknowledge(offset)
        await waiting
        assert tracked.lowest is None

    asyncio.run(play())


def test_a_wait_that_is_given_up_disturbs_nobody() -> None:
    async def play() -> None:
        tracked = Unacknowledged()
        tracked.register(3, 1)
        first, second = (asyncio.create_task(tracked.clear_below(4)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.sleep(0)
        tracked.acknowledge(3)
        await second
        assert first.cancelled()

    asyncio.run(play())
