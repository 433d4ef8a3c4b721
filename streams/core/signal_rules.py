# SPDX-License-Identifier: Apache-2.0
"""Rules about signals: decided when a window closes, on figures that are published anyway.

So an alert about people of this kind shows nothing that the rows do not show: what it looks at is made of bands.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.alert import Transition
from schemas.rules import GRID_KINDS, KINDS, RuleKind
from streams.core.alerting import Fall, Rise, fall, rise
from streams.core.cases import CaseBook, Shown
from streams.core.layout import Layout
from streams.core.zone_windows import NO_VALUE

Places = npt.NDArray[np.intp]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Signal:
    """What closed windows say about one kind of rule; arrays over the places given.

    Parameters
    ----------
    kind : RuleKind
    place, start_us : int arrays
        Numbers of the places, begin of their windows.
    low, high : float64 arrays
        Range of the figure, in the unit of the kind; NaN = nobody can say. Where more is worse the upper end is
        held against the limits, else the lower one.
    coverage : float64 array
    people_low, people_high : int64 arrays
        Band of the people in a zone, `NO_VALUE` without one.
    calm : bool array, optional
        Places that have no figure since there is nothing to be alarmed about, such as a road without vehicles.
    """

    kind: RuleKind
    place: Places
    start_us: Ints
    low: Floats
    high: Floats
    coverage: Floats
    people_low: Ints
    people_high: Ints
    calm: Mask | None = None

    @classmethod
    def plain(cls, kind: RuleKind, place: Places, start_us: Ints, figure: Floats, coverage: Floats,
              calm: Mask | None = None) -> "Signal":
        """Of a figure without a range, at places without people."""
        none = np.full(len(place), NO_VALUE, np.int64)
        return cls(kind, place, start_us, figure, figure, coverage, none, none, calm)


class SignalRules:
    """The cases of a book that are decided at the close.

    Attributes
    ----------
    active : bool array over the book's entries
        Whether a rule holds now; those of an event only while it lasts.
    """

    def __init__(self, book: CaseBook, layout: Layout) -> None:
        self._book = book
        self._places = len(layout.place_kind)
        self.active = np.ones(len(book.entries), np.bool_)
        entries = book.entries
        self._place = np.array([entry.place for entry in entries], np.intp)
        self._up = np.array([entry.rule.raising for entry in entries], np.float64)
        self._down = np.array([entry.rule.clearing for entry in entries], np.float64)
        self._of_kind = {kind: book.of_kinds([kind]) for kind in RuleKind if kind not in GRID_KINDS}

    def wants(self, kind: RuleKind) -> bool:
        """Whether any case looks at such signals."""
        return bool(len(self._of_kind[kind]))

    def forecast_cases(self) -> dict[tuple[int, int], Places]:
        """Numbers of the forecast cases by their level and how far ahead they look, minutes."""
        found: dict[tuple[int, int], list[int]] = {}
        for number in self._of_kind[RuleKind.FORECAST].tolist():
            rule = self._book.entries[number].rule
            found.setdefault((rule.level, rule.lead_min), []).append(number)
        return {key: np.array(numbers, np.intp) for key, numbers in found.items()}

    def stop_and_go_cases(self) -> dict[float, Places]:
        """Numbers of the stop-and-go cases by the density from which they look, people per m2."""
        found: dict[float, list[int]] = {}
        for number in self._of_kind[RuleKind.STOP_AND_GO].tolist():
            found.setdefault(self._book.entries[number].rule.density_from_per_m2, []).append(number)
        return {key: np.array(numbers, np.intp) for key, numbers in sorted(found.items())}

    def at_close(self, signal: Signal, now_us: int, only: Places | None = None) -> list[Transition]:
        """Let a signal raise and clear the alerts of its kind, or only some of them."""
        numbers = self._of_kind[signal.kind] if only is None else only
        if not len(numbers) or not len(signal.place):
            return []
        position = np.full(self._places, -1, np.intp)
        position[signal.place] = np.arange(len(signal.place))
        at = position[self._place[numbers]]
        numbers, at = numbers[at >= 0], at[at >= 0]
        over_up, over_down = self._over(signal, numbers, at)
        told: list[Transition] = []
        for index in np.flatnonzero(over_up | self._book.busy[numbers]).tolist():
            told += self._judged(int(numbers[index]), int(at[index]), bool(over_up[index]), bool(over_down[index]),
                                 signal, now_us)
        return told

    def _over(self, signal: Signal, numbers: Places, at: Places) -> tuple[Mask, Mask]:
        up, down, active = self._up[numbers], self._down[numbers], self.active[numbers]
        if KINDS[signal.kind].rising:
            value = signal.high[at]
            over_up, over_down = value >= up, value >= down
        else:
            value = signal.low[at]
            over_up, over_down = value <= up, value <= down
        return over_up & active, over_down & active

    def _judged(self, number: int, at: int, over_up: bool, over_down: bool, signal: Signal,
                now_us: int) -> list[Transition]:
        case, parameters = self._book.cases[number], self._book.parameters[number]
        rule = self._book.entries[number].rule
        low, high = float(signal.low[at]), float(signal.high[at])
        missing = bool(np.isnan(high if KINDS[signal.kind].rising else low))
        missing &= signal.calm is None or not signal.calm[at]
        level = rule.level if over_up else 0
        before = case.level if case.open else 0
        shown = Shown(int(signal.start_us[at]), float(signal.coverage[at]), int(signal.people_low[at]),
                      int(signal.people_high[at]), low, high)
        changes = [] if missing else rise(case, parameters, Rise(over_up, True, level, max(before, level - 1)), now_us)
        # What is between its two limits keeps the level that it has.
        kept = case.level if over_down else level
        changes += fall(case, parameters, Fall(missing, over_up, over_down, kept, shown.coverage), now_us)
        return self._book.told(number, changes, now_us, shown)
