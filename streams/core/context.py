# SPDX-License-Identifier: Apache-2.0
"""Context in the fold: the newest version of each record, told when it is new or changed and again now and then.

It changes no window and no alert: it is in the log so that whoever replays sees what stood beside a number.
"""

from collections.abc import Iterable

from schemas.context import HOUR_US, RECORDS_A_MESSAGE, ContextRecord, newest
from streams.core.effect import LiveContext

REPEAT_US = 600_000_000
"""All that stands is told again so often in log time: the page's server reads only the newest messages."""
KEPT_US = 24 * HOUR_US
"""A record that is over is remembered so long, so that its older versions do not bring it back."""
RECORDS_KEPT = 5_000
"""Most records of a partition; beyond them the ones that changed longest ago are forgotten."""


class Context:
    """The records of a partition.

    Attributes
    ----------
    records : list of ContextRecord
        By source and id, each in its newest version.
    """

    STATE = ("records",)

    def __init__(self) -> None:
        self.records: list[ContextRecord] = []

    def take(self, records: Iterable[ContextRecord], now_us: int) -> list[LiveContext]:
        """Fold records in.

        Parameters
        ----------
        records : iterable of ContextRecord
        now_us : int
            Log time, microseconds since 1970, UTC.

        Returns
        -------
        list of LiveContext
            What is new or newer than what was known; nothing for repeats and older versions.
        """
        known = {one.key: one for one in self.records}
        told = [
            one for key, one in newest(records).items()
            if (key in known or not one.is_over(now_us)) and (key not in known or one.order > known[key].order)
        ]
        if told:
            known |= {one.key: one for one in told}
            kept = [one for one in known.values() if not _is_forgotten(one, now_us)]
            kept.sort(key=lambda one: (one.changed_us, one.key))
            self.records = sorted(kept[-RECORDS_KEPT:], key=lambda one: one.key)
        return in_messages(told)

    def at_step(self, step_us: int) -> list[LiveContext]:
        """Every `REPEAT_US` all that is not over, for whoever came late."""
        if not self.records or step_us % REPEAT_US:
            return []
        return in_messages([one for one in self.records if not one.is_over(step_us)])


def in_messages(records: list[ContextRecord]) -> list[LiveContext]:
    """In pieces that fit into a message each."""
    return [
        LiveContext(tuple(records[first : first + RECORDS_A_MESSAGE]))
        for first in range(0, len(records), RECORDS_A_MESSAGE)
    ]


def _is_forgotten(record: ContextRecord, now_us: int) -> bool:
    over_us = record.changed_us if record.ended else record.ends_us
    return over_us is not None and over_us + KEPT_US <= now_us
