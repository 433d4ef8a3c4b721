# SPDX-License-Identifier: Apache-2.0
"""Each kind of fault of a rule is found, at its key path, and a sound rule of every kind has none."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.city import Facility, SensorStatus
from schemas.city_check import city_faults
from schemas.city_fault import Fault
from schemas.city_load import wanted_ids
from schemas.city_types import typed_city_file
from schemas.ids import Ids
from schemas.roads import RoadTable
from schemas.rule_check import rule_faults
from schemas.rules import KINDS, Rule, RuleKind, Severity
from tests.cities import SMALL_TOML, small_file, small_roads, with_rules

ROAD = "RWS01_MONIBAS_0120vwg0001ra"
NEEDED = {RuleKind.RISE: 100.0, RuleKind.CONGESTION: 30.0}
"""Limits of the kinds that have none of their own."""
EVENT = """
[events.feest]
name = "Feest"
from = 2026-06-01T12:00:00+02:00
until = 2026-06-01T20:00:00+02:00
sites = ["centrum"]
"""


def faults_of(rule: str) -> list[Fault]:
    """Faults of the small city with a rule `x` of these lines."""
    file = typed_city_file(f'{SMALL_TOML}{EVENT}\n[rules.x]\nseverity = "info"\n{rule}\n'.encode())
    ids, _ = Ids().extended(wanted_ids(file, RoadTable.empty()))
    return city_faults(file, ids, RoadTable.empty())


@pytest.mark.parametrize("kind", list(RuleKind))
def test_a_plain_rule_of_every_kind_is_sound_in_its_unit(kind: RuleKind) -> None:
    rule = Rule(kind=kind, level=1, limit=NEEDED.get(kind), unit=KINDS[kind].unit, severity=Severity.INFO)
    levels = {"geel": Rule(kind=RuleKind.LEVEL, level=1, severity=Severity.INFO)}
    assert list(rule_faults(with_rules(x=rule, **levels), small_roads())) == []


@pytest.mark.parametrize("kind", list(NEEDED))
def test_a_kind_without_a_usual_limit_wants_one(kind: RuleKind) -> None:
    (fault,) = faults_of(f'kind = "{kind}"')
    assert (fault.path, "is missing" in fault.text, KINDS[kind].unit in fault.text) == ("rules.x.limit", True, True)


FAULTS: list[tuple[str, str, str]] = [
    # limits and units
    ('kind = "flow"\nlimit = 201', "rules.x.limit", "not plausible"),
    ('kind = "flow"\nlimit = 0', "rules.x.limit", "above 0"),
    ('kind = "surge"\nlimit = 95', "rules.x.limit", "at most at 1 probability"),
    ('kind = "flow"\nunit = "persons/m/s"', "rules.x.unit", "convert"),
    ('kind = "level"\nlevel = 2\nlimit = 3', "rules.x.limit", "kind 'density'"),
    ('kind = "level"\nlevel = 2\nclear = 3', "rules.x.clear", "kind 'density'"),
    # the clearing limit
    ('kind = "flow"\nlimit = 80\nclear = 90', "rules.x.clear", "is not below"),
    ('kind = "flow"\nlimit = 80\nclear = 80', "rules.x.clear", "is not below"),
    ('kind = "congestion"\nlimit = 30\nclear = 20', "rules.x.clear", "is not above"),
    ('kind = "no-data"\nlimit = 0.95', "rules.x.hysteresis_percent", "never reached"),
    ('kind = "no-data"\nclear = 1.5', "rules.x.clear", "never reached"),
    ('kind = "flow"\nclear = 60\nhysteresis_percent = 20', "rules.x.hysteresis_percent", "keep one"),
    # fields of other kinds
    ('kind = "flow"\nmin_people = 300', "rules.x.min_people", "only for 'density'"),
    ('kind = "level"\nlevel = 2\ndensity_from_per_m2 = 3', "rules.x.density_from_per_m2", "only for 'stop-and-go'"),
    ('kind = "surge"\nlead_min = 30', "rules.x.lead_min", "only for 'forecast'"),
    ('kind = "flow"\nskip_levels = 3', "rules.x.skip_levels", "'level' and 'density'"),
    ('kind = "flow"\nzones = ["plein"]', "rules.x.zones", "looks at gates"),
    ('kind = "level"\nlevel = 2\ngates = ["straat-uit"]', "rules.x.gates", "looks at zones"),
    ('kind = "density"\nroads = []', "rules.x.roads", "looks at zones"),
    # places, levels, events
    ('kind = "flow"\ngates = ["straat"]', "rules.x.gates[0]", "did you mean"),
    ('kind = "flow"\ngates = ["*", "straat-uit"]', "rules.x.gates", "alone"),
    ('kind = "flow"\ngates = []', "rules.x.gates", "is empty"),
    ('kind = "no-data"\nzones = []\ngates = []\nroads = []', "rules.x.zones", "is empty"),
    ('kind = "congestion"\nlimit = 30\nroads = ["A12"]', "rules.x.roads[0]", "import-ndw"),
    ('kind = "occupancy"\nzones = ["straat"]', "rules.x.zones[0]", "no `capacity`"),
    ('kind = "flow"\nlevel = 4', "rules.x.level", "the highest is 3"),
    ('kind = "level"\nlevel = 2\nevents = ["feesd"]', "rules.x.events[0]", "did you mean 'feest'"),
    ('kind = "forecast"\nlevel = 1', "rules.x.level", "never the only alert"),
]


@pytest.mark.parametrize(("rule", "path", "text"), FAULTS, ids=[f"{path} {text}" for _, path, text in FAULTS])
def test_one_broken_thing_is_one_fault_at_its_path(rule: str, path: str, text: str) -> None:
    faults = faults_of(rule)
    assert [fault.path for fault in faults] == [path]
    assert text in faults[0].text


def test_roads_are_named_by_their_measuring_site() -> None:
    rule = Rule(kind=RuleKind.CONGESTION, limit=30, roads=[ROAD], severity=Severity.INFO)
    assert list(rule_faults(with_rules(x=rule), small_roads())) == []
    assert [fault.path for fault in rule_faults(with_rules(x=rule), RoadTable.empty())] == ["rules.x.roads[0]"]


def test_a_rule_about_all_places_may_leave_out_a_kind_of_them() -> None:
    assert faults_of('kind = "sensor-loss"\nzones = []\nroads = []') == []


def test_each_zone_may_have_its_own_density_of_a_standing_crowd() -> None:
    rules = {
        name: Rule(kind=RuleKind.STOP_AND_GO, density_from_per_m2=density, zones=[zone], severity=Severity.INFO)
        for name, density, zone in (("a", 2.0, "plein"), ("b", 3.0, "straat"))
    }
    assert list(rule_faults(with_rules(**rules), RoadTable.empty())) == []


def test_a_zone_that_only_an_event_watches_is_a_fault_and_one_without_sensors_is_not() -> None:
    file = small_file()
    of_event = {key: msgspec.structs.replace(rule, events=["feest"]) for key, rule in file.rules.items()}
    events = typed_city_file((SMALL_TOML + EVENT).encode()).events
    bare = msgspec.structs.replace(file, rules=of_event, events=events)
    (fault,) = rule_faults(bare, RoadTable.empty())
    assert (fault.path, "'plein' and 1 more" in fault.text) == ("rules", True)
    one = {**of_event, "rood": msgspec.structs.replace(file.rules["rood"], zones=["plein"])}
    (fault,) = rule_faults(msgspec.structs.replace(bare, rules=one), RoadTable.empty())
    assert (fault.path, "'straat'" in fault.text) == ("rules", True)
    assert list(rule_faults(msgspec.structs.replace(bare, sensors={}), RoadTable.empty())) == []
    roads = {key: msgspec.structs.replace(zone, facility=Facility.ROAD) for key, zone in file.zones.items()}
    assert list(rule_faults(msgspec.structs.replace(bare, zones=roads), RoadTable.empty())) == []


def test_a_rule_that_names_a_zone_without_a_counting_sensor_could_never_fire() -> None:
    rule = Rule(kind=RuleKind.DENSITY, limit=4, zones=["plein"], severity=Severity.INFO)
    file = with_rules(x=rule)
    trial = msgspec.structs.replace(file.sensors["cam-plein"], status=SensorStatus.TRIAL)
    faults = list(rule_faults(
        msgspec.structs.replace(file, sensors={**file.sensors, "cam-plein": trial}), RoadTable.empty()))
    assert [(fault.path, "never fire" in fault.text) for fault in faults] == [("rules.x.zones[0]", True)]


@given(st.sampled_from([kind for kind in RuleKind if kind is not RuleKind.LEVEL]),
       st.floats(0.001, 200_000), st.one_of(st.none(), st.floats(0, 200_000)))
def test_what_is_let_through_raises_and_clears_on_different_sides(
    kind: RuleKind, limit: float, clear: float | None
) -> None:
    rule = Rule(kind=kind, level=2, limit=limit, clear=clear, severity=Severity.INFO)
    if list(rule_faults(with_rules(x=rule), RoadTable.empty())):
        return
    facts = KINDS[kind]
    assert 0 < rule.raising <= facts.highest
    assert rule.clearing < rule.raising if facts.rising else rule.raising < rule.clearing < facts.highest
