# SPDX-License-Identifier: Apache-2.0
"""The signature of a webhook. Pure; `verify_signature` may be copied into a receiver as it stands."""

import hashlib
import hmac

TOLERANCE_S = 300


def sign(secret: str, body: bytes, at_s: int) -> str:
    """The value of `Drukte-Signature`.

    Parameters
    ----------
    secret : str
        Shared with the receiver.
    body : bytes
        As it goes over the wire.
    at_s : int
        Wall time of the try, seconds since 1970, UTC; signed too, so that an old call cannot be repeated.
    """
    return f"t={at_s},v1={_digest(secret, body, str(at_s))}"


def verify_signature(secret: str, header: str, body: bytes, now_s: float, tolerance_s: float = TOLERANCE_S) -> bool:
    """Whether a webhook is ours, unchanged and fresh.

    Parameters
    ----------
    secret : str
        The one that stands in the sender's settings.
    header : str
        The value of `Drukte-Signature` as it came.
    body : bytes
        As it came, before any decoding.
    now_s : float
        The receiver's wall clock, seconds since 1970, UTC.
    tolerance_s : float
        How far the clocks may differ; an older call is refused as a repeat.
    """
    parts = dict(part.partition("=")[::2] for part in header.split(","))
    at, given = parts.get("t", ""), parts.get("v1", "")
    if not (at.isascii() and at.isdigit()) or len(at) > len("9999999999") or abs(now_s - int(at)) > tolerance_s:
        return False
    return hmac.compare_digest(_digest(secret, body, at).encode(), given.encode())


def _digest(secret: str, body: bytes, at: str) -> str:
    return hmac.new(secret.encode(), at.encode() + b"." + body, hashlib.sha256).hexdigest()
