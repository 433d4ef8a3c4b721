# SPDX-License-Identifier: Apache-2.0
import datetime as dt
from pathlib import Path

import msgspec

from schemas.events import Event, Measure, Plan
from schemas.rules import Rule, RuleKind, Severity
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


def test_events_plans_and_the_edges_of_density_rules_are_told() -> None:
    rule = Rule(kind=RuleKind.DENSITY, limit=0.5, zones=["plein"], severity=Severity.INFO)
    begin = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
    event = Event(name="Feest", from_=begin, until=begin + dt.timedelta(hours=8), sites=["centrum"])
    card = Measure(
        title="Doseren", level=2, trigger="Oranje", decides="Commandant", steps=["Hek dicht"], stop_when="Geel")
    rules = {**small_file().rules, "dicht": rule}
    before = small_city(events={"feest": event}, plans={"druk": Plan(name="Druk", measures={"a": card})}, rules=rules)
    later = msgspec.structs.replace(event, until=begin + dt.timedelta(hours=9))
    other = Plan(name="Druk", measures={"a": msgspec.structs.replace(card, level=3), "b": card})
    rules = {**rules, "dicht": msgspec.structs.replace(rule, limit=0.6)}
    after = small_city(version=2, events={"feest": later}, plans={"druk": other}, rules=rules)
    found = city_differences(before, after)
    assert kinds(found) == ["thresholds", "rules", "events", "plans"]
    told = {one.path: one.text for one in found}
    assert told["events.feest.until"] == '"2026-06-01T20:00:00Z" -> "2026-06-01T21:00:00Z"'
    assert told["plans.druk.measures.a.level"] == "2 -> 3"
    assert "plans.druk.measures.b" in told
    assert "rule dicht from 500 (below 450)" in told["zones.plein"]
    assert "rule dicht from 600 (below 540)" in told["zones.plein"]
