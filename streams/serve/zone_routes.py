# SPDX-License-Identifier: Apache-2.0
"""Questions about one zone over HTTP: how it stands, and how long it needs to empty. Bands only."""

from http import HTTPStatus

import msgspec
from litestar import Response, get
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from streams.http_problem import AnyRequest, Problem
from streams.serve.show import Show

JSON = "application/json"
MOST_SHUT = 100


def zone_routes(show: Show) -> list[HTTPRouteHandler]:
    """`GET /api/zones/KEY` and `GET /api/zones/KEY/empty?shut=GATE`, where `shut` may be repeated.

    Parameters
    ----------
    show : Show
    """

    @get("/api/zones/{key:str}")
    async def zone(key: FromPath[str]) -> Response[bytes]:
        item = show.zone(key)
        if item is None:
            raise _unknown("zone", key)
        return Response(msgspec.json.encode(item), media_type=JSON)

    @get("/api/zones/{key:str}/empty")
    async def empty(key: FromPath[str], request: AnyRequest) -> Response[bytes]:
        shut: list[str] = request.query_params.getall("shut", [])
        if key not in show.city.file.zones:
            raise _unknown("zone", key)
        for gate in shut[:MOST_SHUT]:
            if gate not in show.city.file.gates:
                raise _unknown("gate", gate)
        return Response(msgspec.json.encode(show.time_to_empty(key, shut[:MOST_SHUT])), media_type=JSON)

    return [zone, empty]


def _unknown(what: str, key: str) -> Problem:
    return Problem(HTTPStatus.NOT_FOUND, f"the city file has no {what} {key[:80]!r}; see `/v1/state` for the keys")
