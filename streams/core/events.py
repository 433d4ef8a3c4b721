# SPDX-License-Identifier: Apache-2.0
"""Events: for their time they add rules and tighten levels; nothing is ever loosened."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from schemas.city import City
from streams.core.cases import Entry
from streams.core.layout import Layout, PlaceKind
from streams.core.levels import ZoneFigures
from streams.core.thresholds import level_people

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Lasting:
    key: str
    from_us: int
    until_us: int
    people: Floats
    """Limits of the zones that it tightens; infinity for the others."""


class Events:
    """Which events last, and what the levels' limits are meanwhile. It has no state: time alone decides.

    Parameters
    ----------
    city : City
    layout : Layout
    figures : ZoneFigures
        Its `people` is written here whenever the events that last change.
    entries : list of Entry
        Of the book.
    """

    def __init__(self, city: City, layout: Layout, figures: ZoneFigures, entries: list[Entry]) -> None:
        self._figures, self._plain = figures, figures.people.copy()
        self._events = [_lasting(city, layout, key, self._plain) for key in city.file.events]
        self._keys = [frozenset(entry.rule.events) for entry in entries]
        self._now: frozenset[str] | None = None

    def at(self, at_us: int) -> Mask | None:
        """Let time come to an instant: which entries hold from there on; None where nothing changes."""
        # A step ends the ten seconds that it judges: the one at the event's begin looks at the time before it.
        lasting = [event for event in self._events if event.from_us < at_us <= event.until_us]
        now = frozenset(event.key for event in lasting)
        if now == self._now:
            return None
        self._now = now
        self._figures.people[:] = np.minimum.reduce([self._plain, *(event.people for event in lasting)])
        return np.array([not keys or bool(keys & now) for keys in self._keys], np.bool_)


def _lasting(city: City, layout: Layout, key: str, plain: Floats) -> _Lasting:
    event = city.file.events[key]
    people = np.full(plain.shape, np.inf)
    if event.profile is not None:
        profile = city.file.profiles[event.profile]
        for zone in layout.places_of(PlaceKind.ZONE):
            if layout.place_site[zone] in event.sites:
                limits = level_people(city.file.zones[layout.place_key[zone]], profile)[: plain.shape[1]]
                people[zone, : len(limits)] = limits
    return _Lasting(key, event.from_us, event.until_us, people)
