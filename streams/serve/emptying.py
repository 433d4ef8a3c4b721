# SPDX-License-Identifier: Apache-2.0
"""How long a zone and its site need to empty, from what stands on the page and the gates that are open. Pure."""

import datetime as dt
from collections.abc import Collection

import msgspec
import numpy as np
import numpy.typing as npt

from schemas.city import City, Gate
from streams.core.emptying import Exits, minutes_to_empty, minutes_with_one_shut
from streams.serve.document import Present
from streams.serve.exits import site_exits

Floats = npt.NDArray[np.float64]

NOTE = "walking times are left out: the widths of the gates alone set it"


class OneShut(msgspec.Struct, frozen=True, kw_only=True):
    """Minutes until the zone is empty if one gate more were shut; null = cannot say."""

    gate: str
    name: str
    minutes: float | None
    text: str


class TimeToEmpty(msgspec.Struct, frozen=True, kw_only=True):
    """Minutes until a zone, and until its whole site, is empty; null = cannot say.

    `people_at_most` is the upper edge of the band that was taken of the zone, null where it is not known.
    `flow_per_m_min` is the planning value, in persons per metre of effective width and minute. `shut` are the gates
    that were named, `closed` those that operators closed by command; `with_one_shut` is what the loss of each single
    gate that is open would mean, the worst first, without those that make no difference.
    """

    zone: str
    site: str
    shut: list[str]
    closed: list[str]
    people_at_most: int | None
    minutes: float | None
    site_minutes: float | None
    flow_per_m_min: float
    text: str
    with_one_shut: list[OneShut]
    note: str = NOTE


def time_to_empty(city: City, present: Present, zone: str, shut: Collection[str], now: dt.datetime) -> TimeToEmpty:
    """How long `zone` needs, alone and with all of its site, through the gates that are open.

    Parameters
    ----------
    city : City
        Has the zone, and the gates at its site.
    present : Present
    zone : str
    shut : collection of str
        Gates that are taken as shut besides those that operators closed.
    now : datetime
        Log time.
    """
    site = city.file.zones[zone].site
    ways = site_exits(city)[site]
    upper = np.array([_upper(present, key, now) for key in ways.zones])
    by_command = present.board.outcomes.closed_gates(round(now.timestamp() * 1e6))
    closed = sorted(by_command & ways.gates.keys())
    exits = ways.exits({*shut, *closed})
    at = ways.zones.index(zone)
    alone = ways.alone(zone, upper[at])
    minutes, all_minutes = minutes_to_empty(alone, exits), minutes_to_empty(upper, exits)
    return TimeToEmpty(
        zone=zone, site=site, shut=sorted(shut), closed=closed,
        people_at_most=None if np.isnan(upper[at]) else int(upper[at]),
        minutes=_told(minutes), site_minutes=_told(all_minutes), flow_per_m_min=exits.flow_per_m_min,
        text=_text(minutes, {*shut, *closed}), with_one_shut=_with_one_shut(ways.gates, exits, alone, minutes))


def _with_one_shut(gates: dict[str, Gate], exits: Exits, people: Floats, minutes: float) -> list[OneShut]:
    """The open gates without which it takes longer; the longest first."""
    if np.isnan(minutes):
        return []
    found = []
    for (key, gate), is_open, one in zip(
            gates.items(), exits.is_open, minutes_with_one_shut(people, exits).tolist(), strict=True):
        if is_open and not one <= minutes:
            found.append(OneShut(gate=key, name=gate.name or key, minutes=_told(one), text=_text(one, [key])))
    return sorted(found, key=lambda one: (-(np.inf if one.minutes is None else one.minutes), one.gate))


def _upper(present: Present, key: str, now: dt.datetime) -> float:
    """Upper edge of the people in a zone: by its gates where that is known, else by its cameras; NaN without."""
    item = present.zone(key, now)
    people = None if item is None else item.people_now
    return np.nan if people is None else float(people[1])


def _told(minutes: float) -> float | None:
    return None if np.isnan(minutes) else round(minutes, 1)


def _text(minutes: float, shut: Collection[str]) -> str:
    said = "cannot say" if np.isnan(minutes) else f"{int(np.ceil(minutes))} min"
    return f"with {', '.join(sorted(shut))} shut: {said}" if shut else said
