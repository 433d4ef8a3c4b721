# SPDX-License-Identifier: Apache-2.0
"""The HTTP door: `POST /in/{source}` and `GET /health`. Errors are problem+json (RFC 9457), never a trace."""

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus

import msgspec
from litestar import Litestar, Response, get, post

from schemas.errors import RefusedError, TransientError
from schemas.refusal import Reason, Refusal
from streams.gateway.intake import Intake
from streams.http_problem import AnyRequest, Problem, problem_handlers
from streams.settings import GatewaySettings

BODY_S = 30.0
"""A body has to be there by then; else 408."""
RETRY_S = 5
"""What a sender is told to wait when the broker is away."""
BODIES_BYTES = 64_000_000
"""Most memory for bodies that are being read or decoded, unless one body may be larger."""
HEALTHY_S = 5.0
"""With a broker there is an acknowledgement of a tick at least so often."""
JSON = "application/json"
_STATUS_OF = {
    Reason.TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    Reason.MALFORMED: HTTPStatus.BAD_REQUEST,
    Reason.FORBIDDEN_XML: HTTPStatus.BAD_REQUEST,
}


class Bodies:
    """Reads request bodies within bounds of size, time and memory.

    Parameters
    ----------
    limit_bytes : int
        The largest body.
    stopping : asyncio.Event
        Once set no body is waited for any more.
    """

    def __init__(self, limit_bytes: int, stopping: asyncio.Event) -> None:
        self._limit_bytes = limit_bytes
        self._stopping = stopping
        self._free_bytes = max(BODIES_BYTES, limit_bytes)

    @contextmanager
    def reserved(self, request: AnyRequest) -> Iterator[None]:
        """Memory for the body of `request`, as long as it is being worked on."""
        announced = request.headers.get("content-length", "")
        wanted = min(int(announced), self._limit_bytes) if announced.isdigit() else self._limit_bytes
        if wanted > self._free_bytes:
            raise _unavailable("too many bodies at once")
        self._free_bytes -= wanted
        try:
            yield
        finally:
            self._free_bytes += wanted

    async def read(self, request: AnyRequest) -> bytes:
        """The whole body."""
        reading = asyncio.ensure_future(request.body())
        stop = asyncio.ensure_future(self._stopping.wait())
        try:
            await asyncio.wait({reading, stop}, timeout=BODY_S, return_when=asyncio.FIRST_COMPLETED)
            if reading.done():
                return reading.result()
        finally:
            reading.cancel()
            stop.cancel()
        if self._stopping.is_set():
            raise _unavailable("the gateway stops")
        raise Problem(HTTPStatus.REQUEST_TIMEOUT, f"the body was not complete within {BODY_S:g} s")


def make_app(
    intake: Intake, settings: GatewaySettings, stopping: asyncio.Event,
    acknowledged_s: Callable[[], float | None], counts: Callable[[], dict[str, object]],
) -> Litestar:
    """The ASGI application.

    Parameters
    ----------
    intake : Intake
    settings : GatewaySettings
    stopping : asyncio.Event
    acknowledged_s : callable
        When the broker acknowledged last (monotonic seconds), or None.
    counts : callable
        What `/health` shows beside the state.
    """
    bodies = Bodies(settings.body_limit_bytes, stopping)

    @post("/in/{source:str}")
    async def take(request: AnyRequest) -> Response[bytes]:
        source = str(request.path_params["source"])
        if not intake.knows(source):
            raise Problem(HTTPStatus.NOT_FOUND, "the city file has no such source; see [sources]")
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip"):
            raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Content-Encoding has to be gzip, or none")
        with bodies.reserved(request):
            body = await bodies.read(request)
            return await _answer(intake, source, body)

    @get("/health")
    async def health() -> Response[bytes]:
        at_s = acknowledged_s()
        well = at_s is not None and time.monotonic() - at_s <= HEALTHY_S
        state = {"status": "ok" if well else "broker-away", **counts()}
        return Response(msgspec.json.encode(state), status_code=200 if well else 503, media_type=JSON)

    return Litestar(
        [take, health],
        exception_handlers=problem_handlers(),
        request_max_body_size=settings.body_limit_bytes,
        openapi_config=None,
        logging_config=None,
    )


async def _answer(intake: Intake, source: str, body: bytes) -> Response[bytes]:
    try:
        taken = await intake.take(source, body)
    except RefusedError as refused:
        reason = Reason(refused.reason)
        status = _STATUS_OF.get(reason, HTTPStatus.UNPROCESSABLE_ENTITY)
        whole = Refusal(reason=reason, where="the whole body", detail=str(refused))
        raise Problem(status, str(refused), readings=0, refused=[whole]) from None
    except TransientError as away:
        raise _unavailable(str(away)) from None
    if taken.refused and not taken.readings:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, "no reading was accepted", readings=0, refused=taken.refused
        )
    document = {"readings": taken.readings, "refused": taken.refused}
    return Response(msgspec.json.encode(document), status_code=202, media_type=JSON)


def _unavailable(why: str) -> Problem:
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE, f"{why}; send the same again later, repeats are harmless",
        headers={"Retry-After": str(RETRY_S)},
    )
