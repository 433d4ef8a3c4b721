# SPDX-License-Identifier: Apache-2.0
"""`drukte doctor`: what is wrong with a deployment, in plain words."""

import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from streams.doctor import Finding

SettingsOption = Annotated[
    Path | None, typer.Option("--settings", help="Settings file; else $DRUKTE_SETTINGS, else ./drukte.toml.")
]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON array instead of lines.")]


def doctor(settings: SettingsOption = None, json: AsJson = False) -> None:
    """Look at settings, city file, broker, topics, writer and database; exit status 1 when something is bad."""
    import msgspec

    from streams.doctor import Grade, examine
    findings = list(examine(settings) if json else _printed(examine(settings)))
    if json:
        sys.stdout.write(msgspec.json.format(msgspec.json.encode(findings)).decode() + "\n")
    raise typer.Exit(1 if any(one.grade is Grade.BAD for one in findings) else 0)


def _printed(findings: "Iterable[Finding]") -> "Iterable[Finding]":
    """The same findings, each printed as it comes."""
    for one in findings:
        sys.stdout.write(f"{one.grade:<5}{one.check:<11}{_indented(one.says)}\n")
        if one.do:
            sys.stdout.write(f"{'':16}-> {one.do}\n")
        sys.stdout.flush()
        yield one


def _indented(text: str) -> str:
    return text.replace("\n", "\n" + " " * 16)
