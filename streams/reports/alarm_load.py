# SPDX-License-Identifier: Apache-2.0
"""How much the alarms of a time ask of one operator, by the yardstick of EEMUA 191 and ISA-18.2.

An alarm is an alert that opened and was told: neither suppressed nor inhibited at that moment.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from schemas.alert import State, Transition
from schemas.rules import Severity

SLOT_US = 600_000_000
HOUR_US = 3_600_000_000
STALE_US = 8 * HOUR_US
"""An alert that stands longer than a shift."""
FLOOD_FROM = 11
"""More than ten alarms in ten minutes are a flood."""
GOAL_PER_HOUR = 6.0


@dataclass(frozen=True, slots=True)
class AlarmLoad:
    """Alarms of a time.

    Parameters
    ----------
    alarms : int
    per_hour : float
        Mean over the time.
    slots : tuple of int
        Alarms of each ten minutes from the begin on; the last slot may be shorter.
    largest : int
        Most alarms within any ten minutes, wherever they begin.
    floods : int
        Slots with more than ten alarms.
    """

    alarms: int
    per_hour: float
    slots: tuple[int, ...]
    largest: int
    floods: int


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm as an operator saw it; times in microseconds since 1970, UTC, `ended_us` None while it is open."""

    alert_id: str
    place: str
    rule: str
    severity: str
    opened_us: int
    ended_us: int | None


def alarm_load(times_us: Iterable[int], from_us: int, until_us: int) -> AlarmLoad:
    """The load of the alarms that opened at some times.

    Parameters
    ----------
    times_us : iterable of int
        When each alarm opened, in any order; those outside the time are left out.
    from_us, until_us : int
        The time, its end not included.

    Raises
    ------
    ValueError
        The end is not behind the begin.
    """
    if until_us <= from_us:
        raise ValueError("until_us has to be behind from_us")
    given = np.array(list(times_us), np.int64)
    times = np.sort(given[(given >= from_us) & (given < until_us)])
    slots = np.bincount((times - from_us) // SLOT_US, minlength=-((from_us - until_us) // SLOT_US))
    within = np.searchsorted(times, times + SLOT_US, side="left") - np.arange(len(times))
    return AlarmLoad(
        alarms=len(times), per_hour=len(times) * HOUR_US / (until_us - from_us), slots=tuple(slots.tolist()),
        largest=int(within.max(initial=0)), floods=int((slots >= FLOOD_FROM).sum()))


def alarms_of(told: Sequence[Transition]) -> list[Alarm]:
    """The alarms among transitions, in the order of their opening.

    An alarm asks an operator to do something: an alert of severity `info` is shown and calls nobody, and one that is
    suppressed or inhibited in the step of its opening called nobody either.
    """
    first: dict[str, Transition] = {}
    quiet: set[str] = set()
    ended_us: dict[str, int] = {}
    for one in told:
        opened = first.setdefault(one.alert_id, one)
        if one.suppressed and one.at_us == opened.at_us:
            quiet.add(one.alert_id)
        if one.state_to is State.RESOLVED:
            ended_us[one.alert_id] = one.at_us
    return sorted(
        (Alarm(key, one.place, one.rule, one.severity, one.opened_at_us, ended_us.get(key))
         for key, one in first.items() if key not in quiet and one.severity != Severity.INFO),
        key=lambda alarm: (alarm.opened_us, alarm.place, alarm.rule))


def chattering(alarms: Sequence[Alarm]) -> list[Alarm]:
    """Alarms that came again within ten minutes of the end of the last one of the same rule at the same place."""
    last: dict[tuple[str, str], Alarm] = {}
    found = []
    for alarm in sorted(alarms, key=lambda one: one.opened_us):
        before = last.get((alarm.place, alarm.rule))
        if before is not None and before.ended_us is not None and alarm.opened_us - before.ended_us < SLOT_US:
            found.append(alarm)
        last[alarm.place, alarm.rule] = alarm
    return found


def stale(alarms: Sequence[Alarm], until_us: int) -> list[Alarm]:
    """Alarms that stood, or still stand at `until_us`, for more than eight hours."""
    return [one for one in alarms
            if (until_us if one.ended_us is None else one.ended_us) - one.opened_us > STALE_US]
