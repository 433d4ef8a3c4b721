# SPDX-License-Identifier: Apache-2.0
"""Messages of `site-log` that aged out before this deployment folded them: told once, and gone on behind them.

The state of a snapshot is worth more than none: alerts keep their ids, running counters their base. Log time
passes the hole inside the fold, which tells the windows in it as missing.
"""

from dataclasses import dataclass
from datetime import UTC, datetime

from schemas.letter import Letter, encode_letter, letter_headers
from schemas.log import Topic
from schemas.refusal import Reason
from streams.worker.effects import SERVICE, SOURCE, Outgoing


@dataclass(frozen=True, slots=True)
class Gap:
    """A hole in the log of a partition.

    Parameters
    ----------
    number : int
        The partition.
    first, following : int
        Offset of the first message that is gone, and of the first behind them.
    from_us : int
        Log time before the hole, microseconds since 1970, UTC.
    """

    number: int
    first: int
    following: int
    from_us: int

    @property
    def messages(self) -> int:
        """How many messages are gone."""
        return self.following - self.first

    @property
    def place(self) -> str:
        """Topic, partition, first and last offset."""
        return f"{Topic.SITE_LOG}[{self.number}]@{self.first}-{self.following - 1}"


def gap_letter(gap: Gap, until_us: int, append_us: int) -> Outgoing:
    """The dead letter of a hole, by which `drukte doctor` knows of it for as long as letters are kept.

    Parameters
    ----------
    gap : Gap
    until_us : int
        Log time behind the hole.
    append_us : int
        When the broker got the first message behind it.
    """
    letter = Letter(
        reason=Reason.LOST, where=gap.place, count=gap.messages, source=SERVICE, size=0, at_us=append_us,
        detail=f"aged out before they were folded; windows from {log_time_text(gap.from_us)} to "
               f"{log_time_text(until_us)} are missing",
        topic=Topic.SITE_LOG, partition=gap.number, offset=gap.first,
    )
    headers = letter_headers(SOURCE, f"{Topic.SITE_LOG}/{gap.number}/{gap.first}/{gap.following}", letter)
    return Outgoing(Topic.DEAD_LETTERS, encode_letter(letter), headers, key=Topic.SITE_LOG.encode())


def log_time_text(at_us: int) -> str:
    """A log time for people: ISO 8601, UTC, to the second."""
    return datetime.fromtimestamp(at_us // 1_000_000, UTC).isoformat()
