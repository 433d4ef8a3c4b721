# SPDX-License-Identifier: Apache-2.0
"""A dead letter: what was refused, why and where, without anything of the payload."""

import msgspec

from schemas.json_message import decode_json
from schemas.log import JSON, Headers, event_headers


class Letter(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One message of `dead-letters`.

    Parameters
    ----------
    reason : str
        One of `schemas.refusal.Reason`.
    where, detail : str
        The place, and what to do about it, as in `schemas.refusal.Refusal`.
    count : int
        How many values (or messages) fell under it.
    source : str
        Key of the source that sent it, or the service that could not read it.
    size : int
        Bytes of what held them.
    at_us : int
        When it was refused or, of a message, when the broker got it; microseconds since 1970, UTC.
    topic, partition, offset : optional
        Where a refused message stands.
    body : str, optional
        Id of the refused body in `dead-letter-bodies`, where it was kept.
    """

    reason: str
    where: str
    detail: str
    count: int
    source: str
    size: int
    at_us: int
    topic: str | None = None
    partition: int | None = None
    offset: int | None = None
    body: str | None = None


def message_letter(reason: str, detail: str, service: str, place: tuple[str, int, int], size: int,
                   at_us: int) -> Letter:
    """The letter of a message that a service could not read; `place` is topic, partition and offset."""
    topic, partition, offset = place
    return Letter(reason=reason, where=f"{topic}[{partition}]@{offset}", detail=detail, count=1, source=service,
                  size=size, at_us=at_us, topic=topic, partition=partition, offset=offset)


LETTER_TYPE = "dead-letter.v1"


def letter_headers(source: str, letter_id: str, letter: Letter) -> Headers:
    """CloudEvents headers of a letter; `source` as `urn:drukte:...`."""
    return event_headers(LETTER_TYPE, source, letter_id, JSON, letter.at_us)


def encode_letter(letter: Letter) -> bytes:
    """As JSON."""
    return msgspec.json.encode(letter)


def decode_letter(encoded: bytes) -> Letter:
    """Read what `encode_letter` wrote; raises `RefusedError` on anything else."""
    return decode_json(encoded, Letter, "a dead letter")
