# SPDX-License-Identifier: Apache-2.0
"""`python -m benchmarks [PART ...] [--short] [--record]`: measure, print, and write the results down."""

import argparse
import shlex
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import (
    backfill,
    fold,
    fold_memory,
    gateway,
    latency,
    memory,
    ndw,
    peers,
    restart,
    sizing,
    worker,
    workers,
    writer,
)
from benchmarks.figure import Figure
from benchmarks.report import PAGE, RESULTS, PartResult, measured, page, read_results, shown, write_results
from benchmarks.stage import NotRunError, Stage
from tests.services.process import ServiceError

Run = Callable[[Stage], list[Figure]]
NAMES = ("fold", "ndw", "worker", "gateway", "sizing", "peers", "workers", "restart", "latency", "memory",
         "fold-memory", "writer", "backfill")


def parts(*, short: bool, minutes: float) -> dict[str, Run]:
    """Every part, in the order in which they run."""
    return {
        "fold": lambda _: fold.run(500, 60) if short else fold.run(),
        "ndw": lambda _: ndw.run(),
        "worker": partial(worker.run, short=short),
        "gateway": partial(gateway.run, short=short),
        "sizing": partial(sizing.run, short=short),
        "peers": partial(peers.run, short=short),
        "workers": partial(workers.run, short=short),
        "restart": partial(restart.run, short=short),
        "latency": partial(latency.run, short=short),
        "memory": partial(memory.run, short=short, minutes=minutes),
        "fold-memory": partial(fold_memory.run, short=short),
        "writer": partial(writer.run, short=short),
        "backfill": partial(backfill.run, short=short),
    }


def main() -> int:
    """Run what was asked for, each part after the other; exit status 1 when one of them failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="PART", help=f"of {', '.join(NAMES)}; all without one")
    parser.add_argument("--short", action="store_true", help="small loads: shows that it works, measures little")
    parser.add_argument("--minutes", type=float, default=10.0, help="length of the memory part's load")
    parser.add_argument("--note", default="", help="stands with the figures, such as who else uses the machine")
    parser.add_argument("--record", action="store_true",
                        help=f"write {RESULTS.name} and docs/{PAGE.name}; parts that do not run stay as they were")
    parser.add_argument("--json", type=Path, help="write the results of this run to another file")
    given = parser.parse_args()
    if unknown := set(given.names) - set(NAMES):
        parser.error(f"unknown: {', '.join(sorted(unknown))}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that the services are stopped too
    command = shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]])
    console = Console()
    failed = False
    for name, run in parts(short=given.short, minutes=given.minutes).items():
        if given.names and name not in given.names:
            continue
        result = measured(command, short=given.short, note=given.note)
        failed |= not measure(name, run, result, console)
        if given.record:
            record(name, result, RESULTS)
            PAGE.write_text(page(read_results()))
        if given.json:
            record(name, result, given.json)
    return 1 if failed else 0


def measure(name: str, run: Run, result: PartResult, console: Console) -> bool:
    """Run one part into `result` and print it; false when it failed."""
    with console.status(f"{name} ...") as status:
        def say(text: str) -> None:
            status.update(text)
            if not console.is_terminal:
                console.print(text, highlight=False)
        try:
            with Stage(say) as stage:
                result.figures = run(stage)
        except NotRunError as reason:
            result.not_run = str(reason)
        except ServiceError as error:
            result.not_run = "it failed"
            console.print(f"{name} failed: {error}", *getattr(error, "__notes__", []), sep="\n", markup=False)
            return False
    console.print(table(name, result))
    return True


def table(name: str, result: PartResult) -> Table:
    """A part's figures for the terminal."""
    made = Table(title=f"{name}{': not run: ' + result.not_run if result.not_run else ''}")
    for heading in ("what", "figure", "unit", "ratio", "conditions"):
        made.add_column(heading, justify="right" if heading in ("figure", "ratio") else "left")
    for figure in result.figures:
        ratio = "" if figure.ratio is None else f"{figure.ratio:.2f} ({figure.against})"
        made.add_row(figure.name, shown(figure.value), figure.unit, ratio, figure.conditions)
    return made


def record(name: str, result: PartResult, path: Path) -> None:
    """Put one part's result into a results file; the others stay."""
    results = read_results(path)
    results.parts[name] = result
    results.parts = {one: results.parts[one] for one in NAMES if one in results.parts}
    write_results(results, path)


if __name__ == "__main__":
    sys.exit(main())
