# SPDX-License-Identifier: Apache-2.0
"""The deployment's clock: what `ingested_at` is read from."""

import time

from schemas.errors import FatalError
from schemas.log import Clock
from streams.settings import ClockSettings


def wall_us() -> int:
    """The machine's own clock, microseconds since 1970, UTC."""
    return time.time_ns() // 1000


def now_us(settings: ClockSettings) -> int:
    """The present moment of a deployment, microseconds since 1970, UTC.

    Raises
    ------
    FatalError
        The clock is that of the data: only the replay knows what time it is there.
    """
    if settings.kind is Clock.WALL:
        return wall_us()
    if settings.kind is Clock.SIMULATED:
        return settings.start_us + round((wall_us() - settings.wall_start_us) * settings.speed)
    raise FatalError(
        "drukte.toml: clock.kind = 'data' is the clock of a replay; "
        "a running service needs 'wall' or 'simulated'"
    )
