# SPDX-License-Identifier: Apache-2.0
"""What makes the events and plans of a city file sound.

An event may only add and tighten. A profile looser than the zones' own is therefore no fault: of the two limits the
stricter counts, so it changes nothing. Nor is it one that two events of a site overlap: the strictest of all counts.
"""

from collections.abc import Collection, Iterator

from schemas.city import CityFile, Profile, Zone
from schemas.city_fault import Fault, key_path, reference_faults
from schemas.events import Event, Measure, Plan
from schemas.ids import IdKind
from schemas.roads import RoadTable, road_keys
from schemas.rules import EVERYWHERE

_MEASURE_TEXTS = ("title", "trigger", "decides", "stop_when")
"""What a scenario card cannot do without."""


def event_faults(file: CityFile, roads: RoadTable) -> Iterator[Fault]:
    """Faults of all events, then of all plans."""
    sites = {*file.sites, *road_keys(roads, IdKind.SITE)}
    for key, event in file.events.items():
        yield from _event_faults(file, key_path("events", key), event, sites)
    for key, plan in file.plans.items():
        yield from _plan_faults(file, key_path("plans", key), plan)


def _event_faults(file: CityFile, path: str, event: Event, sites: Collection[str]) -> Iterator[Fault]:
    if not event.name.strip():
        yield Fault(f"{path}.name", "is empty; give the name that operators read")
    yield from _time_faults(path, event)
    if not event.sites:
        yield Fault(f"{path}.sites", "is empty; name the sites where it takes place")
    for at, site in enumerate(event.sites):
        yield from reference_faults(f"{path}.sites[{at}]", "site", site, sites)
    zones = {key: zone for key, zone in file.zones.items() if zone.site in event.sites}
    if event.profile is not None:
        yield from reference_faults(f"{path}.profile", "profile", event.profile, file.profiles)
        if event.profile in file.profiles:
            yield from _profile_faults(file, f"{path}.profile", event.profile, zones)
    if event.plan is not None:
        yield from reference_faults(f"{path}.plan", "plan", event.plan, file.plans)
        plan = file.plans.get(event.plan)
        if plan is not None and plan.measures and zones and not any(
                _belongs(one, zones) for one in plan.measures.values()):
            yield Fault(f"{path}.plan", f"no measure of plan {event.plan!r} belongs to a zone of the event's sites; "
                                        "add one, or name another plan")


def _time_faults(path: str, event: Event) -> Iterator[Fault]:
    bare = [name for name, time in (("from", event.from_), ("until", event.until)) if time.utcoffset() is None]
    for name in bare:
        time = event.from_ if name == "from" else event.until
        yield Fault(f"{path}.{name}", f"{time.isoformat()} has no offset; write it as {time.isoformat()}+02:00 (summer "
                                      "time) or +01:00")
    if not bare and event.until <= event.from_:
        yield Fault(f"{path}.until", f"{event.until.isoformat()} is not after `from`, {event.from_.isoformat()}; "
                                     "correct one of them")


def _profile_faults(file: CityFile, path: str, key: str, zones: dict[str, Zone]) -> Iterator[Fault]:
    profile = file.profiles[key]
    for own in dict.fromkeys(zone.profile for zone in zones.values()):
        found = file.profiles.get(own)
        if found is not None and len(found.levels) != len(profile.levels):
            yield Fault(path, f"{key!r} has {len(profile.levels)} levels and profile {own!r} of the event's zones "
                              f"{len(found.levels)}; a level would mean two things: use one with as many")
    if zones and not any(_limits(profile, zone) for zone in zones.values()):
        yield Fault(path, f"{key!r} gives no limit for any zone of the event's sites (their facility and time type "
                          "have no column in it, or they have no capacity), so it would tighten nothing; use another, "
                          "or none")


def _limits(profile: Profile, zone: Zone) -> bool:
    by_permit = profile.percent_of_capacity is not None and zone.capacity is not None
    return by_permit or zone.facility in profile.densities(zone.time_type)


def _belongs(measure: Measure, zones: Collection[str]) -> bool:
    # One that names no zone has a fault of its own.
    return not measure.zones or EVERYWHERE in measure.zones or any(zone in zones for zone in measure.zones)


def _plan_faults(file: CityFile, path: str, plan: Plan) -> Iterator[Fault]:
    if not plan.name.strip():
        yield Fault(f"{path}.name", "is empty; give the name that operators read")
    if not plan.measures:
        yield Fault(f"{path}.measures", "is empty; add a measure, or remove the plan")
    for key, measure in plan.measures.items():
        yield from _measure_faults(file, key_path(f"{path}.measures", key), measure)


def _measure_faults(file: CityFile, path: str, measure: Measure) -> Iterator[Fault]:
    for name in _MEASURE_TEXTS:
        if not getattr(measure, name).strip():
            yield Fault(f"{path}.{name}", "is empty; the scenario card needs it")
    if not measure.steps or not all(step.strip() for step in measure.steps):
        yield Fault(f"{path}.steps", "has no step, or an empty one; say what is done, one step each")
    if not measure.zones:
        yield Fault(f"{path}.zones", 'is empty; name zones, or write ["*"] for all')
    if EVERYWHERE in measure.zones and len(measure.zones) > 1:
        yield Fault(f"{path}.zones", "'*' already means all zones; write it alone")
    for at, zone in enumerate(measure.zones):
        if zone != EVERYWHERE:
            yield from reference_faults(f"{path}.zones[{at}]", "zone", zone, file.zones)
    yield from _measure_level_faults(file, path, measure)
    if measure.effect is not None and measure.effect.gate is not None:
        yield from reference_faults(f"{path}.effect.gate", "gate", measure.effect.gate, file.gates)


def _measure_level_faults(file: CityFile, path: str, measure: Measure) -> Iterator[Fault]:
    """A card that no level of any of its zones reaches would never be shown."""
    zones = file.zones if EVERYWHERE in measure.zones else [zone for zone in measure.zones if zone in file.zones]
    profiles = [file.profiles[file.zones[zone].profile] for zone in zones if file.zones[zone].profile in file.profiles]
    most = max((len(profile.levels) for profile in profiles), default=0)
    if most and measure.level >= most:
        yield Fault(f"{path}.level", f"level {measure.level} is above the last of its zones, {most - 1}; the card "
                                     "would never be shown: lower it")
