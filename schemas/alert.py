# SPDX-License-Identifier: Apache-2.0
"""The transition of an alert: what `alerts` carries and the database keeps."""

from enum import StrEnum
from hashlib import blake2b

import msgspec


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
    """A newer city version no longer has the rule or the place."""
    ADOPT = "adopt"
    """A worker had to begin anew; the alert was open before."""


class Transition(msgspec.Struct, frozen=True, kw_only=True):
    """One change of an alert. About people it carries the band as shown, never the value.

    Times are log times, microseconds since 1970, UTC. `(alert_id, seq)` is the identity: a repeat by a
    restarted worker has the same one.
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


def alert_id(site: str, place: str, rule: str, decided_at_us: int) -> str:
    """16 hex digits of BLAKE2b over what makes an alert itself, so that the same log gives the same id."""
    named = f"{site}\x1f{place}\x1f{rule}\x1f{decided_at_us}"
    return blake2b(named.encode(), digest_size=8).hexdigest()


def encode_transition(transition: Transition) -> bytes:
    """As JSON."""
    return msgspec.json.encode(transition)


def decode_transition(encoded: bytes) -> Transition:
    """Read what `encode_transition` wrote; raises `msgspec.ValidationError` on anything else."""
    return msgspec.json.decode(encoded, type=Transition)
