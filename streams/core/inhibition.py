# SPDX-License-Identifier: Apache-2.0
"""One cause is one alarm: which open alert at a place says already what another one there would say."""

from collections.abc import Collection
from dataclasses import dataclass

from schemas.rules import Rule, RuleKind, Severity
from streams.core.cases import CaseBook

SAID_BY_LEVEL = (RuleKind.FORECAST, RuleKind.OCCUPANCY, RuleKind.RISE, RuleKind.SURGE)
"""A zone that is at their level by its own density needs no second alarm for the same crowd."""
HIDING = (RuleKind.LEVEL, RuleKind.NO_DATA)
"""Only their alerts hide others."""
GRAVITY = {severity: at for at, severity in enumerate((Severity.INFO, Severity.WARNING, Severity.CRITICAL))}


@dataclass(frozen=True, slots=True)
class Hider:
    """An open alert that may hide others: its rule, and whether it is an exercise."""

    rule: Rule
    is_exercise: bool


Hiders = dict[int, list[Hider]]
"""By place."""


def hiders(book: CaseBook, muted: Collection[str]) -> Hiders:
    """The open alerts that may hide others.

    Parameters
    ----------
    book : CaseBook
    muted : collection of str
        Rules that an operator suppressed: nobody hears of their alerts, so these hide no other.
    """
    found: Hiders = {}
    for number in book.open_numbers():
        entry = book.entries[number]
        if entry.rule.kind in HIDING and entry.key not in muted:
            found.setdefault(entry.place, []).append(Hider(entry.rule, book.cases[number].exercise))
    return found


def is_inhibited(book: CaseBook, number: int, by: Hiders) -> bool:
    """Whether another open alert at the place of a case says more; an exercise never hides a real alert."""
    entry, is_exercise = book.entries[number], book.cases[number].exercise
    return any(says_more(one.rule, entry.rule) and (is_exercise or not one.is_exercise)
               for one in by.get(entry.place, ()))


def says_more(one: Rule, other: Rule) -> bool:
    """Whether an open alert of a rule makes one of another rule at the same place needless.

    A higher level says more than a lower one, and a level that has come more than what else says that it is full or
    filling; a place without data says more than its lost sensors. Nothing says more than what is graver than itself.
    """
    if GRAVITY[one.severity] < GRAVITY[other.severity]:
        return False
    if one.kind is RuleKind.NO_DATA:
        return other.kind is RuleKind.SENSOR_LOSS
    if other.kind is RuleKind.LEVEL:
        return other.level < one.level
    return other.kind in SAID_BY_LEVEL and other.level <= one.level
