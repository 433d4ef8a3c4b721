# SPDX-License-Identifier: Apache-2.0
"""Faust's own monitor without its figures of every message: nobody asks for them, and they cost time."""

from typing import Any

import faust


class QuietMonitor(faust.Monitor):
    """Takes no note of single messages; what a worker tells of itself stands in `streams.worker.figures`."""

    def on_message_in(self, *_: Any) -> None:
        """Nothing."""

    def on_message_out(self, *_: Any) -> None:
        """Nothing."""

    def on_stream_event_in(self, *_: Any) -> None:
        """Nothing."""

    def on_stream_event_out(self, *_: Any) -> None:
        """Nothing."""
