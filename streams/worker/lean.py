# SPDX-License-Identifier: Apache-2.0
"""What Faust does with every message and nobody here asks for, left out: it took longer than the fold."""

from typing import Any

import faust


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
