# SPDX-License-Identifier: Apache-2.0
"""Scenario cards: which measures of the city's plans belong to a place at a level. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from schemas.city import City
from schemas.events import Measure, Plan
from schemas.rules import EVERYWHERE


@dataclass(frozen=True, slots=True)
class Card:
    """A measure with where it stands in the city file.

    Parameters
    ----------
    plan, measure : str
        Keys.
    plan_name : str
    event : str
        Key of the event that brings the plan; empty where the plan always holds.
    zone : str
        Where it is marked as taken; empty for a road, where nothing is.
    content : Measure
    """

    plan: str
    measure: str
    plan_name: str
    event: str
    zone: str
    content: Measure


def cards_for(city: City, place: str, level: int, at_us: int) -> list[Card]:
    """The measures for a place at a level: of plans that always hold, and of events that last then at its site.

    Parameters
    ----------
    city : City
    place : str
        Key of a zone, a gate or a road. A gate has the measures of the zones beside it.
    level : int
        Measures are shown from their own level on.
    at_us : int
        Log time, microseconds since 1970, UTC; an event's end does not belong to it.

    Returns
    -------
    list of Card
        Those of the highest level first, then in the order of the city file.
    """
    zones = zones_of(city, place)
    cards = [
        Card(key, name, plan.name, event, next((zone for zone in zones if _covers(measure, zone)), ""), measure)
        for key, plan, event in _plans(city, site_of(city, place), at_us) for name, measure in plan.measures.items()
        if measure.level <= level and (EVERYWHERE in measure.zones or any(_covers(measure, zone) for zone in zones))
    ]
    return sorted(cards, key=lambda card: -card.content.level)


def _plans(city: City, site: str, at_us: int) -> Iterator[tuple[str, Plan, str]]:
    """Plans that hold, each once, and the event that brings it."""
    lasting = {
        event.plan: key for key, event in reversed(city.file.events.items())
        if event.plan is not None and site in event.sites
        and event.from_us <= at_us < event.until_us
    }
    for key, plan in city.file.plans.items():
        if plan.always or key in lasting:
            yield key, plan, "" if plan.always else lasting[key]


def _covers(measure: Measure, zone: str) -> bool:
    return EVERYWHERE in measure.zones or zone in measure.zones


def zones_of(city: City, place: str) -> list[str]:
    """The zone itself, or the zones beside a gate; nothing for a road."""
    gate = city.file.gates.get(place)
    ends = [place] if gate is None else [gate.to, gate.from_]
    return [end for end in ends if end in city.file.zones]


def site_of(city: City, place: str) -> str:
    """The site of a zone, a gate or a road; empty where the city has no such place."""
    known = city.file.zones.get(place) or city.file.gates.get(place)
    if known is not None:
        return known.site
    roads = zip(city.roads.column("zone"), city.roads.column("site"), strict=True)
    return next((str(site) for zone, site in roads if str(zone) == place), "")
