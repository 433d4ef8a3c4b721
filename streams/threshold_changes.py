# SPDX-License-Identifier: Apache-2.0
"""How often the thresholds of a zone may change: whoever could move them at will would find the exact count.

Limits that follow from events and plans are left out: they are published beforehand and snapped like all others, so
their switches tell nobody anything. Pure.
"""

from collections.abc import Sequence
from itertools import pairwise

from schemas.city import City
from schemas.city_change import DAY_US
from schemas.city_publication import instant
from schemas.city_version import CityVersion
from streams.city_diff import same_thresholds
from streams.core.thresholds import ZoneThresholds, zone_thresholds

MOST_A_DAY = 3
"""Changes of one zone's thresholds within any 24 hours."""


def threshold_change_faults(new: City, effective_at_us: int, published: Sequence[CityVersion]) -> list[str]:
    """Zones whose thresholds would change too often, a text each.

    Parameters
    ----------
    new : City
        What is to be published; it comes after all others.
    effective_at_us : int
        From when it is to hold, microseconds since 1970, UTC.
    published : sequence of CityVersion
        All published versions, in any order.
    """
    ordered = sorted(published, key=lambda one: one.change.version)
    recent = [one for one in ordered if one.change.effective_at_us > effective_at_us - DAY_US]
    earlier = ordered[len(ordered) - len(recent) - 1 : len(ordered) - len(recent)]
    steps = [(one.change.effective_at_us, _by_zone(one.city())) for one in [*earlier, *recent]]
    faults = []
    for zone, wanted in _by_zone(new).items():
        at_us = _changes(zone, steps)
        now = steps[-1][1].get(zone) if steps else None
        if now is not None and not same_thresholds(now, wanted) and len(at_us) >= MOST_A_DAY:
            faults.append(
                f"zones.{zone}: its thresholds would change for the {len(at_us) + 1}th time within 24 hours, and "
                f"{MOST_A_DAY} are allowed, as more would give away exact counts; let it take over at "
                f"{instant(at_us[-MOST_A_DAY] + DAY_US)} or later, or leave the thresholds as they are")
    return faults


def _by_zone(city: City) -> dict[str, ZoneThresholds]:
    return {found.zone: found for found in zone_thresholds(city.file)}


def _changes(zone: str, steps: Sequence[tuple[int, dict[str, ZoneThresholds]]]) -> list[int]:
    """When the thresholds of a zone changed; a zone that came or went is no change."""
    found = []
    for (_, before), (at_us, after) in pairwise(steps):
        if zone in before and zone in after and not same_thresholds(before[zone], after[zone]):
            found.append(at_us)
    return found
