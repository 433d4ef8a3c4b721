# SPDX-License-Identifier: Apache-2.0
"""Memory of the fold alone over days of log time, further than a load by the clock plays: a leak would go on."""

import ctypes
import gc
import os

from benchmarks.city import camera_city, write_city
from benchmarks.feed import START_US, STEP_US, log_messages
from benchmarks.figure import Figure
from benchmarks.stage import Stage, rss_mb
from schemas.log import decode_log
from streams.core.step import Partition

STEPS_AN_HOUR = 360
LOOKS = 8


def run(stage: Stage, *, short: bool) -> list[Figure]:
    """Resident memory that the state and its making take, and how it grows over the second half."""
    zones, hours = (200, 4) if short else (5_000, 48)
    city = write_city(stage.folder("fold-memory") / "city.toml", camera_city(zones))
    before_mb = _needed_mb()
    state = Partition(city, 1, 0)
    step_of_looks = [hours * STEPS_AN_HOUR * look // LOOKS for look in range(1, LOOKS + 1)]
    held_mb: list[float] = []
    messages = log_messages(city, zones, 1, 1, hours * STEPS_AN_HOUR, zones)  # a message a step
    for number, (_, headers, value) in enumerate(messages):
        state.step(decode_log(headers, value), START_US + number * STEP_US)
        if number in step_of_looks:
            held_mb.append(_needed_mb() - before_mb)
            stage.say(f"fold-memory: {number / STEPS_AN_HOUR:g} of {hours} h; {held_mb[-1]:.1f} MB")
    conditions = f"{zones} cameras every 10 s, one partition, in process, {hours} h of log time, after malloc_trim"
    days = (step_of_looks[-1] - step_of_looks[LOOKS // 2 - 1]) / STEPS_AN_HOUR / 24
    return [
        Figure("memory of the fold, at most", max(held_mb), "MB", conditions, lower_is_better=True),
        Figure("memory of the fold, growth", (held_mb[-1] - held_mb[LOOKS // 2 - 1]) / days, "MB a day of log time",
               f"over the last {days * 24:g} h", lower_is_better=True),
    ]


def _needed_mb() -> float:
    """Resident memory without what was freed and the allocator keeps for the next time."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)  # glibc's
    if trim is not None:
        trim(0)
    return rss_mb(os.getpid())
