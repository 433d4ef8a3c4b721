# SPDX-License-Identifier: Apache-2.0
"""What the gateway has counted since its start; shown by `GET /health`."""

import re
from collections import Counter
from dataclasses import dataclass, field

from schemas.refusal import PERSON_LEVEL_FIELDS, Reason, Refusal, normalised

_NAME = re.compile(r"[\w-]+")


@dataclass(slots=True)
class Tally:
    """Counters of one gateway.

    Parameters
    ----------
    requests, readings, messages, ticks : int
        Requests taken in, readings and messages acknowledged by the broker, ticks sent.
    refused : counter of (source, reason)
        Refused values.
    person_level : counter of (source, field)
        Refused messages that described one person, by the field; never a value.
    letters_lost : int
        Dead letters that the broker did not take.
    turned_away : int
        Requests whose token or signature opened no source: of nobody, so never by source.
    """

    requests: int = 0
    readings: int = 0
    messages: int = 0
    ticks: int = 0
    refused: Counter[tuple[str, Reason]] = field(default_factory=Counter)
    person_level: Counter[tuple[str, str]] = field(default_factory=Counter)
    letters_lost: int = 0
    turned_away: int = 0

    def refuse(self, source: str, refusals: list[Refusal]) -> None:
        """Count refusals of one source; of person-level ones also the fields, by their fixed names."""
        for refusal in refusals:
            self.refused[source, refusal.reason] += refusal.count
            if refusal.reason is Reason.PERSON_LEVEL:
                named = _NAME.findall(f"{refusal.where} {refusal.detail}")
                # Only names of our own list: what else a sender calls a field may itself describe a person.
                for name in {normalised(one) for one in named} & PERSON_LEVEL_FIELDS:
                    self.person_level[source, name] += refusal.count

    def as_dict(self) -> dict[str, object]:
        """As it stands in an answer."""
        return {
            "requests": self.requests,
            "readings": self.readings,
            "messages": self.messages,
            "ticks": self.ticks,
            "refused": _nested(self.refused),
            "person_level": _nested(self.person_level),
            "letters_lost": self.letters_lost,
            "turned_away": self.turned_away,
        }


def _nested(counted: Counter[tuple[str, Reason]] | Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    nested: dict[str, dict[str, int]] = {}
    for (source, name), count in counted.items():
        nested.setdefault(source, {})[str(name)] = count
    return nested
