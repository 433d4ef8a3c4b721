# SPDX-License-Identifier: Apache-2.0
"""A fault of a city file: where it is and what to do about it."""

import difflib
import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from schemas.errors import DrukteError

_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a city: the key path in the file, and what is wrong and what to do."""

    path: str
    text: str

    def __str__(self) -> str:
        return f"{self.path}: {self.text}" if self.path else self.text


class CityFaultsError(DrukteError):
    """A city that is not sound; the text lists all faults, a line each."""

    def __init__(self, faults: Sequence[Fault], where: str = "city file") -> None:
        self.faults = list(faults)
        count = "1 fault" if len(self.faults) == 1 else f"{len(self.faults)} faults"
        super().__init__("\n".join([f"{where}: {count}", *(f"  {fault}" for fault in self.faults)]))


def key_path(path: str, key: str) -> str:
    """`path.key`, the key quoted as in TOML where it must be."""
    quoted = key if _BARE_KEY.fullmatch(key) else json.dumps(key)
    return f"{path}.{quoted}" if path else quoted


def meant(given: str, known: Iterable[str]) -> str:
    """A hint at the known name nearest to `given`, or the known names if they are few."""
    names = sorted(map(str, known))
    near = difflib.get_close_matches(given, names, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(names)}" if 0 < len(names) <= 12 else ""


def reference_faults(path: str, kind: str, given: str, known: Collection[str]) -> Iterator[Fault]:
    """A fault if `given`, which should name a `kind`, is not among the known keys."""
    if given not in known:
        yield Fault(path, f"there is no {kind} {given!r}{meant(given, known)}")
