# SPDX-License-Identifier: Apache-2.0
"""A city as rows of `engine.place`: what the numbers of the live tables stand for. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from shapely import Polygon

from schemas.city import City, Facility
from schemas.ids import IdKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One row; lon and lat (WGS 84): within a zone, the middle of a gate, a road's measuring site."""

    kind: IdKind
    number: int
    key: str
    name: str
    site: str
    facility: str | None = None
    area_m2: float | None = None
    capacity: int | None = None
    width_m: float | None = None
    lon: float | None = None
    lat: float | None = None
    level_names: list[str] | None = None


def _sites(city: City) -> Iterator[Place]:
    for key, number in city.ids[IdKind.SITE].items():
        site = city.file.sites.get(key)
        yield Place(kind=IdKind.SITE, number=number, key=key, name=site.name if site else key, site=key)


def _zones(city: City) -> Iterator[Place]:
    for key, zone in city.file.zones.items():
        inside = Polygon(zone.polygon).representative_point()
        yield Place(
            kind=IdKind.ZONE, number=city.ids[IdKind.ZONE][key], key=key, name=zone.name, site=zone.site,
            facility=zone.facility, area_m2=zone.area_m2, capacity=zone.capacity, lon=inside.x, lat=inside.y,
            level_names=list(city.file.profiles[zone.profile].levels),
        )


def _gates(city: City) -> Iterator[Place]:
    for key, gate in city.file.gates.items():
        (lon_1, lat_1), (lon_2, lat_2) = gate.line
        yield Place(
            kind=IdKind.GATE, number=city.ids[IdKind.GATE][key], key=key, name=gate.name or key,
            site=gate.site, width_m=gate.width_m, lon=(lon_1 + lon_2) / 2, lat=(lat_1 + lat_2) / 2,
        )


def _roads(city: City) -> Iterator[Place]:
    seen: set[str] = set()
    table = city.roads.table.select(["zone", "name", "site", "lon", "lat"])
    for row in table.to_pylist():
        if row["zone"] not in seen:
            key = row["zone"]
            seen.add(key)
            yield Place(
                kind=IdKind.ZONE, number=city.ids[IdKind.ZONE][key], key=key, name=row["name"],
                site=row["site"], facility=Facility.ROAD, lon=row["lon"], lat=row["lat"],
            )


def places(city: City) -> list[Place]:
    """All sites, zones, gates and road measuring sites, by kind and number."""
    found = [*_sites(city), *_zones(city), *_gates(city), *_roads(city)]
    return sorted(found, key=lambda place: (place.kind, place.number))
