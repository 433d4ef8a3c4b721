# SPDX-License-Identifier: Apache-2.0
"""All cases of a partition: which rule looks at which place, where each case stands, and what is told of it."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from schemas.alert import Cause, Transition, alert_id
from schemas.city import City
from schemas.roads import ANY_VEHICLE
from schemas.rules import EVERYWHERE, GRID_KINDS, KINDS, Rule, RuleKind
from streams.core.adoption import adopt, ended
from streams.core.alerting import FIRST_OPEN, Case, Change, Parameters
from streams.core.layout import MINUTE_US, Layout, PlaceKind
from streams.core.levels import ZoneFigures
from streams.core.moves import Moves
from streams.core.zone_windows import NO_VALUE

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
_KINDS_ON: dict[str, tuple[PlaceKind, ...]] = {
    "zone": (PlaceKind.ZONE,), "gate": (PlaceKind.GATE,), "road": (PlaceKind.ROAD,), "place": tuple(PlaceKind),
}
_ROW_OF = {PlaceKind.ZONE: "zones", PlaceKind.GATE: "gates", PlaceKind.ROAD: "roads"}
METHOD = 1
"""Version of how alerts are decided; it stands in every transition."""


@dataclass(frozen=True, slots=True)
class Entry:
    """A rule at a place: its key, itself, the number of the place."""

    key: str
    rule: Rule
    place: int


@dataclass(frozen=True, slots=True)
class Shown:
    """What a transition shows of the window or step that caused it; about people bands only.

    `people_low` and `people_high` are `NO_VALUE` where there are none, `low` and `high` NaN.
    """

    start_us: int
    coverage: float
    people_low: int = NO_VALUE
    people_high: int = NO_VALUE
    low: float = np.nan
    high: float = np.nan
    trend: float = np.nan


@dataclass(frozen=True, slots=True)
class By:
    """Who caused a change by a command."""

    command_id: str = ""
    actor: str = ""
    note_id: str = ""


NOBODY = By()


def entries_of(city: City, layout: Layout, figures: ZoneFigures) -> list[Entry]:
    """Every rule at every place that it looks at, rules about steps first."""
    found: list[Entry] = []
    counted = set(layout.channel_place[layout.channel_counted].tolist())
    for key, rule in city.file.rules.items():
        for kind in _KINDS_ON[KINDS[rule.kind].on]:
            wanted = getattr(rule, _ROW_OF[kind])
            named = [int(place) for place in layout.places_of(kind)
                     if EVERYWHERE in wanted or layout.place_key[place] in wanted]
            found += [Entry(key, rule, place) for place in named if layout.place_class[place] in ("", ANY_VEHICLE)
                      and _applies(rule, kind, place, figures, counted)]
    return sorted(found, key=lambda entry: entry.rule.kind not in GRID_KINDS)


def _applies(rule: Rule, kind: PlaceKind, place: int, figures: ZoneFigures, counted: set[int]) -> bool:
    """Whether the place can ever say what the rule asks for."""
    if kind is not PlaceKind.ZONE:
        return place in counted
    if rule.kind in (RuleKind.LEVEL, RuleKind.FORECAST) and rule.level > figures.people.shape[1]:
        return False
    if rule.kind is RuleKind.OCCUPANCY:
        return not np.isnan(figures.capacity[place])
    return bool(figures.view_m2[place] > 0)


class CaseBook:
    """One case for each entry.

    Attributes
    ----------
    entries : list of Entry
    cases : list of Case
        In the order of the entries.
    busy : bool array
        Cases that are not wholly at rest: only they and those that are over need a look.
    drilled : list of str
        `site/KEY` and `rule/KEY` of exercises that are on.
    next_level : int64 array over zones
        The level above the one at which each zone was when it was last looked ahead.
    next_us : float64 array [2, zone]
        Earliest and latest log time at which it is reached; NaN where nobody can say.
    is_muted : callable of (int, int)
        Whether an operator has suppressed what the case of this number is about, at that log time: the desk answers.
        An alert that opens then is suppressed from its first transition on, so that nobody is told in between.
    """

    STATE = ("cases", "busy", "drilled", "next_level", "next_us")

    def __init__(self, city: City, layout: Layout, figures: ZoneFigures) -> None:
        self._city, self._layout, self._figures = city, layout, figures
        self.entries = entries_of(city, layout, figures)
        self.parameters = [_parameters(entry.rule) for entry in self.entries]
        self.cases = [Case() for _ in self.entries]
        self.busy = np.zeros(len(self.entries), np.bool_)
        self.drilled: list[str] = []
        self.is_muted: Callable[[int, int], bool] = lambda _number, _now_us: False
        self.next_level = np.zeros(len(figures.area_m2), np.int64)
        self.next_us = np.full((2, len(figures.area_m2)), np.nan)

    def know_next(self, next_level: Ints, next_us: Floats) -> None:
        """Take in when each zone reaches its next level, as it was just looked ahead."""
        self.next_level, self.next_us = next_level, next_us

    def of_kinds(self, kinds: Iterable[RuleKind]) -> npt.NDArray[np.intp]:
        """Numbers of the entries of some kinds."""
        wanted = set(kinds)
        return np.array([at for at, one in enumerate(self.entries) if one.rule.kind in wanted], np.intp)

    def keys(self) -> list[tuple[str, str]]:
        """Place and rule of every case."""
        return [(self._layout.place_key[one.place], one.key) for one in self.entries]

    def site(self, number: int) -> str:
        """The site of a case."""
        return self._layout.place_site[self.entries[number].place]

    def place(self, number: int) -> str:
        """The place of a case, by key."""
        return self._layout.place_key[self.entries[number].place]

    def open_numbers(self) -> Iterator[int]:
        """Numbers of the cases that are open."""
        return (number for number in np.flatnonzero(self.busy).tolist() if self.cases[number].open)

    def find(self, identity: str) -> int | None:
        """The case that has, or had last, this alert id."""
        for number, case in enumerate(self.cases):
            if case.alert_id == identity:
                return number
        return None

    def open_alerts(self) -> list[Transition]:
        """What was told last of every alert that is open: said again, it lasts as long as the alert."""
        return [last for number in self.open_numbers() if (last := self.cases[number].last) is not None]

    def identities(self) -> list[tuple[str, str, str, str]]:
        """Place, rule, measure and severity of every case: an alert of which one changes is another alert."""
        return [(place, key, _measure(one.rule), str(one.rule.severity))
                for (place, key), one in zip(self.keys(), self.entries, strict=True)]

    def is_drilled(self, number: int) -> bool:
        """Whether an exercise is on at the site, or of the rule, of a case."""
        return f"site/{self.site(number)}" in self.drilled or f"rule/{self.entries[number].key}" in self.drilled

    def carry(self, old: "CaseBook", moves: Moves) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp],
                                                          list[Transition]]:
        """Go on with the cases whose place and rule, with its kind and severity, stay; end the others.

        Returns
        -------
        new, was : int arrays
            Numbers of the cases that stay, here and in the old book.
        told : list of Transition
            The ends of those that do not.
        """
        held = {identity: number for number, identity in enumerate(old.identities())}
        stays = [(number, held.pop(identity)) for number, identity in enumerate(self.identities()) if identity in held]
        opened_at_us = {key: case.opened_at_us for key, case in zip(old.keys(), old.cases, strict=True)}
        for case, key in zip(self.cases, self.keys(), strict=True):
            case.opened_at_us = opened_at_us.get(key, 0)  # so that no id is given twice
        for number, was_number in stays:
            self.cases[number] = old.cases[was_number]
        new, was = np.array(stays, np.intp).reshape(-1, 2).T
        self.busy[new] = old.busy[was]
        self.drilled = old.drilled
        new_zone, was_zone = moves.zones(len(self.next_level))
        self.next_level[new_zone], self.next_us[:, new_zone] = old.next_level[was_zone], old.next_us[:, was_zone]
        gone = [old.cases[number] for number in held.values()]
        return new, was, [
            ended(case.last, Cause.CITY, moves.at_us) for case in gone if case.open and case.last is not None]

    def adopt(self, alerts: Sequence[Transition], now_us: int) -> list[Transition]:
        """Give alerts that were open before a cold start back to their cases; see `streams.core.adoption`."""
        told = adopt(dict(zip(self.identities(), self.cases, strict=True)), alerts, now_us)
        self.busy = np.array([not case.at_rest for case in self.cases], np.bool_)
        return told

    def told(self, number: int, changes: Sequence[Change], at_us: int, shown: Shown) -> list[Transition]:
        """What is told of changes that a step or a window made, in their order."""
        self.busy[number] = not self.cases[number].at_rest
        return [self._transition(number, change, at_us, shown) for change in changes]

    def told_again(self, number: int, changes: Sequence[Change], at_us: int, by: By = NOBODY) -> list[Transition]:
        """What is told of changes that no data made: as the last time, with the new state and flags."""
        case = self.cases[number]
        self.busy[number] = not case.at_rest
        told = []
        for change in changes:
            if case.last is None:
                continue
            case.seq += 1
            case.last = _changed(case, case.last, change, at_us, by)
            told.append(case.last)
        return told

    def _transition(self, number: int, change: Change, at_us: int, shown: Shown) -> Transition:
        entry, case = self.entries[number], self.cases[number]
        place, site = self.place(number), self.site(number)
        if change.state_from not in FIRST_OPEN:
            # Windows that wait for one message close at one instant: of two openings then each has its own id.
            case.seq, case.opened_at_us = 0, max(at_us, case.opened_at_us + 1)
            case.alert_id = alert_id(site, place, entry.key, case.opened_at_us)
            case.exercise = self.is_drilled(number)
            case.suppressed = self.is_muted(number, at_us)
        case.seq += 1
        case.last = self._made(number, change, at_us, shown)
        return case.last

    def _made(self, number: int, change: Change, at_us: int, shown: Shown) -> Transition:
        entry, case = self.entries[number], self.cases[number]
        facts = KINDS[entry.rule.kind]
        is_zone = self._layout.place_kind[entry.place] == PlaceKind.ZONE
        capacity = float(self._figures.capacity[entry.place]) if is_zone else np.nan
        known = not np.isnan(capacity) and shown.people_low >= 0
        soonest_min, latest_min = self._minutes_to_next(entry.place, shown, at_us) if is_zone else (None, None)
        return Transition(
            alert_id=case.alert_id, seq=case.seq, site=self.site(number), place=self.place(number), rule=entry.key,
            severity=entry.rule.severity, measure=_measure(entry.rule),
            unit=facts.unit, level_from=change.level_from, level_to=change.level_to,
            state_from=change.state_from, state_to=change.state_to, stale=case.stale,
            acknowledged=case.acknowledged, escalated=case.escalated, suppressed=case.suppressed,
            exercise=case.exercise, assigned=case.assigned,
            window_start_us=shown.start_us,
            window_end_us=shown.start_us + int(self._layout.place_span_us[entry.place]),
            people_low=shown.people_low if shown.people_low >= 0 else None,
            people_high=shown.people_high if shown.people_low >= 0 else None,
            percent_low=round(100 * shown.people_low / capacity, 1) if known else None,
            percent_high=round(100 * shown.people_high / capacity, 1) if known else None,
            coverage=round(shown.coverage, 4), profile=self._profile(entry.place, is_zone=bool(is_zone)),
            city_version=self._city.version, cause=change.cause, opened_at_us=case.opened_at_us, at_us=at_us,
            low=_or_none(shown.low), high=_or_none(shown.high), limit=_or_none(entry.rule.raising),
            trend=None if np.isnan(shown.trend) else int(shown.trend),
            next_low_min=soonest_min, next_high_min=latest_min, reached=case.raised, method=METHOD,
        )

    def _minutes_to_next(self, zone: int, shown: Shown, at_us: int) -> tuple[float | None, float | None]:
        """From `at_us` on; None where nobody can say, and where the zone is at that level already."""
        if shown.people_high >= 0 and (shown.people_high >= self._figures.people[zone]).sum() >= self.next_level[zone]:
            return None, None
        soonest_us, latest_us = self.next_us[:, zone].tolist()
        return _minutes_left((soonest_us - at_us) / MINUTE_US, (latest_us - at_us) / MINUTE_US)

    def _profile(self, place: int, *, is_zone: bool) -> str:
        zone = self._city.file.zones.get(self._layout.place_key[place]) if is_zone else None
        return "" if zone is None else zone.profile


def _measure(rule: Rule) -> str:
    """What an alert of a rule says that it is about; of each kind another."""
    return "people" if rule.kind is RuleKind.LEVEL else str(rule.kind)


def _or_none(value: float) -> float | None:
    return None if np.isnan(value) else round(float(value), 3)


def _minutes_left(soonest_min: float, latest_min: float) -> tuple[float | None, float | None]:
    """A range of minutes that goes by; once it is over it said too much: nobody can say."""
    if not latest_min > 0:
        return None, None
    return round(max(soonest_min, 0.0), 3), round(latest_min, 3)


def _parameters(rule: Rule) -> Parameters:
    return Parameters(
        rule.level, rule.raise_after, rule.clear_after, rule.skip_levels, rule.flap_limit,
        round((rule.escalate_after_s or 0) * 1_000_000))


def _changed(case: Case, last: Transition, change: Change, at_us: int, by: By) -> Transition:
    """The last transition with the state and the flags of now."""
    soonest_min, latest_min = last.next_low_min, last.next_high_min
    if soonest_min is not None and latest_min is not None:
        passed_min = (at_us - last.at_us) / MINUTE_US
        soonest_min, latest_min = _minutes_left(soonest_min - passed_min, latest_min - passed_min)
    return replace(
        last, seq=case.seq, state_from=change.state_from, state_to=change.state_to, level_from=change.level_from,
        level_to=change.level_to, cause=change.cause, at_us=at_us, stale=case.stale, acknowledged=case.acknowledged,
        escalated=case.escalated, suppressed=case.suppressed, assigned=case.assigned,
        next_low_min=soonest_min, next_high_min=latest_min,
        command_id=by.command_id, actor=by.actor, note_id=by.note_id)
