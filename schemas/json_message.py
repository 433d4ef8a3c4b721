# SPDX-License-Identifier: Apache-2.0
"""JSON of our own messages as typed values: read strictly, and refused without repeating what it says."""

from typing import TypeVar

import msgspec

from schemas.errors import RefusedError
from schemas.refusal import Reason

T = TypeVar("T")


def decode_json(encoded: bytes, wanted: type[T], what: str) -> T:
    """Read one value of the type `wanted`; `what` names it in texts of errors.

    Raises
    ------
    RefusedError
        `malformed`: no JSON, no UTF-8, nested too deeply, or another type.
    """
    try:
        return msgspec.json.decode(encoded, type=wanted)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        # Without the library's text, which may repeat a value.
        raise RefusedError(Reason.MALFORMED, f"not the JSON of {what}") from None
