# SPDX-License-Identifier: Apache-2.0
"""Quarters, their grains and their seals: every count is released once, in exactly one cell.

Long plays fold for seals alone, which is quicker; `test_seals_only.py` holds that it tells the same ones.
"""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.city import City, Grain, Measure, Semantics
from schemas.live import Status
from schemas.reading import Metric
from schemas.seal import Group, Seal
from streams.core.snapshot import dump, load
from tests.cities import small_city, small_file, small_roads
from tests.core.play import Player, at_us

NOON_S = 12 * 3_600.0
SEAL_S = 6 * 3_600
QUARTER_S = 900
GATE = "teller-straat-uit"
CAMERAS = {key: sensor for key, sensor in small_file().sensors.items() if sensor.zone}


def city_of(grain: Grain, **changes: Any) -> City:
    file = small_file()
    zones = {key: _with(zone, grain) for key, zone in file.zones.items()}
    gates = {key: _with(gate, grain) for key, gate in file.gates.items()}
    return small_city(**{"zones": zones, "gates": gates, **changes})


def squares(grain: Grain, **changes: Any) -> City:
    """The same without gates: hours without a reading pass more quickly."""
    return city_of(grain, gates={}, sensors=CAMERAS, **changes)


def _with(place: Any, grain: Grain) -> Any:
    return replace(place, grain=grain)


def cells(play: Player, group: Group, place: str, metric: Metric) -> list[dict[str, Any]]:
    kind = "gate" if group is Group.PASSAGES else "zone"
    number = play.city.ids[kind][place]  # type: ignore[index]
    found = []
    for seal in play.seals(group):
        start_s = (seal.start_us - at_us(0)) // 1_000_000
        found += [{**row, "start_s": start_s, "grain_s": seal.grain_s} for row in seal.cells.to_pylist()
                  if (row["place"], row["metric"]) == (number, metric)]
    return sorted(found, key=lambda row: row["start_s"])


def counts(play: Player, from_s: float, values: list[float], sensor: str = GATE) -> None:
    for minute, value in enumerate(values):
        begin_s = from_s + 60 * minute
        play.send(begin_s + 61, play.reading(sensor, Metric.IN, begin_s, value, 60),
                  play.reading(sensor, Metric.OUT, begin_s, 0, 60))


