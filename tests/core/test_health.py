# SPDX-License-Identifier: Apache-2.0
"""Sensor health: each state, what is left out for it, daily shares, replayed readings, swaps, purge."""

import datetime as dt
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from schemas.city import City, Device, Grain, Measure, OutOfService, Semantics
from schemas.command import PurgeSensor
from schemas.health import HealthTable, IntegrityKind, Purged, SensorState
from schemas.ids import IdKind
from schemas.live import Status
from schemas.log import Kind, LogMessage
from schemas.reading import Metric
from schemas.seal import Group
from streams.core.effect import HealthRows
from streams.core.snapshot import dump, load
from tests.cities import small_city, small_file
from tests.core.play import START_S, Player, at_us

CAMERA, COUNTER = "cam-plein", "teller-plein-straat"
NOON_S, SEAL_S = 12 * 3_600, 6 * 3_600


def told(play: Player, table: HealthTable, sensor: str = CAMERA) -> list[dict[str, Any]]:
    key: Any = play.city.ids[IdKind.SENSOR][sensor]
    return [row for effect in play.effects if isinstance(effect, HealthRows) and effect.table is table
            for row in effect.rows.to_pylist() if row["sensor"] == key]


def states(play: Player, sensor: str = CAMERA) -> list[SensorState]:
    return [SensorState(row["state"]) for row in told(play, HealthTable.HEALTH, sensor)]


def walking(second: float) -> float:
    return 40 + second // 10 % 3


def camera(play: Player, from_s: int, to_s: int, people: float | None = None, late_s: float = 0) -> None:
    for second in range(from_s, to_s, 10):
        value = walking(second) if people is None else people
        play.send(second + late_s, play.reading(CAMERA, Metric.PEOPLE, second, value))


def with_sensor(key: str, **changes: Any) -> City:
    sensors = small_file().sensors
    return small_city(sensors={**sensors, key: replace(sensors[key], **changes)})


def by_quarter(places: dict[str, Any]) -> dict[str, Any]:
    """Released by the quarter hour, so that six hours more are enough to see it."""
    return {key: replace(place, grain=Grain.QUARTER) for key, place in places.items()}


def test_a_sensor_that_reports_is_fresh_and_one_that_stops_is_silent() -> None:
    play = Player(small_city())
    camera(play, 0, 300)
    play.tick(600)
    assert states(play) == [SensorState.FRESH, SensorState.SILENT]
    silent = told(play, HealthTable.HEALTH)[-1]
    assert silent["since"] == silent["at"] == dt.datetime.fromtimestamp(START_S + 360, dt.UTC)


def test_all_states_are_told_every_hour() -> None:
    play = Player(small_city())
    camera(play, 0, 3_700)
    assert states(play) == [SensorState.FRESH] * 2
    assert states(play, COUNTER) == [SensorState.UNHEARD]


def test_a_stuck_camera_is_missing_and_never_calm_until_it_moves_again() -> None:
    play = Player(small_city())
    camera(play, 0, 300)
    camera(play, 300, 1_200, people=17)
    camera(play, 1_200, 1_500)
    assert states(play) == [SensorState.FRESH, SensorState.STUCK, SensorState.FRESH]
    status = {row["window_start"]: row["status"] for row in play.zone("plein")}
    assert status[840] == Status.OK
    assert status[960] == status[1_140] == Status.MISSING
    assert status[1_320] == Status.OK


@pytest.mark.parametrize("people", [0.0, 3.0])
def test_an_empty_square_and_some_people_on_a_bench_are_not_stuck(people: float) -> None:
    play = Player(small_city())
    camera(play, 0, 3_500, people=people)
    assert states(play) == [SensorState.FRESH]
    assert {row["status"] for row in play.zone("plein")} == {Status.OK}


def test_like_readings_with_a_hole_between_them_are_not_stuck() -> None:
    play = Player(small_city())
    camera(play, 0, 400, people=17)
    camera(play, 800, 1_200, people=17)
    assert SensorState.STUCK not in states(play)


def test_a_source_that_plays_a_recording_is_never_stuck() -> None:
    file = small_file()
    sources = {**file.sources, "cameras": replace(file.sources["cameras"], is_recording=True)}
    play = Player(small_city(sources=sources))
    camera(play, 0, 1_500, people=17)
    assert states(play) == [SensorState.FRESH]


