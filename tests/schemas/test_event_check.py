# SPDX-License-Identifier: Apache-2.0
"""Each kind of fault of an event or a plan is found, at its key path."""

import msgspec
import pytest

from schemas.city_check import city_faults
from schemas.city_fault import Fault
from schemas.city_load import wanted_ids
from schemas.city_types import typed_city_file
from schemas.event_check import event_faults
from schemas.ids import Ids
from schemas.roads import RoadTable
from tests.cities import SMALL_TOML

MORE = """
[profiles.streng]
levels = ["groen", "geel", "oranje", "rood"]
percent_of_capacity = [0, 60, 75, 90]
source = "test"

[profiles.ruim]
levels = ["groen", "geel", "oranje", "rood"]
percent_of_capacity = [0, 80, 90, 110]
source = "test"

[profiles.vijf]
levels = ["a", "b", "c", "d", "e"]
percent_of_capacity = [0, 60, 75, 90, 100]
source = "test"

[profiles.wachtrij]
levels = ["groen", "geel", "oranje", "rood"]
density_per_m2 = { queue = [0, 1, 2, 3] }
source = "test"

[sites.leeg]
name = "Zonder zones"

[events.feest]
name = "Feest op het plein"
from = 2026-06-01T12:00:00+02:00
until = 2026-06-01T20:00:00+02:00
sites = ["centrum"]
profile = "streng"
expected_visitors = 300
plan = "druk"

[plans.druk]
name = "Drukteplan"

[plans.druk.measures.doseren]
title = "Toegang doseren"
zones = ["plein"]
level = 2
trigger = "Het plein is oranje"
decides = "Algemeen commandant"
steps = ["Hek half dicht", "Publiek opvangen"]
stop_when = "Het plein is geel"
effect = { gate = "plein-straat", fall_percent = 30, within_min = 10 }
"""


def faults_of(more: str) -> list[Fault]:
    file = typed_city_file((SMALL_TOML + more).encode())
    ids, _ = Ids().extended(wanted_ids(file, RoadTable.empty()))
    return city_faults(file, ids, RoadTable.empty())


def changed(old: str, new: str) -> str:
    assert MORE.count(old) == 1
    return MORE.replace(old, new)


def test_a_sound_event_with_its_plan_has_no_fault() -> None:
    assert faults_of(MORE) == []


def test_a_looser_profile_is_harmless_and_two_events_may_overlap() -> None:
    event = MORE[MORE.index("[events.feest]"):MORE.index("[plans.druk]")].replace("feest", "kermis")
    assert faults_of(changed('profile = "streng"', 'profile = "ruim"') + event) == []


FAULTS: list[tuple[str, str, str, str]] = [
    ("[events.feest]", "[events.Feest]", "events.Feest", "small letters"),
    ('name = "Feest op het plein"', 'name = " "', "events.feest.name", "is empty"),
    ("until = 2026-06-01T20", "until = 2026-06-01T12", "events.feest.until", "is not after"),
    ("from = 2026-06-01T12:00:00+02:00", "from = 2026-06-01T12:00:00", "events.feest.from", "no offset"),
    ("until = 2026-06-01T20:00:00+02:00", "until = 2026-06-01T20:00:00", "events.feest.until", "no offset"),
    ('sites = ["centrum"]', "sites = []", "events.feest.sites", "is empty"),
    ('sites = ["centrum"]', 'sites = ["centrum", "centrun"]', "events.feest.sites[1]", "did you mean 'centrum'"),
    ('profile = "streng"', 'profile = "strang"', "events.feest.profile", "did you mean 'streng'"),
    ('profile = "streng"', 'profile = "wachtrij"', "events.feest.profile", "tighten nothing"),
    ('plan = "druk"', 'plan = "drukte"', "events.feest.plan", "did you mean 'druk'"),
    ("[plans.druk.measures.doseren]", "[plans.druk.measures.Doseren]", "plans.druk.measures.Doseren", "small letters"),
    ('name = "Drukteplan"', 'name = ""', "plans.druk.name", "is empty"),
    ('title = "Toegang doseren"', 'title = ""', "plans.druk.measures.doseren.title", "is empty"),
    ('decides = "Algemeen commandant"', 'decides = ""', "plans.druk.measures.doseren.decides", "is empty"),
    ('steps = ["Hek half dicht", "Publiek opvangen"]', "steps = []", "plans.druk.measures.doseren.steps", "no step"),
    ('"Publiek opvangen"]', '" "]', "plans.druk.measures.doseren.steps", "an empty one"),
    ('zones = ["plein"]', "zones = []", "plans.druk.measures.doseren.zones", "is empty"),
    ('zones = ["plein"]', 'zones = ["plein", "*"]', "plans.druk.measures.doseren.zones", "alone"),
    ('zones = ["plein"]', 'zones = ["plein", "markt"]', "plans.druk.measures.doseren.zones[1]", "no zone 'markt'"),
    ("level = 2", "level = 4", "plans.druk.measures.doseren.level", "never be shown"),
    ('gate = "plein-straat"', 'gate = "straat"', "plans.druk.measures.doseren.effect.gate", "no gate 'straat'"),
]


@pytest.mark.parametrize(("old", "new", "path", "text"), FAULTS, ids=[f"{path} {text}" for _, _, path, text in FAULTS])
def test_one_broken_thing_is_one_fault_at_its_path(old: str, new: str, path: str, text: str) -> None:
    faults = faults_of(changed(old, new))
    assert [fault.path for fault in faults] == [path]
    assert text in faults[0].text


def test_a_profile_with_another_number_of_levels_is_judged_against_each_profile_of_the_zones() -> None:
    faults = faults_of(changed('profile = "streng"', 'profile = "vijf"'))
    assert [fault.path for fault in faults] == ["events.feest.profile"] * 2
    assert all("5 levels" in fault.text for fault in faults)


def test_an_event_may_be_at_a_site_without_zones() -> None:
    assert faults_of(changed('sites = ["centrum"]', 'sites = ["leeg"]')) == []


def test_a_plan_without_measures_is_one_fault() -> None:
    without = MORE[:MORE.index("[plans.druk.measures")]
    assert [fault.path for fault in faults_of(without + "measures = {}\n")] == ["plans.druk.measures"]


def test_a_plan_that_says_nothing_about_the_events_sites_is_a_fault() -> None:
    file = typed_city_file((SMALL_TOML + changed('sites = ["centrum"]', 'sites = ["leeg"]')).encode())
    assert list(event_faults(file, RoadTable.empty())) == []
    elsewhere = {**file.zones, "straat": msgspec.structs.replace(file.zones["straat"], site="leeg")}
    found = event_faults(msgspec.structs.replace(file, zones=elsewhere), RoadTable.empty())
    assert [(fault.path, "no measure" in fault.text) for fault in found] == [
        ("events.feest.profile", False), ("events.feest.plan", True)]
