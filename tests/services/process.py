# SPDX-License-Identifier: Apache-2.0
"""Start a server on a free loopback port, wait until it answers, stop it by its process id."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from streams.demo import leash

POLL_S = 0.05
LOG_TAIL_BYTES = 3000
# Below the range from which the kernel gives ports to outgoing connections, so that a server that is
# restarted finds its port free again.
PORT_FIRST, PORT_COUNT = 20_000, 12_000
SHARES = 8
_given: set[int] = set()


class ServiceError(Exception):
    """A service did not start, stop or answer; the text holds the end of its log."""


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on, and that no other test of this run is given.

    Between the asking and the listening a port is free for anyone. So each of the processes that run tests side by
    side has a share of the range, and gives no port twice.
    """
    share = PORT_COUNT // SHARES
    first = PORT_FIRST + _number_of_this_process() % SHARES * share
    for _ in range(1_000):
        port = first + secrets.randbelow(share)
        if port in _given:
            continue
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            _given.add(port)
            return port
    raise ServiceError("no free port on 127.0.0.1 in 1000 tries")


def _number_of_this_process() -> int:
    return int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))


def leashed(command: Sequence[str | Path], by: signal.Signals = signal.SIGKILL) -> list[str]:
    """The command, ended by the kernel when this process is gone: nobody else would end it then.

    Start it from a thread that lasts: the leash is tied to the thread.
    """
    tie = [sys.executable, "-I", "-S", leash.__file__, os.getpid(), int(by)]
    return [str(part) for part in (*tie, *command)]


def wait_until(ready: Callable[[], bool], limit_s: float, what: str) -> None:
    """Return as soon as `ready()` is true; raise `ServiceError` after `limit_s`."""
    end = time.monotonic() + limit_s
    while not ready():
        if time.monotonic() > end:
            raise ServiceError(f"{what}: not so after {limit_s:g} s")
        time.sleep(POLL_S)


class Process:
    """One server process, which dies with its parent: start it from the main thread."""

    def __init__(self, command: Sequence[str | Path], log: Path) -> None:
        self.log = log
        with log.open("ab") as sink:
            self._popen = subprocess.Popen(
                leashed(command), stdin=subprocess.DEVNULL, stdout=sink, stderr=sink,
                start_new_session=True,  # Ctrl-C stops the tests first, and they stop the server
            )

    @property
    def pid(self) -> int:
        """The process id of the server itself."""
        return self._popen.pid

    def wait_ready(self, answers: Callable[[], bool], limit_s: float) -> None:
        """Return when `answers()` is true; raise `ServiceError` when the process ends first or time is up."""
        def ready() -> bool:
            if self._popen.poll() is not None:
                raise ServiceError(f"ended with status {self._popen.returncode}: {self.log_tail()}")
            return answers()
        try:
            wait_until(ready, limit_s, f"{self._popen.args!r} answers")
        except ServiceError:
            self.stop(signal.SIGKILL)
            raise

    def stop(self, by: signal.Signals = signal.SIGTERM, limit_s: float = 30.0) -> None:
        """Signal the process and wait for its end; after `limit_s` it is killed."""
        if self._popen.poll() is None:
            self._popen.send_signal(by)
        try:
            self._popen.wait(limit_s)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()

    def log_tail(self) -> str:
        """The end of the process's log."""
        return self.log.read_bytes()[-LOG_TAIL_BYTES:].decode(errors="replace")
