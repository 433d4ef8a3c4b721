# SPDX-License-Identifier: Apache-2.0
"""Material for reports: an evening at the small city, in log time."""

from typing import Any

from schemas.alert import Cause, State, Transition
from schemas.command import Done, Outcome
from streams.reports.material import Heard, Material, ZoneRow
from tests.cities import small_city, small_roads
from tests.writer.samples import NOON, transition

MINUTE_US = 60_000_000
NOON_US = round(NOON.timestamp()) * 1_000_000
CITY = small_city(small_roads())


def at(minute: float) -> int:
    """So many minutes after noon."""
    return NOON_US + round(minute * MINUTE_US)


def change(alert_id: str, seq: int, minute: float, opened: float, **changes: Any) -> Transition:
    """A transition at a minute, of an alert that opened at another."""
    return transition(alert_id, seq, at_us=at(minute), opened_at_us=at(opened), **changes)


def end(alert_id: str, seq: int, minute: float, opened: float, cause: Cause = Cause.THRESHOLD) -> Transition:
    """Its end."""
    return change(alert_id, seq, minute, opened, state_from=State.RECOVERING, state_to=State.RESOLVED, level_to=0,
                  cause=cause)


def row(zone: str, minute: float, level: int | None, **changes: Any) -> ZoneRow:
    """A minute of a zone that ended then."""
    known = level is not None
    given: dict[str, Any] = {
        "zone": zone, "start_us": at(minute - 1), "end_us": at(minute), "people_low": 340 if known else None,
        "people_high": 344 if known else None, "percent_low": 85.0 if known else None,
        "percent_high": 86.0 if known else None, "level": level, "trend": 1 if known else None,
        "coverage": 1.0 if known else 0.0,
    }
    return ZoneRow(**(given | changes))


def taken(minute: float, place: str = "plein", done: Done = Done.DONE) -> Outcome:
    """A measure that was taken."""
    return Outcome(command_id=f"c{minute}", command="measure_taken", done=done, reason="", alert_id="", seq=0,
                   site="centrum", role="leider", at_us=at(minute), place=place, measure="plan/inlaat")


def evening(until: float = 60, since: float = 0, **changes: Any) -> Material:
    """Material of a time in minutes after noon, heard of to its end."""
    heard = {"centrum": Heard(at(until), MINUTE_US)}
    return Material(CITY.file, CITY.roads, at(since), at(until), **({"heard": heard} | changes))
