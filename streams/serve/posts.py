# SPDX-License-Identifier: Apache-2.0
"""What everything that is posted to the service has in common: its type, and who may post where no tokens are set."""

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import TypeVar

from streams.gateway.access import bearer_token, fits_any
from streams.http_problem import Problem
from streams.settings import Settings

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
Role = TypeVar("Role", bound=str)


def check_json(content_type: str) -> None:
    """Raise `Problem` for another type than JSON.

    A page of another origin cannot send this type without asking first, and nobody answers that question.
    """
    if content_type.partition(";")[0].strip().lower() != "application/json":
        raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Content-Type has to be application/json")


def is_on_loopback(settings: Settings) -> bool:
    """Whether only this machine reaches the service: then it may do without tokens."""
    return settings.serve.host in _LOOPBACK


def fits_role(settings: Settings, tokens: Mapping[Role, Sequence[str]], role: Role | None, authorization: str) -> bool:
    """Whether the token fits `role`, or any role at all; without tokens only a service on loopback takes any.

    Parameters
    ----------
    tokens : mapping of role to list of str
        Hashes.
    role : str, optional
    authorization : str
        The header.
    """
    if not tokens:
        return is_on_loopback(settings)
    roles = tokens.values() if role is None else [tokens.get(role, [])]
    return fits_any(bearer_token(authorization), [one for hashes in roles for one in hashes])


def check_role(settings: Settings, tokens: Mapping[Role, Sequence[str]], role: Role | None, authorization: str,
               nobody: str) -> None:
    """Raise `Problem` where the token does not fit, as in `fits_role`; `nobody` says what no role may do."""
    if fits_role(settings, tokens, role, authorization):
        return
    if not tokens:
        raise Problem(HTTPStatus.FORBIDDEN, nobody)
    raise Problem(HTTPStatus.UNAUTHORIZED, "the token does not fit this role", headers={"WWW-Authenticate": "Bearer"})
