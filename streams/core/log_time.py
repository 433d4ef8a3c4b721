# SPDX-License-Identifier: Apache-2.0
"""Log time: the clock of the fold, moved by messages only."""

from schemas.log import Clock, LogMessage

WALL_LEAD_US = 2_000_000
"""How far a gateway's clock may run ahead of the broker's before it is cut."""
STEP_US = 10_000_000
"""The grid on which states and their rules are decided."""
UNSET = -1


class LogTime:
    """The maximum over all messages of when they were taken in; a wall clock is cut by the broker's stamp."""

    STATE = ("now_us",)

    def __init__(self) -> None:
        self.now_us = UNSET

    def advanced(self, message: LogMessage, append_us: int) -> int:
        """Take a message into account; log time afterwards, microseconds since 1970, UTC."""
        stamp_us = message.ingested_at_us
        if message.clock is Clock.WALL:
            stamp_us = min(stamp_us, append_us + WALL_LEAD_US)
        self.now_us = max(self.now_us, stamp_us)
        return self.now_us


def first_step_after(time_us: int) -> int:
    """The first grid point later than a time."""
    return (time_us // STEP_US + 1) * STEP_US
