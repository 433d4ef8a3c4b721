# SPDX-License-Identifier: Apache-2.0
"""Faust's consumer, starting where our own snapshots say instead of where Kafka's commits say.

This reaches into Faust: `seek_to_committed` is called after each assignment, and again whenever its fetcher
finds the flow suspended. Pinned versions and tests/worker/test_contract.py guard it.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, cast

import faust
from faust.transport.drivers import aiokafka as driver
from faust.types import TP
from yarl import URL

from schemas.log import Topic
from streams.worker.adoption import Adopter
from streams.worker.extent import Extent
from streams.worker.folds import Folds
from streams.worker.lean import BundlingConsumer
from streams.worker.restore import Restorer

SEEK_S = 30.0
"""Well below the request time-out: a seek that outlasts that one leaves Faust idle without a word."""


class OwnOffsetsConsumer(BundlingConsumer):
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
