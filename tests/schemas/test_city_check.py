# SPDX-License-Identifier: Apache-2.0
"""Each kind of fault is found, at its key path, and nothing else is called a fault."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.city import City, Zone
from schemas.city_check import city_faults
from schemas.city_fault import Fault
from schemas.city_load import wanted_ids
from schemas.city_types import typed_city_file
from schemas.ids import IdKind, Ids
from schemas.roads import RoadTable
from tests.cities import SMALL_TOML, small_city, small_file, small_roads


def faults_of(toml: str) -> list[Fault]:
    file = typed_city_file(toml.encode())
    ids, _ = Ids().extended(wanted_ids(file, RoadTable.empty()))
    return city_faults(file, ids, RoadTable.empty())


def changed(old: str, new: str) -> str:
    assert old in SMALL_TOML
    return SMALL_TOML.replace(old, new, 1)


def faults_of_city(city: City) -> list[Fault]:
    return city_faults(city.file, city.ids, city.roads)


def test_a_sound_city_has_no_fault() -> None:
    assert faults_of_city(small_city()) == []
    assert faults_of_city(small_city(small_roads())) == []


CAMERA = '[sensors.cam-plein.measures.people]\nsemantics = "instant"\ninterval_s = 10\nview_area_m2 = 1000\n'
COUNTER = '[sensors.teller-plein-straat.measures.in]\nsemantics = "interval"\ninterval_s = 60\n'
OTHER_SITE = '[sites.elders]\nname = "Elders"\n\n[zones.plein]\nsite = "elders"'
PLEIN_OUTLINE = "[[4.3155, 52.0796], [4.3161, 52.0796], [4.3161, 52.07984], [4.3155, 52.07984]]"

FAULTS: list[tuple[str, str, str, str]] = [
    # the head
    ("format = 1", "format = 2", "format", "reads format 1"),
    ('city = "klein"', 'city = "Klein"', "city", "small letters"),
    ('name = "Klein"', 'name = " "', "name", "empty"),
    ('"Europe/Amsterdam"', '"Europe/Den_Haag"', "timezone", "no time zone"),
    ('"Europe/Amsterdam"', '"Europe"', "timezone", "no time zone"),
    # keys and sources
    ("[sources.counters]\nformat", '[sources."Oud 1"]\nformat = "native"\n[sources.counters]\nformat',
     'sources."Oud 1"', "small letters"),
    ("[rules.oranje]", "[rules.-oranje]", "rules.-oranje", "small letters"),
    ('[sources.cameras]\nformat = "native"', '[sources.cameras]\nformat = "nativ"', "sources.cameras.format",
     "did you mean 'native'"),
    ("[gates.straat-uit]\nsite",
     "[gates.plein]\nfrom = 'plein'\nto = 'outside'\nsite = 'centrum'\nwidth_m = 5\n"
     "line = [[4.3155, 52.0796], [4.3155, 52.0797]]\n[gates.straat-uit]\nsite", "gates.plein", "same key"),
    # zones
    ('[zones.plein]\nsite = "centrum"', '[zones.plein]\nsite = "centrun"', "zones.plein.site",
     "did you mean 'centrum'"),
    ('profile = "nl-evenement"', 'profile = "event"', "zones.plein.profile", "no profile 'event'"),
    ('facility = "walkway"', 'facility = "standing"', "zones.straat.profile", "no density column"),
    ("[4.3155, 52.0796], [4.3161", "[52.0796, 4.3155], [4.3161", "zones.plein.polygon[0]", "latitude first"),
    ("[4.3155, 52.0796], [4.3161", "[13.4, 52.5], [4.3161", "zones.plein.polygon[0]",
     "outside the Netherlands"),
    (PLEIN_OUTLINE, "[[4.3155, 52.0796], [4.3161, 52.0796]]", "zones.plein.polygon", "2 points"),
    (PLEIN_OUTLINE, "[[4.3155, 52.0796], [4.3161, 52.07984], [4.3161, 52.0796], [4.3155, 52.07984]]",
     "zones.plein.polygon", "no simple outline"),
    ("area_m2 = 1000\ncapacity", "area_m2 = 1200\ncapacity", "zones.plein.area_m2",
     "larger than the polygon's 1098"),
    ("capacity = 400", "capacity = 10001", "zones.plein.capacity", "more than 10 per m2"),
    ("[4.3161, 52.07969]]\n\n[gates.plein", "[4.3160, 52.07969], [4.3160, 52.0796]]\n\n[gates.plein",
     "zones.straat.polygon", "zone 'plein'"),
    # gates
    ('to = "straat"', 'to = "straatje"', "gates.plein-straat.to", "did you mean 'straat'"),
    ('from = "plein"', 'from = "markt"', "gates.plein-straat.from", "no zone 'markt'"),
    ('[zones.plein]\nsite = "centrum"', OTHER_SITE, "gates.plein-straat.from", "'outside' as its far side"),
    ('[gates.straat-uit]\nsite = "centrum"\nfrom = "straat"',
     '[gates.straat-uit]\nsite = "centrum"\nfrom = "outside"', "gates.straat-uit.to", "to itself"),
    ('to = "straat"', 'to = "plein"', "gates.plein-straat.to", "to itself"),
    ("width_m = 8", "width_m = 11.1", "gates.plein-straat.width_m", "the line's 10.0 m"),
    ("line = [[4.3161, 52.0796], [4.3161, 52.07969]]", "line = [[4.3161, 52.0796], [4.3161, 52.0796]]",
     "gates.plein-straat.line", "one point"),
    ("line = [[4.3161, 52.0796]", "line = [[52.0796, 4.3161]", "gates.plein-straat.line[0]",
     "latitude first"),
    # sensors
    ('source = "cameras"', 'source = "kameras"', "sensors.cam-plein.source", "did you mean 'cameras'"),
    ('zone = "plein"\n', "", "sensors.cam-plein", "neither a zone nor a gate"),
    ('zone = "plein"\n', 'zone = "plein"\ngate = "straat-uit"\n', "sensors.cam-plein",
     "both a zone and a gate"),
    ('zone = "plein"', 'zone = "plain"', "sensors.cam-plein.zone", "did you mean 'plein'"),
    ('gate = "straat-uit"', 'gate = "straat-in"', "sensors.teller-straat-uit.gate", "did you mean"),
    ('zone = "plein"\n', 'zone = "plein"\nswapped = true\n', "sensors.cam-plein.swapped",
     "only a sensor at a gate"),
    ('purpose = "crowd safety"', 'purpose = ""', "sensors.cam-plein.purpose", "is empty"),
    ('legal_basis = "public task"', 'legal_basis = " "', "sensors.cam-plein.legal_basis", "is empty"),
    ('supplier = "Voorbeeld BV"', 'supplier = ""', "sensors.cam-plein.supplier", "is empty"),
    ("end = 2027-12-31", "end = 2025-12-31", "sensors.cam-plein.end", "before the start"),
    (CAMERA, "measures = {}\n", "sensors.cam-plein.measures", "is empty"),
    (CAMERA, CAMERA.replace("people", "persons"), "sensors.cam-plein.measures.persons",
     "no metric 'persons'"),
    (CAMERA, '[sensors.cam-plein.measures.speed]\nsemantics = "interval"\ninterval_s = 60\n',
     "sensors.cam-plein.measures.speed", "import-ndw"),
    (CAMERA, '[sensors.cam-plein.measures.in]\nsemantics = "interval"\ninterval_s = 60\n',
     "sensors.cam-plein.measures.in", "counted at a gate"),
    (COUNTER, '[sensors.teller-plein-straat.measures.people]\nsemantics = "instant"\ninterval_s = 60\n'
     "view_area_m2 = 10\n", "sensors.teller-plein-straat.measures.people", "counted in a zone"),
    (CAMERA, CAMERA.replace("instant", "interval"), "sensors.cam-plein.measures.people.semantics",
     "write 'instant'"),
    (COUNTER, COUNTER.replace("interval\"", "rate\""), "sensors.teller-plein-straat.measures.in.semantics",
     "write 'interval'"),
    (CAMERA, CAMERA.replace("view_area_m2 = 1000\n", ""), "sensors.cam-plein.measures.people.view_area_m2",
     "is missing"),
    (COUNTER, COUNTER + "view_area_m2 = 3\n", "sensors.teller-plein-straat.measures.in.view_area_m2",
     "means nothing"),
    (CAMERA, CAMERA.replace("= 10\n", "= 0.05\n"), "sensors.cam-plein.measures.people.interval_s",
     "not between"),
    (COUNTER, COUNTER.replace("60", "7200"), "sensors.teller-plein-straat.measures.in.interval_s",
     "not between"),
    (COUNTER, COUNTER + "allowed_delay_s = 7200\n", "sensors.teller-plein-straat.measures.in.allowed_delay_s",
     "no window waits"),
    (COUNTER, COUNTER + "on_event = true\n", "sensors.teller-plein-straat.measures.in.heartbeat_s",
     "silence is not calm"),
    (COUNTER, COUNTER + "heartbeat_s = 30\n", "sensors.teller-plein-straat.measures.in.heartbeat_s",
     "not between"),
    (CAMERA, CAMERA.replace("1000", "1001"), "zones.plein", "count twice"),
    # profiles and rules
    ("percent_of_capacity = [0, 70, 85, 100]", "percent_of_capacity = [0, 70, 85]",
     "profiles.nl-evenement.percent_of_capacity", "3 values for 4 levels"),
    ("percent_of_capacity = [0, 70", "percent_of_capacity = [10, 70",
     "profiles.nl-evenement.percent_of_capacity[0]", "begins at 0"),
    ("percent_of_capacity = [0, 70, 85", "percent_of_capacity = [0, 70, 70",
     "profiles.nl-evenement.percent_of_capacity[2]", "must rise"),
    ("percent_of_capacity = [0, 70, 85, 100]", "percent_of_capacity = [0, 70, 85, 1000]",
     "profiles.nl-evenement.percent_of_capacity[3]", "not plausible"),
    ("walkway = [0, 0.72, 1.08, 2.17]", "walkway = [0, 0.72, 1.08, 9999]",
     "profiles.amsterdam-peak.density_per_m2.walkway[3]", "not plausible"),
    ('source = "Dutch event practice"', 'source = ""', "profiles.nl-evenement.source", "is empty"),
    ('"geel", "oranje", "rood"]', '"geel", "geel", "rood"]', "profiles.nl-evenement.levels", "stands twice"),
    ("[rules.oranje]", '[profiles.leeg]\nlevels = ["a", "b"]\nsource = "x"\n[rules.oranje]', "profiles.leeg",
     "has no column"),
    ("[rules.oranje]",
     '[profiles.een]\nlevels = ["a"]\nsource = "x"\npercent_of_capacity = [0]\n[rules.oranje]',
     "profiles.een.levels", "2 to 10"),
    ("level = 2", "level = 2\nzones = []", "rules.oranje.zones", "is empty"),
    ("level = 2", 'level = 2\nzones = ["*", "plein"]', "rules.oranje.zones", "alone"),
    ("level = 2", 'level = 2\nzones = ["plein", "markt"]', "rules.oranje.zones[1]", "no zone 'markt'"),
    ("level = 2", 'level = 4\nzones = ["plein"]', "rules.oranje.level", "ends at 3"),
]


@pytest.mark.parametrize(
    ("old", "new", "path", "text"), FAULTS, ids=[f"{path} {text}" for _, _, path, text in FAULTS]
)
def test_one_broken_thing_is_one_fault_at_its_path(old: str, new: str, path: str, text: str) -> None:
    faults = faults_of(changed(old, new))
    assert [fault.path for fault in faults] == [path]
    assert text in faults[0].text


def test_all_faults_are_reported_at_once() -> None:
    toml = SMALL_TOML
    for old, new in (("format = 1", "format = 7"), ('to = "straat"', 'to = "x"'), ("level = 3", "level = 9"),
                     ('purpose = "crowd safety"', 'purpose = ""')):
        toml = toml.replace(old, new, 1)
    assert {fault.path for fault in faults_of(toml)} == {
        "format", "gates.plein-straat.to", "rules.rood.level", "sensors.cam-plein.purpose",
    }


def test_a_rule_level_is_judged_once_for_each_profile_that_it_meets() -> None:
    faults = faults_of(changed("level = 3", "level = 4"))
    assert [fault.path for fault in faults] == ["rules.rood.level"] * 2


def test_outside_is_no_name_for_a_zone() -> None:
    file = small_file()
    zones: dict[str, Zone] = {**file.zones, "outside": file.zones["plein"]}
    paths = [fault.path for fault in faults_of_city(small_city(zones=zones))]
    assert "zones.outside" in paths


def test_a_trial_camera_does_not_count_towards_the_area_in_view() -> None:
    camera = small_file().sensors["cam-plein"]
    trial = msgspec.convert({**msgspec.to_builtins(camera), "status": "trial"}, type(camera))
    sensors = {**small_file().sensors, "cam-plein-proef": trial}
    assert faults_of_city(small_city(sensors=sensors)) == []
    sensors["cam-plein-proef"] = camera
    assert [fault.path for fault in faults_of_city(small_city(sensors=sensors))] == ["zones.plein"]


def test_keys_without_a_number_are_named_with_the_remedy() -> None:
    city = small_city(small_roads())
    city.ids[IdKind.ZONE].pop("straat")
    city.ids[IdKind.SENSOR].pop("cam-plein")
    for sensor in city.roads.column("sensor"):
        city.ids[IdKind.SENSOR].pop(str(sensor), None)
    faults = faults_of_city(city)
    assert [fault.path for fault in faults] == ["zones.straat", "sensors.cam-plein", "roads"]
    assert all("--assign-ids" in fault.text for fault in faults)
    assert faults[2].text.startswith("2 sensors")


def test_roads_need_their_source_and_keys_of_their_own() -> None:
    city = small_city(small_roads())
    without = msgspec.structs.replace(city.file, sources=small_file().sources)
    assert [fault.path for fault in city_faults(without, city.ids, city.roads)] == ["sources.ndw"]
    sites = {**city.file.sites, "roads-16-91": city.file.sites["centrum"]}
    same_key = msgspec.structs.replace(city.file, sites=sites)
    assert [fault.path for fault in city_faults(same_key, city.ids, city.roads)] == ["sites.roads-16-91"]


def test_a_hand_written_sensor_cannot_belong_to_the_road_feed() -> None:
    toml = changed('[sources.cameras]\nformat = "native"', '[sources.cameras]\nformat = "datex2"')
    paths = {fault.path for fault in faults_of(toml)}
    assert paths == {"sensors.cam-plein.source", "sensors.cam-straat.source"}


ONE_OF_EACH = {path.split(".")[0]: (old, new, path) for old, new, path, _ in FAULTS}


@given(st.sets(st.sampled_from(["format", "city", "name", "timezone", "rules"]), min_size=2))
def test_faults_of_different_sections_do_not_hide_each_other(sections: set[str]) -> None:
    toml = SMALL_TOML
    for old, new, _ in (ONE_OF_EACH[section] for section in sections):
        toml = toml.replace(old, new, 1)
    assert {fault.path for fault in faults_of(toml)} == {ONE_OF_EACH[section][2] for section in sections}


def test_five_thousand_zones_beside_each_other_are_no_overlap() -> None:
    template = small_file().zones["plein"]
    zones = {}
    for at in range(5000):
        west, south = 4.0 + 0.0006 * (at % 100), 52.0 + 0.00024 * (at // 100)
        east, north = west + 0.0006, south + 0.00024
        ring = [(west, south), (east, south), (east, north), (west, north)]
        zones[f"vak-{at}"] = msgspec.structs.replace(template, polygon=ring)
    assert faults_of_city(small_city(zones=zones, gates={}, sensors={})) == []
