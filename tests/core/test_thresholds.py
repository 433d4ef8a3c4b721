# SPDX-License-Identifier: Apache-2.0
"""From profiles and permits to edges."""

import datetime as dt
from typing import Any

import msgspec
import pytest

from schemas.city import Profile
from schemas.events import Event
from schemas.rules import Rule, RuleKind, Severity
from streams.core.thresholds import level_people, threshold_faults, zone_thresholds
from tests.cities import small_file, with_rules


def test_the_lower_of_permit_and_density_counts() -> None:
    file = small_file()
    plein, profile = file.zones["plein"], file.profiles["nl-evenement"]
    assert level_people(plein, profile) == [280, 340, 400]
    crowded = msgspec.structs.replace(plein, capacity=10_000)
    assert level_people(crowded, profile) == [2000, 2500, 4700]


def test_a_zone_without_permit_is_judged_by_density_alone() -> None:
    file = small_file()
    assert level_people(file.zones["straat"], file.profiles["amsterdam-peak"]) == [360, 540, 1085]


def test_edges_are_in_counted_persons() -> None:
    plein, straat = zone_thresholds(small_file())
    assert (plein.zone, plein.gain, plein.up) == ("plein", 1.0, [280, 340, 400])
    assert plein.down == [250, 305, 360]
    assert (straat.zone, straat.gain, straat.up) == ("straat", 2.0, [180, 270, 540])


def test_the_small_city_has_no_faults() -> None:
    assert threshold_faults(small_file()) == []


@pytest.mark.parametrize(("capacity", "text"), [(18, "both begin at"), (17, "no band")])
def test_limits_that_snap_together_or_leave_no_hysteresis_are_faults(capacity: int, text: str) -> None:
    file = small_file()
    plein = msgspec.structs.replace(file.zones["plein"], capacity=capacity)
    faults = threshold_faults(msgspec.structs.replace(file, zones={**file.zones, "plein": plein}))
    assert any(path == "zones.plein" and text in fault for path, fault in faults), faults


def test_a_zone_without_any_limit_is_a_fault() -> None:
    file = small_file()
    bare = Profile(levels=["groen", "rood"], percent_of_capacity=[0, 100], source="test")
    faults = threshold_faults(msgspec.structs.replace(file, profiles={**file.profiles, "amsterdam-peak": bare}))
    assert [path for path, _ in faults] == ["zones.straat"]


def density(limit: float, zone: str = "plein", **fields: Any) -> Rule:
    return Rule(kind=RuleKind.DENSITY, limit=limit, zones=[zone], severity=Severity.INFO, **fields)


def test_a_density_rule_has_edges_of_its_own_in_the_zones_that_it_names() -> None:
    plein, straat = zone_thresholds(with_rules(
        a=density(0.5), b=density(0.1, min_people=120), c=density(0.5, clear=0.25), d=density(1.0, "straat")))
    assert plein.own == {"a": (500, 450), "b": (120, 105), "c": (500, 250)}
    assert straat.own == {"d": (250, 225)}


def test_only_rules_about_levels_give_the_levels_their_hysteresis() -> None:
    flow = Rule(kind=RuleKind.FLOW, hysteresis_percent=1, severity=Severity.INFO)
    assert zone_thresholds(with_rules(x=flow)) == zone_thresholds(small_file())


@pytest.mark.parametrize(("rules", "text"), [
    ({"a": density(0.5), "b": density(0.502)}, "rules 'a' and 'b' both raise at 500"),
    ({"a": density(0.014)}, "rule 'a' would raise at 10 counted persons"),
])
def test_densities_that_snap_together_or_leave_no_hysteresis_are_faults(rules: dict[str, Rule], text: str) -> None:
    ((path, fault),) = threshold_faults(with_rules(**rules))
    assert path == "zones.plein"
    assert text in fault


def test_two_rules_of_one_density_and_a_broken_one_are_no_matter_of_bands() -> None:
    assert threshold_faults(with_rules(a=density(0.5), b=density(0.5, min_people=100))) == []
    level = Rule(kind=RuleKind.LEVEL, level=2, clear=5, severity=Severity.INFO)
    assert threshold_faults(with_rules(a=level, b=density(0.5, clear=0.1))) == []


def test_what_snaps_together_only_during_an_event_is_a_fault_of_the_event() -> None:
    tight = Profile(levels=["groen", "geel", "oranje", "rood"], percent_of_capacity=[0, 50, 50.5, 90], source="test")
    begin = dt.datetime(2026, 6, 1, tzinfo=dt.UTC)
    event = Event(name="Feest", from_=begin, until=begin + dt.timedelta(1), sites=["centrum"], profile="tight")
    file = small_file()
    profiles = {**file.profiles, "tight": tight}
    ((path, fault),) = threshold_faults(small_file(profiles=profiles, events={"feest": event}))
    assert path == "events.feest.profile"
    assert "in zone 'plein' levels 1 and 2 both begin at 200" in fault
    elsewhere = msgspec.structs.replace(event, sites=["elders"])
    assert threshold_faults(small_file(profiles=profiles, events={"feest": elsewhere})) == []
