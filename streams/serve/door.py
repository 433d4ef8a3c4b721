# SPDX-License-Identifier: Apache-2.0
"""The page's HTTP door: page, events, state, health, alerts; sightings and commands in.

No cookies; no address is kept or logged.
"""

from http import HTTPStatus
from importlib.resources import files

import msgspec
from litestar import Litestar, Response, get, post
from litestar.datastructures import MutableScopeHeaders
from litestar.handlers import HTTPRouteHandler
from litestar.params import FromPath
from litestar.response import Stream as StreamedResponse
from litestar.types import Message, Scope

from streams.http_problem import AnyRequest, Problem, problem_handlers
from streams.serve import document
from streams.serve.alert_routes import alert_routes
from streams.serve.commands import CommandDesk
from streams.serve.drawing import page
from streams.serve.purge import PurgeDesk
from streams.serve.show import Show
from streams.serve.sightings import BODY_BYTES, SightingDesk
from streams.serve.zone_routes import zone_routes

API_VERSION = "1.0.0"
RETRY_S = 5
EVENT_STREAM = "text/event-stream"
JSON = "application/json"
ASSETS = {".js": "text/javascript", ".css": "text/css"}
"""Media types of the page's own files, by ending; the charset, UTF-8, is added to them."""
HEADERS = {
    # Everything the page needs stands in its own files; nothing else is loaded, run or framed.
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; "
        "form-action 'none'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
    "api-version": API_VERSION,
}


def make_app(show: Show, desk: SightingDesk, purges: PurgeDesk, commands: CommandDesk) -> Litestar:
    """The ASGI application.

    Parameters
    ----------
    show : Show
        The polygons of its city are drawn once for each version.
    desk : SightingDesk
        Takes sightings.
    purges : PurgeDesk
        Takes purges of sensors.
    commands : CommandDesk
        Takes operators' commands; all else only reads.
    """
    drawn: dict[str, bytes] = {}

    @get("/")
    async def root() -> Response[bytes]:
        if show.city.sha256 not in drawn:
            drawn.clear()
            drawn[show.city.sha256] = page(_asset("page.html"), show.city.file, show.city.sha256).encode()
        return Response(drawn[show.city.sha256], media_type="text/html")

    @get("/events")
    async def events() -> StreamedResponse:
        # Whatever `Last-Event-ID` says: a state that is told whole needs no memory of what was missed.
        if show.hub.is_full:
            raise Problem(
                HTTPStatus.SERVICE_UNAVAILABLE, "too many pages watch already; try again later",
                headers={"Retry-After": str(RETRY_S)},
            )
        return StreamedResponse(show.hub.watch(show.first_event), media_type=EVENT_STREAM)

    @get("/v1/state")
    async def state() -> Response[bytes]:
        return Response(msgspec.json.encode(show.state()), media_type=JSON)

    @post("/api/sightings", request_max_body_size=BODY_BYTES)
    async def sightings(request: AnyRequest) -> Response[bytes]:
        receipt = await desk.take(await request.body(), request.headers)
        return Response(msgspec.json.encode(receipt), status_code=202, media_type=JSON)

    @post("/api/sensors/{key:str}/purge", request_max_body_size=BODY_BYTES)
    async def purge(key: FromPath[str], request: AnyRequest) -> Response[bytes]:
        receipt = await purges.take(
            key, request.headers.get("content-type", ""), request.headers.get("authorization", ""))
        return Response(msgspec.json.encode(receipt), status_code=200 if receipt.done else 202, media_type=JSON)

    @get("/health")
    async def health() -> Response[bytes]:
        well = show.stream is document.Stream.OK
        told = {
            "status": show.stream.value, "watchers": len(show.hub), "let_go": show.hub.let_go,
            "messages": show.messages, "refused": show.refused,
        }
        return Response(msgspec.json.encode(told), status_code=200 if well else 503, media_type=JSON)

    return Litestar(
        [root, *_asset_routes(), events, state, sightings, purge, health, *zone_routes(show),
         *alert_routes(show, commands)],
        exception_handlers=problem_handlers(), before_send=[_add_headers],
        openapi_config=None, logging_config=None,
    )


def _asset(name: str) -> str:
    return (files("streams.serve") / "page" / name).read_text(encoding="utf-8")


def _asset_routes() -> list[HTTPRouteHandler]:
    """A route for each script and style sheet of the page: what stands in its folder is served, and nothing else."""
    names = sorted(one.name for one in (files("streams.serve") / "page").iterdir())
    return [_asset_route(name, kind) for name in names for ending, kind in ASSETS.items() if name.endswith(ending)]


def _asset_route(name: str, media_type: str) -> HTTPRouteHandler:
    content = _asset(name).encode()

    @get(f"/{name}")
    async def asset() -> Response[bytes]:
        return Response(content, media_type=media_type)

    return asset


async def _add_headers(message: Message, _: Scope) -> None:
    if message["type"] == "http.response.start":
        headers = MutableScopeHeaders.from_message(message)
        for name, value in HEADERS.items():
            headers[name] = value
