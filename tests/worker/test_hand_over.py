# SPDX-License-Identifier: Apache-2.0
"""Messages are handed over without tasks where nothing has to be waited for, and as Faust does where something has."""

import asyncio
from typing import Any, cast

import pytest
from mode import Service
from mode.utils.locks import Event

from streams.worker.offsets import OwnOffsetsConsumer


class HandOver(OwnOffsetsConsumer):
    """A consumer of which only the waiting is used."""

    def __init__(self) -> None:
        Service.__init__(self, loop=asyncio.get_running_loop())
        self.suspend_flow = cast("asyncio.Event", Event())

    async def give(self, message: Any) -> Any:
        """As Faust's fetcher gives each message."""
        return await self.wait_first(message, self.suspend_flow.wait())


async def at_once(value: int) -> int:
    return value


async def after(events: list[asyncio.Event], taken: list[str]) -> str:
    try:
        for event in events:
            await event.wait()
            await asyncio.sleep(0)
        taken.append("done")
    except asyncio.CancelledError:
        taken.append("cancelled")
        raise
    return "done"


def test_what_can_be_done_at_once_is_done_without_a_task() -> None:
    async def main() -> None:
        before = asyncio.all_tasks()
        found = await HandOver().give(at_once(5))
        assert (found.results, found.stopped) == ([5], False)
        assert asyncio.all_tasks() == before
    asyncio.run(main())


def test_what_fails_at_once_fails_there() -> None:
    async def fails() -> None:
        raise LookupError("no such partition")

    async def main() -> None:
        with pytest.raises(LookupError, match="no such partition"):
            await HandOver().give(fails())
    asyncio.run(main())


def test_a_full_buffer_is_waited_for() -> None:
    async def main() -> None:
        events, taken = [asyncio.Event(), asyncio.Event()], list[str]()
        giving = asyncio.ensure_future(HandOver().give(after(events, taken)))
        await asyncio.sleep(0)
        assert not giving.done()
        events[0].set()
        await asyncio.sleep(0)
        assert not taken
        events[1].set()
        assert "done" in (await giving).results
        assert taken == ["done"]
    asyncio.run(main())


def test_a_hand_over_that_waits_ends_when_the_flow_is_suspended() -> None:
    async def main() -> None:
        consumer, taken = HandOver(), list[str]()
        giving = asyncio.ensure_future(consumer.give(after([asyncio.Event()], taken)))
        await asyncio.sleep(0)
        consumer.suspend_flow.set()
        assert (await giving).results == [True]
        assert taken == ["cancelled"]
    asyncio.run(main())


def test_a_failure_after_waiting_is_told() -> None:
    async def fails(event: asyncio.Event) -> None:
        await event.wait()
        raise LookupError("no such partition")

    async def main() -> None:
        event = asyncio.Event()
        giving = asyncio.ensure_future(HandOver().give(fails(event)))
        await asyncio.sleep(0)
        event.set()
        with pytest.raises(LookupError, match="no such partition"):
            await giving
    asyncio.run(main())
