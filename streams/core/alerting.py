# SPDX-License-Identifier: Apache-2.0
"""The life of an alert: one table of transitions, and the flags beside the state, as pure steps over one case.

An alert about people rises on a step of the 10 s grid (or at a window's close) and falls only at a window's
close, on the window's maximum. Flags never stop that: an alert goes on, clears and ends beneath them.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from schemas.alert import Cause, State, Transition

MIN_COVERAGE = 0.5
"""A window with less of its area and time seen is no evidence that a crowd has gone."""
HOUR_US = 3_600_000_000


class Said(StrEnum):
    """What a step, a window or a command says of a case."""

    OVER = "over"
    """The raising limit is reached; the dwell is not."""
    REACHED = "reached"
    """The dwell is reached, or a jump of levels skips it."""
    CALM = "calm"
    """A window below the raising limit, while nothing is open."""
    BELOW = "below"
    """A window on the safe side of the clearing limit; more are wanted."""
    SAFE = "safe"
    """The last of as many as are wanted."""
    ENDED = "ended"
    """An operator's `resolve`, or the rule or its place is gone."""
    NEXT = "next"
    """The step after."""


TRANSITIONS: dict[tuple[State, Said], State] = {
    (State.NORMAL, Said.OVER): State.PENDING,
    (State.NORMAL, Said.REACHED): State.FIRING,
    (State.NORMAL, Said.CALM): State.NORMAL,
    (State.PENDING, Said.OVER): State.PENDING,
    (State.PENDING, Said.REACHED): State.FIRING,
    (State.PENDING, Said.CALM): State.NORMAL,
    (State.FIRING, Said.OVER): State.FIRING,
    (State.FIRING, Said.REACHED): State.FIRING,
    (State.FIRING, Said.BELOW): State.RECOVERING,
    (State.FIRING, Said.ENDED): State.RESOLVED,
    (State.RECOVERING, Said.OVER): State.FIRING,
    (State.RECOVERING, Said.REACHED): State.FIRING,
    (State.RECOVERING, Said.BELOW): State.RECOVERING,
    (State.RECOVERING, Said.SAFE): State.RESOLVED,
    (State.RECOVERING, Said.ENDED): State.RESOLVED,
    (State.RESOLVED, Said.NEXT): State.NORMAL,
}
"""What is not here does not happen: `moved` refuses it."""
FIRST_OPEN = (State.FIRING, State.RECOVERING)
"""States in which an alert is open: its changes are told, and flags may be set."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """Of one rule; see `schemas.rules.Rule`."""

    level: int
    raise_after: int
    clear_after: int
    skip_levels: int
    flap_limit: int = 6
    escalate_after_us: int = 0
    """0 = never."""


@dataclass(frozen=True, slots=True)
class Change:
    """One transition of a case."""

    state_from: State
    state_to: State
    level_from: int
    level_to: int
    cause: Cause


@dataclass(frozen=True, slots=True)
class Rise:
    """What a step (or a window, for rules decided at its close) says for raising.

    Parameters
    ----------
    over : bool
        The raising edge is reached.
    fresh : bool
        New data stand behind it; only such steps count for the dwell.
    level, level_before : int
        Level now and at the step before.
    """

    over: bool
    fresh: bool
    level: int
    level_before: int


@dataclass(frozen=True, slots=True)
class Fall:
    """What a closed window says for clearing, on its maximum.

    Parameters
    ----------
    missing : bool
        Nothing was reported: evidence for nothing.
    over_up, over_down : bool
        The maximum reached the raising, the clearing edge.
    level : int
        Level of the maximum.
    coverage : float
    """

    missing: bool
    over_up: bool
    over_down: bool
    level: int
    coverage: float


@dataclass(slots=True)
class Case:
    """Where one alert (of one rule at one place) stands.

    `last` is what was told of it last; `adopted` means that it was open before a cold start and that no window
    has shown yet whether it still should be. `flags_since_us` is when the escalation clock started, `raises_us`
    when it opened within the last hour, `suppressed_until_us` an operator's own suppression of this alert.
    """

    state: State = State.NORMAL
    raised: int = 0
    cleared: int = 0
    level: int = 0
    stale: bool = False
    acknowledged: bool = False
    escalated: bool = False
    suppressed: bool = False
    inhibited: bool = False
    exercise: bool = False
    assigned: str = ""
    alert_id: str = ""
    seq: int = 0
    opened_at_us: int = 0
    clock_us: int = 0
    suppressed_until_us: int = 0
    raises_us: list[int] = field(default_factory=list)
    adopted: bool = False
    last: Transition | None = None

    @property
    def at_rest(self) -> bool:
        """Whether nothing is going on: only new evidence for raising can change it."""
        return self.state in (State.NORMAL, State.RESOLVED) and not self.raised

    @property
    def open(self) -> bool:
        """Whether it has been told of and not been resolved."""
        return self.state in FIRST_OPEN


def moved(case: Case, said: Said, level: int, cause: Cause) -> Change:
    """Take the transition of the table; `KeyError` where there is none."""
    change = Change(case.state, TRANSITIONS[case.state, said], case.level, level, cause)
    case.state, case.level = change.state_to, level
    if case.state is State.RESOLVED:
        case.raised = case.cleared = 0
        case.stale = case.acknowledged = case.escalated = case.suppressed = case.inhibited = case.adopted = False
        case.suppressed_until_us, case.assigned = 0, ""
    return change


def rise(case: Case, rule: Parameters, seen: Rise, now_us: int = 0) -> list[Change]:
    """Take a step's evidence in; the changes to tell of (pending is never told)."""
    if case.state is State.RESOLVED:
        moved(case, Said.NEXT, 0, Cause.THRESHOLD)
    if not seen.over:
        case.raised = 0  # the dwell is broken; pending itself ends at the window's close
        return []
    case.adopted = False
    if case.state is State.RECOVERING:
        case.cleared = 0
        return [moved(case, Said.OVER, seen.level, Cause.THRESHOLD)]
    if case.state is State.FIRING:
        return [moved(case, Said.OVER, seen.level, Cause.THRESHOLD)] if seen.level > case.level else []
    if not seen.fresh:
        return []
    case.raised += 1
    skipped = seen.level - seen.level_before >= rule.skip_levels
    if case.raised < rule.raise_after and not skipped:
        moved(case, Said.OVER, case.level, Cause.THRESHOLD)
        return []
    case.cleared, case.level, case.clock_us = 0, 0, now_us
    case.raises_us = [*(at for at in case.raises_us if at > now_us - HOUR_US), now_us][-rule.flap_limit:]
    cause = Cause.SKIP if case.raised < rule.raise_after else Cause.THRESHOLD
    return [moved(case, Said.REACHED, seen.level, cause)]


