# SPDX-License-Identifier: Apache-2.0
"""A limit on log lines: with the broker away aiokafka writes the same sentence thousands of times."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass

WINDOW_S = 10.0
LINES = 3


@dataclass(slots=True)
class _Spell:
    began_s: float
    lines: int = 0
    left_out: int = 0


class RateLimit(logging.Filter):
    """Lets `LINES` lines of one logger, level and wording through in `WINDOW_S` seconds.

    The next line that passes says how many were left out. To be put on a handler: filters of a logger do not
    see what its children log.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._spells: dict[tuple[str, int, str], _Spell] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether the record is to be written."""
        key = (record.name, record.levelno, str(record.msg))
        now_s = self._clock()
        spell = self._spells.get(key)
        if spell is None or now_s - spell.began_s >= WINDOW_S:
            left_out = spell.left_out if spell else 0
            self._spells[key] = spell = _Spell(now_s)
            if left_out:
                record.msg = f"{record.msg} (and {left_out} more like it)"
        spell.lines += 1
        if spell.lines <= LINES:
            return True
        spell.left_out += 1
        return False


def limit_library_logs() -> None:
    """Send what libraries log at WARNING or above to stderr, with the limit."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    handler.addFilter(RateLimit())
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
