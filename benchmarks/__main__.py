# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks [NAME ...] [--json FILE]`: run benchmarks and print their figures."""

import argparse
import platform
from collections.abc import Callable
from pathlib import Path

import msgspec
from rich.console import Console
from rich.table import Table

from benchmarks import fold, ndw
from benchmarks.figure import Figure

BENCHMARKS: dict[str, Callable[[], list[Figure]]] = {"ndw": ndw.run, "fold": fold.run}


def main() -> None:
    """Run what was asked for, each benchmark after the other."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all without one")
    parser.add_argument("--json", type=Path, help="also write the figures here")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    console = Console()
    figures: list[Figure] = []
    for name, run in BENCHMARKS.items():
        if not arguments.names or name in arguments.names:
            with console.status(f"{name} ..."):
                figures += run()
    table = Table(title=f"{platform.processor() or platform.machine()}, Python {platform.python_version()}")
    for heading in ("what", "figure", "unit", "conditions"):
        table.add_column(heading, justify="right" if heading == "figure" else "left")
    for figure in figures:
        table.add_row(figure.name, f"{figure.value:,.4g}" if figure.value < 1000 else f"{figure.value:,.0f}",
                      figure.unit, figure.conditions)
    console.print(table)
    if arguments.json:
        arguments.json.write_bytes(msgspec.json.format(msgspec.json.encode(figures), indent=2))


if __name__ == "__main__":
    main()
