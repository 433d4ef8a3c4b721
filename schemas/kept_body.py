# SPDX-License-Identifier: Apache-2.0
"""Refused bodies that are kept for a day, so that they can be handed in again: only where no person can be in them.

Kept is a body that a strict format decoded whole, all of whose refusals are about the city file or the clock, and
in which nothing looks like the identity of a person or a device. The last one guards the values that a sender is
free to choose, such as the name of a sensor that nobody knows.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b

import msgspec

from schemas.feeds.format import Context
from schemas.log import Headers, ReadHeaders, event_headers, event_type
from schemas.refusal import Reason

LARGEST_BYTES = 1_000_000
"""Larger bodies are not kept."""
MENDABLE = frozenset({
    Reason.UNKNOWN_SENSOR, Reason.UNKNOWN_METRIC, Reason.WRONG_SOURCE, Reason.UNKNOWN_SITE, Reason.SITE_VERSION,
    Reason.CITY_VERSION, Reason.IN_FUTURE, Reason.TOO_OLD,
})
"""Reasons that a newer city file or a clock set right may mend."""
_IDENTITY = re.compile(
    rb"@"
    rb"|(?<![0-9A-Za-z])[0-9A-Fa-f]{2}([:.-])(?:[0-9A-Fa-f]{2}\1){4}[0-9A-Fa-f]{2}(?![0-9A-Za-z])"  # a MAC address
    rb"|[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}"  # one in threes, as switches write it
    rb"|(?<![0-9A-Za-z])(?=[0-9]*[A-Fa-f])[0-9A-Fa-f]{12}(?![0-9A-Za-z])"  # one without separators
    rb"|(?=[0-9]{0,15}[A-Fa-f])[0-9A-Fa-f]{16}"  # a hash; digits alone may be a fraction, or the next but one
    rb"|[0-9A-Fa-f]{8}-[0-9A-Fa-f]{4}-[0-9A-Fa-f]{4}-"  # a UUID
    rb"|(?<![0-9.])[0-9]{9}"  # a telephone, IMEI or card number
    rb"|(?<![\w-])[0-9A-Z]{1,3}-[0-9A-Z]{2,3}-[0-9A-Z]{1,3}(?![\w-])"  # a number plate
)
_BODY, _REDONE = "dead-letter-body.v1", "dead-letter-redone.v1"


class BodyKind(StrEnum):
    """What a message of `dead-letter-bodies` is."""

    BODY = "body"
    REDONE = "redone"
    """The body with its key was taken in."""


@dataclass(frozen=True, slots=True)
class KeptBody:
    """One kept body.

    Parameters
    ----------
    id : str
        16 hex digits, made of source and body: the same body sent again has the same one.
    source : str
    body : bytes
    context : Context
        What came beside it.
    """

    id: str
    source: str
    body: bytes
    context: Context


def kept_body(source: str, body: bytes, context: Context, reasons: Iterable[Reason]) -> KeptBody | None:
    """A refused body as it is kept, or None where it must not be.

    Parameters
    ----------
    source : str
    body : bytes
        Not compressed, decoded whole by a strict format.
    context : Context
    reasons : iterable of Reason
        Of all its refusals.
    """
    named = set(reasons)
    if not named or named - MENDABLE or len(body) > LARGEST_BYTES:
        return None
    if may_name_a_person(body) or any(may_name_a_person(one.encode()) for one in context.values()):
        return None
    return KeptBody(body_id(source, body), source, body, context)


def body_id(source: str, body: bytes) -> str:
    """The id of a body of a source."""
    return blake2b(source.encode() + b"\x1f" + body, digest_size=8).hexdigest()


def may_name_a_person(text: bytes) -> bool:
    """Whether something in the text looks like the identity of a person or a device. Rather yes than no."""
    return _IDENTITY.search(text) is not None


def kept_headers(kept: KeptBody) -> Headers:
    """Headers of a message of `dead-letter-bodies` that holds a body."""
    headers = event_headers(_BODY, "urn:drukte:gateway", kept.id, "application/octet-stream")
    return [*headers, ("source", kept.source.encode()), ("context", msgspec.json.encode(dict(kept.context)))]


def redone_headers(body: str) -> Headers:
    """Headers of the message, without a value, that says that a body was taken in."""
    return event_headers(_REDONE, "urn:drukte:redo", body, "application/octet-stream")


def kept_kind(headers: ReadHeaders | None) -> BodyKind | None:
    """What a message of `dead-letter-bodies` is, or None where it is none of ours."""
    return {_BODY: BodyKind.BODY, _REDONE: BodyKind.REDONE}.get(event_type(headers))


def decode_kept(key: bytes | None, headers: ReadHeaders | None, value: bytes | None) -> KeptBody:
    """Read what `kept_headers` described; raises `msgspec.DecodeError` where its context is broken."""
    given = {name: one for name, one in headers or () if one is not None}
    context = msgspec.json.decode(given.get("context", b"{}"), type=dict[str, str])
    return KeptBody((key or b"").decode(), given.get("source", b"").decode(), value or b"", context)
