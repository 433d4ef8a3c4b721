# SPDX-License-Identifier: Apache-2.0
"""How long a door waits before it tries again. Pure but for the dice."""

import random

FIRST_S = 0.5
LONGEST_S = 30.0


def delay_s(failures: int, longest_s: float = LONGEST_S) -> float:
    """Seconds to wait after so many failures in a row: doubling, up to a limit, and never all at once."""
    return float(min(FIRST_S * 2 ** min(failures - 1, 16), longest_s) * random.uniform(0.5, 1.0))  # noqa: S311  no secret
