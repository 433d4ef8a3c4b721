# SPDX-License-Identifier: Apache-2.0
"""The short form of each part of the truth table runs, fits its columns, and holds what must hold on any seed."""

from functools import cache

import pytest

from benchmarks.truth.__main__ import PARTS, sections_of
from benchmarks.truth.page import page
from benchmarks.truth.section import Goal, Section
from tests.real.data import needs_data


@cache
def short(part: str) -> tuple[Section, ...]:
    return tuple(sections_of(part, short=True, seed=1))


def goal(part: str, begins: str) -> Goal:
    """The one goal of a part whose name begins so."""
    found = [one for section in short(part) for one in section.goals if one.name.startswith(begins)]
    assert len(found) == 1, [one.name for section in short(part) for one in section.goals]
    return found[0]
