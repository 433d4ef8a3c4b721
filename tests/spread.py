# SPDX-License-Identifier: Apache-2.0
"""How the tests are spread over the processes of a run, and in which order they begin.

A scheduler of our own, since xdist's groups by mark are lost with pytest 9.2: it writes them into names of tests
that can no longer be changed. The process that hands out tests knows them by name only, so files are the unit.
"""

import importlib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parent.parent
BROKERS = 3
"""As many processes run tests on a real broker. Topics have fixed names, so each has its own: 0.5 GB."""
ON_A_BROKER = ("kafka_bootstrap: str", "chain: Chain")
"""How tests ask for a real broker, or for what runs on one."""
APART = ("tests/chaos/test_short.py", "tests/worker/test_process.py")
"""Slow files whose tests share nothing: each may run in any process."""
SECONDS = {
    "tests/benchmarks/test_real.py": 100, "tests/benchmarks/test_truth.py": 85, "tests/core/test_disturbed_log.py": 65,
    "tests/demo/test_run.py": 50, "tests/real/test_backfill.py": 45, "tests/real/test_baseline_job.py": 35,
    "tests/real/test_canaries.py": 45, "tests/real/test_chain.py": 40, "tests/real/test_city_versions.py": 30,
    "tests/real/test_gap.py": 25, "tests/real/test_outages.py": 90, "tests/real/test_posted.py": 55,
    "tests/real/test_restart.py": 50, "tests/real/test_start.py": 40, "tests/real/test_tls.py": 35,
    "tests/real/test_verify.py": 30, "tests/real/test_verify_city.py": 25, "tests/real/test_verify_gap.py": 80,
    "tests/real/test_watchdog.py": 35, "tests/test_doctor.py": 55, "tests/test_replay.py": 55,
}
"""How long the longest files took on two cores, roughly; they begin first and are spread by it."""
ANY_SECONDS = 10
"""Of a file that is not named there."""


@cache
def files_on_a_broker() -> tuple[str, ...]:
    """The files that ask for a real broker, in order."""
    return tuple(sorted(
        path.relative_to(ROOT).as_posix() for path in (ROOT / "tests").rglob("test_*.py")
        if any(fixture in path.read_text() for fixture in ON_A_BROKER)
    ))


def spread(seconds: Mapping[str, int], places: int) -> dict[str, int]:
    """A place for each file: the longest first, each where the least waits."""
    waiting = [0] * places
    found: dict[str, int] = {}
    for path in sorted(seconds, key=lambda path: (-seconds[path], path)):
        found[path] = waiting.index(min(waiting))
        waiting[found[path]] += seconds[path]
    return found


@cache
def broker_of_files() -> dict[str, int]:
    """Which broker serves a file that asks for one."""
    return spread({path: SECONDS.get(path, ANY_SECONDS) for path in files_on_a_broker()}, BROKERS)


def group_of(nodeid: str) -> str:
    """What runs in one process, one after the other: a file, the files of one broker, or a single test."""
    path = nodeid.partition("::")[0]
    if path in files_on_a_broker():
        return f"broker {broker_of_files()[path]}"
    return nodeid if path in APART else path


class _Groups(LoadScopeScheduling):  # type: ignore[misc]  # xdist has no types
    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


@pytest.hookimpl(optionalhook=True)  # there may be no xdist
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Hand out groups in the order of collection."""
    config.option.loadscopereorder = False
    return _Groups(config, log)


def turned(files: Sequence[Path], process: int, processes: int) -> list[Path]:
    """All files, beginning at this process's own share."""
    begin = len(files) * process // processes
    return [*files[begin:], *files[:begin]]


@pytest.hookimpl(tryfirst=True)
def pytest_collection(session: pytest.Session) -> None:
    """Compile all files once: in step, each process would compile every file, all at the same time.

    Each begins with a share of its own, and finds what the others have compiled in their caches.
    """
    process = getattr(session.config, "workerinput", None)
    if process is None or session.config.args_source is not pytest.Config.ArgsSource.TESTPATHS:
        return
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    for path in turned(files, int(process["workerid"].removeprefix("gw")), process["workercount"]):
        # What cannot be imported is told when it is collected.
        with suppress(Exception):
            importlib.import_module(".".join(path.relative_to(ROOT).with_suffix("").parts))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what waits longest, so that nothing long comes last."""
    items.sort(key=_turn)


def _turn(item: pytest.Item) -> tuple[int, int]:
    path = item.nodeid.partition("::")[0]
    if path in APART or path in files_on_a_broker():
        return 0, 0
    return 1 if item.get_closest_marker("real") else 2, -SECONDS.get(path, ANY_SECONDS)
