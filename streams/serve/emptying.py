# SPDX-License-Identifier: Apache-2.0
"""How long a zone and its site need to empty, from what stands on the page and the gates that are open. Pure."""

import datetime as dt
from collections.abc import Collection

import msgspec
import numpy as np

from schemas.city import City
from streams.core.emptying import MEASURED_FLOW_PER_M_MIN, Exits, minutes_to_empty
from streams.serve.document import Present

NOTE = "walking times are left out: the widths of the gates alone set it"


class TimeToEmpty(msgspec.Struct, frozen=True, kw_only=True):
    """Minutes until a zone, and until its whole site, is empty; null = cannot say.

    `people_at_most` is the upper edge of the band that was taken of the zone, null where it is not known.
    `flow_per_m_min` is the planning value, in persons per metre of effective width and minute.
    """

    zone: str
    site: str
    shut: list[str]
    people_at_most: int | None
    minutes: float | None
    site_minutes: float | None
    flow_per_m_min: float
    text: str
    note: str = NOTE


def time_to_empty(city: City, present: Present, zone: str, shut: Collection[str], now: dt.datetime) -> TimeToEmpty:
    """How long `zone` needs, alone and with all of its site, with the gates in `shut` closed.

    Parameters
    ----------
    city : City
        Has the zone, and the gates at its site.
    present : Present
    zone : str
    shut : collection of str
    now : datetime
        Log time.
    """
    site = city.file.zones[zone].site
    zones = [key for key, one in city.file.zones.items() if one.site == site]
    upper = np.array([_upper(present, key, now) for key in zones])
    exits = _exits(city, site, zones, shut)
    at = zones.index(zone)
    alone = np.zeros(len(zones))
    alone[at] = upper[at]
    minutes, all_minutes = minutes_to_empty(alone, exits), minutes_to_empty(upper, exits)
    return TimeToEmpty(
        zone=zone, site=site, shut=sorted(shut), people_at_most=None if np.isnan(upper[at]) else int(upper[at]),
        minutes=_told(minutes), site_minutes=_told(all_minutes), flow_per_m_min=exits.flow_per_m_min,
        text=_text(minutes, shut))


def _upper(present: Present, key: str, now: dt.datetime) -> float:
    """Upper edge of the people in a zone: by its gates where that is known, else by its cameras; NaN without."""
    item = present.zone(key, now)
    if item is None:
        return np.nan
    if item.inside is not None:
        return float(item.inside.high)
    return np.nan if item.stale or item.people is None else float(item.people.high)


def _exits(city: City, site: str, zones: list[str], shut: Collection[str]) -> Exits:
    gates = {key: gate for key, gate in city.file.gates.items() if gate.site == site}
    number = {key: at for at, key in enumerate(zones)}
    sides = [[number.get(gate.from_, -1), number.get(gate.to, -1)] for gate in gates.values()]
    return Exits(
        zones=np.array(sides, np.intp).reshape(-1, 2), width_m=np.array([gate.width_m for gate in gates.values()]),
        is_open=np.array([key not in shut for key in gates], np.bool_), flow_per_m_min=MEASURED_FLOW_PER_M_MIN)


def _told(minutes: float) -> float | None:
    return None if np.isnan(minutes) else round(minutes, 1)


def _text(minutes: float, shut: Collection[str]) -> str:
    said = "cannot say" if np.isnan(minutes) else f"{int(np.ceil(minutes))} min"
    return f"with {', '.join(sorted(shut))} shut: {said}" if shut else said
