# SPDX-License-Identifier: Apache-2.0
"""Faust's consumer, starting where our own snapshots say instead of where Kafka's commits say.

This reaches into Faust: `seek_to_committed` is called after each assignment, and again whenever its fetcher
finds the flow suspended. Pinned versions and tests/worker/test_contract.py guard it.
"""

import asyncio
from collections.abc import Coroutine, Generator, Mapping
from types import coroutine
from typing import Any, cast

import faust
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from mode.services import WaitResults
from yarl import URL

from schemas.log import Topic
from streams.worker.adoption import Adopter
from streams.worker.extent import Extent
from streams.worker.folds import Folds
from streams.worker.restore import Restorer

SEEK_S = 30.0
"""Well below the request time-out: a seek that outlasts that one leaves Faust idle without a word."""


class OwnOffsetsConsumer(driver.Consumer):
    """Seeks each assigned partition to what its fold expects.

    A partition without a fold goes on at its newest snapshot that fits, else at the earliest offset with empty
    state, after the alerts that were open are appended to its log.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._seeking = asyncio.Lock()

    async def seek_to_committed(self) -> Mapping[TP, int]:
        """Seek; the offsets by topic and partition. Any failure ends the process: no guess is as good."""
        async with self._seeking:
            try:
                return await asyncio.wait_for(self._seek_to_folds(), SEEK_S)
            except Exception as error:
                # Raising alone would be swallowed into a warning on one of the two paths.
                await self.app.crash(error)
                raise

    async def wait_first(self, *awaited: Any, **limit: Any) -> WaitResults:
        """As Faust's, but what the first of several can do at once is done without a task.

        Faust hands each message over this way and makes four tasks for it, which takes longer than all else it
        does. A hand-over that has to wait still ends when the flow is suspended.
        """
        first, *others = awaited
        if not (others and asyncio.iscoroutine(first)):
            return await super().wait_first(*awaited, **limit)
        try:
            waits_for = first.send(None)
        except BaseException as end:
            for other in others:
                if asyncio.iscoroutine(other):
                    other.close()
            if isinstance(end, StopIteration):
                return WaitResults([first], [end.value], False)
            raise
        return await super().wait_first(_rest_of(first, waits_for), *others, **limit)

    async def _seek_to_folds(self) -> dict[TP, int]:
        transport = cast("OwnOffsetsTransport", self.transport)
        folds = transport.folds
        assigned = {tp for tp in self.assignment() if tp.topic == Topic.SITE_LOG}
        missing = [tp for tp in assigned if folds.get(tp.partition) is None]
        if missing:
            earliest, ends = await self.earliest_offsets(*missing), await self.highwaters(*missing)
            extents = {tp.partition: Extent(earliest[tp], ends[tp]) for tp in missing}
            restored = await asyncio.to_thread(transport.restorer.restore, extents)
            cold = {number: extent for number, extent in extents.items() if number not in restored}
            adopted = await asyncio.to_thread(transport.adopter.adopt, cold)
            for number in restored:
                folds.resume(number, restored[number])
            for number, extent in cold.items():
                folds.begin(number, extent.earliest, adopted.get(number))
        offsets = {tp: fold.next_offset for tp in assigned if (fold := folds.get(tp.partition))}
        if offsets:
            await self.seek_wait(offsets)
        return offsets


async def _rest_of(begun: Coroutine[Any, Any, Any], waits_for: Any) -> Any:
    """Go on with a coroutine that was begun and waits for something."""
    return await _resumed(begun, waits_for)


@coroutine
def _resumed(begun: Coroutine[Any, Any, Any], waits_for: Any) -> Generator[Any, Any, Any]:
    try:
        while True:
            try:
                given = yield waits_for
            except BaseException as error:  # noqa: BLE001  # it is the coroutine's to handle
                waits_for = begun.throw(error)
            else:
                waits_for = begun.send(given)
    except StopIteration as end:
        return end.value


class OwnOffsetsTransport(driver.Transport):
    """Faust's Kafka transport with `OwnOffsetsConsumer`."""

    Consumer = OwnOffsetsConsumer

    def __init__(
        self, urls: list[URL], app: faust.App, folds: Folds, restorer: Restorer, adopter: Adopter
    ) -> None:
        super().__init__(urls, app)
        self.folds = folds
        self.restorer = restorer
        self.adopter = adopter