def fall(case: Case, rule: Parameters, seen: Fall, now_us: int = 0) -> list[Change]:
    """Take a closed window's evidence in; the changes to tell of."""
    if case.adopted and not seen.missing:
        case.adopted = False
        if not seen.over_down and seen.coverage >= MIN_COVERAGE:
            return [moved(case, Said.ENDED, seen.level, Cause.ADOPT)]
    if case.open and seen.missing != case.stale:
        case.stale = seen.missing
        return [_flagged(case, Cause.NO_DATA), *_fallen(case, rule, seen, now_us)]
    return _fallen(case, rule, seen, now_us)


def _fallen(case: Case, rule: Parameters, seen: Fall, now_us: int) -> list[Change]:
    if seen.missing:
        return []
    if case.state is State.PENDING and not seen.over_up:
        moved(case, Said.CALM, case.level, Cause.THRESHOLD)
        case.raised = 0
    if not case.open:
        return []
    well_seen = seen.coverage >= MIN_COVERAGE
    if seen.over_down:
        case.cleared = 0
        if seen.level < case.level and well_seen:
            change = Change(case.state, case.state, case.level, seen.level, Cause.THRESHOLD)
            case.level = seen.level
            return [change]
        return []
    if not well_seen:  # counts as missing: the clearing stands where it was
        return []
    changes = []
    case.cleared += 1
    if case.state is State.FIRING:
        changes.append(moved(case, Said.BELOW, seen.level, Cause.THRESHOLD))
    if case.cleared >= rule.clear_after and not flapping(case, rule, now_us):
        changes.append(moved(case, Said.SAFE, seen.level, Cause.THRESHOLD))
    return changes


def flapping(case: Case, rule: Parameters, now_us: int) -> bool:
    """Whether it opened so often within the last hour that it is now held open instead of opening once more."""
    return sum(at > now_us - HOUR_US for at in case.raises_us) >= rule.flap_limit


def ended(case: Case, cause: Cause) -> list[Change]:
    """End an open case for another reason than its condition."""
    return [moved(case, Said.ENDED, case.level, cause)] if case.open else []


def exercise_over(case: Case, rule: Parameters) -> list[Change]:
    """End an open case with its exercise; the dwell that it has behind it counts for the real one after it."""
    dwelt = case.state is State.FIRING
    changes = ended(case, Cause.DRILL)
    if dwelt:
        case.raised = rule.raise_after - 1
    return changes


def _flagged(case: Case, cause: Cause) -> Change:
    return Change(case.state, case.state, case.level, case.level, cause)


def acknowledged(case: Case, yes: bool, now_us: int) -> list[Change]:
    """Set or clear the flag of an open case; clearing starts the escalation clock anew."""
    if not case.open or case.acknowledged == yes:
        return []
    case.acknowledged, case.clock_us = yes, now_us
    if yes:
        case.escalated = False
    return [_flagged(case, Cause.COMMAND)]


def suppressed(case: Case, yes: bool, cause: Cause) -> list[Change]:
    """Set or clear the flag of an open case."""
    if not case.open or case.suppressed == yes:
        return []
    case.suppressed = yes
    return [_flagged(case, cause)]


def escalated(case: Case, rule: Parameters, now_us: int) -> list[Change]:
    """Escalate an open case that nobody acknowledged in time; once, and not while it is suppressed."""
    due = rule.escalate_after_us and now_us - case.clock_us >= rule.escalate_after_us
    if not (due and case.open) or case.acknowledged or case.suppressed or case.escalated:
        return []
    case.escalated = True
    return [_flagged(case, Cause.TIMER)]
