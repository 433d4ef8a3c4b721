# SPDX-License-Identifier: Apache-2.0
"""From the content of a city's files to a city."""

import pytest

from schemas.city import City
from schemas.city_fault import CityFaultsError
from schemas.city_load import city_sha256, parse_city, roads_name, wanted_ids
from schemas.ids import IdKind, format_ids
from schemas.roads import encode_roads
from tests.cities import SMALL_TOML, small_city, small_roads

ROADS = encode_roads(small_roads())


def ids_text_of(city: City) -> str:
    return format_ids((kind, number, key) for kind in IdKind for key, number in city.ids[kind].items())


def toml_with_roads(name: str) -> bytes:
    source = '[sources.ndw]\nformat = "datex2"\n\n[sites.centrum]'
    toml = SMALL_TOML.replace("version = 1", f'version = 1\nroads = "{name}"', 1)
    return toml.replace("[sites.centrum]", source, 1).encode()


def fault_paths(toml: bytes, ids_text: str, roads: bytes | None) -> list[str]:
    with pytest.raises(CityFaultsError) as caught:
        parse_city(toml, ids_text, roads)
    return [fault.path for fault in caught.value.faults]


def test_a_city_without_roads_is_read() -> None:
    expected = small_city()
    city = parse_city(SMALL_TOML.encode(), ids_text_of(expected), None)
    assert (city.file, city.ids, len(city.roads)) == (expected.file, expected.ids, 0)
    assert city.version == 1


def test_a_city_with_roads_is_read() -> None:
    expected = small_city(small_roads())
    city = parse_city(toml_with_roads(roads_name(ROADS)), ids_text_of(expected), ROADS)
    assert city.ids == expected.ids
    assert city.roads.table.equals(small_roads().table)


def test_a_sensor_of_two_channels_gets_one_number() -> None:
    city = small_city(small_roads())
    assert wanted_ids(city.file, city.roads) == {kind: list(city.ids[kind]) for kind in IdKind}
    assert len(city.ids[IdKind.SENSOR]) == 4 + 2


def test_every_file_changes_the_sha256() -> None:
    shas = {
        city_sha256(toml, ids_text, roads)
        for toml in (b"a", b"b") for ids_text in ("", "x") for roads in (None, b"r")
    }
    assert len(shas) == 8
    assert {len(sha) for sha in shas} == {64}


def test_a_companion_that_does_not_fit_is_a_fault() -> None:
    ids_text = ids_text_of(small_city(small_roads()))
    named = toml_with_roads(roads_name(ROADS))
    assert fault_paths(named, ids_text, None) == ["roads"]
    assert fault_paths(named, ids_text, ROADS + b"x") == ["roads"]
    assert fault_paths(SMALL_TOML.encode(), ids_text, ROADS) == ["roads"]
    assert fault_paths(toml_with_roads(roads_name(b"no parquet")), ids_text, b"no parquet") == ["roads"]


def test_broken_ids_are_one_fault_beside_the_others() -> None:
    toml = SMALL_TOML.replace("format = 1", "format = 2", 1).encode()
    assert fault_paths(toml, "zone\t1\tplein\nzone\t1\tstraat\n", None) == ["ids", "format"]


def test_missing_ids_and_missing_roads_are_reported_together() -> None:
    paths = fault_paths(toml_with_roads(roads_name(ROADS)), "", None)
    assert paths[0] == "roads"
    assert {"sources.ndw", "sites.centrum", "zones.plein", "gates.straat-uit", "sensors.cam-plein"} <= set(paths)
