# SPDX-License-Identifier: Apache-2.0
"""What Faust does with every message and nobody here asks for, left out: it took longer than the fold."""

from collections.abc import AsyncIterator
from typing import Any

import faust

IDLE_S = 1.0
"""How often Faust looks whether it is to stop while no message comes."""


class QuietMonitor(faust.Monitor):
    """Takes no note of single messages; what a worker tells of itself stands in `streams.metrics`."""

    def on_message_in(self, *_: Any) -> None:
        """Nothing."""

    def on_message_out(self, *_: Any) -> None:
        """Nothing."""

    def on_stream_event_in(self, *_: Any) -> None:
        """Nothing."""

    def on_stream_event_out(self, *_: Any) -> None:
        """Nothing."""


class Untouched(faust.Schema[Any, Any]):
    """Hands messages on as they came: `schemas.log` decodes them."""

    def compile(self, app: Any, **_: Any) -> Any:
        """The function that makes an event of a message."""
        make: Any = app.conf.Event

        async def event(message: Any, **_: Any) -> Any:
            return make(app, message.key, message.value, message.headers, message)
        return event


async def batches(stream: Any, most: int) -> AsyncIterator[list[Any]]:
    """The events of a stream as they come, in their order: each time all that wait, `most` at most.

    Faust gives the first one of each batch; it would hand over each of the others by itself as well, one a round of
    the event loop. While a batch is in hand the stream waits, so nobody else takes from its queue.
    """
    queue = stream.channel.queue
    async for events in stream.noack_take(1, within=IDLE_S):
        more = min(most - len(events), queue.qsize())
        yield [*events, *(queue.get_nowait() for _ in range(more))]