def test_a_stuck_counter_is_left_out_of_flows_and_of_cells() -> None:
    play = Player(small_city(gates=by_quarter(small_file().gates)), start_s=NOON_S)
    for minute in range(125):
        begin_s = NOON_S + 60 * minute
        play.send(begin_s + 61, play.reading(COUNTER, Metric.IN, begin_s, 12, 60),
                  play.reading(COUNTER, Metric.OUT, begin_s, minute % 7, 60))
    rows = {row["window_start"]: row for row in play.gate("plein-straat")}
    assert rows[NOON_S + 1_800]["coverage"] == 1
    assert rows[NOON_S + 7_200]["coverage"] == 0.5
    play.tick(NOON_S + 6 * 900 + SEAL_S)
    number = play.city.ids[IdKind.GATE]["plein-straat"]
    values = [{row["metric"]: row["value"] for row in seal.cells.to_pylist() if row["place"] == number}
              for seal in play.seals(Group.PASSAGES)]
    assert values[0][Metric.IN] == 12 * 15
    assert values[5][Metric.IN] is None
    assert all(value[Metric.OUT] > 30 for value in values)


def test_more_people_than_can_have_walked_in_are_a_jump() -> None:
    small_view = {"people": Measure(semantics=Semantics.INSTANT, interval_s=10, view_area_m2=4)}
    play = Player(with_sensor(CAMERA, measures=small_view))
    for second in range(0, 300, 10):
        play.send(second, play.reading(CAMERA, Metric.PEOPLE, second, 2 + second // 10 % 2))
    play.send(300, play.reading(CAMERA, Metric.PEOPLE, 300, 60))
    for second in range(310, 1_100, 10):
        play.send(second, play.reading(CAMERA, Metric.PEOPLE, second, 58 + second // 10 % 2))
    assert states(play) == [SensorState.FRESH, SensorState.JUMPED, SensorState.FRESH]


def test_a_clock_that_runs_ahead_and_readings_that_come_late() -> None:
    ahead, late = Player(small_city()), Player(small_city())
    camera(ahead, 15, 900, late_s=-15)
    camera(late, 0, 900, late_s=40)
    assert states(ahead)[-1] is SensorState.SKEWED
    assert states(late)[-1] is SensorState.LATE


def test_a_fault_that_the_device_reports_takes_all_its_channels_out() -> None:
    state = Measure(semantics=Semantics.INSTANT, interval_s=60)
    play = Player(with_sensor(CAMERA, measures={**small_file().sensors[CAMERA].measures, "device_state": state}))
    for second in range(0, 900, 10):
        readings = [play.reading(CAMERA, Metric.PEOPLE, second, walking(second))]
        if second % 60 == 0:
            readings.append(play.reading(CAMERA, Metric.DEVICE_STATE, second, 7 if second >= 420 else 0))
        play.send(second, *readings)
    assert states(play) == [SensorState.FRESH, SensorState.FAULTY]
    assert play.zone("plein")[-1]["status"] == Status.MISSING


def test_a_sensor_out_of_service_is_said_to_be_so() -> None:
    start = dt.datetime.fromtimestamp(START_S + 300, dt.UTC)
    out = OutOfService(from_=start, until=start + dt.timedelta(minutes=10), reason="cleaned")
    play = Player(with_sensor(CAMERA, out_of_service=[out]))
    camera(play, 0, 300)
    camera(play, 900, 1_200)
    assert states(play) == [SensorState.FRESH, SensorState.OUT_OF_SERVICE, SensorState.FRESH]


def test_shares_of_a_day() -> None:
    play = Player(small_city(), start_s=20 * 3_600)
    camera(play, 20 * 3_600, 22 * 3_600)
    play.send(22 * 3_600 + 1, play.reading(CAMERA, Metric.PEOPLE, 22 * 3_600 - 30, 300))
    play.tick(24 * 3_600)
    [day] = told(play, HealthTable.DAY)
    assert day["day"] == dt.datetime.fromtimestamp(START_S, dt.UTC)
    assert day["available_share"] == pytest.approx(0.5, abs=0.01)
    assert day["corrected_share"] == pytest.approx(1 / 720, rel=0.01)
    assert day["late_share"] == pytest.approx(1 / 720, rel=0.01)
    assert (day["missed_share"], day["unusable_share"], day["uptime_share"]) == (0, 0, None)


def test_readings_that_come_again_hours_later_are_an_integrity_event() -> None:
    play = Player(small_city(), start_s=12 * 3_600)
    camera(play, 12 * 3_600, 14 * 3_600)
    for second in range(12 * 3_600, 12 * 3_600 + 600, 10):
        play.send(14 * 3_600 + 60, play.reading(CAMERA, Metric.PEOPLE, second, walking(second)))
    play.tick(15 * 3_600)
    [event] = told(play, HealthTable.INTEGRITY)
    assert (event["kind"], event["readings"], event["sure"]) == (IntegrityKind.REPLAY, 60, "likely")


def test_a_backlog_that_comes_late_for_the_first_time_is_no_replay() -> None:
    play = Player(small_city(), start_s=12 * 3_600)
    camera(play, 12 * 3_600, 12 * 3_600 + 60)
    play.tick(14 * 3_600)
    for second in range(12 * 3_600 + 60, 12 * 3_600 + 1_200, 10):
        play.send(14 * 3_600 + 60, play.reading(CAMERA, Metric.PEOPLE, second, walking(second)))
    play.tick(15 * 3_600)
    assert told(play, HealthTable.INTEGRITY) == []


def test_running_counts_begin_anew_at_a_swap_of_the_device() -> None:
    running = Measure(semantics=Semantics.CUMULATIVE, interval_s=60)
    start = dt.datetime.fromtimestamp(START_S, dt.UTC)
    swap = start + dt.timedelta(seconds=NOON_S + 330)
    devices = [Device(serial="a", from_=start, until=swap), Device(serial="b", from_=swap)]
    sensors = {**small_file().sensors}
    sensors[COUNTER] = replace(sensors[COUNTER], measures={"in": running, "out": running}, devices=devices)
    play = Player(small_city(sensors=sensors, gates=by_quarter(small_file().gates)), start_s=NOON_S)
    for minute in range(12):
        count = 1_000 + 10 * minute + (400 if minute >= 6 else 0)
        begin_s = NOON_S + 60 * minute
        play.send(begin_s + 1, play.reading(COUNTER, Metric.IN, begin_s, count),
                  play.reading(COUNTER, Metric.OUT, begin_s, count))
    rows = {row["window_start"]: row for row in play.gate("plein-straat")}
    assert [start_s for start_s, row in rows.items() if row["status"] == Status.MISSING] == [NOON_S + 300]
    play.tick(NOON_S + 900 + SEAL_S)
    number = play.city.ids[IdKind.GATE]["plein-straat"]
    [cells] = [seal.cells.to_pylist() for seal in play.seals(Group.PASSAGES)]
    assert [row["value"] for row in cells if row["place"] == number] == [100, 100]


def purge(play: Player, second: float, sensor: str = CAMERA) -> None:
    message = LogMessage(Kind.COMMAND, at_us(second), play.clock, 1, "test", "1", command=PurgeSensor(sensor=sensor))
    play.effects += play.partition.step(message, at_us(second))


def test_a_purged_sensor_is_forgotten_and_refused() -> None:
    file = small_file()
    cameras = {key: sensor for key, sensor in file.sensors.items() if sensor.zone}
    play = Player(small_city(zones=by_quarter(file.zones), gates={}, sensors=cameras), start_s=12 * 3_600)
    camera(play, 12 * 3_600, 12 * 3_600 + 1_800)
    purge(play, 12 * 3_600 + 1_801)
    number = play.city.ids[IdKind.ZONE]["plein"]
    assert [effect for effect in play.effects if isinstance(effect, Purged)] == [
        Purged(sensor=CAMERA, kind="zone", place=number, at_us=at_us(12 * 3_600 + 1_801))]
    unknown = play.counters["unknown"]
    camera(play, 12 * 3_600 + 1_810, 12 * 3_600 + 2_400)
    assert play.counters["unknown"] == unknown + 59
    assert play.zone("plein")[-1]["status"] == Status.MISSING
    play.tick(NOON_S + 3 * 900 + SEAL_S)
    values = [row["value"] for seal in play.seals(Group.PEOPLE) for row in seal.cells.to_pylist()
              if row["place"] == number]
    assert len(values) == 3
    assert set(values) == {None}


def test_a_purge_is_kept_in_snapshots_and_said_once() -> None:
    play = Player(small_city())
    camera(play, 0, 600)
    purge(play, 601)
    purge(play, 602)
    purge(play, 603, "no-such-sensor")
    assert len([effect for effect in play.effects if isinstance(effect, Purged)]) == 1
    again = Player(small_city())
    again.partition = load(dump(play.partition, 1, 0), lambda _: play.city, 1, 0)
    for one in (play, again):
        one.effects.clear()
        camera(one, 610, 1_200)
    assert [repr(effect) for effect in again.effects] == [repr(effect) for effect in play.effects]
    assert again.counters["unknown"] > 0


def test_health_goes_on_after_a_snapshot() -> None:
    play = Player(small_city())
    camera(play, 0, 500, people=23)
    again = Player(small_city())
    again.partition = load(dump(play.partition, 1, 0), lambda _: play.city, 1, 0)
    again.effects.clear()
    camera(again, 500, 800, people=23)
    assert states(again) == [SensorState.STUCK]


def test_unusable_channels_are_a_mask_over_all_channels() -> None:
    play = Player(small_city())
    camera(play, 0, 900, people=23)
    usable = play.partition._health.usable
    assert np.flatnonzero(~usable).tolist() == [0]
