# SPDX-License-Identifier: Apache-2.0
"""Purges of sensors come in: the data engineer's role alone, and the fold's answer as the outcome."""

import asyncio
from collections.abc import Callable
from http import HTTPStatus

import msgspec
import structlog

from schemas.city import City
from schemas.errors import RefusedError, TransientError
from streams.gateway.access import bearer_token, fits_any
from streams.http_problem import Problem
from streams.sensor_purge import purge_sensor
from streams.serve.posts import check_json
from streams.settings import Settings

RETRY_S = 5

log = structlog.get_logger(__name__)


class PurgeReceipt(msgspec.Struct, frozen=True, kw_only=True):
    """The answer: `done` = the fold has forgotten the sensor; else the command is in the log and waits for it."""

    sensor: str
    done: bool
    what: str


class PurgeDesk:
    """Takes purges for the city in force.

    Parameters
    ----------
    settings : Settings
    city : callable
        The version in force.
    """

    def __init__(self, settings: Settings, city: Callable[[], City]) -> None:
        self._settings = settings
        self._city = city

    async def take(self, key: str, content_type: str, authorization: str) -> PurgeReceipt:
        """Purge one sensor; returns when the fold has answered, or after a moment without its answer.

        Raises
        ------
        Problem
            With a status and what to do.
        """
        check_json(content_type)
        self._check_allowed(authorization)
        try:
            purge = await asyncio.to_thread(purge_sensor, self._settings, self._city(), key)
        except RefusedError as refused:
            raise Problem(HTTPStatus.NOT_FOUND, str(refused)) from None
        except TransientError as away:
            raise Problem(HTTPStatus.SERVICE_UNAVAILABLE, str(away),
                          headers={"Retry-After": str(RETRY_S)}) from None
        log.info("purge", sensor=key, role="data-engineer", partition=purge.partition, done=purge.done)
        what = "forgotten" if purge.done else (
            "the command is in the log; no worker has answered yet, or the sensor was purged before")
        return PurgeReceipt(sensor=key, done=purge.done, what=what)

    def _check_allowed(self, authorization: str) -> None:
        tokens = self._settings.commands.data_engineer_tokens
        if not tokens:
            raise Problem(HTTPStatus.FORBIDDEN, "nobody may purge here: drukte.toml: commands.data_engineer_tokens is "
                          "empty; put a hash of `drukte token new` there")
        if not fits_any(bearer_token(authorization), tokens):
            raise Problem(HTTPStatus.UNAUTHORIZED, "the token is not the data engineer's",
                          headers={"WWW-Authenticate": "Bearer"})
