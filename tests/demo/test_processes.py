# SPDX-License-Identifier: Apache-2.0
"""Processes are watched, end together, and none survives its starter."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from streams.demo.processes import LAST_LINES, Processes
from tests.demo.left_behind import LIMIT_S, is_running
from tests.services.process import wait_until

# Small programs in place of the services: modules in the folder where they run.
SLEEPER = """
import pathlib, subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
pathlib.Path("pids.new").write_text(f"{__import__('os').getpid()} {child.pid}")
pathlib.Path("pids.new").rename("pids")
time.sleep(600)
"""
STUBBORN = "import signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SLEEPER
TALKER = "import sys\nfor line in range(100):\n    print('line', line)\nsys.exit(3)\n"


@pytest.fixture(autouse=True)
def modules_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("sleeper", SLEEPER), ("stubborn", STUBBORN), ("talker", TALKER)):
        (tmp_path / f"{name}.py").write_text(text)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


def pids(folder: Path) -> list[int]:
    wait_until((folder / "pids").exists, LIMIT_S, "the program is up")
    return [int(text) for text in (folder / "pids").read_text().split()]


def test_all_end_with_their_children(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        processes.start("sleeper", ["sleeper"])
        running = pids(tmp_path)
        assert processes.failure() is None
        assert all(is_running(process) for process in running)
    wait_until(lambda: not any(is_running(process) for process in running), LIMIT_S, "all end")


def test_one_that_does_not_listen_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.demo.processes.STOP_LIMIT_S", 0.2)
    with Processes(tmp_path) as processes:
        processes.start("stubborn", ["stubborn"])
        running = pids(tmp_path)
    wait_until(lambda: not any(is_running(process) for process in running), LIMIT_S, "all end")


def test_one_that_ends_by_itself_is_reported_with_its_last_lines(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        processes.start("talker", ["talker"])
        wait_until(lambda: processes.failure() is not None, LIMIT_S, "the failure is seen")
        failure = processes.failure()
    assert failure is not None
    assert (failure.name, failure.exit_code) == ("talker", 3)
    assert failure.last_lines == tuple(f"line {line}" for line in range(100 - LAST_LINES, 100))
    assert "talker ended by itself with exit code 3" in str(failure)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its starter's death")
def test_none_survives_a_killed_starter(tmp_path: Path) -> None:
    holder = (
        "import pathlib, time\nfrom streams.demo.processes import Processes\n"
        f"with Processes(pathlib.Path({str(tmp_path)!r})) as processes:\n"
        "    processes.start('sleeper', ['sleeper'])\n    time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", holder], env=dict(os.environ)) as starter:
        service, child = pids(tmp_path)
        starter.send_signal(signal.SIGKILL)
    wait_until(lambda: not is_running(service), LIMIT_S, "the service ends")
    # The service's own child is not on the leash; no service of the demo has one.
    os.kill(child, signal.SIGKILL)
