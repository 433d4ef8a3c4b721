# SPDX-License-Identifier: Apache-2.0
"""Those who watch: one bounded queue of events each. Who does not keep up is let go and comes back."""

import asyncio
from collections.abc import AsyncIterator, Callable

QUEUE_EVENTS = 64
WATCHERS = 100
"""Fewer than the server's connections, so that others still get an answer."""


class _Watcher:
    def __init__(self) -> None:
        self._events: asyncio.Queue[bytes | None] = asyncio.Queue(QUEUE_EVENTS)

    def give(self, event: bytes) -> bool:
        """Queue an event; False when there is no room."""
        try:
            self._events.put_nowait(event)
        except asyncio.QueueFull:
            return False
        return True

    def let_go(self) -> None:
        """End the stream now: what waits is dropped, the next connection begins with a full state."""
        while not self._events.empty():
            self._events.get_nowait()
        self._events.put_nowait(None)

    async def next(self) -> bytes | None:
        """The next event, or None at the end."""
        return await self._events.get()


class Hub:
    """Gives every event to every watcher; belongs to one event loop."""

    def __init__(self) -> None:
        self._watchers: set[_Watcher] = set()
        self._closed = False
        self.let_go = 0
        """Watchers that did not keep up, since the start."""

    def __len__(self) -> int:
        return len(self._watchers)

    @property
    def is_full(self) -> bool:
        """Whether no further watcher is taken."""
        return self._closed or len(self._watchers) >= WATCHERS

    def publish(self, event: bytes) -> None:
        """Give an event to all."""
        for watcher in list(self._watchers):
            if not watcher.give(event):
                self._watchers.discard(watcher)
                self.let_go += 1
                watcher.let_go()

    async def watch(self, first: Callable[[], bytes]) -> AsyncIterator[bytes]:
        """Events of one watcher: what `first` gives when it begins, then all that is published."""
        watcher = _Watcher()
        self._watchers.add(watcher)
        try:
            yield first()
            while (event := await watcher.next()) is not None:
                yield event
        finally:
            self._watchers.discard(watcher)

    def close(self) -> None:
        """End all streams and take no more."""
        self._closed = True
        for watcher in self._watchers:
            watcher.let_go()
        self._watchers.clear()
