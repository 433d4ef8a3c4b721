# SPDX-License-Identifier: Apache-2.0
"""Waiting that grows: how long it takes until the next try of what is away, and trying until it is back."""

import random
import threading
from collections.abc import Callable
from typing import TypeVar

import structlog

from schemas.errors import TransientError

FIRST_S = 0.5
LONGEST_S = 30.0
RETRIED_FIRST_S = 0.2
RETRIED_LONGEST_S = 10.0
_MOST_DOUBLINGS = 60
"""Beyond any limit, and far from what a float can hold."""

log = structlog.get_logger(__name__)
T = TypeVar("T")


class StoppedError(Exception):
    """Asked to stop while it waited."""


def delay_s(failures: int, longest_s: float = LONGEST_S, first_s: float = FIRST_S,
            jitter: float | None = None) -> float:
    """Seconds until the next try: doubling up to a limit, less a share so that clients do not come back together.

    Parameters
    ----------
    failures : int
        In a row, at least 1.
    longest_s, first_s : float
        The limit, and the wait after the first failure.
    jitter : float, optional
        Between 0 and 1: takes up to half of the wait off; drawn where it is not given.
    """
    share = random.random() if jitter is None else jitter  # noqa: S311  no secret
    return min(first_s * 2.0 ** min(failures - 1, _MOST_DOUBLINGS), longest_s) * (1 - share / 2)


def retried(action: Callable[[], T], stop: threading.Event) -> T:
    """Do it until no `TransientError` comes of it. Blocks.

    Raises
    ------
    StoppedError
        `stop` was set meanwhile.
    """
    failures = 0
    while True:
        try:
            done = action()
        except TransientError as error:
            failures += 1
            wait_s = delay_s(failures, RETRIED_LONGEST_S, RETRIED_FIRST_S)
            log.warning("waiting", error=str(error), tries=failures, delay_s=round(wait_s, 2))
            if stop.wait(wait_s):
                raise StoppedError from None
        else:
            if failures:
                log.info("going on", tries=failures + 1)
            return done
