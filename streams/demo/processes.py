# SPDX-License-Identifier: Apache-2.0
"""The demo's services as processes of their own: started on a leash, watched, stopped together."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import streams
from streams.demo import leash

STOP_LIMIT_S = 10.0
LAST_LINES = 20
POLL_S = 0.05


@dataclass(frozen=True, slots=True)
class Failure:
    """A process that ended by itself: its name, its exit code and the end of its log."""

    name: str
    exit_code: int
    last_lines: tuple[str, ...]

    def __str__(self) -> str:
        said = "\n".join(f"  {line}" for line in self.last_lines) or "  (it said nothing)"
        return f"{self.name} ended by itself with exit code {self.exit_code}; its log ends so:\n{said}"


class Processes:
    """Processes that end together, at the latest when this process does.

    Start them from the main thread: the leash is tied to the thread that starts them.

    Parameters
    ----------
    folder : Path
        Where they run and where their logs go.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, name: str, arguments: Sequence[str]) -> None:
        """Run `python -m ARGUMENTS` under a name, with its output in `NAME.log`."""
        # Killed, not asked, when this process is gone: nobody would be there to see how they stop.
        tie = [sys.executable, "-I", "-S", str(leash.__file__), str(os.getpid()), str(int(signal.SIGKILL))]
        with self._log(name).open("ab") as log:
            self._running[name] = subprocess.Popen(  # noqa: S603 - our own program with arguments of ours
                [*tie, sys.executable, "-m", *arguments], cwd=self._folder, env=_environment(self._folder),
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )

    def failure(self) -> Failure | None:
        """The first process that has ended, if any: none of them should."""
        for name, process in self._running.items():
            code = process.poll()
            if code is not None:
                lines = self._log(name).read_text(errors="replace").splitlines()
                return Failure(name, code, tuple(lines[-LAST_LINES:]))
        return None

    def stop(self) -> None:
        """Ask all to end, in the order in which they were started; whoever does not in time is killed."""
        running, self._running = self._running, {}
        for process in running.values():
            _signal_group(process, signal.SIGTERM)
        limit = time.monotonic() + STOP_LIMIT_S
        for process in running.values():
            with suppress(subprocess.TimeoutExpired):
                process.wait(max(POLL_S, limit - time.monotonic()))
        for process in running.values():
            # Also where the process itself has ended: it may have left others in its group.
            _signal_group(process, signal.SIGKILL)
            process.wait()

    def _log(self, name: str) -> Path:
        return self._folder / f"{name}.log"


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)


def _environment(folder: Path) -> dict[str, str]:
    """The environment, with the packages found from `folder`, and temporary files kept in it."""
    packages = str(Path(streams.__file__).parent.parent)
    known = os.environ.get("PYTHONPATH")
    path = packages if known is None else os.pathsep.join([packages, known])
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "TMPDIR": str(folder)}
