# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks.truth [PART ...] [--short] [--seed N] [--record]`: hold the answers against the truth."""

import argparse
import importlib
import json
import sys
import time
from dataclasses import asdict
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks.truth.page import page
from benchmarks.truth.section import Recorded, Section

PARTS: tuple[str, ...] = ("pedestrian", "density", "surge", "occupancy", "forecast", "alerts")
"""Modules of this package, in the order of the page."""
PAGE = Path(__file__).resolve().parents[2] / "docs" / "truth.md"
RESULTS = Path(__file__).with_name("results.json")
"""What each part found when it was recorded last; the page is made of it."""


def sections_of(part: str, *, short: bool, seed: int) -> list[Section]:
    """What a part finds."""
    module = importlib.import_module(f"benchmarks.truth.{part}")
    found: list[Section] = module.sections(short=short, seed=seed)
    return found


def main() -> int:
    """Run what was asked for and print it; exit status 1 when a goal is not reached."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.truth", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all without one")
    parser.add_argument("--short", action="store_true", help="few seeds: shows that it works, proves little")
    parser.add_argument("--seed", type=int, default=1, help="the first seed")
    parser.add_argument("--record", action="store_true",
                        help=f"write docs/{PAGE.name}; parts that do not run stay as they were")
    parser.add_argument("--json", type=Path, help="write the sections to a file")
    given = parser.parse_args()
    if unknown := set(given.parts) - set(PARTS):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    if given.record and given.short:
        parser.error("--record is for whole runs: without --short")
    console = Console()
    console.print(f"seed {given.seed}", highlight=False)
    found: list[Section] = []
    for part in given.parts or PARTS:
        began_s = time.monotonic()
        with console.status(f"{part} ..."):
            sections = sections_of(part, short=given.short, seed=given.seed)
        for section in sections:
            show(section, console)
        console.print(f"{part}: {time.monotonic() - began_s:.0f} s\n", highlight=False)
        found += sections
        if given.record:
            record(part, given.seed, sections)
    if given.json:
        given.json.write_text(json.dumps([asdict(section) for section in found], indent=1))
    missed = [goal.name for section in found for goal in section.goals if not goal.reached]
    for name in missed:
        console.print(f"[red]not reached:[/] {name}")
    return 1 if missed else 0


def record(part: str, seed: int, sections: list[Section]) -> None:
    """Put what a part found beside what the others did, and write the page."""
    known = read_results()
    known[part] = Recorded(seed, sections)
    RESULTS.write_bytes(msgspec.json.format(msgspec.json.encode(known), indent=1) + b"\n")
    PAGE.write_text(page([known[one] for one in PARTS if one in known]))


def read_results() -> dict[str, Recorded]:
    """What is recorded, by part."""
    return msgspec.json.decode(RESULTS.read_bytes(), type=dict[str, Recorded]) if RESULTS.exists() else {}


def show(section: Section, console: Console) -> None:
    """Print a section for people at a terminal."""
    table = Table(*section.columns, title=section.title, title_justify="left", caption=section.text,
                  caption_justify="left")
    for row in section.rows:
        table.add_row(*row)
    console.print(table)
    for goal in section.goals:
        console.print(f"{'ok' if goal.reached else 'MISSED'}: {goal.name} = {goal.value:.4g} "
                      f"(from {goal.low} to {goal.high})", highlight=False)


if __name__ == "__main__":
    sys.exit(main())
