# SPDX-License-Identifier: Apache-2.0
"""Dead letters: what was refused, why and where, without anything of the payload. Pure."""

from collections import Counter
from itertools import islice

import msgspec

from schemas.refusal import Reason, Refusal

SHOWN = 100
"""At most so many refusals of one request are told apart; the rest is summed up by reason."""
PLACE_CHARACTERS = 200
"""A place may hold a key that the sender chose; longer ones are cut."""


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One message of `dead-letters`.

    Parameters
    ----------
    reason : Reason
    where, detail : str
        As in `Refusal`.
    count : int
        How many values fell under it.
    source : str
        Key of the source.
    size : int
        Bytes of the body that held them.
    at_us : int
        When it was refused, on the deployment's clock; microseconds since 1970, UTC.
    """

    reason: Reason
    where: str
    detail: str
    count: int
    source: str
    size: int
    at_us: int


def shortened(refusals: list[Refusal]) -> list[Refusal]:
    """At most `SHOWN` refusals with clean places; those beyond it as one a reason."""
    shown = [
        Refusal(reason=one.reason, where=_clean(one.where), detail=one.detail, count=one.count)
        for one in islice(refusals, SHOWN)
    ]
    beyond: Counter[Reason] = Counter()
    for one in refusals[SHOWN:]:
        beyond[one.reason] += one.count
    return shown + [
        Refusal(reason=reason, where="further places", detail="more than are told apart", count=count)
        for reason, count in beyond.items()
    ]


def letters_of(source: str, size: int, refusals: list[Refusal], at_us: int) -> list[Letter]:
    """The letters for refusals of one body. Person-level ones get none: they are only counted."""
    return [
        Letter(reason=one.reason, where=one.where, detail=one.detail, count=one.count, source=source,
               size=size, at_us=at_us)
        for one in shortened([one for one in refusals if one.reason is not Reason.PERSON_LEVEL])
    ]


def _clean(where: str) -> str:
    printable = "".join(character if character.isprintable() else "?" for character in where)
    return printable if len(printable) <= PLACE_CHARACTERS else printable[: PLACE_CHARACTERS - 3] + "..."
