# SPDX-License-Identifier: Apache-2.0
"""Alerts held against the truth: which were right, which were missed, and how many minutes too late or early."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.truth.alert_day import MINUTE_US, STEP_US, Day
from benchmarks.truth.alert_truth import Episode, Truth
from schemas.alert import State, Transition
from schemas.rules import RuleKind

EARLY_US, LATE_US = 15 * MINUTE_US, 5 * MINUTE_US
"""An alert answers an episode if it was open so early before, or came so late after, at most."""


@dataclass(frozen=True, slots=True)
class Raised:
    """An alert from its opening to its end (or the day's)."""

    place: str
    rule: str
    opened_us: int
    ended_us: int


@dataclass(slots=True)
class Score:
    """Of one kind of rule.

    Parameters
    ----------
    crossings, detected : int
        Episodes in which a limit was truly reached, and those that an alert answered.
    clear, clear_detected : int
        Of these, episodes in which the figure went more than 10 % beyond the limit.
    in_time : int
        Answered at its begin or before.
    minutes : list of float
        From the true crossing to the alert; negative = before it. Alerts that were open from an earlier
        episode have none.
    alerts, false, near : int
        Opened; of those, ones around which the limit was never truly reached; of those, ones around which
        90 % of it was.
    """

    crossings: int = 0
    detected: int = 0
    clear: int = 0
    clear_detected: int = 0
    in_time: int = 0
    minutes: list[float] = field(default_factory=list)
    alerts: int = 0
    false: int = 0
    near: int = 0

    @property
    def missed(self) -> int:
        """Crossings without an alert."""
        return self.crossings - self.detected

    def add(self, other: "Score") -> None:
        """Take another day's score in."""
        for name in ("crossings", "detected", "clear", "clear_detected", "in_time", "alerts", "false", "near"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.minutes += other.minutes


def raised_alerts(day: Day) -> list[Raised]:
    """All alerts of a day, in the order of their opening."""
    first: dict[str, Transition] = {}
    ended: dict[str, int] = {}
    for one in day.told:
        first.setdefault(one.alert_id, one)
        if one.state_to is State.RESOLVED:
            ended[one.alert_id] = one.at_us
    return [Raised(one.place, one.rule, one.opened_at_us, ended.get(key, day.end_us)) for key, one in first.items()]


def scores(day: Day, found: Sequence[Truth]) -> dict[RuleKind, Score]:
    """The day's score of every kind of rule that the city has."""
    by_case: dict[tuple[str, str], list[Raised]] = {}
    for alert in raised_alerts(day):
        by_case.setdefault((alert.place, alert.rule), []).append(alert)
    total: dict[RuleKind, Score] = {}
    for truth in found:
        total.setdefault(truth.entry.rule.kind, Score()).add(
            _scored(day, truth, by_case.get((truth.place, truth.entry.key), [])))
    return total


def _scored(day: Day, truth: Truth, alerts: Sequence[Raised]) -> Score:
    score = Score(crossings=len(truth.episodes), clear=sum(one.clear for one in truth.episodes), alerts=len(alerts))
    before_us = _before_us(truth)
    for number, episode in enumerate(truth.episodes):
        answers = [one for one in alerts if _answers(truth, one, episode, before_us)]
        if not answers:
            continue
        score.detected += 1
        score.clear_detected += episode.clear
        earlier_us = truth.episodes[number - 1].end_us if number else 0
        opened_us = min(one.opened_us for one in answers)
        score.in_time += opened_us <= episode.start_us
        if opened_us >= earlier_us:
            score.minutes.append((opened_us - episode.start_us) / MINUTE_US)
    for one in alerts:
        from_us, until_us = one.opened_us - EARLY_US, max(one.ended_us + LATE_US, one.opened_us + before_us)
        around = slice(max((from_us - day.start_us) // STEP_US - 1, 0), max((until_us - day.start_us) // STEP_US, 0))
        if not truth.over[around].any():
            score.false += 1
            score.near += bool(truth.near[around].any())
    return score


def _before_us(truth: Truth) -> int:
    """How long before an episode its alert may open."""
    rule = truth.entry.rule
    return rule.lead_min * MINUTE_US if rule.kind is RuleKind.FORECAST else EARLY_US


def _answers(truth: Truth, alert: Raised, episode: Episode, before_us: int) -> bool:
    """A forecast has to come before the crossing and to stand shortly before it; other alerts may come after it."""
    if truth.entry.rule.kind is RuleKind.FORECAST:
        return alert.opened_us <= episode.start_us and alert.ended_us >= episode.start_us - before_us
    return alert.opened_us <= episode.end_us + LATE_US and alert.ended_us >= episode.start_us - before_us
