# SPDX-License-Identifier: Apache-2.0
"""Servers end with the process that tests, and no two tests are given the same port."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.demo.left_behind import is_running
from tests.services.process import PORT_COUNT, PORT_FIRST, SHARES, Process, ServiceError, free_port, wait_until

LIMIT_S = 20.0
HOLDER = """
import sys, time
from pathlib import Path
from tests.services.process import Process
print(Process(["sleep", "600"], Path(sys.argv[1])).pid, flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a process of its starter's death")
def test_a_server_does_not_outlive_a_killed_test(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, tmp_path / "log"], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        server = int(holder.stdout.readline())
        assert is_running(server)
        holder.send_signal(signal.SIGKILL)
    wait_until(lambda: not is_running(server), LIMIT_S, "the server ends")


def test_a_server_that_ends_is_not_waited_for_and_its_last_words_are_told(tmp_path: Path) -> None:
    process = Process(["sh", "-c", "echo no space left; exit 3"], tmp_path / "log")
    with pytest.raises(ServiceError, match="status 3: no space left"):
        process.wait_ready(lambda: False, LIMIT_S)


def test_no_port_is_given_twice_and_processes_side_by_side_have_ranges_of_their_own(
    monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[list[int]] = []
    for number in range(SHARES):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", f"gw{number}")
        given.append(sorted(free_port() for _ in range(20)))
    assert len({port for ports in given for port in ports}) == 20 * SHARES
    assert given == sorted(given)
    assert all(PORT_FIRST <= port < PORT_FIRST + PORT_COUNT for ports in given for port in ports)
