# SPDX-License-Identifier: Apache-2.0
"""Hand kept bodies in again: through the same intake as any other, by the city file that holds now."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from schemas.city import City
from schemas.errors import RefusedError, TransientError
from schemas.kept_body import KeptBody, redone_headers
from schemas.log import Topic
from streams.cities import Cities
from streams.clock import now_us
from streams.gateway.intake import Intake
from streams.gateway.outlet import Outlet
from streams.gateway.producer import LogProducer
from streams.gateway.tally import Tally
from streams.gateway.versions import Versions
from streams.settings import Settings

CLOSE_S = 10.0


@dataclass(frozen=True, slots=True)
class Redone:
    """What became of one body.

    Parameters
    ----------
    id : str
    readings : int
        In the log.
    reasons : dict of str to int
        Why values are still refused, and how many. When none is, the body is remembered as redone.
    """

    id: str
    readings: int
    reasons: dict[str, int]


async def redo(settings: Settings, city: City, bodies: Sequence[KeptBody]) -> list[Redone]:
    """Hand in each body; what is refused again has new letters, and stays to be redone until its day is over.

    Raises
    ------
    TransientError
        The broker is away; what was handed in before is not lost, and doing it again is harmless.
    """
    tally = Tally()
    producer = LogProducer(settings.kafka)
    try:
        versions = Versions(Cities(city, settings.kafka), settings.kafka.partitions)
        await asyncio.to_thread(versions.refresh)
        versions.is_ready()
        outlet = Outlet(
            producer, settings.clock, lambda: versions.timeline.at(now_us(settings.clock)).city.version,
            settings.kafka.partitions, tally)
        # A body that is kept again would be kept for longer than a day.
        intake = Intake(settings, versions, producer, outlet, tally, keeps_bodies=False)
        return [await _redo_one(intake, producer, one) for one in bodies]
    finally:
        left = await asyncio.to_thread(producer.close, CLOSE_S)
        if left:
            raise TransientError(f"{left} letters of refusals were not written; the broker went away")


async def _redo_one(intake: Intake, producer: LogProducer, kept: KeptBody) -> Redone:
    reasons: dict[str, int] = {}
    readings = 0
    if not intake.knows(kept.source):
        return Redone(kept.id, 0, {"unknown-source": 1})
    try:
        taken = await intake.take(kept.source, kept.body, kept.context)
    except RefusedError as refused:
        reasons[refused.reason] = 1
    else:
        readings = taken.readings
        for one in taken.refused:
            reasons[one.reason.value] = reasons.get(one.reason.value, 0) + one.count
    if not reasons:
        await producer.send(Topic.DEAD_LETTER_BODIES, b"", redone_headers(kept.id), key=kept.id.encode())
    return Redone(kept.id, readings, reasons)
