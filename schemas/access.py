# SPDX-License-Identifier: Apache-2.0
"""Who looked inside: one line for each sensor or letter that somebody was shown. Never what was seen."""

from enum import StrEnum
from typing import Annotated

import msgspec

from schemas.json_message import decode_json
from schemas.log import JSON, Headers, event_headers

ACCESS_TYPE = "access.v1"
_SOURCE = "urn:drukte:access"


class Looked(StrEnum):
    """What was opened."""

    TRACE = "trace"
    LETTER = "dead-letters show"
    REDO = "dead-letters redo"


class Access(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One look of one person or role. It has no field for a value, a body or a count.

    Parameters
    ----------
    id : str
        Unique: a repeat by Kafka is the same look.
    at_us : int
        By the machine's clock; microseconds since 1970, UTC.
    who : str
        A role, or the account on the machine.
    looked : Looked
    subject : str
        Key of the sensor, or id of the letter.
    """

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    at_us: Annotated[int, msgspec.Meta(ge=0)]
    who: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
    looked: Looked
    subject: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


def encode_access(access: Access) -> tuple[Headers, bytes]:
    """Headers and value of a message on topic `access`."""
    return event_headers(ACCESS_TYPE, _SOURCE, access.id, JSON), msgspec.json.encode(access)


def decode_access(encoded: bytes) -> Access:
    """Read the value that `encode_access` wrote; raises `RefusedError` (`malformed`) for anything else."""
    return decode_json(encoded, Access, "an access")
