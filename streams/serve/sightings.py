# SPDX-License-Identifier: Apache-2.0
"""Sightings come in: who may tell one, whether it can be judged, and its way into the site's partition of the log."""

import datetime as dt
import uuid
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Annotated

import msgspec
import structlog

from schemas.city import City
from schemas.errors import TransientError
from schemas.ids import IdKind
from schemas.log import Kind, LogMessage, Topic, encode_log
from schemas.sighting import OLDEST_S, Role, Sighting
from streams.clock import now_us
from streams.core.layout import partition_of_site
from streams.gateway.producer import LogProducer
from streams.http_problem import Problem
from streams.serve.posts import check_json, check_role, unfit
from streams.settings import Settings

BODY_BYTES = 4_096
AHEAD_S = 30.0
"""So far may the clock of a telephone be ahead."""
RETRY_S = 5
SOURCE = "serve"

log = structlog.get_logger(__name__)


class Told(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of `POST /api/sightings`: one zone, one judgement. No field for a person: another field is refused.

    Parameters
    ----------
    zone : str
    role : Role
    percent, colour, count : optional
        Exactly one.
    time : datetime, optional
        With an offset; else now.
    """

    zone: str
    role: Role
    percent: Annotated[float, msgspec.Meta(ge=0, le=1_000)] | None = None
    colour: str | None = None
    count: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] | None = None
    time: Annotated[dt.datetime, msgspec.Meta(tz=True)] | None = None


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: it is in the log."""

    id: str
    zone: str
    site: str
    time: dt.datetime


class SightingDesk:
    """Takes sightings for the city in force; bound to the event loop that it is made in.

    Parameters
    ----------
    settings : Settings
    city : callable
        The version in force.
    """

    def __init__(self, settings: Settings, city: Callable[[], City]) -> None:
        self._settings = settings
        self._city = city
        self._tokens = settings.serve.sighting_tokens
        self._producer = LogProducer(settings.kafka)

    def close(self, timeout_s: float) -> None:
        """Deliver what is queued. Blocks."""
        self._producer.close(timeout_s)

    async def take(self, body: bytes, headers: Mapping[str, str]) -> Receipt:
        """Take one sighting; returns when the broker has it.

        Raises
        ------
        Problem
            With a status and what to do.
        """
        check_json(headers.get("content-type", ""))
        self._check_allowed(headers, None)
        told = _decoded(body)
        self._check_allowed(headers, told.role)
        city = self._city()
        sighting = self._checked(told, city)
        return await self._send(sighting, city)

    def _check_allowed(self, headers: Mapping[str, str], role: Role | None) -> None:
        check_role(self._settings, self._tokens, role, headers,
                   "no role may tell sightings here; see serve.sighting_tokens")

    def _checked(self, told: Told, city: City) -> Sighting:
        zone = city.file.zones.get(told.zone)
        if zone is None:
            raise unfit(f"the city file has no such zone; known: {', '.join(city.file.zones)}")
        levels = city.file.profiles[zone.profile].levels
        if told.colour is not None and told.colour.casefold() not in {name.casefold() for name in levels}:
            raise unfit(f"the zone's profile has no such level; known: {', '.join(levels)}")
        if told.percent is not None and zone.capacity is None:
            raise unfit("the zone has no permitted capacity; say `colour` or `count` instead of `percent`")
        clock_us = now_us(self._settings.clock)
        at_us = clock_us if told.time is None else round(told.time.timestamp() * 1_000_000)
        if not -AHEAD_S <= (clock_us - at_us) / 1e6 <= OLDEST_S:
            raise unfit(f"`time` lies more than {AHEAD_S:g} s ahead or {OLDEST_S:g} s back; tell it at once")
        try:
            return Sighting(zone=told.zone, role=told.role, at_us=at_us, percent=told.percent, colour=told.colour,
                            count=told.count)
        except ValueError as error:
            raise unfit(str(error)) from None

    async def _send(self, sighting: Sighting, city: City) -> Receipt:
        site = city.file.zones[sighting.zone].site
        partition = partition_of_site(city.ids[IdKind.SITE][site], self._settings.kafka.partitions)
        clock = self._settings.clock
        message = LogMessage(
            Kind.SIGHTING, now_us(clock), clock.kind, city.version, SOURCE, uuid.uuid4().hex, sighting=sighting)
        headers, value = encode_log(message)
        try:
            await self._producer.send(Topic.SITE_LOG, value, headers, partition=partition)
        except TransientError as away:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, f"{away}; tell it again",
                          headers={"Retry-After": str(RETRY_S)}) from None
        log.info("sighting", zone=sighting.zone, role=sighting.role.value, said=sighting.said.value)
        seen = dt.datetime.fromtimestamp(sighting.at_us / 1e6, dt.UTC)
        return Receipt(id=message.id, zone=sighting.zone, site=site, time=seen)


def _decoded(body: bytes) -> Told:
    if len(body) > BODY_BYTES:
        raise Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a sighting has at most {BODY_BYTES} bytes")
    try:
        return msgspec.json.decode(body, type=Told)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # The library's text may repeat a field that describes somebody.
        wanted = "`zone`, `role`, one of `percent`, `colour`, `count`, and `time` if it was not now; nothing else"
        raise Problem(HTTPStatus.BAD_REQUEST, f"no sighting: {wanted}") from None
