# SPDX-License-Identifier: Apache-2.0
"""A service that runs in a thread of the test: its failure is the test's, and at the end it has stopped by itself."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def in_thread(run: Callable[[threading.Event], object], limit_s: float = 60.0) -> Iterator[threading.Thread]:
    """Run until the block ends; `run` gets the event that tells it to stop, and has `limit_s` to do so."""
    stop, failures = threading.Event(), list[BaseException]()

    def guarded() -> None:
        try:
            run(stop)
        except BaseException as error:  # noqa: BLE001  # raised below
            failures.append(error)

    thread = threading.Thread(target=guarded)
    thread.start()
    try:
        yield thread
    finally:
        stop.set()
        thread.join(limit_s)
        if failures:
            raise failures[0]
    assert not thread.is_alive()
