# SPDX-License-Identifier: Apache-2.0
"""What a check of `drukte doctor` found, and how bad it is. Pure."""

from collections.abc import Iterable
from enum import StrEnum

import msgspec


class Grade(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARN = "warn"
    BAD = "bad"


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a check found: `says` in plain words, `do` what to do about it."""

    check: str
    grade: Grade
    says: str
    do: str = ""


def ok(says: str) -> Finding:
    """All is well; the check's name is put in by whoever runs it."""
    return Finding(check="", grade=Grade.OK, says=says)


def warn(says: str, do: str) -> Finding:
    """Not as it should be, and it works."""
    return Finding(check="", grade=Grade.WARN, says=says, do=do)


def bad(says: str, do: str) -> Finding:
    """It does not work."""
    return Finding(check="", grade=Grade.BAD, says=says, do=do)


def warn_of(told: Iterable[str], do: str, well: str) -> Finding:
    """A warning with all that was told, or that nothing was."""
    says = "; ".join(told)
    return warn(says, do) if says else ok(well)
