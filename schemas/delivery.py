# SPDX-License-Identifier: Apache-2.0
"""What is told to the outside: the record of each delivery, and the event that a webhook carries."""

from enum import StrEnum

import msgspec

from schemas.alert import Cause, Certainty, State
from schemas.json_message import decode_json

DELIVERY_TYPE = "delivery.v1"
"""Of the messages on `deliveries`, without the prefix."""


class Outcome(StrEnum):
    """What became of one transition at one receiver."""

    DELIVERED = "delivered"
    FAILED = "failed"
    """Refused for good by the receiver, or given up after the limit."""
    SKIPPED_STALE = "skipped-stale"
    """Too old at its first try; the alert's present state was told in its place."""
    SUPERSEDED = "superseded"
    """Never tried: a later transition of the same alert was told in its place."""
    NOT_WANTED = "not-wanted"
    """Not for this receiver: not escalated yet, or no new document while the alert is suppressed."""


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """The end of one delivery. Nothing of the transition but its identity and its time.

    Parameters
    ----------
    receiver : str
        The receiver's name in the settings.
    site, alert_id, seq
        Which transition; `(receiver, alert_id, seq)` is the identity.
    outcome : Outcome
    attempts : int
        How often it was sent; 0 when it never was.
    first_try_at_us : int or None
        Wall time of the first try, microseconds since 1970, UTC.
    done_at_us : int
        Wall time of the outcome.
    http_status : int or None
        Of the last answer; None when there was none.
    at_us : int or None
        Log time of the transition; None in records of an older version.
    """

    receiver: str
    site: str
    alert_id: str
    seq: int
    outcome: Outcome
    attempts: int
    first_try_at_us: int | None
    done_at_us: int
    http_status: int | None
    at_us: int | None = None


class AlertEvent(msgspec.Struct, frozen=True, kw_only=True):
    """Body of a webhook: one transition, about people in bands only.

    `starts_at` and `ends_at` are wall times; `opened_at`, `at` and the window are log times. All are RFC 3339
    in UTC. `late` says that the transition was old already when it was first sent: it tells the alert's
    present state, and those before it were left out. `low` and `high` are the range of what the rule looks at, in
    `unit`, `limit` what it was held against; `trend` is -1, 0 or 1 against five minutes before, `next_low_min` and
    `next_high_min` the minutes until the next level. `assigned` is a role. What nobody can say is null. At the end of
    the watchdog's own alert `changes` says what changed while the engine was silent, a line each.
    """

    alert_id: str
    seq: int
    site: str
    place: str
    place_name: str
    rule: str
    severity: str
    exercise: bool
    measure: str
    unit: str
    state_from: State
    state_to: State
    level_from: int
    level_to: int
    level: str
    stale: bool
    late: bool
    people: str
    people_low: int | None
    people_high: int | None
    percent_low: float | None
    percent_high: float | None
    coverage: float
    profile: str
    city_version: int
    cause: Cause
    window_start: str
    window_end: str
    opened_at: str
    at: str
    starts_at: str
    ends_at: str | None
    summary: str
    acknowledged: bool = False
    escalated: bool = False
    suppressed: bool = False
    assigned: str = ""
    certainty: Certainty = Certainty.UNSURE
    low: float | None = None
    high: float | None = None
    limit: float | None = None
    trend: int | None = None
    next_low_min: float | None = None
    next_high_min: float | None = None
    changes: list[str] = []


def encode_delivery(delivery: Delivery) -> bytes:
    """As JSON."""
    return msgspec.json.encode(delivery)


def decode_delivery(encoded: bytes) -> Delivery:
    """Read what `encode_delivery` wrote; raises `RefusedError` on anything else."""
    return decode_json(encoded, Delivery, "a record of a delivery")
