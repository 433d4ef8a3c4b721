# SPDX-License-Identifier: Apache-2.0
"""Which effects of a partition the broker has: a snapshot may not be ahead of them."""

import asyncio


class Unacknowledged:
    """The effects that are under way, by the offset of the message that caused them.

    Belongs to one event loop. An effect that is never acknowledged stays for ever, and with it every later
    snapshot.
    """

    def __init__(self) -> None:
        self._effects: dict[int, int] = {}
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []

    @property
    def lowest(self) -> int | None:
        """The lowest offset with an effect under way, or None."""
        return next(iter(self._effects), None)

    def register(self, offset: int, effects: int) -> None:
        """Note that so many effects of the message at `offset` are to be sent; offsets come ascending."""
        if effects:
            self._effects[offset] = effects

    def acknowledge(self, offset: int) -> None:
        """Note that the broker has one effect of the message at `offset`."""
        self._effects[offset] -= 1
        if self._effects[offset]:
            return
        del self._effects[offset]
        ready = [future for wanted, future in self._waiting if self._is_clear_below(wanted)]
        self._waiting = [(wanted, future) for wanted, future in self._waiting if future not in ready]
        for future in ready:
            if not future.done():
                future.set_result(None)

    async def clear_below(self, offset: int) -> None:
        """Wait until the broker has every effect of the messages below `offset`."""
        if self._is_clear_below(offset):
            return
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((offset, future))
        await future

    def _is_clear_below(self, offset: int) -> bool:
        lowest = self.lowest
        return lowest is None or lowest >= offset
