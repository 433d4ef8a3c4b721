# SPDX-License-Identifier: Apache-2.0
"""How long and how often a receiver is tried, and what its answers mean. Pure."""

from dataclasses import dataclass

STALE_S = 300.0
"""A transition that is older at its first try is not told any more; the present state is."""
_LATER = {408, 425, 429}


@dataclass(frozen=True, slots=True)
class Patience:
    """Times of one receiver.

    Parameters
    ----------
    first_delay_s, longest_delay_s : float
        The wait after the first failure, and the longest; it doubles in between.
    limit_s : float
        From the first try on; after it a transition is given up.
    stale_s : float
    """

    first_delay_s: float
    longest_delay_s: float
    limit_s: float
    stale_s: float = STALE_S

    def delay_s(self, attempts: int, jitter: float) -> float:
        """Seconds until the next try.

        Parameters
        ----------
        attempts : int
            Failures in a row, at least 1.
        jitter : float
            Between 0 and 1: takes up to half of the wait off, so that senders do not come back together.
        """
        doublings = min(attempts - 1, 60)
        return min(self.first_delay_s * 2.0**doublings, self.longest_delay_s) * (1 - jitter / 2)


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
