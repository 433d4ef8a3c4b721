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


def unfit(what: str) -> Problem:
    """What was posted does not go with the city file."""
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, what)


def is_on_loopback(settings: Settings) -> bool:
    """Whether only this machine reaches the service: then it may do without tokens."""
    return settings.serve.host in _LOOPBACK


def _is_asked_as_loopback(headers: Mapping[str, str]) -> bool:
    """Whether the service was asked by a name of this machine.

    A page of another origin whose name was made to point here is of our origin to its browser, but asks by that name.
    """
    host = headers.get("host", "")
    name = host[1:].partition("]")[0] if host.startswith("[") else host.partition(":")[0]
    return not host or name.lower() in _LOOPBACK


def fits_role(settings: Settings, tokens: Mapping[Role, Sequence[str]], role: Role | None,
              headers: Mapping[str, str]) -> bool:
    """Whether the token fits `role`, or any role at all; without tokens a service takes any on loopback, by that name.

    Parameters
    ----------
    tokens : mapping of role to list of str
        Hashes.
    role : str, optional
    headers : mapping
        Of the request.
    """
    if not tokens:
        return is_on_loopback(settings) and _is_asked_as_loopback(headers)
    roles = tokens.values() if role is None else [tokens.get(role, [])]
    return fits_any(bearer_token(headers.get("authorization", "")), [one for hashes in roles for one in hashes])


def check_role(settings: Settings, tokens: Mapping[Role, Sequence[str]], role: Role | None,
               headers: Mapping[str, str], nobody: str) -> None:
    """Raise `Problem` where the token does not fit, as in `fits_role`; `nobody` says what no role may do."""
    if fits_role(settings, tokens, role, headers):
        return
    if not tokens and is_on_loopback(settings):
        raise Problem(HTTPStatus.FORBIDDEN, "without tokens this is taken only from who asks for 127.0.0.1, [::1] or "
                      "localhost; ask so, or set tokens below `serve` in drukte.toml")
    if not tokens:
        raise Problem(HTTPStatus.FORBIDDEN, nobody)
    raise Problem(HTTPStatus.UNAUTHORIZED, "the token does not fit this role", headers={"WWW-Authenticate": "Bearer"})
