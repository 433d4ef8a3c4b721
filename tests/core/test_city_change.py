# SPDX-License-Identifier: Apache-2.0
"""A newer city version takes over at its time: what stays goes on, what changes is never mixed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.alert import Cause, State
from schemas.city import City, Grain
from schemas.city_change import zone_map
from schemas.command import SetOccupancy
from schemas.errors import RefusedError
from schemas.ids import IdKind, Ids
from schemas.live import LiveTable
from schemas.reading import Metric
from schemas.rules import Rule, RuleKind, Severity
from schemas.seal import Group, Seal
from streams.core.snapshot import dump, load
from tests.cities import small_city, small_file, small_roads
from tests.core.play import Player, at_us

CHANGE_S = 600


def second_version(**changes: Any) -> City:
    """Version 2, its numbers an extension of version 1's."""
    return small_city(version=2, **changes)


def with_camera(view_m2: float = 500) -> City:
    """One camera more at the end of the file: its number is new, the others keep theirs."""
    file = small_file()
    camera = file.sensors["cam-plein"]
    measures = {"people": replace(camera.measures["people"], view_area_m2=view_m2)}
    return second_version(sensors={**file.sensors, "cam-nieuw": replace(camera, measures=measures)})


def steady(play: Player, from_s: int, to_s: int, people: Callable[[int], float] = lambda _: 60.0) -> None:
    for second in range(from_s, to_s, 10):
        play.send(second, play.reading("cam-plein", Metric.PEOPLE, second, people(second)),
                  play.reading("cam-straat", Metric.PEOPLE, second, 19 + second // 10 % 2 * 2))
        if second % 60 == 0 and second:
            play.send(second + 1, play.reading("teller-plein-straat", Metric.IN, second - 60, 12, 60),
                      play.reading("teller-plein-straat", Metric.OUT, second - 60, 7, 60))


def test_a_version_without_changes_changes_nothing() -> None:
    plain, changed = Player(small_city()), Player(small_city())
    for play in (plain, changed):
        steady(play, 0, 300, lambda second: 350 + second % 50)
        if play is changed:
            play.change(301, second_version(), CHANGE_S)
        else:
            play.tick(301)
        steady(play, 310, 1_500, lambda second: 350 + second % 50)
    assert [said(effect) for effect in plain.effects] == [said(effect) for effect in changed.effects]


def said(effect: Any) -> Any:
    if hasattr(effect, "rows"):
        return effect.rows.to_pylist()
    return replace(effect, city_version=0) if hasattr(effect, "alert_id") else effect


def test_a_new_camera_counts_from_its_version_on() -> None:
    play = Player(small_city())
    play.change(1, with_camera(), CHANGE_S)
    city = with_camera()
    for second in range(0, 1_200, 10):
        play.send(second, play.reading("cam-plein", Metric.PEOPLE, second, 60 + second // 10 % 2))
        play.city = city
        play.send(second, play.reading("cam-nieuw", Metric.PEOPLE, second, 40 + second // 10 % 2), version=2)
    low = {row["window_start"]: row["people_low"] for row in play.zone("plein")}
    assert {low[start] for start in range(60, CHANGE_S, 60)} == {60}
    assert {low[start] for start in range(CHANGE_S + 60, 1_140, 60)} == {100}


def test_a_batch_of_a_version_that_was_not_announced_is_refused() -> None:
    play = Player(small_city())
    with pytest.raises(RefusedError, match="publish"):
        play.send(10, play.reading("cam-plein", Metric.PEOPLE, 10, 60), version=2)
    play.change(11, second_version(), CHANGE_S)
    play.send(12, play.reading("cam-plein", Metric.PEOPLE, 10, 60), version=2)
    steady(play, 20, 700)
    play.send(701, play.reading("cam-plein", Metric.PEOPLE, 700, 60), version=1)  # under way when it changed
    assert play.partition.city.version == 2


def test_an_older_version_is_refused_and_the_same_one_is_no_news() -> None:
    play = Player(small_city())
    play.change(1, second_version(), CHANGE_S)
    play.change(2, second_version(), CHANGE_S)
    with pytest.raises(RefusedError, match="raise"):
        play.change(3, second_version(name="Anders"), CHANGE_S)
    with pytest.raises(RefusedError, match="raise"):
        play.change(4, small_city(name="Anders"), CHANGE_S)
    steady(play, 10, 700)
    assert play.partition.city.sha256 == second_version().sha256


def test_a_removed_rule_closes_its_alert_with_cause_city() -> None:
    play = Player(small_city())
    play.change(1, second_version(rules={"rood": small_file().rules["rood"]}), CHANGE_S)
    steady(play, 0, 900, lambda _: 350)
    told = [(one.rule, one.state_to, one.cause, one.at_us) for one in play.transitions if one.place == "plein"]
    assert told[-1] == ("oranje", State.RESOLVED, Cause.CITY, at_us(CHANGE_S))
    assert len(told) == 2


@pytest.mark.parametrize("rule", [
    Rule(kind=RuleKind.LEVEL, level=2, severity=Severity.CRITICAL),
    Rule(kind=RuleKind.OCCUPANCY, limit=50, severity=Severity.WARNING)])
def test_a_rule_of_another_severity_or_kind_closes_its_alert_with_cause_city(rule: Rule) -> None:
    changed = {**small_file().rules, "oranje": rule}
    play = Player(small_city())
    play.change(1, second_version(rules=changed), CHANGE_S)
    steady(play, 0, 900, lambda _: 350)
    opening, end, *after = [one for one in play.transitions if (one.place, one.rule) == ("plein", "oranje")]
    assert (end.alert_id, end.state_to, end.cause, end.at_us, end.severity) == (
        opening.alert_id, State.RESOLVED, Cause.CITY, at_us(CHANGE_S), Severity.WARNING)
    if rule.kind is RuleKind.LEVEL:
        assert (after[0].state_to, after[0].severity) == (State.FIRING, Severity.CRITICAL)
    assert all(one.alert_id != opening.alert_id for one in after)


def test_an_alert_that_opens_in_the_instant_of_such_a_change_has_an_id_of_its_own() -> None:
    rules = small_file().rules
    changed = {**rules, "oranje": replace(rules["oranje"], severity=Severity.CRITICAL, raise_after=1)}
    play = Player(small_city())
    play.change(1, second_version(rules=changed), CHANGE_S)
    steady(play, 0, CHANGE_S + 120, lambda second: 350 if second >= CHANGE_S - 20 else 60)
    told = [one for one in play.transitions if (one.place, one.rule) == ("plein", "oranje")]
    assert len({(one.alert_id, one.seq) for one in told}) == len(told) > 2


def test_an_open_alert_goes_on_under_its_id_when_its_zone_grows() -> None:
    file = small_file()
    wider = replace(file.zones["plein"], capacity=2_000)
    play = Player(small_city())
    play.change(1, second_version(zones={**file.zones, "plein": wider}), CHANGE_S)
    steady(play, 0, 1_200, lambda second: 350 + second // 10 % 2)
    told = [one for one in play.transitions if one.place == "plein" and one.rule == "oranje"]
    assert len({one.alert_id for one in told}) == 1
    assert (told[-1].state_to, told[-1].cause) == (State.RESOLVED, Cause.THRESHOLD)
    percent = {row["window_start"]: row["percent_low"] for row in play.zone("plein")}
    assert (percent[CHANGE_S - 60], percent[CHANGE_S]) == (87.5, 17.5)


def test_a_zone_that_is_gone_is_closed_and_sealed() -> None:
    file = small_file()
    noon = 12 * 3_600
    zones = {key: replace(zone, grain=Grain.QUARTER) for key, zone in file.zones.items()}
    gates = {key: replace(gate, grain=Grain.QUARTER) for key, gate in file.gates.items()}
    first = small_city(zones=zones, gates=gates)
    gate = replace(gates["plein-straat"], to="outside")
    sensors = {key: sensor for key, sensor in file.sensors.items() if key not in ("cam-straat", "teller-straat-uit")}
    second = replaced_city(first, zones={"plein": zones["plein"]}, gates={"plein-straat": gate}, sensors=sensors)
    play = Player(first, start_s=noon)
    play.change(noon + 1, second, noon + 1_800)
    steady(play, noon + 10, noon + 3_600, lambda second: 345 + second // 10 % 2)
    rows = [row["window_start"] for row in play.zone("straat")]
    assert rows == list(range(noon, noon + 1_800, 60))
    sealed = [seal for seal in play.effects if isinstance(seal, Seal)]
    straat = first.ids[IdKind.ZONE]["straat"]
    values = [row["value"] for seal in sealed for row in seal.cells.to_pylist()
              if seal.group is Group.PEOPLE and row["place"] == straat]
    assert values == [pytest.approx(20 * 900, abs=200)] * 2
    assert {seal.zone_map for seal in sealed} == {zone_map(first.file)}
    play.tick(noon + 3_600 + 6 * 3_600)
    assert zone_map(second.file) in {seal.zone_map for seal in play.effects if isinstance(seal, Seal)}


def replaced_city(city: City, **changes: Any) -> City:
    """Version 2 with the numbers of version 1, though places are gone."""
    newer = second_version(**changes)
    kinds = {kind: dict(city.ids[kind]) for kind in IdKind}
    return City(newer.file, Ids(kinds), newer.roads, newer.sha256)


def test_counts_of_a_counter_that_stays_are_neither_lost_nor_doubled() -> None:
    """The minute before the change and the one after it are each counted once, late readings too."""
    play = Player(small_city())
    play.change(1, with_camera(), CHANGE_S)
    for minute in range(20):
        second = 60 * minute
        play.camera("cam-plein", ((second + step, 120 + step // 10 % 2) for step in range(0, 60, 10)))
        play.send(second + 65, play.reading("teller-plein-straat", Metric.IN, second, 30 + minute, 60),
                  play.reading("teller-plein-straat", Metric.OUT, second, 0, 60))
    low = {row["window_start"]: row["in_low"] for row in play.gate("plein-straat") if row["in_low"] is not None}
    assert low == {60 * minute: (30 + minute) // 5 * 5 for minute in range(20)}


def test_roads_go_on_and_late_lanes_still_revise_them() -> None:
    lane = "RWS01_MONIBAS_0120vwg0001ra/lane"
    plain, changed = Player(small_city(small_roads())), Player(small_city(small_roads()))
    for play in (plain, changed):
        if play is changed:
            play.change(1, small_city(small_roads(), version=2), CHANGE_S)
        else:
            play.tick(1)
        for minute in range(20):
            begin_s = 60 * minute
            play.send(begin_s + 61, play.reading(f"{lane}1", Metric.VEHICLES, begin_s, 600, 60))
            if minute >= 4:
                late_s = begin_s - 180
                play.send(begin_s + 62, play.reading(f"{lane}2", Metric.VEHICLES, late_s, 1_200, 60))
    assert plain.effects
    assert [said(one) for one in plain.effects] == [said(one) for one in changed.effects]


@settings(max_examples=6, deadline=None)
@given(st.sets(st.integers(0, 149), max_size=8), st.integers(20, 120))
def test_restarts_around_a_change_change_nothing(restart_at: set[int], change_at: int) -> None:
    first, second = small_city(), with_camera()
    cities = {city.sha256: city for city in (first, second)}

    def played(restarts: set[int]) -> list[Any]:
        play = Player(first)
        rng = np.random.default_rng(5)
        for step in range(150):
            if step in restarts:
                play.partition = load(dump(play.partition, 1, 0), cities.__getitem__, 1, 0)
            if step == change_at // 2:
                play.change(10 * step, second, 60 * (change_at // 6 + 1))
            steady(play, 10 * step, 10 * step + 10, lambda _: float(rng.integers(100, 450)))
        return [said(effect) for effect in play.effects]

    assert played(restart_at) == played(set())


@pytest.mark.parametrize("is_mended", [True, False])
def test_a_gate_that_was_found_swapped_is_turned_once_when_the_city_file_mends_it(is_mended: bool) -> None:
    file = small_file()
    counter = replace(file.sensors["teller-plein-straat"], swapped=is_mended)
    city = second_version(sensors={**file.sensors, "teller-plein-straat": counter})
    play = Player(small_city())
    play.command(1, SetOccupancy(id="tel", role="operator", zone="plein", persons=400, at_us=at_us(1)))
    # As it is after many looks: the gate counts the wrong way round, and is corrected for it.
    play.partition._alarm.inside.occupancy.is_reversed[:] = True
    play.change(2, city, 120)
    for minute in range(12):
        play.send(60 * minute + 61, *(
            play.reading(sensor, metric, 60 * minute, 20.0 if metric is Metric.OUT else 0.0, 60)
            for sensor in ("teller-plein-straat", "teller-straat-uit") for metric in (Metric.IN, Metric.OUT)))
    play.tick(900)
    last = play.rows(LiveTable.INSIDE, "plein")[11]
    # The device says "out", so twenty a minute leave the square, before the change and after it.
    assert last["inside_low"] <= 160 <= last["inside_high"]
    assert play.partition._alarm.inside.occupancy.is_reversed[0] != is_mended


def test_the_first_gates_of_a_partition_begin_at_the_change() -> None:
    cameras = {key: one for key, one in small_file().sensors.items() if one.gate is None}
    play = Player(small_city(gates={}, sensors=cameras))
    play.change(1, second_version(), CHANGE_S)
    play.camera("cam-plein", ((second, 60 + second // 10 % 2) for second in range(10, CHANGE_S + 300, 10)))
    assert [row["window_start"] for row in play.rows(LiveTable.INSIDE, "plein")][:2] == [CHANGE_S, CHANGE_S + 60]
