# SPDX-License-Identifier: Apache-2.0
"""What everything that is posted to the service has in common: its type, and who may post where no tokens are set."""

from http import HTTPStatus

from streams.http_problem import Problem
from streams.settings import Settings

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}


def check_json(content_type: str) -> None:
    """Raise `Problem` for another type than JSON.

    A page of another origin cannot send this type without asking first, and nobody answers that question.
    """
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Content-Type has to be application/json")


def is_on_loopback(settings: Settings) -> bool:
    """Whether only this machine reaches the service: then it may do without tokens."""
    return settings.serve.host in _LOOPBACK
