# SPDX-License-Identifier: Apache-2.0
"""Routes about alerts: the list, one with all that is known of it, and operators' commands."""

from http import HTTPStatus

import msgspec
from litestar import Response, get, post
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath

from streams.http_problem import AnyRequest, Problem
from streams.serve.commands import BODY_BYTES, CommandDesk
from streams.serve.show import Show

JSON = "application/json"


def alert_routes(show: Show, desk: CommandDesk) -> list[HTTPRouteHandler]:
    """The routes under `/api/alerts`, and `/api/commands`."""

    @get("/api/alerts")
    async def alerts() -> Response[bytes]:
        return Response(msgspec.json.encode({"alerts": show.state().alerts}), media_type=JSON)

    @get("/api/alerts/{key:str}")
    async def alert(key: FromPath[str], request: AnyRequest) -> Response[bytes]:
        found = show.alert(key, with_notes=desk.may_read_notes(request.headers))
        if found is None:
            raise Problem(HTTPStatus.NOT_FOUND, "no alert of this id is known here; `GET /api/alerts` lists them")
        return Response(msgspec.json.encode(found), media_type=JSON)

    @post("/api/commands", request_max_body_size=BODY_BYTES)
    async def commands(request: AnyRequest) -> Response[bytes]:
        receipt = await desk.take(await request.body(), request.headers)
        return Response(msgspec.json.encode(receipt), status_code=200 if receipt.done else 202, media_type=JSON)

    return [alerts, alert, commands]
