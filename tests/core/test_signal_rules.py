# SPDX-License-Identifier: Apache-2.0
"""Rules about signals through the fold: each raises and clears, and blindness does neither."""

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from schemas.alert import State
from schemas.city import City, Sensor
from schemas.log import Clock
from schemas.reading import Batch, Metric
from schemas.rules import Rule, RuleKind, Severity
from tests.cities import small_city, small_file, small_roads
from tests.core.play import Player
from tests.core.test_alarm import crowd, opened, path, told

SITE = "RWS01_MONIBAS_0120vwg0001ra"


def one_rule(kind: RuleKind, limit: float | None = None, density_from: float = 2.0, raise_after: int = 2) -> Rule:
    return Rule(kind=kind, limit=limit, density_from_per_m2=density_from, raise_after=raise_after,
                severity=Severity.WARNING)


def city(rule: Rule, roads: bool = False) -> City:
    return small_city(small_roads() if roads else None, rules={**small_file().rules, "regel": rule})


def states(play: Player, place: str) -> list[State]:
    return [state for state, _, _ in path(told(play, "regel", place))]


LIFE = [State.FIRING, State.RECOVERING, State.RESOLVED]


def passages(play: Player, begin_s: float, gates: dict[str, tuple[float | None, float | None]]) -> Iterator[Batch]:
    for gate, counts in gates.items():
        for metric, count in zip((Metric.IN, Metric.OUT), counts, strict=True):
            yield play.reading(f"teller-{gate}", metric, begin_s, count, 60)


def minute(play: Player, number: int, people: float, gates: dict[str, tuple[float | None, float | None]]) -> None:
    crowd(play, 60 * number, 60 * number + 60, people)
    play.send(60 * number + 61, *passages(play, 60 * number, gates))


def test_a_flow_raises_and_clears() -> None:
    play = Player(city(one_rule(RuleKind.FLOW, limit=10)))
    for number in range(12):
        busy = 90 if 3 <= number < 7 else 20
        minute(play, number, 200, {"plein-straat": (busy, 10), "straat-uit": (10, 10)})
    assert states(play, "plein-straat") == LIFE
    first = told(play, "regel", "plein-straat")[0]
    assert (first.limit, first.unit, first.people_low) == (10, "persons/m/min", None)
    assert first.high is not None
    assert first.high >= 10


