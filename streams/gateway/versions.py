# SPDX-License-Identifier: Apache-2.0
"""What the gateway needs of each city version, and which of them is in force when."""

import asyncio
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
import numpy.typing as npt
import structlog

from schemas.city import City
from schemas.city_publication import instant
from schemas.city_timeline import Timeline
from schemas.errors import TransientError
from schemas.feeds.datex2 import RoadChannels
from schemas.reading import Batch
from schemas.registry import Registry
from streams.cities import Cities
from streams.core.layout import partition_of_sensor

POLL_S = 1.0
"""A version is known here long before it takes over: it is published two minutes ahead."""
READY_S = 5.0
"""How long a body of a gateway that has just started waits for the versions to be known."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """A city version, ready for use.

    Parameters
    ----------
    city : City
    registry : Registry
    channels : RoadChannels
    partition_of_sensor : int32 array
        By sensor number; -1 where no sensor has the number.
    """

    city: City
    registry: Registry
    channels: RoadChannels
    partition_of_sensor: npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Numbered:
    """Admitted readings with numbers of one city version.

    Parameters
    ----------
    city_version : int
    partition_of_sensor : int32 array
        By sensor number.
    batch : Batch
    """

    city_version: int
    partition_of_sensor: npt.NDArray[np.int32]
    batch: Batch


class Versions:
    """The versions that are known, each prepared once. Made in the gateway's event loop.

    Parameters
    ----------
    cities : Cities
    partitions : int
        Of the deployment.
    """

    def __init__(self, cities: Cities, partitions: int) -> None:
        self._cities = cities
        self._partitions = partitions
        self._lock = threading.Lock()
        self._prepared: dict[str, Prepared] = {}
        self._timeline = self._made()
        self._ready = asyncio.Event()

    @property
    def timeline(self) -> Timeline[Prepared]:
        """Which version is in force when."""
        return self._timeline

    async def until_ready(self) -> None:
        """Wait until topic `city` was read once; raises `TransientError` after `READY_S`."""
        if not self._ready.is_set():
            try:
                await asyncio.wait_for(self._ready.wait(), READY_S)
            except TimeoutError:
                raise TransientError("the city versions are not read yet") from None

    def is_ready(self) -> None:
        """Say that topic `city` was read: `until_ready` waits no more."""
        self._ready.set()

    def refresh(self) -> None:
        """Take in what was published; raises as `Cities.refresh`. Blocks."""
        if self._cities.refresh():
            with self._lock:
                self._timeline = self._made()
            newest = self._cities.known[-1].change
            log.info("city version known", version=newest.version, takes_over=instant(newest.effective_at_us))

    async def follow(self, now_us: Callable[[], int]) -> NoReturn:
        """Read the topic again and again; cancel it to stop. Raises `FatalError`.

        Parameters
        ----------
        now_us : callable
            The deployment's clock; told in the log when a version takes over.
        """
        shown = None
        while True:
            try:
                await asyncio.to_thread(self.refresh)
                self._ready.set()
            except TransientError as error:
                log.warning("city versions not read", reason=str(error))
            version = self._timeline.at(now_us()).city.version
            if version != shown:
                log.info("city version in force", version=version)
                shown = version
            await asyncio.sleep(POLL_S)

    def _made(self) -> Timeline[Prepared]:
        known = self._cities.known
        return Timeline(
            tuple(one.change.effective_at_us for one in known), tuple(self._of(one.city) for one in known))

    def _of(self, city: City) -> Prepared:
        if city.sha256 not in self._prepared:
            self._prepared[city.sha256] = Prepared(
                city, Registry.of(city), RoadChannels.of(city.roads, city.ids),
                partition_of_sensor(city, self._partitions),
            )
        return self._prepared[city.sha256]
