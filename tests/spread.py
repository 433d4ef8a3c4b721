# SPDX-License-Identifier: Apache-2.0
"""How the tests are spread over the processes of a run, and in which order they begin.

A scheduler of our own, since xdist's groups by mark are lost with pytest 9.2: it writes them into names of tests
that can no longer be changed. The process that hands out tests knows them by name only, so files are the unit.
"""

import importlib
from collections.abc import Sequence
from contextlib import suppress
from functools import cache
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

ROOT = Path(__file__).resolve().parent.parent
BROKERS = 3
"""As many processes run tests on a real broker. Topics have fixed names, so each has its own: 0.5 GB."""
APART = ("tests/chaos/test_short.py", "tests/worker/test_process.py")
"""Slow files whose tests share nothing: each may run in any process."""


@cache
def files_on_a_broker() -> tuple[str, ...]:
    """The files that ask for a real broker, in order."""
    found = (ROOT / "tests").rglob("test_*.py")
    return tuple(sorted(
        path.relative_to(ROOT).as_posix() for path in found if "kafka_bootstrap: str" in path.read_text()
    ))


def group_of(nodeid: str) -> str:
    """What runs in one process, one after the other: a file, the files of one broker, or a single test."""
    path = nodeid.partition("::")[0]
    if path in files_on_a_broker():
        return f"broker {files_on_a_broker().index(path) % BROKERS}"
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


def _turn(item: pytest.Item) -> int:
    path = item.nodeid.partition("::")[0]
    if path in APART or path in files_on_a_broker():
        return 0
    return 1 if item.get_closest_marker("real") else 2
