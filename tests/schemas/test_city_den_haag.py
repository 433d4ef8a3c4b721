# SPDX-License-Identifier: Apache-2.0
"""The Hague's city file: sound, and its places stand where they are said to stand."""

import json
from pathlib import Path

import pytest
import shapely
from shapely.geometry import shape

from schemas.city import City, Semantics
from schemas.city_load import parse_city
from schemas.reading import Metric
from schemas.rules import RuleKind
from streams.core.thresholds import level_people, threshold_faults
from tests.conftest import ROOT

FILE = ROOT / "infra" / "cities" / "den-haag" / "den-haag.toml"
NEIGHBOURHOODS = {
    "malieveld-noord": "Haagse Bos",
    "malieveld-midden": "Haagse Bos",
    "malieveld-zuid": "Voorhout",
    "boulevard-zuid": "Scheveningen Badplaats",
    "boulevard-kurhaus": "Belgisch Park",
    "boulevard-noord": "Belgisch Park",
    "pier": "Belgisch Park",
    "grote-marktstraat-west": "Zuidwal",
    "grote-marktstraat-oost": "Zuidwal",
    "spui": "Uilebomen",
    "plein": "Voorhout",
    "centraal-voorplein": "Rivierenbuurt-Noord",
    "zuiderpark-voorpodium": "Zuiderpark",
    "zuiderpark-veld": "Zuiderpark",
}
"""A neighbourhood of 2015 that each zone touches, by CBS's names."""


@pytest.fixture(scope="module")
def city() -> City:
    return parse_city(FILE.read_bytes(), FILE.with_suffix(".ids").read_text(), None)


def test_every_zone_is_watched_by_a_camera_and_every_gate_by_a_counter(city: City) -> None:
    sensors = city.file.sensors.values()
    watched = {sensor.zone for sensor in sensors if Metric.PEOPLE.key in sensor.measures}
    counted = {sensor.gate for sensor in sensors if {"in", "out"} <= sensor.measures.keys()}
    assert watched - {None} == city.file.zones.keys()
    assert counted - {None} == city.file.gates.keys()


def test_every_site_has_a_gate_to_the_outside(city: City) -> None:
    reached = {gate.site for gate in city.file.gates.values() if "outside" in (gate.from_, gate.to)}
    assert reached == city.file.sites.keys()


def test_cameras_report_states_and_counters_report_counts(city: City) -> None:
    pairs = {
        (sensor.source, measure.semantics)
        for sensor in city.file.sensors.values() for measure in sensor.measures.values()
    }
    assert pairs == {("cameras", Semantics.INSTANT), ("counters", Semantics.INTERVAL)}


def test_the_rules_cover_every_zone_at_two_severities(city: City) -> None:
    levels = {
        key: (rule.level, rule.severity.value) for key, rule in city.file.rules.items()
        if rule.kind is RuleKind.LEVEL and not rule.events
    }
    assert levels == {"oranje": (2, "warning"), "rood": (3, "critical")}
    assert all(city.file.rules[key].zones == ["*"] for key in levels)


def test_there_is_a_rule_of_every_kind(city: City) -> None:
    assert {rule.kind for rule in city.file.rules.values()} == set(RuleKind)


def test_two_sites_have_an_event_with_a_plan_whose_cards_go_up_to_the_last_level(city: City) -> None:
    events = city.file.events.values()
    assert {site for event in events for site in event.sites} == {"malieveld", "scheveningen"}
    for event in events:
        measures = city.file.plans[event.plan or ""].measures.values()
        assert max(measure.level for measure in measures) == 3
        assert any(measure.effect is not None and measure.effect.gate is not None for measure in measures)


def test_no_threshold_snaps_together_also_while_an_event_tightens_it(city: City) -> None:
    assert threshold_faults(city.file) == []
    plain = level_people(city.file.zones["pier"], city.file.profiles["nl-evenement"])
    tight = level_people(city.file.zones["pier"], city.file.profiles["evenement-streng"])
    assert all(sooner < later for sooner, later in zip(tight, plain, strict=True))


def features(path: Path) -> list[dict[str, dict[str, object]]]:
    found: list[dict[str, dict[str, object]]] = json.loads(path.read_bytes())["features"]
    return found


@pytest.mark.data
def test_every_zone_lies_in_its_neighbourhood_of_the_hague(city: City, data_dir: Path) -> None:
    outlines = {
        str(feature["properties"]["BU_NAAM"]): shape(feature["geometry"])
        for feature in features(data_dir / "cbs-denhaag" / "buurt_2015.geojson")
    }
    assert NEIGHBOURHOODS.keys() == city.file.zones.keys()
    for key, zone in city.file.zones.items():
        assert outlines[NEIGHBOURHOODS[key]].intersects(shapely.Polygon(zone.polygon)), key


@pytest.mark.data
def test_every_zone_on_land_lies_wholly_in_the_hague(city: City, data_dir: Path) -> None:
    (municipality,) = features(data_dir / "cbs-denhaag" / "gemeente_2015.geojson")
    the_hague = shape(municipality["geometry"])
    outside = {
        key for key, zone in city.file.zones.items()
        if not the_hague.contains(shapely.Polygon(zone.polygon))
    }
    assert outside == {"pier"}, "only the pier stands in the sea, which the outlines leave out"