def test_person_seconds_of_a_quarter_are_sealed_six_hours_after_its_end() -> None:
    play = Player(squares(Grain.QUARTER), start_s=NOON_S)
    play.camera("cam-plein", ((NOON_S + second, 19 + second // 10 % 2 * 2) for second in range(0, QUARTER_S + 60, 10)))
    play.tick(NOON_S + QUARTER_S + SEAL_S - 1)
    assert play.seals(Group.PEOPLE) == []
    play.tick(NOON_S + QUARTER_S + SEAL_S)
    [cell] = cells(play, Group.PEOPLE, "plein", Metric.PEOPLE)
    assert (cell["start_s"], cell["grain_s"]) == (NOON_S, QUARTER_S)
    assert (cell["value"], cell["weight"], cell["coverage"], cell["status"]) == (20 * 900, 900, 1, Status.OK)


def test_a_grid_is_dense_and_missing_is_not_zero() -> None:
    play = Player(squares(Grain.QUARTER), start_s=NOON_S)
    play.camera("cam-plein", ((NOON_S + second, 0) for second in range(0, QUARTER_S + 60, 10)))
    play.tick(NOON_S + QUARTER_S + SEAL_S)
    [seal] = play.seals(Group.PEOPLE)
    found = {row["place"]: (row["value"], row["status"]) for row in seal.cells.to_pylist()}
    assert list(found.values()) == [(0, Status.OK), (None, Status.MISSING)]


def test_a_camera_that_was_away_covers_what_it_saw() -> None:
    play = Player(squares(Grain.QUARTER), start_s=NOON_S)
    play.camera("cam-plein", ((NOON_S + second, 10) for second in range(0, 300, 10)))
    play.tick(NOON_S + QUARTER_S + SEAL_S)
    [cell] = cells(play, Group.PEOPLE, "plein", Metric.PEOPLE)
    stood_s = 290 + 30  # the last sample is held for three intervals
    assert (cell["value"], cell["status"]) == (10 * stood_s, Status.PARTIAL)
    assert abs(cell["coverage"] - stood_s / 900) < 1e-6


def test_each_minute_is_in_one_cell_whatever_the_grain() -> None:
    values = [float(minute % 7) for minute in range(6 * 60)]
    night = 5 * 3_600 + 3_000
    lengths_of = {Grain.QUARTER: {900, 21_600}, Grain.HOUR: {3_600, 21_600}, Grain.SIX_HOURS: {21_600}}
    file = small_file()
    gates = {grain.value: _with(file.gates["straat-uit"], grain) for grain in lengths_of}
    sensors = {grain.value: replace(file.sensors[GATE], gate=grain.value) for grain in lengths_of}
    play = Player(small_city(gates=gates, sensors=sensors), start_s=night, seals_only=True)
    for minute, value in enumerate(values):
        begin_s = night + 60 * minute
        play.send(begin_s + 61, *(play.reading(sensor, metric, begin_s, count, 60)
                                  for sensor in sensors for metric, count in ((Metric.IN, value), (Metric.OUT, 0))))
    play.tick(12 * 3_600 + SEAL_S)
    for grain, lengths in lengths_of.items():
        found = cells(play, Group.PASSAGES, grain.value, Metric.IN)
        assert {cell["grain_s"] for cell in found} == lengths
        assert found[0]["grain_s"] == 21_600  # the night
        assert [cell["start_s"] for cell in found[1:]] == [
            cell["start_s"] + cell["grain_s"] for cell in found[:-1]]
        assert sum(cell["value"] or 0 for cell in found) == sum(values)


def test_late_counts_enter_their_quarter_until_its_seal_and_repeats_never() -> None:
    play = Player(city_of(Grain.QUARTER), start_s=NOON_S)
    counts(play, NOON_S, [1.0] * 10)  # five minutes of the quarter are not there

    def send(minute: int, second: float) -> None:
        play.send(NOON_S + second, play.reading(GATE, Metric.IN, NOON_S + 60 * minute, 100, 60))

    send(10, 800)  # its window is closed, the quarter is not
    send(11, 3_600)  # the quarter is harvested
    send(11, 3_700)  # a repeat
    send(0, 3_800)  # a repeat of one that was there in time, with another value
    send(12, QUARTER_S + SEAL_S - 1)
    send(13, QUARTER_S + SEAL_S + 1)  # too late for everything
    play.tick(NOON_S + QUARTER_S + SEAL_S + 60)
    cell = cells(play, Group.PASSAGES, "straat-uit", Metric.IN)[0]
    assert (cell["value"], cell["weight"]) == (10 + 300, 13 * 60)
    assert play.counters["missed"] == 1


def test_a_slow_counter_enters_research_only() -> None:
    file = small_file()
    slow = file.sensors[GATE]
    hourly = {key: Measure(semantics=Semantics.INTERVAL, interval_s=3_600) for key in ("in", "out")}
    sensors = {**file.sensors, "uurteller": replace(slow, measures=hourly)}
    play = Player(city_of(Grain.QUARTER, sensors=sensors), start_s=NOON_S)
    play.tick(NOON_S + 3_599)
    play.send(NOON_S + 3_610, play.reading("uurteller", Metric.IN, NOON_S, 400, 3_600))
    play.tick(NOON_S + 3_600 + SEAL_S)
    found = cells(play, Group.PASSAGES, "straat-uit", Metric.IN)
    assert [cell["value"] for cell in found] == [100] * 4
    assert [cell["coverage"] for cell in found] == [0.5] * 4  # the other counter of the gate was silent
    assert all(row["in_low"] is None for row in play.gate("straat-uit"))


def test_roads_are_sealed_exactly_with_the_vehicles_behind_their_speed() -> None:
    play = Player(small_city(small_roads(), gates={}, sensors=CAMERAS), start_s=NOON_S)
    lane = "RWS01_MONIBAS_0120vwg0001ra/lane"
    for minute in range(16):
        begin_s = NOON_S + 60 * minute
        play.send(begin_s + 70, *(
            play.reading(f"{lane}{number}", metric, begin_s, value, 60)
            for number, vehicles, speed in ((1, 600, 100), (2, 1_800, 80))
            for metric, value in ((Metric.VEHICLES, vehicles), (Metric.SPEED, speed))))
    play.tick(NOON_S + QUARTER_S + SEAL_S)
    road = "RWS01_MONIBAS_0120vwg0001ra"
    [vehicles] = cells(play, Group.VEHICLES, road, Metric.VEHICLES)
    [speed] = cells(play, Group.VEHICLES, road, Metric.SPEED)
    assert (vehicles["value"], vehicles["status"]) == (600, Status.OK)
    assert (speed["value"], speed["weight"]) == (85, 600)


def test_the_same_geometry_and_grains_have_one_map_name() -> None:
    maps = []
    for city in (squares(Grain.QUARTER), squares(Grain.QUARTER, rules={}), squares(Grain.HOUR)):
        play = Player(city, start_s=NOON_S, seals_only=True)
        play.tick(NOON_S + 3_600 + SEAL_S)
        maps.append(play.seals(Group.PEOPLE)[0].zone_map)
    assert maps[0] == maps[1] != maps[2]


def sealed(play: Player) -> list[tuple[str, list[dict[str, Any]]]]:
    found = [effect for effect in play.effects if isinstance(effect, Seal)]
    return [(seal.batch_key, seal.cells.to_pylist()) for seal in found]


@settings(max_examples=2)
@given(st.integers(0, 2**32 - 1))
def test_order_delay_and_repeats_change_no_released_count(seed: int) -> None:
    draw = np.random.default_rng(seed)
    city = city_of(Grain.QUARTER)
    readings = [(sensor, metric, NOON_S + 60 * minute, float(draw.integers(0, 30)))
                for sensor in (GATE, "teller-plein-straat") for metric in (Metric.IN, Metric.OUT)
                for minute in range(20)]
    count = len(readings)
    delays_s = np.where(draw.random(count) < 0.5, 61, draw.uniform(61, SEAL_S - 60, count)).tolist()
    again = draw.random(count) < 0.3
    prompt = [(begin_s + 61, number) for number, (_, _, begin_s, _) in enumerate(readings)]
    late = [(readings[number][2] + delay_s, number) for number, delay_s in enumerate(delays_s)]
    late += [(second + float(draw.uniform(0, 1_500)), number) for second, number in late if again[number]]

    def released(arrivals: list[tuple[float, int]]) -> list[tuple[str, list[dict[str, Any]]]]:
        play = Player(city, start_s=NOON_S, seals_only=True)
        for second, number in sorted(arrivals):
            sensor, metric, begin_s, value = readings[number]
            play.send(second, play.reading(sensor, metric, begin_s, value, 60))
        play.tick(NOON_S + 3 * QUARTER_S - 60 + SEAL_S)
        return sealed(play)

    assert released(late) == released(prompt), f"seed {seed}"


def test_a_restored_partition_seals_the_same() -> None:
    city = city_of(Grain.QUARTER)
    plain, restored = Player(city, start_s=NOON_S), Player(city, start_s=NOON_S)
    for play in (plain, restored):
        counts(play, NOON_S, [3.0] * 40)
        if play is restored:
            play.partition = load(dump(play.partition, 1, 0), lambda _: city, 1, 0)
        play.send(NOON_S + 4_000, play.reading(GATE, Metric.IN, NOON_S + 60, 3, 60))
        play.tick(NOON_S + 3_600 + SEAL_S)
    assert sealed(plain) == sealed(restored)
