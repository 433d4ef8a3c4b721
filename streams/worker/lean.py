# SPDX-License-Identifier: Apache-2.0
"""What Faust does with every message and nobody here asks for, left out: it took longer than the fold."""

from collections.abc import Mapping
from typing import Any

import faust
from faust.transport.drivers import aiokafka as driver
from faust.types import TP


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


class BundlingConsumer(driver.Consumer):
    """Hands on what came from a partition at once as one message: Faust's part in each took longer than the fold's.

    The message's value is a tuple of aiokafka's records, in the order of their offsets; all else is the last one's.
    """

    async def _getmany(self, active_partitions: set[TP] | None, timeout: float) -> Mapping[TP, list[Any]]:  # noqa: ASYNC109  # Faust's name
        """What has come, by partition: one bundle each."""
        found = await super()._getmany(active_partitions, timeout)
        return {tp: [tuple(records)] for tp, records in found.items() if records}

    def _to_message(self, tp: TP, record: Any) -> Any:
        """The message of a bundle."""
        bundle = record
        message = super()._to_message(tp, bundle[-1])
        message.value = bundle
        return message

    def on_buffer_full(self, tp: TP) -> None:
        """Nothing: whoever puts into a full buffer waits for it. Faust would pause the partition for a second."""
