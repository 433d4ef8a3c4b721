# SPDX-License-Identifier: Apache-2.0
"""The shape of a native reading, and the careful way through a body in which something is wrong."""

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from schemas.errors import RefusedError
from schemas.reading import QUALITY_FULL
from schemas.refusal import Reason, Refusal, person_level_fields, shown_path


class RawReading(msgspec.Struct, forbid_unknown_fields=True, rename={"from_": "from"}, gc=False):
    """One reading as it was sent; times are still text."""

    sensor: str
    metric: str
    from_: str
    to: str
    value: float | None
    quality: float = QUALITY_FULL


FIELDS = ("sensor", "metric", "from", "to", "value", "quality")
REQUIRED = FIELDS[:5]
_TEXTS = {"sensor": Reason.MALFORMED, "metric": Reason.MALFORMED, "from": Reason.BAD_TIME, "to": Reason.BAD_TIME}
_HARMLESS_NAME = re.compile(r"[A-Za-z][A-Za-z_-]{0,39}")
"""A name without digits is no address and no id of anybody."""
_NAMES_LIMIT = 10


@dataclass(frozen=True, slots=True)
class PlacedReading:
    """A reading and its place in the body."""

    where: str
    reading: RawReading


@dataclass(slots=True)
class StructuralRefusal:
    """Readings that have not the right fields or types, in a run of like ones."""

    reason: Reason
    detail: str
    where: str
    count: int = 0

    def refusal(self, prefix: str) -> Refusal:
        """As it is reported, under the place of the first."""
        return Refusal(reason=self.reason, where=prefix + self.where, detail=self.detail, count=self.count)


@dataclass(slots=True)
class _Gathered:
    placed: list[PlacedReading] = field(default_factory=list)
    refused: dict[tuple[Reason, str], StructuralRefusal] = field(default_factory=dict)

    def refuse(self, reason: Reason, detail: str, where: str) -> None:
        self.refused.setdefault((reason, detail), StructuralRefusal(reason, detail, where)).count += 1


def read_carefully(body: bytes) -> tuple[list[PlacedReading], list[StructuralRefusal]]:
    """Take a body apart reading by reading.

    Raises
    ------
    RefusedError
        The whole body: `person-level`, or `malformed` when nothing in it is JSON of a reading's shape.
    """
    documents, broken_lines = _documents(body)
    _refuse_person_level(document for _, document in documents)
    gathered = _Gathered()
    for where in broken_lines:
        gathered.refuse(Reason.MALFORMED, "line is no JSON", where)
    for where, document in documents:
        _gather(where, document, gathered)
    return gathered.placed, list(gathered.refused.values())


def _documents(body: bytes) -> tuple[list[tuple[str, object]], list[str]]:
    """Readings with their places (not yet looked into), and the lines that are no JSON."""
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise RefusedError(Reason.MALFORMED, "body is not UTF-8; send JSON in UTF-8") from None
    try:
        whole = _parsed(text)
    except ValueError:
        return _lines(text)
    if isinstance(whole, list):
        return [(f"$[{position}]", item) for position, item in enumerate(whole)], []
    return [("$", whole)], []


def _lines(text: str) -> tuple[list[tuple[str, object]], list[str]]:
    documents: list[tuple[str, object]] = []
    broken: list[str] = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                documents.append((f"line {number}", _parsed(line)))
            except ValueError:
                broken.append(f"line {number}")
    if not any(isinstance(document, dict) for _, document in documents):
        raise RefusedError(Reason.MALFORMED, "body is neither JSON nor NDJSON; see the native format")
    return documents, broken


def _parsed(text: str) -> object:
    """A JSON document; raises ValueError for what is none, or for one nested too deeply to look into."""
    try:
        # Python's own decoder: it shows every member of an object, also one whose name is given twice.
        parsed: object = json.loads(text, object_pairs_hook=_every_member)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return parsed


class _Repeated(list[object]):
    """All values that one name of an object was given."""


def _every_member(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members: dict[str, object] = {}
    for name, value in pairs:
        if name not in members:
            members[name] = value
        elif isinstance(members[name], _Repeated):
            members[name].append(value)  # type: ignore[attr-defined]  # the line above says that it is one
        else:
            members[name] = _Repeated([members[name], value])
    return members


def _refuse_person_level(documents: Iterable[object]) -> None:
    """Refuse the whole body for one such field; names that are not ours are not repeated."""
    found = Counter(
        shown_path(path, FIELDS) for document in documents for path in person_level_fields(document)
    )
    if found:
        paths = ", ".join(sorted(found)[:_NAMES_LIMIT])
        raise RefusedError(
            Reason.PERSON_LEVEL,
            f"body describes single persons or devices ({paths}); nothing of it was kept. Ask the supplier "
            "for counts for an interval",
        )


def _gather(where: str, document: object, gathered: _Gathered) -> None:
    if not isinstance(document, dict):
        gathered.refuse(Reason.MALFORMED, "a reading is a JSON object", where)
        return
    problem = _problem(document)
    if problem is not None:
        gathered.refuse(*problem, where)
        return
    value, quality = document["value"], document.get("quality", QUALITY_FULL)
    gathered.placed.append(PlacedReading(where, RawReading(
        sensor=document["sensor"],
        metric=document["metric"],
        from_=document["from"],
        to=document["to"],
        value=None if value is None else float(value),
        quality=float(quality),
    )))


def _problem(document: dict[str, object]) -> tuple[Reason, str] | None:
    """What is wrong with the fields and types of a reading, if anything."""
    unknown = [name for name in document if name not in FIELDS]
    if unknown:
        return Reason.UNKNOWN_FIELD, f"fields that no reading has: {', '.join(_shown_names(unknown))}"
    missing = [name for name in REQUIRED if name not in document]
    if missing:
        return Reason.MALFORMED, f"a reading lacks {', '.join(missing)}"
    for name, reason in _TEXTS.items():
        if not isinstance(document[name], str):
            return reason, f"`{name}` is not one text"
    if document["value"] is not None and not _is_number(document["value"]):
        return Reason.BAD_VALUE, "`value` is neither a finite number nor null"
    if not _is_number(document.get("quality", QUALITY_FULL)):
        return Reason.BAD_VALUE, "`quality` is no finite number"
    return None


def _shown_names(names: list[str]) -> Iterator[str]:
    shown = sorted({name if _HARMLESS_NAME.fullmatch(name) else "(a name with odd characters)" for name in names})
    yield from shown[:_NAMES_LIMIT]


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond any float
        return False
