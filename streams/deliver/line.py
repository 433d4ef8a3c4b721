# SPDX-License-Identifier: Apache-2.0
"""The queue before one webhook receiver: which transition goes next, and which are left out. Pure.

Transitions of one alert go in their order, one after the other; alerts do not wait for each other. Times are
wall times in microseconds since 1970, UTC.
"""

from collections import deque
from dataclasses import dataclass, field

from schemas.delivery import Delivery, Outcome
from streams.deliver.answer import Answer, Patience
from streams.deliver.present import Told

SECOND_US = 1_000_000


@dataclass(slots=True)
class Waiting:
    """A transition on its way; `late` = too old at its first try, told as the present state."""

    told: Told
    attempts: int = 0
    first_try_us: int | None = None
    late: bool = False


@dataclass(slots=True)
class _Alert:
    transitions: deque[Waiting] = field(default_factory=deque)
    next_try_us: int = 0


class Line:
    """All that waits for one receiver.

    Parameters
    ----------
    receiver : str
    patience : Patience
    limit : int
        When so many wait, the oldest untried one of the same alert gives way to a new one. Each alert's
        newest transition and one that has been tried always stay.
    """

    def __init__(self, receiver: str, patience: Patience, limit: int) -> None:
        self._receiver = receiver
        self._patience = patience
        self._limit = limit
        self._alerts: dict[str, _Alert] = {}
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def holds(self, alert_id: str) -> bool:
        """Whether a transition of this alert waits."""
        return alert_id in self._alerts

    def add(self, told: Told, now_us: int, *, outdated: bool = False) -> list[Delivery]:
        """Put a transition in; what is settled by that without being sent.

        `outdated`: a later transition of the alert is known already, so that this one comes out of order.
        """
        new = Waiting(told)
        if outdated:
            return [self._settled(new, Outcome.SUPERSEDED, now_us)]
        alert = self._alerts.setdefault(told.transition.alert_id, _Alert())
        alert.transitions.append(new)
        self._length += 1
        if self._length <= self._limit:
            return []
        untried = [waiting for waiting in alert.transitions if not waiting.attempts]
        if len(untried) < 2:
            return []
        alert.transitions.remove(untried[0])
        self._length -= 1
        return [self._settled(untried[0], Outcome.SUPERSEDED, now_us)]

    def passed_over(self, told: Told, now_us: int) -> Delivery:
        """Settle a transition that the receiver does not want."""
        return self._settled(Waiting(told), Outcome.NOT_WANTED, now_us)

    def wait_s(self, now_us: int) -> float | None:
        """In how many seconds the next transition is due; None while nothing waits."""
        return min((self._patience.wait_s(alert.next_try_us, now_us) for alert in self._alerts.values()), default=None)

    def take(self, now_us: int) -> tuple[Waiting | None, list[Delivery]]:
        """The transition to send now, if one is due, and what is settled without being sent."""
        settled: list[Delivery] = []
        while self._alerts:
            alert_id, alert = min(
                self._alerts.items(), key=lambda item: (self._patience.wait_s(item[1].next_try_us, now_us),
                                                        item[1].next_try_us))
            if self._patience.wait_s(alert.next_try_us, now_us):
                break
            waiting = alert.transitions[0]
            if self._left_out(waiting, len(alert.transitions) > 1, now_us):
                settled.append(self._settled(waiting, Outcome.SKIPPED_STALE, now_us))
                self._remove(alert_id)
                continue
            if waiting.first_try_us is None:
                waiting.first_try_us = now_us
            waiting.attempts += 1
            return waiting, settled
        return None, settled

    def _left_out(self, waiting: Waiting, followed: bool, now_us: int) -> bool:
        age_s = (now_us - waiting.told.appended_us) / SECOND_US
        if waiting.attempts or age_s <= self._patience.stale_s:
            return False
        waiting.late = True
        # Of an alert that closed longer ago than a delivery is ever tried, nobody wants to hear any more.
        return followed or (not waiting.told.open and age_s > self._patience.limit_s)

    def answered(self, waiting: Waiting, answer: Answer, now_us: int, jitter: float) -> Delivery | None:
        """Take the answer to a try; the delivery if that settles it, else it will be tried again."""
        alert_id = waiting.told.transition.alert_id
        assert waiting.first_try_us is not None  # noqa: S101  only what was taken is answered
        outcome = None
        if answer.taken:
            outcome = Outcome.DELIVERED
        elif answer.final or now_us - waiting.first_try_us > self._patience.limit_s * SECOND_US:
            outcome = Outcome.FAILED
        if outcome is None:
            delay_s = self._patience.delay_s(waiting.attempts, jitter)
            self._alerts[alert_id].next_try_us = now_us + round(delay_s * SECOND_US)
            return None
        self._remove(alert_id)
        return self._settled(waiting, outcome, now_us, answer.status)

    def _remove(self, alert_id: str) -> None:
        alert = self._alerts[alert_id]
        alert.transitions.popleft()
        alert.next_try_us = 0
        self._length -= 1
        if not alert.transitions:
            del self._alerts[alert_id]

    def _settled(
        self, waiting: Waiting, outcome: Outcome, now_us: int, http_status: int | None = None
    ) -> Delivery:
        one = waiting.told.transition
        return Delivery(
            receiver=self._receiver, site=one.site, alert_id=one.alert_id, seq=one.seq, outcome=outcome,
            attempts=waiting.attempts, first_try_at_us=waiting.first_try_us, done_at_us=now_us,
            http_status=http_status, at_us=one.at_us,
        )
