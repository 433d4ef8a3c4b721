# SPDX-License-Identifier: Apache-2.0
"""The ways out of each site, and in which range of minutes a zone of it is empty. Pure.

The range: the low edge of its people at the highest flow that gates bear, the high edge at the flow that was measured.
Walking times are left out.
"""

import datetime as dt
from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import lru_cache
from math import ceil, floor

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.city import City, CityFile, Gate
from streams.core.emptying import (
    MAXIMUM_FLOW_PER_M_MIN,
    MEASURED_FLOW_PER_M_MIN,
    Exits,
    minutes_to_empty,
    minutes_with_one_shut,
)
from streams.serve.wording import CANNOT_SAY, range_text

RANGES_KEPT = 1_000
"""A zone's people stay within a band for minutes."""


class OneGateLess(msgspec.Struct, frozen=True, kw_only=True):
    """The longest that a zone needs without one gate that is open."""

    gate: str
    name: str
    text: str


class EmptyItem(msgspec.Struct, frozen=True, kw_only=True):
    """In how many minutes a zone is empty; both null = nobody can say.

    `closed` are names of the site's gates that operators closed; `with_one_shut` tells of each open gate whose loss
    would make it last longer, the worst first.
    """

    low_min: int | None
    high_min: int | None
    text: str
    closed: list[str]
    with_one_shut: list[OneGateLess]


@dataclass(frozen=True, eq=False, slots=True)
class SiteExits:
    """The gates of one site.

    Parameters
    ----------
    zones : list of str
        Keys of its zones.
    gates : dict of str to Gate
        By key.
    names : dict of str to str
        Of the gates.
    lasting : list of (int, int)
        From when until when events last here, microseconds since 1970, UTC.
    """

    zones: list[str]
    gates: dict[str, Gate]
    names: dict[str, str]
    lasting: list[tuple[int, int]]

    def has_event(self, now: dt.datetime) -> bool:
        """Whether an event lasts at that log time."""
        now_us = round(now.timestamp() * 1e6)
        return any(begin <= now_us < end for begin, end in self.lasting)

    def exits(self, shut: Collection[str]) -> Exits:
        """The gates as ways out at the flow that was measured; those in `shut` are shut."""
        number = {key: at for at, key in enumerate(self.zones)}
        sides = [[number.get(gate.from_, -1), number.get(gate.to, -1)] for gate in self.gates.values()]
        return Exits(
            zones=np.array(sides, np.intp).reshape(-1, 2),
            width_m=np.array([gate.width_m for gate in self.gates.values()]),
            is_open=np.array([key not in shut for key in self.gates], np.bool_), flow_per_m_min=MEASURED_FLOW_PER_M_MIN)

    def alone(self, zone: str, people: float) -> npt.NDArray[np.float64]:
        """People in one zone, the site's other zones empty."""
        found = np.zeros(len(self.zones))
        found[self.zones.index(zone)] = people
        return found


def gate_name(file: CityFile, gate: Gate) -> str:
    """A gate's own name, else the places that it joins."""
    ends = (file.zones[end].name if end in file.zones else "buiten" for end in (gate.from_, gate.to))
    return gate.name or " → ".join(ends)


def site_exits(city: City) -> dict[str, SiteExits]:
    """The gates of every site that has zones, by the site's key."""
    file = city.file
    found: dict[str, SiteExits] = {}
    for key, zone in file.zones.items():
        if zone.site not in found:
            gates = {name: gate for name, gate in file.gates.items() if gate.site == zone.site}
            found[zone.site] = SiteExits([], gates, {name: gate_name(file, gate) for name, gate in gates.items()}, [
                (event.from_us, event.until_us) for event in file.events.values() if zone.site in event.sites])
        found[zone.site].zones.append(key)
    return found


def empty_item(site: SiteExits, zone: str, people: tuple[int, int] | None, closed: Collection[str]) -> EmptyItem:
    """In which range of minutes a zone is empty, through the gates that are open.

    Parameters
    ----------
    site : SiteExits
        Has the zone.
    zone : str
    people : tuple of int, optional
        Edges of the band of people in it; None = not known.
    closed : collection of str
        Gates that operators closed.
    """
    shut = frozenset(closed).intersection(site.gates)
    low, high, lost = (None, None, ()) if people is None else _minutes(site, zone, people, shut)
    said = CANNOT_SAY if low is None or high is None else range_text(low, high, 0, " min")
    return EmptyItem(
        low_min=low, high_min=high, text=f"leeg: {said}" if high is None else f"leeg in {said}",
        closed=sorted(site.names[gate] for gate in shut),
        with_one_shut=[_without(gate, site.names[gate], most) for gate, most in lost])


def _without(gate: str, name: str, minutes: int | None) -> OneGateLess:
    said = CANNOT_SAY if minutes is None else f"{minutes} min"
    return OneGateLess(gate=gate, name=name, text=f"zonder {name}: {said}")


@lru_cache(RANGES_KEPT)
def _minutes(site: SiteExits, zone: str, people: tuple[int, int],
             shut: frozenset[str]) -> tuple[int | None, int | None, tuple[tuple[str, int | None], ...]]:
    """Fewest and most minutes, and the most without each open gate that makes a difference, the worst first."""
    exits = site.exits(shut)
    few, many = (site.alone(zone, float(edge)) for edge in people)
    low = minutes_to_empty(few, replace(exits, flow_per_m_min=MAXIMUM_FLOW_PER_M_MIN))
    high = minutes_to_empty(many, exits)
    if np.isnan(low) or np.isnan(high):
        return None, None, ()
    lost = [(gate, minutes) for gate, is_open, minutes in zip(
        site.gates, exits.is_open, minutes_with_one_shut(many, exits).tolist(), strict=True)
        if is_open and not minutes <= high]
    lost.sort(key=lambda one: (-np.inf if np.isnan(one[1]) else -one[1], one[0]))
    return floor(low), ceil(high), tuple((gate, None if np.isnan(most) else ceil(most)) for gate, most in lost)
