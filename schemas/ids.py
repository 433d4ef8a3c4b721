# SPDX-License-Identifier: Apache-2.0
"""`CITY.ids`: the append-only list that gives every text key of a city its integer."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Self

from schemas.errors import DrukteError

HEADER = "# Integers of the log for the keys of the city file. Append-only: no number is changed or reused.\n"

NUMBER_LIMIT = 2**31
"""Numbers lie below it: the log's columns are int32."""
SOURCE_LIMIT = 2**16
"""Numbers of sources lie below it: their column is uint16."""


class IdKind(StrEnum):
    """What a number stands for; each kind has numbers of its own, from 1."""

    SOURCE = "source"
    SITE = "site"
    ZONE = "zone"
    GATE = "gate"
    SENSOR = "sensor"


class IdsError(DrukteError):
    """The ids file is not what only appending can have made of it."""


@dataclass(frozen=True, slots=True)
class Ids:
    """Numbers by kind and key."""

    numbers: dict[IdKind, dict[str, int]] = field(default_factory=lambda: {kind: {} for kind in IdKind})

    def __getitem__(self, kind: IdKind) -> dict[str, int]:
        return self.numbers[kind]

    def keys_by_number(self, kind: IdKind) -> dict[int, str]:
        """The other way round: which key a number stands for."""
        return {number: key for key, number in self.numbers[kind].items()}

    def extended(self, wanted: Mapping[IdKind, Iterable[str]]) -> tuple[Self, list[tuple[IdKind, int, str]]]:
        """These ids and a next number for every wanted key without one; also what was added, in order."""
        numbers = {kind: dict(known) for kind, known in self.numbers.items()}
        added: list[tuple[IdKind, int, str]] = []
        for kind, keys in wanted.items():
            known = numbers[kind]
            following = max(known.values(), default=0) + 1
            for key in keys:
                if key not in known:
                    known[key] = following
                    added.append((kind, following, key))
                    following += 1
        return type(self)(numbers), added


def parse_ids(text: str, where: str = "CITY.ids") -> Ids:
    """Read lines of `kind <tab> number <tab> key`.

    Raises
    ------
    IdsError
        For a line of another form, a key given twice, or numbers that do not rise or are too large.
    """
    numbers: dict[IdKind, dict[str, int]] = {kind: {} for kind in IdKind}
    last = dict.fromkeys(IdKind, 0)
    for line_number, line in enumerate(text.split("\n"), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        try:
            kind, number, key = _parsed_line(line.removesuffix("\r"))
        except ValueError:
            text_wanted = "`kind<tab>number<tab>key`"
            raise IdsError(f"{where}:{line_number}: not {text_wanted}; restore the file") from None
        if key in numbers[kind] or number <= last[kind]:
            raise IdsError(
                f"{where}:{line_number}: {kind} {number} {key!r} repeats a key or does not rise above "
                f"{last[kind]}; lines are only ever appended: restore the file"
            )
        numbers[kind][key] = last[kind] = number
    return Ids(numbers)


def _parsed_line(line: str) -> tuple[IdKind, int, str]:
    kind_text, number_text, key = line.split("\t")
    kind = IdKind(kind_text)
    limit = SOURCE_LIMIT if kind is IdKind.SOURCE else NUMBER_LIMIT
    is_number = number_text.isascii() and number_text.isdigit()
    if not is_number or int(number_text) >= limit or not is_storable(key):
        raise ValueError(line)
    return kind, int(number_text), key


def is_storable(key: str) -> bool:
    """Whether a key can stand in a line: not empty, no tab, line break or other control character."""
    return bool(key) and key.isprintable() and key == key.strip()


def format_ids(added: Iterable[tuple[IdKind, int, str]]) -> str:
    """Lines to append for `added`.

    Raises
    ------
    IdsError
        A key that no line can hold.
    """
    lines = []
    for kind, number, key in added:
        if not is_storable(key):
            raise IdsError(f"{kind} key {key!r} is empty or holds a control character; choose another key")
        lines.append(f"{kind}\t{number}\t{key}\n")
    return "".join(lines)
