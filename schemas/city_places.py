# SPDX-License-Identifier: Apache-2.0
"""What makes zones and gates of a city file sound: their references, shapes, areas and widths."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from schemas.city import OUTSIDE, CityFile, Gate, Grain, Point, Profile, Zone
from schemas.city_fault import Fault, key_path, reference_faults
from schemas.city_geometry import areas_m2, lengths_m, overlaps, point_fault, ring_faults

AREA_SLACK = 0.01
"""Net area above the polygon's by so large a share is rounding of its corners."""
OVERLAP_ALLOWED_M2 = 1.0
"""Neighbours drawn point by point on one border share slivers."""
SEAL_SIX_HOURS_AFTER_H = 6
WIDTH_SLACK_M = 1.0
"""A line's ends are given to about half a metre each."""
DENSITY_LIMIT_PER_M2 = 10.0
"""No crowd is denser: above 5 it is congested (Still); twice that is no plausible figure."""


@dataclass(frozen=True, slots=True)
class _Shapes:
    """Shapes by key: the faults of each, and the measure of the sound ones (m2 of zones, m of gates).

    All of one kind are judged together: one by one they take most of the time that a large city needs.
    """

    faults: dict[str, list[Fault]]
    measure: dict[str, float]


def place_faults(file: CityFile) -> Iterator[Fault]:
    """Faults of all zones, then of all gates."""
    outlines, lines = _outlines(file), _lines(file)
    for key, zone in file.zones.items():
        yield from _zone_faults(file, key, zone, outlines)
    yield from _overlap_faults(file, list(outlines.measure))
    for key, gate in file.gates.items():
        yield from _gate_faults(file, key, gate, lines)


def _outlines(file: CityFile) -> _Shapes:
    faults = {
        key: _point_faults(f"{key_path('zones', key)}.polygon", zone.polygon) for key, zone in file.zones.items()
    }
    placed = [key for key, found in faults.items() if not found]
    for key, text in zip(placed, ring_faults([file.zones[key].polygon for key in placed]), strict=True):
        if text is not None:
            faults[key].append(Fault(f"{key_path('zones', key)}.polygon", text))
    sound = [key for key in placed if not faults[key]]
    gross_m2 = areas_m2([file.zones[key].polygon for key in sound]).tolist()
    return _Shapes(faults, dict(zip(sound, gross_m2, strict=True)))


def _lines(file: CityFile) -> _Shapes:
    faults = {key: _point_faults(f"{key_path('gates', key)}.line", gate.line) for key, gate in file.gates.items()}
    sound = [key for key, found in faults.items() if not found]
    found_m = lengths_m([file.gates[key].line for key in sound]).tolist()
    return _Shapes(faults, dict(zip(sound, found_m, strict=True)))


def _point_faults(path: str, points: Sequence[Point]) -> list[Fault]:
    return [Fault(f"{path}[{at}]", text) for at, point in enumerate(points) if (text := point_fault(point))]


def _zone_faults(file: CityFile, key: str, zone: Zone, outlines: _Shapes) -> Iterator[Fault]:
    path = key_path("zones", key)
    yield from reference_faults(f"{path}.site", "site", zone.site, file.sites)
    yield from reference_faults(f"{path}.profile", "profile", zone.profile, file.profiles)
    yield from _level_column_fault(path, zone, file.profiles.get(zone.profile))
    yield from outlines.faults[key]
    gross_m2 = outlines.measure.get(key)
    if gross_m2 is not None and zone.area_m2 > gross_m2 * (1 + AREA_SLACK):
        yield Fault(
            f"{path}.area_m2",
            f"net area {zone.area_m2:g} m2 is larger than the polygon's {gross_m2:.0f} m2; "
            "give what people can stand on, or correct the polygon",
        )
    yield from _seal_faults(path, zone)
    if zone.capacity is not None and zone.capacity > zone.area_m2 * DENSITY_LIMIT_PER_M2:
        yield Fault(
            f"{path}.capacity",
            f"{zone.capacity} people on {zone.area_m2:g} m2 are more than {DENSITY_LIMIT_PER_M2:g} per m2; "
            "correct the capacity or the area",
        )


def _level_column_fault(path: str, zone: Zone, profile: Profile | None) -> Iterator[Fault]:
    if profile is None or zone.facility in profile.density_per_m2:
        return
    if zone.capacity is None or profile.percent_of_capacity is None:
        yield Fault(
            f"{path}.profile",
            f"profile {zone.profile!r} has no density column for {zone.facility.value!r}, and no level "
            "follows from a capacity; add the column, or a capacity and percent_of_capacity",
        )


def _overlap_faults(file: CityFile, sound: list[str]) -> Iterator[Fault]:
    for first, second, shared_m2 in overlaps([file.zones[key].polygon for key in sound], OVERLAP_ALLOWED_M2):
        yield Fault(
            f"{key_path('zones', sound[second])}.polygon",
            f"shares {shared_m2:.1f} m2 with zone {sound[first]!r}; zones may share a border, not an "
            "area: give both the same corners along it",
        )


def _gate_faults(file: CityFile, key: str, gate: Gate, lines: _Shapes) -> Iterator[Fault]:
    path = key_path("gates", key)
    yield from reference_faults(f"{path}.site", "site", gate.site, file.sites)
    for end, given in (("from", gate.from_), ("to", gate.to)):
        if given == OUTSIDE:
            continue
        if given not in file.zones:
            yield from reference_faults(f"{path}.{end}", "zone", given, [*file.zones, OUTSIDE])
        zone = file.zones.get(given)
        known_sites = zone is not None and {zone.site, gate.site} <= file.sites.keys()
        if zone is not None and known_sites and zone.site != gate.site:
            yield Fault(
                f"{path}.{end}",
                f"zone {given!r} belongs to site {zone.site!r}, the gate to {gate.site!r}; between two sites "
                f"write a gate in each of them, with {OUTSIDE!r} as its far side",
            )
    if gate.from_ == gate.to:
        yield Fault(f"{path}.to", f"leads from {gate.from_!r} to itself; name the two sides of the line")
    yield from lines.faults[key]
    yield from _length_faults(path, gate, lines.measure.get(key))
    yield from _seal_faults(path, gate)


def _seal_faults(path: str, place: Zone | Gate) -> Iterator[Fault]:
    if place.grain is Grain.SIX_HOURS and place.seal_after_h != SEAL_SIX_HOURS_AFTER_H:
        yield Fault(
            f"{path}.seal_after_h",
            f"a grain of 6 h is sealed {SEAL_SIX_HOURS_AFTER_H} h after its end: longer, and exact values would be "
            "older than 38 h; leave it out, or give the place a finer grain",
        )


def _length_faults(path: str, gate: Gate, line_m: float | None) -> Iterator[Fault]:
    if line_m == 0:
        yield Fault(f"{path}.line", "both ends are one point; give the two ends of the counting line")
    elif line_m is not None and gate.width_m > line_m + WIDTH_SLACK_M:
        yield Fault(
            f"{path}.width_m",
            f"effective width {gate.width_m:g} m is above the line's {line_m:.1f} m; correct one of them",
        )
