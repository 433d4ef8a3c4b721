# SPDX-License-Identifier: Apache-2.0
"""Errors of our HTTP services: problem+json (RFC 9457), never a trace, never a piece of the payload."""

import traceback
from http import HTTPStatus
from typing import Any

import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException
from litestar.types import ExceptionHandlersMap

PROBLEM = "application/problem+json"
AnyRequest = Request[Any, Any, Any]
log = structlog.get_logger(__name__)


class Problem(Exception):  # noqa: N818  # the word of RFC 9457
    """An answer other than success: status, what is wrong, further members and headers."""

    def __init__(
        self, status: HTTPStatus, detail: str, *, headers: dict[str, str] | None = None, **members: object
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}
        self.members = members

    def response(self) -> Response[bytes]:
        """As problem+json."""
        document = {
            "type": "about:blank", "title": self.status.phrase, "status": self.status.value,
            "detail": self.detail, **self.members,
        }
        return Response(
            msgspec.json.encode(document), status_code=self.status.value, media_type=PROBLEM,
            headers=self.headers,
        )


def problem_handlers() -> ExceptionHandlersMap:
    """What an application does with a `Problem`, an error of the framework, and a bug."""
    return {Problem: _on_problem, HTTPException: _on_http, Exception: _on_bug}


def _on_problem(_: AnyRequest, problem: Problem) -> Response[bytes]:
    return problem.response()


def _on_http(_: AnyRequest, error: HTTPException) -> Response[bytes]:
    status = HTTPStatus(error.status_code)
    return Problem(status, status.description or status.phrase, headers=dict(error.headers or {})).response()


def _on_bug(_: AnyRequest, error: Exception) -> Response[bytes]:
    # The text of an unforeseen error may hold a piece of the payload: only its kind and place are logged.
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    places = [f"{frame.filename}:{frame.lineno}" for frame in frames]
    log.error("request failed", error=type(error).__name__, at=places)
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, "the service failed on this request").response()
