# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import msgspec

from streams.city_diff import ChangeKind, city_differences, kinds
from streams.city_files import load_city
from tests.cities import small_city, small_file
from tests.versions import both


def test_a_version_does_not_differ_from_itself() -> None:
    assert city_differences(small_city(), small_city(version=2)) == []


def test_a_new_sensor_a_removed_rule_and_the_thresholds_that_follow_are_told(tmp_path: Path) -> None:
    found = city_differences(*map(load_city, both(tmp_path)))
    assert kinds(found) == ["sensors", "thresholds", "rules"]
    told = {(one.kind, one.path): one.text for one in found}
    assert told[ChangeKind.SENSORS, "sensors.cam-straat-oost"] == "new"
    assert told[ChangeKind.RULES, "rules.oranje"] == "removed"
    # 500 m2 at 0.72/m2 are 360 people: 180 counted where one stands for two, 360 where all is seen.
    thresholds = told[ChangeKind.THRESHOLDS, "zones.straat"]
    assert "geel from 180" in thresholds
    assert "geel from 360" in thresholds
    assert "one for 2 -> " in thresholds


def test_geometry_is_told_apart_from_what_a_place_is_called() -> None:
    zones = dict(small_file().zones)
    polygon = [*zones["plein"].polygon]
    polygon[0] = (4.3154, 52.0796)
    zones["plein"] = msgspec.structs.replace(zones["plein"], polygon=polygon, name="Het Plein")
    found = city_differences(small_city(), small_city(version=2, zones=zones))
    assert {(one.kind, one.path, one.text) for one in found} == {
        (ChangeKind.GEOMETRY, "zones.plein.polygon", "drawn anew"),
        (ChangeKind.PLACES, "zones.plein.name", '"Plein" -> "Het Plein"'),
    }
