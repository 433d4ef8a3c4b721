# SPDX-License-Identifier: Apache-2.0
"""The peers' own feed, run by the peers' own program: its engines as they are there, and Drukte as one more."""

import os
import subprocess
import sys
from pathlib import Path

import msgspec

from benchmarks.figure import Figure
from benchmarks.stage import NotRunError, Stage
from tests.services.process import ServiceError

ROOT = Path(__file__).resolve().parent.parent
GOAL = 300_000.0
DRUKTE = "drukte"
LIMIT_S = 1800.0


class Verdict(msgspec.Struct):
    """Whether an answer is right, as the peers' program says it."""

    right: bool
    text: str


class EngineRun(msgspec.Struct):
    """One run of an engine."""

    readings: int
    rate: float
    cpu_s_per_million: float
    peak_rss_mb: float
    processes: int
    verdict: Verdict


class Engine(msgspec.Struct):
    """What the peers' program found of an engine."""

    label: str
    runs: list[EngineRun]
    version: str = ""
    not_run: str = ""


class Results(msgspec.Struct):
    """The peers' results file."""

    engines: dict[str, Engine]


def peers_folder() -> Path:
    """`$DRUKTE_PEERS`, else the folder beside the project; raises `NotRunError` where there is none."""
    folder = Path(os.environ.get("DRUKTE_PEERS", ROOT.parent / "shared" / "peers"))
    if not (folder / "run.py").is_file():
        raise NotRunError("the peers' program is not here; set DRUKTE_PEERS to its folder")
    return folder


def run(stage: Stage, *, short: bool) -> list[Figure]:
    """Readings per second and CPU of every engine that can be had, and Drukte's against the best of them."""
    folder = peers_folder()
    if short:
        return figures(results(stage, folder, 20_000, "floor", ["--sensors", "1000"]))
    found = figures(results(stage, folder, 1_000_000, "all", []))
    # An engine above some 300,000 readings/s is done within seconds.
    long = results(stage, folder, 5_000_000, "floor", [])
    return found + [figure for figure in figures(long) if figure.target is None]


def results(stage: Stage, folder: Path, readings: int, engines: str, more: list[str]) -> Results:
    """Run the peers' program.

    Parameters
    ----------
    stage : Stage
    folder : Path
    readings : int
    engines : str
        Of the peers' own, by their names there; `all`.
    more : list of str
        Further arguments.
    """
    python = os.environ.get("DRUKTE_PEERS_PYTHON", sys.executable)
    work = stage.folder("peers")
    found = work / "results.json"
    stage.say(f"peers: {readings:,} readings, engines {engines}")
    command = [
        python, str(folder / "run.py"), "--bootstrap", stage.bootstrap, "--readings", str(readings),
        "--engines", engines,
        "--also", f"{DRUKTE}=setpriv --pdeathsig=TERM {sys.executable} -m benchmarks.peer_engine",
        "--json", str(found),
        "--build", str(work / "kafka-streams"), *more,
    ]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=LIMIT_S)
    if ended.returncode or not found.exists():
        raise ServiceError(f"the peers' program ended with {ended.returncode}: {ended.stderr[-2000:]}")
    return msgspec.json.decode(found.read_bytes(), type=Results)


def figures(found: Results) -> list[Figure]:
    """Figures of all engines; of Drukte's against the best right answer of a peer as well."""
    made: list[Figure] = []
    for key, engine in found.engines.items():
        if not engine.runs:
            made.append(Figure(f"peers' feed: {engine.label}", 0.0, "readings/s", f"not run: {engine.not_run}"))
            continue
        one = engine.runs[0]
        conditions = (f"{one.readings:,} readings, {one.cpu_s_per_million:.1f} CPU s a million, "
                      f"{one.peak_rss_mb:,.0f} MB, {one.processes} processes; answer: {one.verdict.text}")
        label = "Drukte, gateway and worker" if key == DRUKTE else f"{engine.label} {engine.version}".strip()
        made.append(Figure(f"peers' feed: {label}", one.rate, "readings/s", conditions))
    return made + _comparison(found)


def _comparison(found: Results) -> list[Figure]:
    ours = found.engines[DRUKTE].runs
    if not ours or not ours[0].verdict.right:
        raise ServiceError(f"Drukte's answer on the peers' feed: {ours[0].verdict.text if ours else 'not run: '}"
                           f"{found.engines[DRUKTE].not_run}")
    said = "two cores, broker on the same cores, one JSON reading a message, duplicates removed"
    made = [Figure("peers' feed: Drukte", ours[0].rate, "readings/s", said, GOAL)]
    rivals = {engine.label: engine.runs[0] for key, engine in found.engines.items()
              if key not in (DRUKTE, "floor") and engine.runs and engine.runs[0].verdict.right}
    made += [
        Figure(f"peers' feed: Drukte against {label}", ours[0].rate, "readings/s", said, rival.rate, label)
        for label, rival in sorted(rivals.items(), key=lambda item: -item[1].rate)
    ]
    floor = found.engines.get("floor")
    if floor is not None and floor.runs:
        made.append(Figure("peers' feed: Drukte against the floor", ours[0].rate, "readings/s", said,
                           floor.runs[0].rate, "consume, decode, sum: no guarantees"))
    return made
