# SPDX-License-Identifier: Apache-2.0
"""How `drukte city publish`, `diff` and `history` answer, as text or as one JSON document."""

from collections.abc import Sequence
from typing import Any

import msgspec
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from schemas.city_publication import instant
from schemas.city_version import ALWAYS_US, CityVersion
from streams.city_diff import Difference, city_differences, kinds
from streams.city_publish import Publication


def json_text(document: object) -> str:
    """Indented JSON."""
    return msgspec.json.format(msgspec.json.encode(document)).decode()


def publication_document(done: Publication) -> dict[str, Any]:
    """What a publication did, for machines."""
    return {
        "version": done.change.version, "sha256": done.change.sha256,
        "effective_at": instant(done.change.effective_at_us), "repeated": done.repeated,
        "first_version": None if done.base is None else done.base.version, "partitions": done.partitions,
    }


def publication_text(done: Publication) -> str:
    """The same for people."""
    lines = []
    if done.base is not None:
        lines.append(f"First publication: version {done.base.version} of the settings holds until then.")
    word = "Repeated" if done.repeated else "Published"
    lines.append(f"{word}: version {done.change.version}, sha256 {done.change.sha256}")
    lines.append(f"Takes over at {instant(done.change.effective_at_us)}; told to {done.partitions} partitions.")
    return "\n".join(lines)


def differences_document(names: tuple[str, str], found: Sequence[Difference]) -> dict[str, Any]:
    """Differences, for machines."""
    return {"from": names[0], "to": names[1], "kinds": kinds(found), "differences": list(found)}


def differences_text(names: tuple[str, str], found: Sequence[Difference]) -> str:
    """Differences by kind, for people."""
    if not found:
        return f"{names[0]} and {names[1]} mean the same."
    lines = [f"From {names[0]} to {names[1]}"]
    for kind in kinds(found):
        lines += ["", kind, *(f"  {one}" for one in found if one.kind == kind)]
    return "\n".join(lines)


def history_rows(versions: Sequence[CityVersion], now_us: int | None) -> list[dict[str, Any]]:
    """A row for each published version, oldest first; the first of each number is the one that stands."""
    standing = {one.change.version: one for one in reversed(versions)}
    ordered = [standing[version] for version in sorted(standing)]
    rows: list[dict[str, Any]] = []
    before = None
    for at, one in enumerate(ordered):
        city, change = one.city(), one.change
        until_us = ordered[at + 1].change.effective_at_us if at + 1 < len(ordered) else None
        rows.append({
            "version": change.version, "sha256": change.sha256,
            "effective_at": None if change.effective_at_us == ALWAYS_US else instant(change.effective_at_us),
            "in_force": None if now_us is None else (
                change.effective_at_us <= now_us and (until_us is None or now_us < until_us)),
            "kinds": [] if before is None else kinds(city_differences(before, city)),
        })
        before = city
    return rows


def show_history(rows: Sequence[dict[str, Any]]) -> None:
    """Print the versions as a table."""
    table = Table(box=SIMPLE_HEAD)
    for heading in ("version", "from", "", "sha256", "changed"):
        table.add_column(heading, justify="right" if heading == "version" else "left")
    for row in rows:
        state = "in force" if row["in_force"] else ""
        cells = (str(row["version"]), row["effective_at"] or "the beginning", state, row["sha256"][:16],
                 ", ".join(row["kinds"]))
        table.add_row(*map(Text, cells))
    Console().print(table)
