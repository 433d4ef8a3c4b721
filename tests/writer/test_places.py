# SPDX-License-Identifier: Apache-2.0
"""A city as places that SQL readers join by number."""

from shapely import Point, Polygon

from schemas.city import Facility
from schemas.ids import IdKind
from streams.writer.places import places
from tests.cities import small_city, small_roads


def test_every_site_zone_gate_and_road_has_one_row_with_its_number() -> None:
    city = small_city(small_roads())
    found = places(city)
    for kind in (IdKind.SITE, IdKind.ZONE, IdKind.GATE):
        assert {one.key: one.number for one in found if one.kind is kind} == city.ids[kind]
    assert len({(one.kind, one.number) for one in found}) == len(found)


def test_a_zone_carries_what_readers_need() -> None:
    city = small_city(small_roads())
    plein = next(one for one in places(city) if one.key == "plein")
    assert (plein.site, plein.facility, plein.area_m2, plein.capacity) == ("centrum", "standing", 1000, 400)
    assert plein.level_names == ["groen", "geel", "oranje", "rood"]
    assert plein.lon is not None
    assert plein.lat is not None
    assert Polygon(city.file.zones["plein"].polygon).contains(Point(plein.lon, plein.lat))


def test_a_road_is_a_zone_without_area() -> None:
    [road] = [one for one in places(small_city(small_roads())) if one.facility == Facility.ROAD]
    assert (road.kind, road.site, road.name) == (IdKind.ZONE, "roads-16-91", "A12 km 0.1")
    assert (road.lon, road.lat, road.area_m2, road.level_names) == (4.33, 52.08, None, None)
