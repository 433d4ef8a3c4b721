# SPDX-License-Identifier: Apache-2.0
"""When an open alert that does not change is told again, so that no receiver sees it expire. Pure.

The moments are the same for all alerts: whole multiples of a third of the time after which a document expires. So they
hang on nothing that a restart forgets, and one that is missed, or overtaken by an acknowledgement, does no harm: the
next one comes before the document in force expires. Times are those of the alerts (log time), microseconds since 1970,
UTC.
"""

from collections.abc import Sequence

from schemas.alert import Transition
from streams.deliver.present import Alerts, Told

IN_A_LIFE = 3
"""Moments in the time after which a document expires."""
GRACE_US = 60_000_000
"""So much later a renewal goes out: a transition of before its moment should be known by then."""


def renewal_due_us(newest: Transition, now_us: int, expires_us: int) -> int | None:
    """The last moment at which this open alert was to be told again; None where its own document is younger.

    Parameters
    ----------
    newest : Transition
        Of the alert.
    now_us : int
    expires_us : int
        How long after it was sent a document expires.
    """
    period_us = expires_us // IN_A_LIFE
    moment_us = (now_us - GRACE_US) // period_us * period_us
    return moment_us if moment_us > newest.at_us else None


def renewals_before(life: Sequence[Transition], sent_us: int, expires_us: int) -> list[tuple[Transition, int]]:
    """Earlier renewals that a document has to refer to: those that have not expired when it is sent.

    Parameters
    ----------
    life : sequence of Transition
        Those before it that have a document, in order.
    sent_us : int
    expires_us : int
    """
    period_us = expires_us // IN_A_LIFE
    first_us = (sent_us - expires_us) // period_us * period_us + period_us
    found = []
    for moment_us in range(first_us, sent_us - GRACE_US, period_us):
        known = [one for one in life if one.at_us <= moment_us + GRACE_US]
        if known and known[-1].at_us < moment_us:
            found.append((known[-1], moment_us))
    return found


def standing_renewals(alerts: Alerts, now_us: int, expires_us: int) -> list[tuple[Told, int]]:
    """The newest transition of each open alert that a renewal is due of, with its moment."""
    due = ((told, renewal_due_us(told.transition, now_us, expires_us)) for told in alerts.open())
    return [(told, moment_us) for told, moment_us in due if moment_us is not None]
