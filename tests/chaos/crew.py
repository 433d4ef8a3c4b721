# SPDX-License-Identifier: Apache-2.0
"""The processes of a deployment under a supervisor that starts again whatever ended, and who strikes them."""

import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from tests.chaos.faults import Action, Fault
from tests.services.process import Process, ServiceError

BACK_OFF_S = 1.0
"""A process that ended by itself is started again after it."""


class Watched(Process):
    """A process whose end can be seen."""

    @property
    def status(self) -> int | None:
        """Exit status, negative for a signal; None while it runs."""
        return self._popen.poll()


class Service(Protocol):
    """Kafka or TimescaleDB of the tests."""

    def start(self) -> None: ...

    def stop(self, by: signal.Signals = ...) -> None: ...


def _with_children(pid: int) -> list[int]:
    found, waiting = [], [pid]
    while waiting:
        one = waiting.pop()
        found.append(one)
        with suppress(OSError):
            waiting += map(int, Path(f"/proc/{one}/task/{one}/children").read_text().split())
    return found


class Member:
    """One supervised process.

    Parameters
    ----------
    name : str
    start : callable
        Starts it and gives its process id; raises `ServiceError` when it does not come up.
    kill : callable
        Ends it at once.
    status : callable
        As `Watched.status`.
    """

    def __init__(
        self, name: str, start: Callable[[], int], kill: Callable[[], None], status: Callable[[], int | None]
    ) -> None:
        self.name = name
        self._start = start
        self._kill = kill
        self._status = status
        self._frozen: list[int] = []
        self._until_s = 0.0
        self._running = False
        self._wanted = True
        self._pid = 0
        self.counts: Counter[str] = Counter()

    @property
    def well(self) -> bool:
        """Whether it runs and is not frozen."""
        return self._running and not self._frozen and self._status() is None

    def strike(self, fault: Fault) -> None:
        """Kill or freeze it."""
        self.counts[fault.action] += 1
        self._until_s = time.monotonic() + fault.down_s
        if fault.action is Action.KILL:
            self._kill()
            self._running = False
            return
        self._frozen = _with_children(self._pid)
        for pid in self._frozen:
            _send(pid, signal.SIGSTOP)

    def attend(self) -> None:
        """Let it go on, or start it (again), when its time has come."""
        if self._running and not self._frozen and (status := self._status()) is not None:
            self.counts[f"ended by itself with status {status}"] += 1
            self._running = False
            self._until_s = time.monotonic() + BACK_OFF_S
        if time.monotonic() < self._until_s:
            return
        if self._frozen:
            self.thaw()
        elif not self._running and self._wanted:
            self._begin()

    def thaw(self) -> None:
        """Let it go on."""
        for pid in self._frozen:
            _send(pid, signal.SIGCONT)
        self._frozen = []

    def retire(self) -> None:
        """Not to be started again."""
        self._wanted = False
        self._running = False

    def _begin(self) -> None:
        try:
            self._pid = self._start()
        except ServiceError:
            self.counts["starts that failed"] += 1
            self._until_s = time.monotonic() + BACK_OFF_S
            return
        self._running = True
        self.counts["starts"] += 1


def _send(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, number)


class Program:
    """`drukte NAME ...` as a process that ends with this one."""

    def __init__(self, name: str, arguments: list[str], folder: Path) -> None:
        self._command = [sys.executable, "-m", "streams.cli", *arguments]
        self._log = folder / f"{name}.log"
        self._process: Watched | None = None
        self.member = Member(name, self._start, self._kill, self._status)

    def stop(self) -> None:
        """Ask it to end, and wait."""
        self.member.retire()
        if self._process is not None:
            self._process.stop()

    def log_tail(self) -> str:
        """The end of its log."""
        return "" if self._process is None else self._process.log_tail()

    def _start(self) -> int:
        self._process = Watched(self._command, self._log)
        return self._process.pid

    def _kill(self) -> None:
        if self._process is not None:
            self._process.stop(signal.SIGKILL)

    def _status(self) -> int | None:
        return None if self._process is None else self._process.status


def service_member(name: str, service: Service, process_of: Callable[[], Process | None]) -> Member:
    """A service as a member; it counts as running until it is killed."""
    def start() -> int:
        service.start()
        process = process_of()
        if process is None:
            raise ServiceError(f"{name} did not start")
        return process.pid

    return Member(name, start, lambda: service.stop(signal.SIGKILL), lambda: None)


class Crew:
    """All members together."""

    def __init__(self, members: list[Member]) -> None:
        self.members = {member.name: member for member in members}
        self.struck: Counter[Action] = Counter()

    def attend(self) -> None:
        """Look after each."""
        for member in self.members.values():
            member.attend()

    def strike(self, faults: list[Fault], since_s: float) -> list[Fault]:
        """Strike with all whose time has come and whose target is up; the others, for later."""
        left = []
        for fault in faults:
            member = self.members[fault.target]
            if fault.at_s <= since_s and member.well:
                member.strike(fault)
                self.struck[fault.action] += 1
            else:
                left.append(fault)
        return left

    def strike_now(self, names: Iterable[str]) -> None:
        """Kill these at once."""
        for name in names:
            self.members[name].strike(Fault(0.0, name, Action.KILL, 0.0))
            self.struck[Action.KILL] += 1

    @property
    def well(self) -> bool:
        """Whether all run."""
        return all(member.well for member in self.members.values())