def test_a_square_that_fills_fast_raises_and_clears() -> None:
    play = Player(city(one_rule(RuleKind.RISE, limit=10)))
    crowd(play, 0, 600, 100)
    crowd(play, 600, 1_200, lambda second: 100 + (second - 600) // 3)
    crowd(play, 1_200, 2_400, 300)
    assert states(play, "plein") == LIFE


def test_people_who_stand_still_in_a_dense_place_raise_and_clear() -> None:
    play = Player(city(one_rule(RuleKind.STOP_AND_GO, limit=5, density_from=0.3)))
    for number in range(15):
        moving = 80 if number < 4 or number >= 9 else 12
        minute(play, number, 330, {"plein-straat": (moving, 10), "straat-uit": (10, 10)})
    assert states(play, "plein") == LIFE
    assert states(play, "straat") == []  # not dense, so standing still says nothing there


def test_each_rule_has_its_own_density_from_which_a_crowd_stands() -> None:
    rules = {name: one_rule(RuleKind.STOP_AND_GO, limit=5, density_from=density)
             for name, density in (("dicht", 0.3), ("dichter", 0.9))}
    play = Player(small_city(rules={**small_file().rules, **rules}))
    for number in range(8):
        minute(play, number, 330, {"plein-straat": (12, 10), "straat-uit": (10, 10)})
    assert [one.state_to for one in told(play, "dicht", "plein")] == [State.FIRING]
    assert told(play, "dichter", "plein") == []


def test_an_empty_square_does_not_stand_still() -> None:
    play = Player(city(one_rule(RuleKind.STOP_AND_GO, limit=5, density_from=0.3)))
    for number in range(10):
        minute(play, number, 60, {"plein-straat": (0, 0), "straat-uit": (0, 0)})
    assert told(play, "regel") == []


def road(play: Player, number: int, speed: float | None, rate: float | None = 900) -> None:
    begin_s = 60 * number
    play.send(begin_s + 61, *(play.reading(f"{SITE}/lane{lane}", metric, begin_s, value, 60)
                              for lane in (1, 2) for metric, value in ((Metric.VEHICLES, rate), (Metric.SPEED, speed))))


def test_a_slow_road_raises_and_clears_and_a_dead_one_does_neither() -> None:
    play = Player(city(one_rule(RuleKind.CONGESTION, limit=50), roads=True), clock=Clock.DATA)
    for number in range(20):
        speed = 100 - number % 3 if number < 4 or number >= 12 else 30 + number % 3
        road(play, number, None if number in (7, 8) else speed, None if number in (7, 8) else 900)
    assert [one.state_to for one in told(play, "regel", SITE) if not one.stale][:1] == [State.FIRING]
    assert opened(play, "regel", SITE) == 1
    assert [one.stale for one in told(play, "regel", SITE)].count(True) == 1
    assert states(play, SITE)[-1] is State.RESOLVED


@pytest.mark.parametrize("place", ["plein", "plein-straat"])
def test_silence_raises_and_data_clear(place: str) -> None:
    play = Player(city(one_rule(RuleKind.NO_DATA)))
    well: dict[str, tuple[float | None, float | None]] = {"plein-straat": (40, 10), "straat-uit": (10, 10)}
    for number in range(4):
        minute(play, number, 200, well)
    play.tick(60 * 12)
    for number in range(12, 20):
        minute(play, number, 200, well)
    assert states(play, place) == LIFE
    assert states(play, "straat") == [State.FIRING]


def test_a_place_that_loses_its_sensors_raises_and_clears() -> None:
    play = Player(city(one_rule(RuleKind.SENSOR_LOSS)))
    crowd(play, 0, 600, 200)
    play.tick(2_400)
    assert states(play, "plein") == [State.FIRING]
    crowd(play, 2_400, 4_200, 200)
    assert states(play, "plein") == LIFE


def test_a_crowd_that_stood_still_and_went_home_ends_its_alert() -> None:
    play = Player(city(one_rule(RuleKind.STOP_AND_GO, limit=5, density_from=0.3)))
    for number in range(20):
        people, moving = (330, 12) if number < 6 else (20, 0)
        minute(play, number, people, {"plein-straat": (moving, 10), "straat-uit": (10, 10)})
    assert states(play, "plein")[-1] is State.RESOLVED


def slow(sensor: Sensor, delay_s: float) -> Sensor:
    measures = {key: replace(one, allowed_delay_s=delay_s) for key, one in sensor.measures.items()}
    return replace(sensor, measures=measures)


def test_of_two_alerts_that_open_at_one_instant_each_has_its_own_id() -> None:
    rule = Rule(kind=RuleKind.FLOW, limit=5, raise_after=1, clear_after=1, severity=Severity.INFO)
    file = small_file()
    sensors = {key: slow(one, 600) if one.gate else one for key, one in file.sensors.items()}
    play = Player(small_city(rules={**file.rules, "regel": rule}, sensors=sensors))
    crowd(play, 0, 480, 300)
    backlog = [one for number in range(8) for one in passages(
        play, 60 * number, {"plein-straat": (0 if number % 2 else 200, 10), "straat-uit": (10, 10)})]
    play.send(500, *backlog)
    own = told(play, "regel", "plein-straat")
    assert {one.at_us for one in own} == {own[0].at_us}
    assert opened(play, "regel", "plein-straat") == 4
    assert len({(one.alert_id, one.seq) for one in own}) == len(own) == 4 * len(LIFE)


def test_people_stand_still_also_where_one_gate_tells_it_later_than_the_others() -> None:
    file = small_file()
    gates = {**file.gates, "tweede": file.gates["plein-straat"]}
    later = slow(replace(file.sensors["teller-plein-straat"], gate="tweede"), 300)
    rule = one_rule(RuleKind.STOP_AND_GO, limit=5, density_from=0.3)
    play = Player(small_city(rules={**file.rules, "regel": rule}, gates=gates,
                             sensors={**file.sensors, "teller-tweede": later}))
    for number in range(20):
        moving = 12 if 6 <= number < 12 else 80
        crowd(play, 60 * number, 60 * number + 60, 330)
        back = passages(play, 60 * (number - 3), {"tweede": (12, 10)}) if number >= 3 else ()
        play.send(60 * number + 61, *passages(
            play, 60 * number, {"plein-straat": (moving, 10), "straat-uit": (10, 10)}), *back)
    assert states(play, "plein") == LIFE
