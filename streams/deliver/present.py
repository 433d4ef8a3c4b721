# SPDX-License-Identifier: Apache-2.0
"""What is so now: the present state of every alert, from its transitions. Pure.

Effects repeat after a worker's restart: a transition counts once, with the time at which the broker first had
it. The order in which transitions come does not matter.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import takewhile

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
    """One alert at one moment.

    Parameters
    ----------
    newest : Told
    first : Told
        For the wall time of its opening.
    suppressed_since : Told, optional
        The transition that suppressed it; None while it is not.
    """

    newest: Told
    first: Told
    suppressed_since: Told | None = None

    @property
    def starts_us(self) -> int:
        """Wall time of the opening."""
        return self.first.appended_us

    @property
    def ends_us(self) -> int | None:
        """Wall time of the end; None while open."""
        return None if self.newest.open else max(self.newest.appended_us, self.first.appended_us)

    @property
    def active(self) -> bool:
        """Whether it is open and not suppressed."""
        return self.newest.open and self.suppressed_since is None

    @property
    def inactive_us(self) -> int | None:
        """Wall time since which it is not active: of its suppression, else of its end; None while it is active."""
        if not self.newest.open or self.suppressed_since is None:
            return self.ends_us
        return max(self.suppressed_since.appended_us, self.first.appended_us)


@dataclass(slots=True)
class _Newest:
    """The newest alert of each case; what one case is, `case` says."""

    case: Callable[[Transition], tuple[object, ...]]
    ids: dict[tuple[object, ...], str] = field(default_factory=dict)


class Alerts:
    """All alerts that are known."""

    def __init__(self) -> None:
        self._by_id: dict[str, Alert] = {}
        self._told: dict[str, dict[int, Told]] = {}
        self._newest, self._newest_of_drills_apart = _Newest(_case), _Newest(_case_of_drills_apart)

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
        known_told = self._told.setdefault(one.alert_id, {})
        if one.seq in known_told:
            return False
        known_told[one.seq] = told
        self._by_id[one.alert_id] = Alert(
            newest=max(known.newest, told, key=_seq), first=min(known.first, told, key=_seq),
            suppressed_since=_suppressed_since(known_told),
        )
        self._settle_case(one)
        return True

    def open(self) -> Iterator[Told]:
        """The newest transition of each alert that is open, whether or not a newer one has its place and rule."""
        return (alert.newest for alert in self._by_id.values() if alert.newest.open)

    def earlier(self, alert_id: str, seq: int) -> list[Transition]:
        """What is known of an alert before its transition `seq`, in order."""
        known = self._told[alert_id]
        return [known[number].transition for number in sorted(known) if number < seq]

    def _settle_case(self, one: Transition) -> None:
        for newest in (self._newest, self._newest_of_drills_apart):
            standing = newest.ids.get(newest.case(one))
            if standing is None or _age_order(self._by_id[standing].first.transition) <= _age_order(one):
                newest.ids[newest.case(one)] = one.alert_id

    def _index(self, *, drills_apart: bool) -> _Newest:
        return self._newest_of_drills_apart if drills_apart else self._newest

    def current(self, *, drills_apart: bool = False) -> Iterator[Alert]:
        """The newest alert of each (site, place, rule): outside, two of them are one and the same.

        `drills_apart`: for a receiver to which an exercise is another alert than the real one.
        """
        return (self._by_id[alert_id] for alert_id in self._index(drills_apart=drills_apart).ids.values())

    def is_current(self, alert_id: str, *, drills_apart: bool = False) -> bool:
        """Whether no newer alert of the same (site, place, rule) is known; `drills_apart` as of `current`."""
        newest = self._index(drills_apart=drills_apart)
        return newest.ids[newest.case(self._by_id[alert_id].newest.transition)] == alert_id

    def forget_closed(self, before_us: int) -> None:
        """Forget alerts that closed before a moment of wall time."""
        closed = [alert_id for alert_id, alert in self._by_id.items()
                  if alert.ends_us is not None and alert.newest.appended_us < before_us]
        for alert_id in closed:
            del self._told[alert_id]
            forgotten = self._by_id.pop(alert_id).newest.transition
            for newest in (self._newest, self._newest_of_drills_apart):
                if newest.ids.get(newest.case(forgotten)) == alert_id:
                    del newest.ids[newest.case(forgotten)]


def _seq(told: Told) -> int:
    return told.transition.seq


def _case(one: Transition) -> tuple[str, str, str]:
    return one.site, one.place, one.rule


def _case_of_drills_apart(one: Transition) -> tuple[str, str, str, bool]:
    return *_case(one), one.exercise


def _suppressed_since(known: Mapping[int, Told]) -> Told | None:
    """The first of the suppressed transitions that reach up to the newest one without a gap in between."""
    newest_first = (known[seq] for seq in sorted(known, reverse=True))
    return min(takewhile(lambda told: told.transition.suppressed, newest_first), key=_seq, default=None)


def _age_order(one: Transition) -> tuple[int, str]:
    return one.opened_at_us, one.alert_id
