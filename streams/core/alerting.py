# SPDX-License-Identifier: Apache-2.0
"""The life of an alert: one table of transitions, as pure steps over one case.

normal -> pending -> firing -> recovering -> resolved -> normal. An alert about people rises on a step of the
10 s grid (or at a window's close) and falls only at a window's close, on the window's maximum.
"""

from dataclasses import dataclass

from schemas.alert import Cause, State, Transition

FIRST_OPEN = (State.FIRING, State.RECOVERING)
"""States in which an alert is open and its changes are told."""
MIN_COVERAGE = 0.5
"""A window with less of its area and time seen is no evidence that a crowd has gone."""


@dataclass(frozen=True, slots=True)
class Parameters:
    """Of one rule; see `schemas.city.Rule`."""

    level: int
    raise_after: int
    clear_after: int
    skip_levels: int


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
    has shown yet whether it still should be.
    """

    state: State = State.NORMAL
    raised: int = 0
    cleared: int = 0
    level: int = 0
    stale: bool = False
    alert_id: str = ""
    seq: int = 0
    opened_at_us: int = 0
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


def _moved(case: Case, state: State, level: int, cause: Cause) -> Change:
    change = Change(case.state, state, case.level, level, cause)
    case.state, case.level = state, level
    return change


def rise(case: Case, rule: Parameters, seen: Rise) -> list[Change]:
    """Take a step's evidence in; the changes to tell of (pending is never told)."""
    if case.state is State.RESOLVED:
        case.state, case.level, case.raised, case.cleared = State.NORMAL, 0, 0, 0
    if not seen.over:
        case.raised = 0  # the dwell is broken; pending itself ends at the window's close
        return []
    case.adopted = False
    if case.state is State.RECOVERING:
        case.cleared = 0
        return [_moved(case, State.FIRING, seen.level, Cause.THRESHOLD)]
    if case.state is State.FIRING:
        if seen.level > case.level:
            return [_moved(case, State.FIRING, seen.level, Cause.THRESHOLD)]
        return []
    if not seen.fresh:
        return []
    case.raised += 1
    skipped = seen.level - seen.level_before >= rule.skip_levels
    if case.raised >= rule.raise_after or skipped:
        case.cleared, case.level = 0, 0
        cause = Cause.SKIP if case.raised < rule.raise_after else Cause.THRESHOLD
        return [_moved(case, State.FIRING, seen.level, cause)]
    case.state = State.PENDING
    return []


def fall(case: Case, rule: Parameters, seen: Fall) -> list[Change]:
    """Take a closed window's evidence in; the changes to tell of."""
    if case.adopted and not seen.missing:
        case.adopted = False
        if not seen.over_down and seen.coverage >= MIN_COVERAGE:
            case.raised, case.stale = 0, False
            return [_moved(case, State.RESOLVED, seen.level, Cause.ADOPT)]
    if case.open and seen.missing != case.stale:
        case.stale = seen.missing
        return [_moved(case, case.state, case.level, Cause.NO_DATA), *_fallen(case, rule, seen)]
    return _fallen(case, rule, seen)


def _fallen(case: Case, rule: Parameters, seen: Fall) -> list[Change]:
    if seen.missing:
        return []
    if case.state is State.PENDING and not seen.over_up:
        case.state, case.raised = State.NORMAL, 0
    if not case.open:
        return []
    if seen.over_down or seen.coverage < MIN_COVERAGE:
        case.cleared = 0
        if seen.level < case.level:
            return [_moved(case, case.state, seen.level, Cause.THRESHOLD)]
        return []
    changes = []
    case.cleared += 1
    if case.state is State.FIRING:
        changes.append(_moved(case, State.RECOVERING, seen.level, Cause.THRESHOLD))
    if case.cleared >= rule.clear_after:
        changes.append(_moved(case, State.RESOLVED, seen.level, Cause.THRESHOLD))
        case.raised, case.stale = 0, False
    return changes
