# SPDX-License-Identifier: Apache-2.0
"""The transition of an alert: what `alerts` carries and the database keeps."""

from enum import StrEnum
from hashlib import blake2b

import msgspec

from schemas.json_message import decode_json

TRANSITION_TYPE = "alert.transition.v1"
"""Of the messages on `alerts`, and of what receivers get, without the prefix."""


class State(StrEnum):
    """Where an alert stands in its life."""

    NORMAL = "normal"
    PENDING = "pending"
    FIRING = "firing"
    RECOVERING = "recovering"
    RESOLVED = "resolved"


class Cause(StrEnum):
    """Why a transition happened."""

    THRESHOLD = "threshold"
    SKIP = "skip"
    NO_DATA = "no-data"
    CITY = "city"
    """A newer city version no longer has the rule or the place, or the rule with another kind or severity."""
    ADOPT = "adopt"
    """A worker had to begin anew; the alert was open before."""
    COMMAND = "command"
    """An operator said so."""
    TIMER = "timer"
    """Its time had come: escalation, the end of a suppression."""
    INHIBITED = "inhibited"
    """An alert of a higher level at the same place opened or ended."""
    DRILL = "drill"
    """The exercise that it belonged to is over."""


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """One change of an alert. About people it carries the band as shown, never the value.

    Times are log times, microseconds since 1970, UTC. `(alert_id, seq)` is the identity: a repeat by a
    restarted worker has the same one. `low` and `high` are the range of what the rule looks at, in `unit`;
    `limit` is what it was held against. `trend` is -1, 0 or 1 against five minutes before; `next_low_min` and
    `next_high_min` the minutes until the next level, null where nobody can say. `command_id`, `actor` (a role)
    and `note_id` stand where a command caused the change.
    """

    alert_id: str
    seq: int
    site: str
    place: str
    rule: str
    severity: str
    measure: str
    unit: str
    level_from: int
    level_to: int
    state_from: State
    state_to: State
    stale: bool
    acknowledged: bool = False
    escalated: bool = False
    suppressed: bool = False
    exercise: bool = False
    window_start_us: int
    window_end_us: int
    people_low: int | None
    people_high: int | None
    percent_low: float | None
    percent_high: float | None
    coverage: float
    profile: str
    city_version: int
    cause: Cause
    opened_at_us: int
    at_us: int
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    trend: int | None = None
    next_low_min: float | None = None
    next_high_min: float | None = None
    reached: int = 0
    method: int = 1
    assigned: str = ""
    command_id: str = ""
    actor: str = ""
    note_id: str = ""

    @property
    def certainty(self) -> "Certainty":
        """How sure it is, from coverage, age of the data and width of the band."""
        return certainty(self.coverage, self.stale, self.people_low, self.people_high)


class Certainty(StrEnum):
    """How sure an alert is, in the operators' words."""

    SURE = "zeker"
    LIKELY = "waarschijnlijk"
    UNSURE = "onzeker"


SURE_COVERAGE, LIKELY_COVERAGE = 0.9, 0.5
SURE_WIDTH, LIKELY_WIDTH = 0.15, 0.5


def certainty(coverage: float, stale: bool, low: int | None, high: int | None) -> Certainty:
    """Words for what stands behind an alert.

    Sure: at least 90 % seen and a band no wider than 15 % of its upper edge; likely: half of it seen and the
    band no wider than half; else, and without data, unsure. Our own choice of words and limits.
    """
    width = 0.0 if low is None or high is None or high <= 0 else (high - low) / high
    if stale or coverage < LIKELY_COVERAGE or width > LIKELY_WIDTH:
        return Certainty.UNSURE
    return Certainty.SURE if coverage >= SURE_COVERAGE and width <= SURE_WIDTH else Certainty.LIKELY


def alert_id(site: str, place: str, rule: str, decided_at_us: int) -> str:
    """16 hex digits of BLAKE2b over what makes an alert itself, so that the same log gives the same id."""
    named = f"{site}\x1f{place}\x1f{rule}\x1f{decided_at_us}"
    return blake2b(named.encode(), digest_size=8).hexdigest()


def encode_transition(transition: Transition) -> bytes:
    """As JSON."""
    return msgspec.json.encode(transition)


def decode_transition(encoded: bytes) -> Transition:
    """Read what `encode_transition` wrote; raises `RefusedError` on anything else."""
    return decode_json(encoded, Transition, "a transition")
