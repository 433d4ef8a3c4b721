# SPDX-License-Identifier: Apache-2.0
"""A JSON body as plain values, and single values of it: for formats of which a part may be wrong."""

import math

import msgspec

from schemas.errors import RefusedError
from schemas.refusal import Reason


class NoNumberError(Exception):
    """A value that should be a number is something else; never leaves a decoder."""


def parse_json(body: bytes) -> object:
    """The document in `body`: dicts, lists and scalars.

    Raises
    ------
    RefusedError
        `malformed`: no JSON, no UTF-8, or nested too deeply.
    """
    try:
        document: object = msgspec.json.decode(body.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise RefusedError(Reason.MALFORMED, "body is no JSON; look at what the sender sends") from None
    return document


def number_or_none(value: object) -> float | None:
    """A finite number, or None for null.

    Raises
    ------
    NoNumberError
        Anything else; a text is no number here, nor are true and false.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise NoNumberError
    try:
        number = float(value)
    except OverflowError:
        raise NoNumberError from None
    if not math.isfinite(number):
        raise NoNumberError
    return number


def name_or_none(value: object) -> str | None:
    """An id as text: a text that is not empty, or a whole number; None for anything else."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, int) and not isinstance(value, bool):
        # A number of thousands of digits is no id, and Python refuses to print it.
        return str(value) if abs(value) < 2**63 else None
    return None
