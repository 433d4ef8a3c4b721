# SPDX-License-Identifier: Apache-2.0
"""What a receiver's answer means, and how often and how long it is tried. Pure."""

from dataclasses import dataclass

from streams import backoff

STALE_S = 300.0
"""A transition that is older at its first try is not told any more; the present state is."""
_LATER = {408, 425, 429}


@dataclass(frozen=True, slots=True)
class Patience:
    """Times of one receiver.

    Parameters
    ----------
    first_delay_s, longest_delay_s : float
        The wait after the first failure, and the longest.
    limit_s : float
        From the first try on; after it a transition is given up.
    stale_s : float
    """

    first_delay_s: float
    longest_delay_s: float
    limit_s: float
    stale_s: float = STALE_S

    def delay_s(self, attempts: int, jitter: float) -> float:
        """Seconds until the next try, after so many failures in a row; `jitter` as in `backoff.delay_s`."""
        return backoff.delay_s(attempts, self.longest_delay_s, self.first_delay_s, jitter)

    def wait_s(self, next_try_us: int, now_us: int) -> float:
        """Seconds until a try that was put off to a wall time; 0 = it is due.

        No wait is longer than the longest: where the time lies farther ahead, the machine's clock was set back.
        """
        wait_s = max(0, next_try_us - now_us) / 1_000_000
        return wait_s if wait_s <= self.longest_delay_s else 0.0


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: an HTTP status, or None and the kind of error."""

    status: int | None
    error: str = ""

    @property
    def taken(self) -> bool:
        """Whether the receiver has it."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def final(self) -> bool:
        """Whether no repetition will change the receiver's mind."""
        return self.status is not None and 400 <= self.status < 500 and self.status not in _LATER
