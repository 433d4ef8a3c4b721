# SPDX-License-Identifier: Apache-2.0
"""The HTTP door: `POST /in/{source}` and `GET /health`. Errors are problem+json (RFC 9457), never a trace."""

import asyncio
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from http import HTTPStatus
from typing import NoReturn

import msgspec
from litestar import Litestar, Response, get, post

from schemas.errors import RefusedError, TransientError
from schemas.feeds.format import Context
from schemas.refusal import Reason, Refusal
from streams.gateway.access import Access
from streams.gateway.intake import Intake
from streams.http_problem import AnyRequest, Problem, problem_handlers
from streams.settings import GatewaySettings

BODY_S = 30.0
"""A body has to be there by then; else 408."""
RETRY_S = 5
"""What a sender is told to wait when the broker is away."""
BODIES_BYTES = 64_000_000
"""Most memory for bodies that are being read or decoded, unless one body may be larger."""
UNPROVEN_BYTES = 16_000_000
"""Of it for bodies whose sender is not known before the signature under them has been checked."""
HEALTHY_S = 5.0
"""With a broker there is an acknowledgement of a tick at least so often."""
JSON = "application/json"
SIGNATURE = "x-hub-signature-256"
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
    memory_bytes : int
        For all bodies at once, unless one may be larger.
    """

    def __init__(self, limit_bytes: int, stopping: asyncio.Event, memory_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._stopping = stopping
        self._free_bytes = max(memory_bytes, limit_bytes)

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
    access = Access(settings)
    entrance = Entrance(access, settings, stopping, intake.turn_away)

    def check_known(source: str) -> None:
        if not intake.knows(source):
            raise Problem(HTTPStatus.NOT_FOUND, "the city file has no such source; see [sources]")

    @post("/in/{source:str}")
    async def take(request: AnyRequest) -> Response[bytes]:
        source = str(request.path_params["source"])
        encoding = request.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("identity", "gzip"):
            raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Content-Encoding has to be gzip, or none")
        if not access.guarded:
            check_known(source)
        async with entrance.body(source, request) as body:
            check_known(source)
            return await _answer(intake, source, body, {"content-type": request.headers.get("content-type", "")})

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


class Entrance:
    """Lets a body in when its sender may send it: token, rate, size, signature, in that order.

    Whoever has no right to a source hears the same whatever is wrong, and whether or not there is such a source.

    Parameters
    ----------
    access : Access
    settings : GatewaySettings
    stopping : asyncio.Event
    turn_away : callable
        Told of each request that has no right to a source.
    """

    def __init__(self, access: Access, settings: GatewaySettings, stopping: asyncio.Event,
                 turn_away: Callable[[], None]) -> None:
        self._access = access
        self._turn_away = turn_away
        self._proven = Bodies(settings.body_limit_bytes, stopping, BODIES_BYTES)
        self._unproven = Bodies(settings.body_limit_bytes, stopping, UNPROVEN_BYTES)

    @asynccontextmanager
    async def body(self, source: str, request: AnyRequest) -> AsyncIterator[bytes]:
        """The body of `request`, with memory for it as long as it is being worked on; raises `Problem`."""
        access, headers = self._access, request.headers
        if not access.guarded:
            self._put_off(source)
            with self._proven.reserved(request):
                yield await self._sized(self._proven, source, request)
            return
        admitted = access.admits(source, headers.get("authorization", "").removeprefix("Bearer ").strip())
        signed = access.signs and SIGNATURE in headers
        if not (signed or (admitted and not access.needs_signature(source))):
            self._refuse()
        pool = self._unproven if signed else self._proven
        if not signed:
            self._put_off(source)
        with pool.reserved(request):
            body = await pool.read(request)
            # One expression: a sender without the token must not find out which of the two failed.
            if not admitted & access.is_signed(source, headers.get(SIGNATURE, ""), body):
                self._refuse()
            if signed:
                self._put_off(source)
            self._check_size(source, len(body))
            yield body

    def _refuse(self) -> NoReturn:
        self._turn_away()
        raise Problem(
            HTTPStatus.UNAUTHORIZED, "no source is open to this sender; is the token right, and the source?",
            headers={"WWW-Authenticate": "Bearer"},
        )

    async def _sized(self, pool: Bodies, source: str, request: AnyRequest) -> bytes:
        body = await pool.read(request)
        self._check_size(source, len(body))
        return body

    def _check_size(self, source: str, size: int) -> None:
        if size > self._access.limit_bytes(source):
            raise Problem(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"this source may send {self._access.limit_bytes(source)} bytes at once; send it in parts")

    def _put_off(self, source: str) -> None:
        wait_s = self._access.wait_s(source)
        if wait_s:
            raise Problem(
                HTTPStatus.TOO_MANY_REQUESTS, "too many requests of this source; send more readings in each",
                headers={"Retry-After": str(math.ceil(wait_s))},
            )


async def _answer(intake: Intake, source: str, body: bytes, context: Context) -> Response[bytes]:
    try:
        taken = await intake.take(source, body, context)
    except RefusedError as refused:
        reason = Reason(refused.reason)
        status = _STATUS_OF.get(reason, HTTPStatus.UNPROCESSABLE_ENTITY)
        whole = Refusal(reason=reason, where="the whole body", detail=str(refused))
        raise Problem(status, str(refused), readings=0, refused=[whole]) from None
    except TransientError as away:
        raise _unavailable(str(away)) from None
    if taken.refused and not taken.readings and not taken.records:
        raise Problem(
            HTTPStatus.UNPROCESSABLE_ENTITY, "no reading was accepted", readings=0, refused=taken.refused
        )
    document: dict[str, object] = {"readings": taken.readings, "refused": taken.refused}
    if taken.records:
        document["records"] = taken.records
    return Response(msgspec.json.encode(document), status_code=202, media_type=JSON)


def _unavailable(why: str) -> Problem:
    return Problem(
        HTTPStatus.SERVICE_UNAVAILABLE, f"{why}; send the same again later, repeats are harmless",
        headers={"Retry-After": str(RETRY_S)},
    )
