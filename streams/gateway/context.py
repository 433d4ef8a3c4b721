# SPDX-License-Identifier: Apache-2.0
"""Situations at the door: a body becomes records, and each record goes to the partitions of the sites near it."""

import asyncio
from dataclasses import dataclass, field

from schemas.city import City
from schemas.context import ContextRecord
from schemas.feeds.situations import decode_situations
from schemas.refusal import Refusal
from streams.core.surroundings import Surroundings


@dataclass(frozen=True, slots=True)
class Routed:
    """What became of a body.

    Parameters
    ----------
    by_partition : dict of int to list of ContextRecord
    records : int
        How many were read, wherever they lie.
    refused : list of Refusal
    """

    by_partition: dict[int, list[ContextRecord]]
    records: int
    refused: list[Refusal]


@dataclass(slots=True)
class Router:
    """Knows what lies near the sites of the city version in force.

    Parameters
    ----------
    partitions : int
        Of the deployment.
    limit_bytes : int
        Of a body, after decompression.
    """

    partitions: int
    limit_bytes: int
    _near: tuple[str, Surroundings] | None = field(default=None, init=False)

    async def route(self, source: str, body: bytes, city: City) -> Routed:
        """Decode in a thread, since a national publication has many megabytes; raises `RefusedError`."""
        return await asyncio.to_thread(self._routed, source, body, city)

    def _routed(self, source: str, body: bytes, city: City) -> Routed:
        told = decode_situations(body, source, self.limit_bytes)
        near = self._surroundings(city)
        return Routed(near.by_partition(told.records, self.partitions), len(told.records), told.refusals)

    def _surroundings(self, city: City) -> Surroundings:
        known = self._near
        if known is None or known[0] != city.sha256:
            known = self._near = (city.sha256, Surroundings(city))
        return known[1]
