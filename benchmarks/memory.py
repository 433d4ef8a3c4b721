# SPDX-License-Identifier: Apache-2.0
"""Memory of gateway, worker and writer over a long load: 5,000 cameras, an accelerated clock."""

import time
from contextlib import ExitStack

import numpy as np

from benchmarks.city import camera_city
from benchmarks.feed import START_US, STEP_US, Crowd
from benchmarks.figure import Figure
from benchmarks.poster import BenchClock, Poster, answers
from benchmarks.stage import Running, Stage, rss_mb
from benchmarks.workers import LIMIT_S, PARTITIONS, SITES, all_held
from tests.services.process import free_port, wait_until

SPEED = 10.0
"""Faster, a request would have to be answered before its readings could be joined with others."""
SAMPLE_S = 1.0
SETTLED_SHARE = 0.5
"""Growth is judged over the second half: rings and caches are filled by then."""
MB_AN_HOUR_PER_MB_A_S = 3600.0


def run(stage: Stage, *, short: bool, minutes: float = 10.0) -> list[Figure]:
    """Resident memory at the end, at most, and how it grows."""
    zones, play_s = (200, 15.0) if short else (5_000, minutes * 60)
    clock, port = BenchClock(SPEED), free_port()
    settings = (f'{clock.settings}[gateway]\nport = {port}\n[database]\nuri = "{stage.fresh_database()}"\n')
    deployment = stage.deployment("memory", camera_city(zones, SITES), PARTITIONS, settings)
    url = f"http://127.0.0.1:{port}"
    samples: dict[str, list[float]] = {"gateway": [], "worker": [], "writer": []}
    with ExitStack() as stack:
        running = {name: stack.enter_context(deployment.program(name)) for name in samples}
        wait_until(lambda: answers(url) and all_held([running["worker"]]), LIMIT_S, "gateway and worker are up")
        crowd = Crowd(zones)
        poster = Poster(url, clock, zones, lambda at_us: crowd.at((at_us - START_US) // STEP_US))
        poster.start()
        try:
            _sample(running, samples, play_s, stage)
        finally:
            poster.stop()
    return [figure for name, sampled in samples.items() for figure in _figures(name, sampled, play_s, poster, zones)]


def _sample(running: dict[str, Running], samples: dict[str, list[float]], play_s: float, stage: Stage) -> None:
    begun_s = time.monotonic()
    while (since_s := time.monotonic() - begun_s) < play_s:
        for name, sampled in samples.items():
            sampled.append(rss_mb(running[name].process.pid))
        shown = ", ".join(f"{name} {sampled[-1]:.0f} MB" for name, sampled in samples.items())
        stage.say(f"memory: {since_s / 60:.1f} of {play_s / 60:.1f} min; {shown}")
        time.sleep(SAMPLE_S)


def _figures(name: str, sampled: list[float], play_s: float, poster: Poster, zones: int) -> list[Figure]:
    settled = sampled[round(len(sampled) * SETTLED_SHARE):]
    slope_mb_a_sample = float(np.polyfit(np.arange(len(settled)), settled, 1)[0])
    conditions = (f"{zones} cameras, {poster.readings / play_s:,.0f} readings/s over HTTP, {play_s / 60:.1f} min, "
                  f"{play_s * SPEED / 3600:.1f} h of log time")
    return [
        Figure(f"memory of the {name}, at most", max(sampled), "MB", conditions, lower_is_better=True),
        Figure(f"memory of the {name}, growth", slope_mb_a_sample * len(sampled) / play_s * MB_AN_HOUR_PER_MB_A_S,
               "MB/h", "slope over the second half", lower_is_better=True),
    ]
