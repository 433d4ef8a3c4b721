# SPDX-License-Identifier: Apache-2.0
"""What is so now: the present state of every alert, from its transitions. Pure.

Effects repeat after a worker's restart: a transition counts once, with the time at which the broker first had
it. The order in which transitions come does not matter.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.alert import State, Transition

OPEN_STATES = (State.FIRING, State.RECOVERING)
TOLD_STATES = (*OPEN_STATES, State.RESOLVED)
"""States that are told to the outside; pending never is."""


@dataclass(frozen=True, slots=True)
class Told:
    """A transition and when the broker had it first (wall time, microseconds since 1970, UTC)."""

    transition: Transition
    appended_us: int

    @property
    def open(self) -> bool:
        """Whether the alert is open after it."""
        return self.transition.state_to in OPEN_STATES


@dataclass(frozen=True, slots=True)
class Alert:
    """One alert at one moment: its newest transition, and its first for the wall time of its opening."""

    newest: Told
    first: Told

    @property
    def starts_us(self) -> int:
        """Wall time of the opening."""
        return self.first.appended_us

    @property
    def ends_us(self) -> int | None:
        """Wall time of the end; None while open."""
        return None if self.newest.open else max(self.newest.appended_us, self.first.appended_us)


class Alerts:
    """All alerts that are known."""

    def __init__(self) -> None:
        self._by_id: dict[str, Alert] = {}
        self._seqs: dict[str, set[int]] = {}
        self._newest_by_case: dict[tuple[str, str, str], str] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def __getitem__(self, alert_id: str) -> Alert:
        return self._by_id[alert_id]

    def take(self, told: Told) -> bool:
        """Take a transition in; false for a repeat and for a state that is never told."""
        one = told.transition
        if one.state_to not in TOLD_STATES:
            return False
        known = self._by_id.get(one.alert_id, Alert(told, told))
        seqs = self._seqs.setdefault(one.alert_id, set())
        if one.seq in seqs:
            return False
        seqs.add(one.seq)
        self._by_id[one.alert_id] = Alert(
            newest=max(known.newest, told, key=_seq), first=min(known.first, told, key=_seq)
        )
        self._settle_case(one)
        return True

    def _settle_case(self, one: Transition) -> None:
        case = _case(one)
        standing = self._newest_by_case.get(case)
        if standing is None or _age_order(self._by_id[standing].first.transition) <= _age_order(one):
            self._newest_by_case[case] = one.alert_id

    def current(self) -> Iterator[Alert]:
        """The newest alert of each (site, place, rule): outside, two of them are one and the same."""
        return (self._by_id[alert_id] for alert_id in self._newest_by_case.values())

    def is_current(self, alert_id: str) -> bool:
        """Whether no newer alert of the same (site, place, rule) is known."""
        return self._newest_by_case[_case(self._by_id[alert_id].newest.transition)] == alert_id

    def forget_closed(self, before_us: int) -> None:
        """Forget alerts that closed before a moment of wall time."""
        closed = [alert_id for alert_id, alert in self._by_id.items()
                  if alert.ends_us is not None and alert.newest.appended_us < before_us]
        for alert_id in closed:
            del self._seqs[alert_id]
            case = _case(self._by_id.pop(alert_id).newest.transition)
            if self._newest_by_case.get(case) == alert_id:
                del self._newest_by_case[case]


def _seq(told: Told) -> int:
    return told.transition.seq


def _case(one: Transition) -> tuple[str, str, str]:
    return one.site, one.place, one.rule


def _age_order(one: Transition) -> tuple[int, str]:
    return one.opened_at_us, one.alert_id
