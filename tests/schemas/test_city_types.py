# SPDX-License-Identifier: Apache-2.0
"""Reading the city file's TOML: every wrong key and type is reported, with its place."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.city import CityFile
from schemas.city_fault import CityFaultsError, Fault
from schemas.city_types import typed_city_file
from tests.cities import SMALL_TOML, small_file


def type_faults(toml: str) -> list[Fault]:
    with pytest.raises(CityFaultsError) as caught:
        typed_city_file(toml.encode())
    return caught.value.faults


def test_a_right_file_is_read_as_msgspec_reads_it() -> None:
    assert typed_city_file(SMALL_TOML.encode()) == msgspec.toml.decode(SMALL_TOML, type=CityFile)


def test_broken_toml_is_reported_with_its_line() -> None:
    lines = SMALL_TOML.splitlines()
    lines[6] = "[sources.cameras"
    (fault,) = type_faults("\n".join(lines))
    assert "line 7" in fault.text


def test_a_file_of_another_encoding_is_reported_with_its_line() -> None:
    with pytest.raises(CityFaultsError) as caught:
        typed_city_file(SMALL_TOML.replace("Plein", "Caf\u00e9", 1).encode("latin-1"))
    assert caught.value.faults[0].path == f"line {SMALL_TOML[:SMALL_TOML.index('Plein')].count(chr(10)) + 1}"


@pytest.mark.parametrize(
    ("old", "new", "path", "text"),
    [
        ("version = 1", "version = 0", "version", ">= 1"),
        ("version = 1\n", "", "version", "is missing"),
        ("version = 1", "version = 1\nroad = 'x'", "road", "did you mean 'roads'"),
        ("area_m2 = 1000", "area_m2 = '1000'", "zones.plein.area_m2", "Expected `float`"),
        ("area_m2 = 1000", "area_m2 = inf", "zones.plein.area_m2", "finite"),
        ("area_m2 = 1000", "area_m2 = nan", "zones.plein.area_m2", "`float` > 0"),
        ("area_m2 = 1000", "area_m2 = 1000\nopen = true", "zones.plein.open", "not known here"),
        ('facility = "walkway"', 'facility = "walk"', "zones.straat.facility", "did you mean 'walkway'"),
        ("[4.3155, 52.0796], [4.3161", "[4.3155], [4.3161", "zones.plein.polygon[0]", "length 2"),
        ("[4.3155, 52.0796], [4.3161", "[4.3155, 'x'], [4.3161", "zones.plein.polygon[0][1]", "`float`"),
        ("[4.3155, 52.0796], [4.3161", "[4.3155, nan], [4.3161", "zones.plein.polygon[0]", "finite"),
        ("start = 2026-01-01", "start = 2026-01-01T00:00:00", "sensors.cam-plein.start", "Expected `date`"),
        ("[sites.centrum]\nname = \"Centrum\"", "[sites]\ncentrum = 'Centrum'", "sites.centrum", "a table"),
        ("standing = [0, 2,", "park = [0, 2,", "profiles.nl-evenement.density_per_m2.park", "not known here"),
        ("percent_of_capacity = [0, 70", "percent_of_capacity = [0, 'x'",
         "profiles.nl-evenement.percent_of_capacity[1]", "Expected `float`"),
        ("level = 2", "level = 2\nhysteresis_percent = 100", "rules.oranje.hysteresis_percent", "< 100"),
    ],
)
def test_a_wrong_key_or_type_is_one_fault_at_its_path(old: str, new: str, path: str, text: str) -> None:
    assert old in SMALL_TOML
    faults = type_faults(SMALL_TOML.replace(old, new, 1))
    assert [fault.path for fault in faults] == [path]
    assert text in faults[0].text


def test_all_wrong_types_are_reported_at_once() -> None:
    toml = SMALL_TOML.replace("area_m2", "area").replace("interval_s = 60", "interval_s = '60'")
    paths = [fault.path for fault in type_faults(toml)]
    assert len(paths) == len(set(paths)) == 2 * 2 + 2 + 4
    assert "zones.plein.area" in paths
    assert "zones.plein.area_m2" in paths
    assert "sensors.teller-straat-uit.measures.out.interval_s" in paths


def test_the_error_lists_all_faults_a_line_each() -> None:
    error = CityFaultsError([Fault("zones.a", "is wrong"), Fault("", "is no TOML")], "den-haag.toml")
    assert str(error).splitlines() == ["den-haag.toml: 2 faults", "  zones.a: is wrong", "  is no TOML"]


@given(st.binary(max_size=60))
def test_any_bytes_give_faults_or_a_file(document: bytes) -> None:
    with pytest.raises(CityFaultsError):
        typed_city_file(document)


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.dates()
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


def toml_of(value: object) -> str:
    if isinstance(value, dict):
        given_items = ((toml_of(key), toml_of(item)) for key, item in value.items() if item is not None)
        return f"{{{', '.join(f'{key} = {item}' for key, item in given_items)}}}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(toml_of(item) for item in value)}]"
    if isinstance(value, bool) or value is None:
        return "true" if value else "false"
    if isinstance(value, str):
        return msgspec.json.encode(value).decode().replace("\x7f", "\\u007f")
    return str(value)


def faults_if_any(toml: str) -> list[Fault]:
    try:
        typed_city_file(toml.encode())
    except CityFaultsError as error:
        return error.faults
    return []


@given(st.sampled_from(list(CityFile.__struct_fields__)), values)
def test_any_value_of_any_field_gives_faults_below_it_or_a_file(field: str, value: object) -> None:
    document = {**msgspec.to_builtins(small_file(), builtin_types=()), field: value}
    head = "\n".join(f"{key} = {toml_of(inner)}" for key, inner in document.items() if inner is not None)
    assert all(fault.path.startswith(field) for fault in faults_if_any(head))
