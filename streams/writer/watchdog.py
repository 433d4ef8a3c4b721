# SPDX-License-Identifier: Apache-2.0
"""Ends a writer that stands still while messages come in and both broker and database answer.

A supervisor starts it anew; a process that hangs without a word would be noticed by nobody.
"""

import os
import threading
from collections.abc import Callable, Mapping

import structlog

from schemas.errors import DrukteError, FatalError

WATCH_S = 45.0
"""Longer than any retry waits."""
END_S = 20.0
"""A writer that was told to end and has not by then is ended."""

Places = Mapping[tuple[str, int], int]

log = structlog.get_logger(__name__)


class Standstill:
    """Whether nothing was written between two looks though more came in. Pure."""

    def __init__(self) -> None:
        self._written: dict[tuple[str, int], int] | None = None
        self._behind = 0

    def reset(self) -> None:
        """Begin anew: the last look says nothing any more."""
        self._written = None

    def seen(self, written: Places, ends: Places) -> bool:
        """Take a look in.

        Parameters
        ----------
        written : mapping of (topic, partition) to int
            Next offset to be written.
        ends : mapping of (topic, partition) to int
            Next offset to be appended, as the broker says now.

        Returns
        -------
        bool
            Whether it stood still since the last look and fell behind meanwhile.
        """
        behind = sum(max(ends.get(place, 0) - following, 0) for place, following in written.items())
        stood = self._written == dict(written) and behind > self._behind
        self._written, self._behind = dict(written), behind
        return stood


class Watchdog:
    """Looks every `watch_s` seconds, in a thread of its own.

    Parameters
    ----------
    written : callable
        As `Standstill.seen` takes it; must not wait.
    ends : callable
        Asks the broker; raises `DrukteError` where it does not answer.
    ask_database : callable
        Asks the database; raises `DrukteError` where it does not answer.
    end : callable
        Makes the writer end; called once.
    watch_s : float
    """

    def __init__(
        self, written: Callable[[], Places], ends: Callable[[], Places], ask_database: Callable[[], None],
        end: Callable[[], None], watch_s: float,
    ) -> None:
        self._written = written
        self._ends = ends
        self._ask_database = ask_database
        self._end = end
        self._watch_s = watch_s
        self._stopped = threading.Event()
        self._standstill = Standstill()
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self.failure: FatalError | None = None
        """Why the writer has to end."""

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def stop(self) -> None:
        """Look no more: the writer ends."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(self._watch_s):
            if self._look():
                self.failure = FatalError(
                    f"nothing was written for {self._watch_s:g} s while messages came in, though broker and database "
                    "answer; does another session hold a lock on live.*? The process ends, a restart goes on"
                )
                log.critical("writer ends", reason=str(self.failure))
                self._end()
                if not self._stopped.wait(END_S):
                    os._exit(1)
                return

    def _look(self) -> bool:
        try:
            written = dict(self._written())
            ends = self._ends()
            self._ask_database()
        except DrukteError:
            self._standstill.reset()
            return False
        return self._standstill.seen(written, ends)
