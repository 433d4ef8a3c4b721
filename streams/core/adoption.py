# SPDX-License-Identifier: Apache-2.0
"""Alerts that were open before a worker had to begin without a snapshot: their ids go on.

Whether the condition of an adopted alert still holds is judged where every alert falls: at the next closed
window with a value (`streams.core.alerting.fall`). Until then it stays open, since no news is not good news.
"""

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from schemas.alert import Cause, State, Transition
from streams.core.alerting import FIRST_OPEN, Case

Identity = tuple[str, str, str, str]
"""Place, rule, measure and severity."""


def adopt(cases: Mapping[Identity, Case], alerts: Sequence[Transition], now_us: int) -> list[Transition]:
    """Give open alerts back to their cases.

    Parameters
    ----------
    cases : mapping of (place, rule, measure, severity) to Case
        All of the partition; changed in place.
    alerts : sequence of Transition
        The last transition of each alert that is open. Of several of one case the one opened last goes on.
    now_us : int
        Log time, microseconds since 1970, UTC.

    Returns
    -------
    list of Transition
        Adopted alerts that changed meanwhile or whose place or rule is gone or is another one now, then what is open
        and was not adopted.
    """
    told: list[Transition] = []
    newest: dict[Identity, Transition] = {}
    for alert in sorted(alerts, key=lambda one: (one.opened_at_us, one.alert_id)):
        if alert.state_to not in FIRST_OPEN:
            continue
        key = (alert.place, alert.rule, alert.measure, alert.severity)
        if key not in cases:
            told.append(ended(alert, Cause.CITY, now_us))
            continue
        if key in newest:
            told.append(ended(newest[key], Cause.ADOPT, now_us))
        newest[key] = alert
    for key, alert in newest.items():
        told += _adopted(cases[key], alert, now_us)
    for key, case in cases.items():
        if case.open and key not in newest and case.last is not None:
            told.append(case.last)
    return told


def ended(alert: Transition, cause: Cause, now_us: int) -> Transition:
    """The transition that resolves an open alert for another reason than its condition."""
    return replace(alert, seq=alert.seq + 1, state_from=alert.state_to, state_to=State.RESOLVED,
                   level_from=alert.level_to, cause=cause, at_us=now_us)


def _adopted(case: Case, alert: Transition, now_us: int) -> list[Transition]:
    if case.alert_id == alert.alert_id and case.last is not None:  # the log reaches back to its beginning
        return [case.last] if case.last.seq > alert.seq else []
    found = case.last if case.open else None
    case.alert_id, case.seq, case.opened_at_us = alert.alert_id, alert.seq, alert.opened_at_us
    case.acknowledged, case.escalated, case.exercise = alert.acknowledged, alert.escalated, alert.exercise
    # Since when nobody took it is not told: rather too early to the second receiver than too late.
    case.assigned, case.clock_us = alert.assigned, alert.opened_at_us
    case.suppressed = alert.suppressed  # as it was told; what holds now is told at the next step
    if found is None:
        case.state, case.level, case.stale = alert.state_to, alert.level_to, alert.stale
        case.raised = case.cleared = 0
        case.adopted, case.last = True, alert
        return []
    if (case.state, case.level, case.stale) == (alert.state_to, alert.level_to, alert.stale):
        case.last = alert
        return []
    case.seq += 1
    case.last = replace(found, acknowledged=case.acknowledged, escalated=case.escalated, exercise=case.exercise,
                        assigned=case.assigned, suppressed=case.suppressed,
                        alert_id=alert.alert_id, seq=case.seq, state_from=alert.state_to,
                        level_from=alert.level_to, cause=Cause.ADOPT, opened_at_us=alert.opened_at_us, at_us=now_us)
    return [case.last]
