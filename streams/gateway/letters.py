# SPDX-License-Identifier: Apache-2.0
"""The dead letters of refused readings: how many are told apart, and how their places are cleaned. Pure."""

from collections import Counter
from itertools import islice

from schemas.letter import Letter
from schemas.refusal import Reason, Refusal

SHOWN = 100
"""At most so many refusals of one request are told apart; the rest is summed up by reason."""
PLACE_CHARACTERS = 200
"""A place may hold a key that the sender chose; longer ones are cut."""


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


def letters_of(
    source: str, size: int, refusals: list[Refusal], at_us: int, body: str | None = None
) -> list[Letter]:
    """The letters for refusals of one body, `body` if it is kept. Person-level ones get none: only counted."""
    return [
        Letter(reason=one.reason, where=one.where, detail=one.detail, count=one.count, source=source,
               size=size, at_us=at_us, body=body)
        for one in shortened([one for one in refusals if one.reason is not Reason.PERSON_LEVEL])
    ]


def _clean(where: str) -> str:
    printable = "".join(character if character.isprintable() else "?" for character in where)
    return printable if len(printable) <= PLACE_CHARACTERS else printable[: PLACE_CHARACTERS - 3] + "..."
