# SPDX-License-Identifier: Apache-2.0
"""Waiting for what is away: again and again, later and later, until it comes back or the writer is to stop."""

import random
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

import structlog

from schemas.errors import TransientError

FIRST_DELAY_S = 0.2
LONGEST_DELAY_S = 10.0

log = structlog.get_logger(__name__)
T = TypeVar("T")


class StoppedError(Exception):
    """The writer was asked to stop while it waited."""


def delays_s() -> Iterator[float]:
    """Seconds to wait before each next try: doubling, with jitter so that writers come back apart."""
    delay_s = FIRST_DELAY_S
    while True:
        yield delay_s * random.uniform(0.5, 1.0)  # noqa: S311  no secret
        delay_s = min(2 * delay_s, LONGEST_DELAY_S)


def retried(action: Callable[[], T], stop: threading.Event) -> T:
    """Do it until no `TransientError` comes of it.

    Raises
    ------
    StoppedError
        `stop` was set meanwhile.
    """
    for tries, delay_s in enumerate(delays_s(), start=1):
        try:
            done = action()
        except TransientError as error:
            log.warning("waiting", error=str(error), tries=tries, delay_s=round(delay_s, 2))
            if stop.wait(delay_s):
                raise StoppedError from None
        else:
            if tries > 1:
                log.info("going on", tries=tries)
            return done
    raise AssertionError  # delays never end
