# SPDX-License-Identifier: Apache-2.0
"""One partition of the log, folded again, against the rows that are stored."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import msgspec

from schemas.alert import Transition
from schemas.city import City
from schemas.ids import IdKind
from schemas.live import WINDOW_TABLES, LiveTable
from schemas.rules import RuleKind
from streams.core.counts import LONGEST_GAP
from streams.core.layout import RING_SLACK_US, Layout, PlaceKind
from streams.verify.stored import (
    COLUMNS,
    EPOCH,
    KEY_AT,
    TRANSITION_COLUMNS,
    Case,
    Stored,
    row_of_transition,
    time_of,
)
from streams.verify.topics import Place, Told
from streams.writer.rows import Row

HOUR_US = 3_600_000_000
FAR_US = round((datetime(2200, 1, 1, tzinfo=UTC) - EPOCH).total_seconds()) * 1_000_000
_KIND = {LiveTable.ZONE: PlaceKind.ZONE, LiveTable.GATE: PlaceKind.GATE, LiveTable.ROAD: PlaceKind.ROAD}
_IDS = {LiveTable.ZONE: IdKind.ZONE, LiveTable.GATE: IdKind.GATE, LiveTable.ROAD: IdKind.ZONE}
REMEMBERING = {RuleKind.OCCUPANCY, RuleKind.FORECAST, RuleKind.SURGE, RuleKind.INCIDENT, RuleKind.EFFECT}
"""Rules whose alerts stand on more than a fold knows that begins in the middle."""
REMEMBERED = ("next_low_min", "next_high_min", "percent_of_free_flow")
"""Columns that stand on more than such a fold knows: what was seen before, and baselines."""
_BANDS = {"people_low": "people_high", "in_low": "in_high", "out_low": "out_high"}


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """One row that is not as the log says.

    Parameters
    ----------
    kind : str
        `missing` (the log gives it, the database lacks it), `extra` (the other way round) or `altered`.
    table : str
        `zone_minute`, `gate_minute`, `road_minute` or `transition`.
    place : str
        Key of the zone or gate.
    window : str
        Start of the window, ISO 8601, UTC.
    detail : str
        Vehicle class, alert and sequence number, names of the columns; people as bands only.
    """

    kind: str
    table: str
    place: str
    window: str
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.table} {self.place} {self.window} {self.detail}".rstrip()


class Report(msgspec.Struct, kw_only=True):
    """What was compared.

    Parameters
    ----------
    messages : int
        Of the log, folded again.
    refused : int
        Messages that the fold refuses, as the worker did.
    rows : dict of str to int
        Rows compared and found equal, by table.
    transitions : int
        Transitions compared and found equal.
    waiting : int
        Rows and transitions that the log gives and the writer has not come to.
    left_out : int
        Rows of the database from before the log's reach, or of places that the city file does not have.
    cases_left_out : int
        Alerts that were open where the log's reach begins, or that a worker's cold start took over.
    not_known : dict of str to int
        Rows that were told before a column existed, by `table.column`: equal in all others, not compared in this one.
    differences : int
    """

    messages: int = 0
    refused: int = 0
    rows: dict[str, int] = msgspec.field(default_factory=lambda: {str(table): 0 for table in WINDOW_TABLES})
    transitions: int = 0
    waiting: int = 0
    left_out: int = 0
    cases_left_out: int = 0
    not_known: dict[str, int] = msgspec.field(default_factory=dict)
    differences: int = 0


@dataclass(frozen=True, slots=True)
class Watch:
    """Who is told meanwhile: of each difference, and of progress (partition, messages done, messages)."""

    difference: Callable[[Difference], None] = lambda _: None
    progress: Callable[[int, int, int], None] = lambda *_: None


def _altered(columns: list[str], stored: Row, folded: Row) -> str:
    names = [name for name, one, other in zip(columns, stored, folded, strict=True) if one != other]
    text = f"in {', '.join(names)}"
    before, after = dict(zip(columns, stored, strict=True)), dict(zip(columns, folded, strict=True))
    for low, high in _BANDS.items():
        if low in names or high in names:
            text += f"; {low.removesuffix('_low')} stored {before[low]}-{before[high]}, log {after[low]}-{after[high]}"
    return text


@dataclass(slots=True)
class _Version:
    place: Place
    row: Row


@dataclass(slots=True)
class Comparison:
    """One partition: rows of the fold wait here until their hour is over, then they are compared and forgotten."""

    city: City
    layouts: Sequence[Layout]
    stored: Stored
    told_live: Told
    said: set[tuple[str, int]]
    report: Report
    watch: Watch
    begin_us: int = FAR_US
    whole: bool = True
    versions: dict[LiveTable, dict[Row, list[_Version]]] = field(
        default_factory=lambda: {table: {} for table in WINDOW_TABLES})
    transitions: list[Transition] = field(default_factory=list)
    adopted: set[Case] = field(default_factory=set)
    compared_to_us: int = FAR_US
    told: set[tuple[str, int]] = field(default_factory=set)

    @property
    def warm_up_us(self) -> int:
        """After so long a fold that began with nothing knows what one with a longer past knows."""
        interval_us = max(int(one.channel_interval_us.max(initial=0)) for one in self.layouts)
        return max(HOUR_US, (LONGEST_GAP + 1) * interval_us + self.settle_us)

    @property
    def settle_us(self) -> int:
        """A row is not told again once log time is so far beyond its window's start."""
        longest_us = max(int((one.place_delay_us + one.place_span_us).max(initial=0)) for one in self.layouts)
        return longest_us + 2 * RING_SLACK_US

    def begin(self, at_us: int, *, whole: bool) -> None:
        """Compare from here on; without the `whole` past only after the warm-up."""
        self.whole = self.whole and whole
        self.begin_us = self.compared_to_us = at_us if whole else at_us + self.warm_up_us

    def take(self, table: LiveTable, rows: Iterable[Row], place: Place) -> None:
        """Note rows of the fold; only those of roads are told more than once."""
        held = self.versions[table]
        for row in rows:
            key = tuple(row[at] for at in KEY_AT[table])
            held.setdefault(key, []).append(_Version(place, row))

    def take_transition(self, one: Transition) -> None:
        """Note a transition of the fold; an open alert is told again every hour, which is nothing new."""
        if (one.alert_id, one.seq) not in self.told:
            self.told.add((one.alert_id, one.seq))
            self.transitions.append(one)

    def take_adoption(self, alerts: Iterable[Transition]) -> None:
        """A worker began anew here: what it told of these cases, and of those that moved before, is its own."""
        self.adopted |= {_case(one) for one in (*alerts, *self.transitions)}

    def compare_settled(self, log_time_us: int) -> None:
        """Compare the hours that nothing can change any more."""
        end_us = (log_time_us - self.settle_us) // HOUR_US * HOUR_US
        if end_us >= self.compared_to_us + HOUR_US:
            self.compare_to(end_us)

    def compare_to(self, end_us: int) -> None:
        """Compare all rows whose windows start before `end_us`."""
        for table in WINDOW_TABLES:
            stored = self.stored.rows(table, self._numbers(table), self.compared_to_us, end_us)
            ripe = {key: self.versions[table].pop(key) for key in list(self.versions[table])
                    if key[-1] < time_of(end_us)}
            for key, versions in ripe.items():
                if key[-1] >= time_of(self.compared_to_us):
                    self._compare(table, key, stored.pop(key, None), versions)
            for key in stored:
                self._differs("extra", table, key)
        self.compared_to_us = end_us

    def compare_transitions(self) -> None:
        """Compare the transitions; those after the last that the writer took of a site are waiting."""
        sites = sorted({site for one in self.layouts for site in one.place_site})
        unsure = set() if self.whole else self.stored.open_cases(sites, self.begin_us)
        if not self.whole:
            unsure |= {_case(one) for one in self.transitions
                       if one.opened_at_us < self.begin_us or one.measure in REMEMBERING}
        unsure |= self.adopted
        self.report.cases_left_out += len(unsure)
        stored = self.stored.transitions(sites, self.begin_us)
        due = self._due()
        case_at = [TRANSITION_COLUMNS.index(name) for name in ("site", "place", "rule")]
        for one in self.transitions:
            row = row_of_transition(one)
            found = self._known_again(TRANSITION_COLUMNS, stored.pop(row[:2], None))
            row = self._known_again(TRANSITION_COLUMNS, row) or row
            if _case(one) in unsure or one.at_us < self.begin_us:
                continue
            if found is None and (one.alert_id, one.seq) not in due:
                self.report.waiting += 1
            elif found == row:
                self.report.transitions += 1
            elif found is None:
                self._transition_differs("missing", row)
            else:
                self._transition_differs("altered", row, _altered(TRANSITION_COLUMNS, found, row))
        for row in stored.values():
            remembers = not self.whole and row[TRANSITION_COLUMNS.index("measure")] in REMEMBERING
            if not remembers and tuple(row[at] for at in case_at) not in unsure:
                self._transition_differs("extra", row)

    def _known_again(self, columns: list[str], row: Row | None) -> Row | None:
        """What a fold without the whole past comes to as well: how far the next level is, it cannot know."""
        if row is None or self.whole:
            return row
        return tuple(None if name in REMEMBERED else value for name, value in zip(columns, row, strict=True))

    def _due(self) -> set[tuple[str, int]]:
        """A site's transitions are said in order: what stands before one that was said, was said too."""
        due: set[tuple[str, int]] = set()
        passed: set[str] = set()
        for one in reversed(self.transitions):
            if (one.alert_id, one.seq) in self.said:
                passed.add(one.site)
            if one.site in passed:
                due.add((one.alert_id, one.seq))
        return due

    def count_left_out(self) -> None:
        """Count the stored rows from before the beginning."""
        for table in WINDOW_TABLES:
            self.report.left_out += self.stored.count_before(table, self._numbers(table), self.begin_us)

    def _numbers(self, table: LiveTable) -> list[int]:
        # Of all versions: the rows of a place that was given up stay.
        kind = _KIND[table]
        return sorted({number for one in self.layouts for number in one.place_number[one.places_of(kind)].tolist()})

    def _compare(self, table: LiveTable, key: Row, stored: Row | None, versions: list[_Version]) -> None:
        written = sum(version.place <= self.told_live.newest for version in versions)
        if stored is None and not written:
            self.report.waiting += 1
        elif stored is None:
            self._differs("missing", table, key)
        # What came later than the writer's offsets may have been there or not.
        elif any(self._is_equal(table, stored, version) for version in versions[max(written - 1, 0):]):
            self.report.rows[table] += 1
        else:
            told = versions[max(written - 1, 0)]
            names, one, other = self._comparable(table, stored, told)
            self._differs("altered", table, key, _altered(names, one, other))

    def _is_equal(self, table: LiveTable, stored: Row, version: _Version) -> bool:
        names, one, other = self._comparable(table, stored, version)
        if self._known_again(names, one) != self._known_again(names, other):
            return False
        for name in set(COLUMNS[table]) - set(names):
            column = f"{table}.{name}"
            self.report.not_known[column] = self.report.not_known.get(column, 0) + 1
        return True

    def _comparable(self, table: LiveTable, stored: Row, version: _Version) -> tuple[list[str], Row, Row]:
        """Columns that both can have: whoever told the row first may not have known one yet, which then is null."""
        until = self.told_live.unknown.get(table, {})
        kept = [at for at, name in enumerate(COLUMNS[table])
                if stored[at] is not None or version.row[at] is None or version.place[0] > until.get(name, -1)]
        return ([COLUMNS[table][at] for at in kept], tuple(stored[at] for at in kept),
                tuple(version.row[at] for at in kept))

    def _differs(self, kind: str, table: LiveTable, key: Row, detail: str = "") -> None:
        place = self.city.ids.keys_by_number(_IDS[table]).get(key[0], str(key[0]))
        named = " ".join(str(part) for part in (*key[1:-1], detail) if part)
        self._tell(Difference(kind=kind, table=table, place=place, window=key[-1].isoformat(), detail=named))

    def _transition_differs(self, kind: str, row: Row, detail: str = "") -> None:
        named = dict(zip(TRANSITION_COLUMNS, row, strict=True))
        text = f"alert {named['alert_id']}/{named['seq']} {named['rule']} {detail}".rstrip()
        self._tell(Difference(kind=kind, table="transition", place=named["place"],
                              window=named["window_start"].isoformat(), detail=text))

    def _tell(self, difference: Difference) -> None:
        self.report.differences += 1
        self.watch.difference(difference)


def _case(transition: Transition) -> Case:
    return transition.site, transition.place, transition.rule
