# SPDX-License-Identifier: Apache-2.0
"""What Alertmanager is told in one round: the present state of all alerts, never their history. Pure.

An active alert is told again every round, so that an Alertmanager that was restarted knows it again; one that closed
or was suppressed is told as ended, for some minutes. Times are wall times in microseconds since 1970, UTC.
"""

from dataclasses import dataclass

from schemas.delivery import Delivery, Outcome
from streams.deliver.answer import Answer, Patience
from streams.deliver.present import Alert, Alerts, Told

SECOND_US = 1_000_000
_Key = tuple[str, int]


@dataclass(slots=True)
class _Undelivered:
    told: Told
    attempts: int = 0
    first_try_us: int | None = None


@dataclass(frozen=True, slots=True)
class Round:
    """The alerts to tell now, and what is settled without being sent."""

    alerts: list[Alert]
    settled: list[Delivery]


class Rounds:
    """What one Alertmanager knows and lacks.

    Parameters
    ----------
    receiver : str
    alerts : Alerts
        Shared with the other receivers; taken from, never changed.
    patience : Patience
    resolve_for_s : float
        How long a closed or suppressed alert is told again.
    """

    def __init__(self, receiver: str, alerts: Alerts, patience: Patience, resolve_for_s: float) -> None:
        self._receiver = receiver
        self._alerts = alerts
        self._patience = patience
        self._resolve_for_us = round(resolve_for_s * SECOND_US)
        self._undelivered: dict[_Key, _Undelivered] = {}
        self._refused: set[_Key] = set()

    def __len__(self) -> int:
        return len(self._undelivered)

    def add(self, told: Told) -> None:
        """A transition that Alertmanager has not been told of."""
        self._undelivered[told.transition.alert_id, told.transition.seq] = _Undelivered(told)

    def begin(self, now_us: int) -> Round:
        """What to send now; counts as a try of everything that is new in it."""
        settled = self._outdated(now_us)
        current = list(self._alerts.current(drills_apart=True))
        self._refused &= {_key(alert) for alert in current}
        telling = [alert for alert in current if self._is_due(alert, now_us)]
        for alert in telling:
            new = self._undelivered.get(_key(alert))
            if new is not None:
                new.attempts += 1
                new.first_try_us = new.first_try_us or now_us
        return Round(telling, settled)

    def _is_due(self, alert: Alert, now_us: int) -> bool:
        if _key(alert) in self._refused:
            return False
        fresh = now_us - alert.newest.appended_us < self._resolve_for_us
        return alert.active or fresh or _key(alert) in self._undelivered

    def _outdated(self, now_us: int) -> list[Delivery]:
        """Settle what is not the present state of its case, and what closed too long ago to matter."""
        settled = []
        for key, new in list(self._undelivered.items()):
            alert = self._alerts[key[0]]
            too_old = now_us - new.told.appended_us > self._patience.limit_s * SECOND_US
            outcome = None
            if key != _key(alert) or not self._alerts.is_current(key[0], drills_apart=True):
                age_s = (now_us - new.told.appended_us) / SECOND_US
                stale = not new.attempts and age_s > self._patience.stale_s
                outcome = Outcome.SKIPPED_STALE if stale else Outcome.SUPERSEDED
            elif too_old and not new.told.open:
                outcome = Outcome.FAILED if new.attempts else Outcome.SKIPPED_STALE
            if outcome is not None:
                settled.append(self._settled(key, outcome, now_us))
        return settled

    def answered(self, told: list[Alert], answer: Answer, now_us: int) -> list[Delivery]:
        """Take the answer to a call that held these alerts, as they were sent; what is settled by it.

        A final answer is about these alerts: none of them is sent again before it has changed.
        """
        if not (answer.taken or answer.final):
            return []
        outcome = Outcome.DELIVERED if answer.taken else Outcome.FAILED
        if answer.final:
            self._refused.update(_key(alert) for alert in told)
        keys = [_key(alert) for alert in told if _key(alert) in self._undelivered]
        return [self._settled(key, outcome, now_us, answer.status) for key in keys]

    def _settled(
        self, key: _Key, outcome: Outcome, now_us: int, http_status: int | None = None
    ) -> Delivery:
        new = self._undelivered.pop(key)
        return Delivery(
            receiver=self._receiver, site=new.told.transition.site, alert_id=key[0], seq=key[1],
            outcome=outcome, attempts=new.attempts, first_try_at_us=new.first_try_us, done_at_us=now_us,
            http_status=http_status, at_us=new.told.transition.at_us,
        )


def _key(alert: Alert) -> _Key:
    return alert.newest.transition.alert_id, alert.newest.transition.seq
