# SPDX-License-Identifier: Apache-2.0
"""The fold as a whole: readings in, protected rows and transitions out."""

from dataclasses import replace
from functools import cache

import msgspec
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.alert import State
from schemas.city import ErrorModel, Measure, Semantics, SensorStatus
from schemas.errors import RefusedError
from schemas.ids import IdKind
from schemas.live import LiveTable, Status
from schemas.log import Clock, Kind, LogMessage
from schemas.reading import Batch, Metric
from schemas.roads import ANY_VEHICLE, SCHEMA, RoadTable
from streams.core.layout import PlaceKind
from streams.core.poisson import poisson_interval
from streams.core.road_measures import ASSUMED_SPEED_VARIATION
from tests.cities import small_city, small_file, small_roads
from tests.core.baseline_samples import baseline_rows
from tests.core.play import Player, at_us

SITE = "RWS01_MONIBAS_0120vwg0001ra"


def test_a_full_minute_becomes_one_band_of_its_maximum_and_closes_at_its_end() -> None:
    play = Player(small_city())
    play.camera("cam-plein", [(second, 100 + second) for second in range(0, 60, 10)])
    play.camera("cam-straat", [(second, 0) for second in range(0, 60, 10)])
    assert play.zone("plein") == []
    play.tick(60)
    [row] = play.zone("plein")
    assert (row["window_start"], row["span_s"], row["status"], row["coverage"]) == (0, 60, Status.OK, 1.0)
    assert (row["people_low"], row["people_high"]) == (150, 154)
    assert row["percent_low"] == pytest.approx(37.5)
    # 150 to 154 people on 1,000 m2, all of it in view of a camera of which nothing more is known (sd 8 %).
    assert row["density_low_per_m2"] == pytest.approx(0.150 / (1 + 1.96 * 0.08), rel=1e-3)
    assert row["density_high_per_m2"] == pytest.approx(0.154 / (1 - 1.96 * 0.08), rel=1e-3)
    assert row["level"] == 0


def test_an_exact_count_never_leaves() -> None:
    shown = []
    for people in (201, 202, 203, 204):
        play = Player(small_city())
        play.camera("cam-plein", [(second, people) for second in range(0, 60, 10)])
        play.tick(80)
        shown.append(play.zone("plein"))
    assert shown[0]
    assert all(rows == shown[0] for rows in shown)


def test_a_camera_that_sees_half_the_zone_counts_double_in_wider_bands() -> None:
    play = Player(small_city())
    play.camera("cam-straat", [(second, 12) for second in range(0, 60, 10)])
    play.tick(80)
    [row] = play.zone("straat")
    assert (row["people_low"], row["people_high"]) == (20, 29)
    assert row["percent_low"] is None


def test_zero_is_data_and_silence_is_missing() -> None:
    play = Player(small_city())
    play.camera("cam-plein", [(second, 0) for second in range(0, 60, 10)])
    play.tick(80)
    [empty], [silent] = play.zone("plein"), play.zone("straat")
    assert (empty["status"], empty["people_low"], empty["people_high"], empty["level"]) == (Status.OK, 0, 9, 0)
    assert (silent["status"], silent["people_low"], silent["level"]) == (Status.MISSING, None, None)


def test_a_report_without_value_is_no_calm() -> None:
    play = Player(small_city())
    play.camera("cam-plein", [(second, None) for second in range(0, 60, 10)])
    play.tick(60)
    [row] = play.zone("plein")
    assert (row["status"], row["people_low"]) == (Status.MISSING, None)


def test_a_sample_is_held_for_three_intervals_and_no_longer() -> None:
    play = Player(small_city())
    play.camera("cam-plein", [(0, 300)])
    play.tick(80)
    [row] = play.zone("plein")
    assert row["status"] == Status.PARTIAL
    assert row["coverage"] == pytest.approx(0.5)
    assert row["people_low"] == 300
    play.tick(200)
    assert [row["status"] for row in play.zone("plein")[1:]] == [Status.MISSING, Status.MISSING]


def test_a_window_waits_for_a_live_sensor_and_not_for_a_silent_one() -> None:
    play = Player(small_city())
    play.camera("cam-plein", [(second, 50) for second in (0, 10, 20, 30, 40)])
    play.tick(65)
    assert play.zone("plein") == []  # one sample may still come
    play.tick(70)
    assert len(play.zone("plein")) == 1
    play.tick(120)  # silent for more than three intervals
    assert len(play.zone("plein")) == 2


def test_a_long_silence_closes_every_minute_as_missing() -> None:
    play = Player(small_city())
    play.camera("cam-plein", [(second, 50) for second in range(0, 60, 10)])
    play.tick(3600)
    rows = play.zone("plein")
    assert [row["window_start"] for row in rows] == list(range(0, 3600, 60))
    assert {row["status"] for row in rows[2:]} == {Status.MISSING}


def test_the_minute_in_which_the_log_begins_is_not_shown() -> None:
    play = Player(small_city(), start_s=25)
    play.camera("cam-plein", [(second, 50) for second in range(30, 120, 10)])
    play.tick(140)
    assert [row["window_start"] for row in play.zone("plein")] == [60]
    assert play.zone("plein")[0]["coverage"] == 1.0


def test_a_clock_ahead_of_the_broker_is_cut() -> None:
    play = Player(small_city(), clock=Clock.WALL)
    play.tick(4000, append_s=5)
    assert play.partition.log_time_us == at_us(7)
    play.tick(3, append_s=6)
    assert play.partition.log_time_us == at_us(7)


def test_a_quick_camera_counts_with_its_mean_within_the_step() -> None:
    file = small_file()
    camera = file.sensors["cam-plein"]
    quick = msgspec.structs.replace(
        camera, measures={"people": msgspec.structs.replace(camera.measures["people"], interval_s=1.0)})
    play = Player(small_city(sensors={**file.sensors, "cam-plein": quick}))
    play.camera("cam-plein", [(float(second), 100 if second % 2 else 120) for second in range(60)])
    play.tick(80)
    [row] = play.zone("plein")
    assert (row["people_low"], row["people_high"]) == (110, 114)


def test_trial_sensors_are_read_and_not_counted() -> None:
    file = small_file()
    trial = msgspec.structs.replace(file.sensors["cam-plein"], status=SensorStatus.TRIAL)
    play = Player(small_city(sensors={**file.sensors, "cam-plein": trial}))
    play.camera("cam-plein", [(second, 900) for second in range(0, 60, 10)])
    play.tick(80)
    assert [row["status"] for row in play.zone("plein")] == [Status.MISSING]
    assert play.counters["not-counted"] == 6
    assert play.transitions == []


def busy_zones(play: Player, until_s: int) -> list[tuple[float, Batch]]:
    return [(second, play.reading("cam-plein", Metric.PEOPLE, second, 80)) for second in range(0, until_s, 10)]


def gate_counts(play: Player, begin_s: float, inward: float, outward: float) -> tuple[Batch, Batch]:
    return (play.reading("teller-plein-straat", Metric.IN, begin_s, inward, 60),
            play.reading("teller-plein-straat", Metric.OUT, begin_s, outward, 60))


def test_gate_flows_are_shown_in_bands_beside_a_busy_zone() -> None:
    play = Player(small_city())
    for second, batch in busy_zones(play, 60):
        play.send(second, batch)
    play.send(61, *gate_counts(play, 0, 33, 12))
    play.tick(80)
    [row] = play.gate("plein-straat")
    assert (row["in_low"], row["in_high"], row["out_low"], row["out_high"]) == (30, 34, 10, 14)
    assert row["flow_low_per_m_min"] == pytest.approx(40 / 8)
    assert not row["withheld"]


def flow_bounds(inward: float, outward: float, span_s: float = 60, **error: float) -> tuple[float, float]:
    """Bounds of the flow over the gate, beside a zone of 80 people; the counter errs as told."""
    sensor = small_file().sensors["teller-plein-straat"]
    measures = {key: msgspec.structs.replace(one, error=ErrorModel(**error)) for key, one in sensor.measures.items()}
    counter = msgspec.structs.replace(sensor, measures=measures)
    play = Player(small_city(sensors={**small_file().sensors, "teller-plein-straat": counter}))
    for second, batch in busy_zones(play, 60):
        play.send(second, batch)
    way_in = play.reading("teller-plein-straat", Metric.IN, 0, inward, span_s)
    play.send(61, way_in, play.reading("teller-plein-straat", Metric.OUT, 0, outward, span_s))
    play.tick(400)
    row = play.gate("plein-straat")[0]
    assert row["flow_lower_per_m_min"] <= row["flow_low_per_m_min"] <= row["flow_high_per_m_min"]
    return row["flow_lower_per_m_min"], row["flow_upper_per_m_min"]


def test_a_gates_flow_has_bounds_of_its_bands_edges_with_the_counters_error() -> None:
    exact = (poisson_interval(40)[0] / 8, poisson_interval(48)[1] / 8)
    assert flow_bounds(33, 12, sd=1e-9) == pytest.approx(exact)
    low, high = flow_bounds(33, 12, sd=0.2)
    assert low < exact[0]
    assert high > exact[1]
    # Too few are seen, and how many is known.
    assert flow_bounds(33, 12, bias=-0.2, sd=1e-9) == pytest.approx((exact[0] / 0.8, exact[1] / 0.8))


def test_all_that_a_gate_tells_of_its_flow_is_one_for_all_counts_of_a_band() -> None:
    assert flow_bounds(30, 10, sd=0.1) == flow_bounds(34, 14, sd=0.1) != flow_bounds(35, 14, sd=0.1)


def test_gate_flows_are_withheld_in_quiet_surroundings() -> None:
    play = Player(small_city())
    play.camera("cam-plein", [(second, 30) for second in range(0, 60, 10)])
    play.send(61, *gate_counts(play, 0, 33, 12))
    play.tick(80)
    [row] = play.gate("plein-straat")
    assert (row["withheld"], row["in_low"], row["flow_high_per_m_min"]) == (True, None, None)
    assert (row["flow_lower_per_m_min"], row["flow_upper_per_m_min"]) == (None, None)
    assert row["status"] == Status.OK  # the counter itself is well


def test_a_reversed_counter_is_mended_by_the_city_file() -> None:
    file = small_file()
    swapped = msgspec.structs.replace(file.sensors["teller-plein-straat"], swapped=True)
    play = Player(small_city(sensors={**file.sensors, "teller-plein-straat": swapped}))
    for second, batch in busy_zones(play, 60):
        play.send(second, batch)
    play.send(61, *gate_counts(play, 0, 33, 12))
    play.tick(80)
    [row] = play.gate("plein-straat")
    assert (row["in_low"], row["out_low"]) == (10, 30)


def test_a_reading_across_two_windows_is_shared_by_time() -> None:
    play = Player(small_city())
    for second, batch in busy_zones(play, 180):
        play.send(second, batch)
        if second in (20, 80, 140):
            play.send(second, *gate_counts(play, second - 65, 60, 120))  # -45 to 15 s, 15 to 75 s, 75 to 135 s
    play.tick(200)
    first, then = play.gate("plein-straat")[:2]
    assert (first["in_low"], first["out_low"], first["coverage"]) == (60, 120, 1.0)
    assert (then["in_low"], then["out_low"], then["coverage"]) == (60, 120, 1.0)


def test_a_counter_off_the_minute_is_waited_for() -> None:
    play = Player(small_city())
    for second, batch in busy_zones(play, 60):
        play.send(second, batch)
    play.send(16, *gate_counts(play, -45, 60, 120))
    play.tick(79)  # its reading of 15 to 75 s cannot have come before the usual delay was over
    assert play.gate("plein-straat") == []
    play.tick(85)
    [row] = play.gate("plein-straat")
    assert (row["in_low"], row["coverage"], row["status"]) == (15, 0.25, Status.PARTIAL)


def road_player() -> Player:
    return Player(small_city(road_table=small_roads()), clock=Clock.DATA)


def road(play: Player, second: float, begin_s: float, lanes: dict[int, tuple[float | None, float | None]]) -> None:
    readings = []
    for lane, (rate, speed) in lanes.items():
        sensor = f"{SITE}/lane{lane}"
        readings += [play.reading(sensor, Metric.VEHICLES, begin_s, rate, 60),
                     play.reading(sensor, Metric.SPEED, begin_s, speed, 60)]
    play.send(second, *readings)


def test_a_road_sums_its_lanes_and_weighs_their_speeds() -> None:
    play = road_player()
    road(play, 100, 0, {1: (840, 100), 2: (360, 80)})
    [row] = play.rows(LiveTable.ROAD, SITE)
    assert (row["vehicles"], row["status"], row["revision"]) == (20.0, Status.OK, 0)
    assert row["speed_km_h"] == pytest.approx((14 * 100 + 6 * 80) / 20)
    half = 1.959964 * ASSUMED_SPEED_VARIATION * 94 / 20**0.5
    assert (row["speed_low_km_h"], row["speed_high_km_h"]) == pytest.approx((94 - half, 94 + half))
    assert row["percent_of_free_flow"] is None


def test_space_means_are_joined_as_distance_over_time() -> None:
    table = small_roads().table
    computation = pa.array(["harmonicAverageOfSamplesInATimePeriod"] * len(table))
    at = table.schema.get_field_index("computation")
    play = Player(small_city(road_table=RoadTable(table.set_column(at, SCHEMA.field("computation"), computation))),
                  clock=Clock.DATA)
    road(play, 100, 0, {1: (600, 100), 2: (600, 50)})
    [row] = play.rows(LiveTable.ROAD, SITE)
    # Ten vehicles at 100 and ten at 50 km/h over one kilometre: 20 km in 0.3 h.
    assert row["speed_km_h"] == pytest.approx(20 / 0.3)


def know_free_flow(play: Player) -> None:
    """Let 120 km/h be the highest usual speed."""
    usual = baseline_rows(1, 80.0, kind=PlaceKind.ROAD, measure=Metric.SPEED)
    usual.middle[0, :40] = 120
    usual.middle[0, 300:] = np.nan
    at_night = replace(usual, place=np.array([play.city.ids[IdKind.ZONE][SITE]], np.int32), vehicle_class=[ANY_VEHICLE])
    play.partition.step(LogMessage(Kind.BASELINE, at_us(1), Clock.DATA, 1, "test", "1", baseline=at_night), at_us(1))


def test_a_speed_is_in_percent_of_the_highest_usual_one() -> None:
    play = road_player()
    know_free_flow(play)
    play.restart()
    road(play, 100, 0, {1: (600, 90), 2: (600, 90)})
    [row] = play.rows(LiveTable.ROAD, SITE)
    assert row["percent_of_free_flow"] == pytest.approx(75)


def test_a_road_with_a_broken_lane_is_partial_and_not_scaled_up() -> None:
    play = road_player()
    road(play, 100, 0, {1: (840, 100), 2: (None, None)})
    [row] = play.rows(LiveTable.ROAD, SITE)
    assert (row["vehicles"], row["status"], row["coverage"]) == (14.0, Status.PARTIAL, 0.5)
    assert row["speed_km_h"] == pytest.approx(100)


def test_an_empty_road_is_zero_and_a_dead_one_missing() -> None:
    play = road_player()
    road(play, 100, 0, {1: (0, None), 2: (0, None)})
    road(play, 160, 60, {1: (None, None), 2: (None, None)})
    play.tick(400)
    empty, dead = play.rows(LiveTable.ROAD, SITE)[:2]
    assert (empty["vehicles"], empty["speed_km_h"], empty["status"]) == (0.0, None, Status.OK)
    assert (dead["vehicles"], dead["status"]) == (None, Status.MISSING)


def test_a_road_waits_as_long_as_ndw_may_take() -> None:
    play = road_player()
    road(play, 50, -60, {2: (60, 80)})
    road(play, 100, 0, {1: (840, 100)})
    play.tick(209)
    assert play.rows(LiveTable.ROAD, SITE) == []
    play.tick(210)
    [row] = play.rows(LiveTable.ROAD, SITE)
    assert row["coverage"] == 0.5


def test_a_late_lane_revises_its_road_and_a_correction_again() -> None:
    play = road_player()
    road(play, 50, -60, {2: (60, 80)})
    road(play, 100, 0, {1: (840, 100)})
    road(play, 160, 60, {1: (840, 100), 2: (60, 80)})
    play.tick(215)  # the first minute is told without its second lane
    road(play, 220, 0, {2: (360, 80)})
    road(play, 225, 0, {2: (360, 80)})  # a repeat is no news
    road(play, 230, 0, {2: (420, 80)})
    rows = [row for row in play.rows(LiveTable.ROAD, SITE) if row["window_start"] == 0]
    assert [(row["vehicles"], row["coverage"], row["revision"]) for row in rows] == [
        (14.0, 0.5, 0), (20.0, 1.0, 1), (21.0, 1.0, 2)]
    assert play.counters["late"] == 2  # of the minute before the log began


def test_a_revised_road_row_tells_the_percent_of_free_flow_as_well() -> None:
    play = road_player()
    know_free_flow(play)
    road(play, 50, -60, {2: (60, 80)})
    road(play, 100, 0, {1: (600, 90)})
    play.tick(215)
    road(play, 220, 0, {2: (600, 30)})
    rows = [row for row in play.rows(LiveTable.ROAD, SITE) if row["window_start"] == 0]
    assert [(row["percent_of_free_flow"], row["revision"]) for row in rows] == [(75.0, 0), (50.0, 1)]


def test_rows_about_people_are_never_revised() -> None:
    play = Player(small_city())
    for second, batch in busy_zones(play, 60):
        play.send(second, batch)
    play.tick(100)
    play.send(101, *gate_counts(play, 0, 33, 12))
    play.tick(160)
    rows = [row for row in play.gate("plein-straat") if row["window_start"] == 0]
    assert [(row["in_low"], row["status"]) for row in rows] == [(None, Status.MISSING)]
    assert play.counters["late"] == 2


def test_quarter_hours_published_every_minute_count_once() -> None:
    slow = small_roads()
    period = pa.array([900.0] * len(slow), pa.float64())
    roads = RoadTable(slow.table.set_column(slow.table.schema.get_field_index("period_s"), SCHEMA.field("period_s"),
                                            period))
    play = Player(small_city(road_table=roads), clock=Clock.DATA)
    for minute in range(-20, 75):  # each minute the vehicles of a quarter hour, stamped with that minute
        play.send(60.0 * minute + 100, play.reading(f"{SITE}/lane1", Metric.VEHICLES, 60 * minute, 400, 900),
                  play.reading(f"{SITE}/lane2", Metric.VEHICLES, 60 * minute, 200, 900))
    rows = play.rows(LiveTable.ROAD, SITE)
    assert [(row["window_start"], row["span_s"]) for row in rows[:3]] == [(0, 900), (900, 900), (1800, 900)]
    assert [(row["vehicles"], row["coverage"]) for row in rows[:3]] == [(150.0, 1.0)] * 3


def test_a_crowd_raises_an_alert_that_closes_again() -> None:
    play = Player(small_city())
    play.camera("cam-plein", [(second, 100) for second in range(0, 120, 10)])
    play.camera("cam-plein", [(second, 290) for second in range(120, 180, 10)])
    play.camera("cam-plein", [(second, 345) for second in range(180, 300, 10)])
    play.camera("cam-plein", [(second, 100) for second in range(300, 600, 10)])
    told = [told for told in play.transitions if told.rule == "oranje"]
    assert [change.state_to for change in told] == [State.FIRING, State.RECOVERING, State.RESOLVED]
    opened = told[0]
    assert (opened.place, opened.level_to, opened.people_low, opened.people_high) == ("plein", 2, 345, 349)
    assert opened.at_us == at_us(210)  # the third step at or above 85 % of 400
    assert opened.percent_low == pytest.approx(86.2)
    assert {change.alert_id for change in told} == {opened.alert_id}
    assert [change.seq for change in told] == [1, 2, 3]


def test_small_limits_are_decided_at_the_close_only() -> None:
    file = small_file()
    plein = msgspec.structs.replace(file.zones["plein"], capacity=25)
    play = Player(small_city(zones={**file.zones, "plein": plein}))
    play.camera("cam-plein", [(second, 21) for second in range(0, 230, 10)])
    [told] = [told for told in play.transitions if told.rule == "oranje"]
    assert told.at_us in {at_us(minute) for minute in range(60, 240, 60)}


def test_an_alert_agrees_with_the_row_beside_it() -> None:
    rng = np.random.default_rng(7)
    play = Player(small_city())
    people = np.clip(np.cumsum(rng.integers(-30, 31, 720)) + 300, 0, 500)
    play.camera("cam-plein", [(10.0 * step, float(value)) for step, value in enumerate(people)])
    low_at = {row["window_start"]: row["people_low"] for row in play.zone("plein")}
    raised = [told for told in play.transitions if told.state_to is State.FIRING and told.level_to >= 2
              and told.state_from is not State.FIRING]
    assert raised
    for told in raised:
        start = round(told.window_start_us / 1e6 - at_us(0) / 1e6)
        assert told.people_low is not None
        if start in low_at:
            assert low_at[start] >= told.people_low >= (340 if told.rule == "oranje" else 400)


def test_another_city_version_is_refused_and_changes_nothing() -> None:
    play = Player(small_city())
    before = play.partition.log_time_us
    with pytest.raises(RefusedError, match="city version 2"):
        play.send(50, play.reading("cam-plein", Metric.PEOPLE, 50, 1), version=2)
    assert play.partition.log_time_us == before


def test_unknown_sensors_and_long_spans_are_counted_and_left_out() -> None:
    play = Player(small_city())
    stray = Batch.of(sensor=[999, -5], metric=Metric.PEOPLE, begin=at_us(10), value=5.0)
    play.send(10, stray, play.reading("teller-plein-straat", Metric.IN, 0, 5, span_s=600))
    assert (play.counters["unknown"], play.partition.counters["bad-span"]) == (2, 1)


def test_a_zone_of_slow_sensors_has_rows_of_their_interval() -> None:
    file = small_file()
    measure = Measure(semantics=Semantics.INSTANT, interval_s=300.0, view_area_m2=1000.0)
    slow = msgspec.structs.replace(file.sensors["cam-plein"], measures={"people": measure})
    play = Player(small_city(sensors={**file.sensors, "cam-plein": slow}))
    play.camera("cam-plein", [(0, 40), (300, 60)])
    play.tick(620)
    assert [(row["window_start"], row["span_s"], row["people_low"]) for row in play.zone("plein")] == [
        (0, 300, 40), (300, 300, 60)]


MINUTES = 4


def minute_of_readings(play: Player) -> list[tuple[float, Batch]]:
    """Gate counts and road values of some minutes with the second at which each could first be sent."""
    found = []
    for minute in range(MINUTES):
        end = 60.0 * (minute + 1)
        found += [(end, batch) for batch in gate_counts(play, end - 60, 10.5 + minute, 3 * minute)]
        for lane in (1, 2):
            found.append((end, play.reading(f"{SITE}/lane{lane}", Metric.VEHICLES, end - 60, 120.0 * minute, 60)))
            found.append((end, play.reading(f"{SITE}/lane{lane}", Metric.SPEED, end - 60, 50.0 + lane, 60)))
    return found


def replayed(delays: list[float], twice: list[int], order_seed: int) -> tuple[list[dict[str, object]], int]:
    play = Player(small_city(road_table=small_roads()))
    rng = np.random.default_rng(order_seed)
    sent = [(second + delay, batch) for (second, batch), delay in zip(minute_of_readings(play), delays, strict=True)]
    sent += [(second + rng.uniform(0, 8.0 - min(delays[index], 8.0)), batch)
             for index in twice for second, batch in [sent[index]]]
    for at in sorted(range(len(sent)), key=lambda index: (sent[index][0], rng.random())):
        play.send(*sent[at])
    for second in range(250, 700, 10):
        play.tick(second)
    rows = play.gate("plein-straat")[:MINUTES] + play.rows(LiveTable.ROAD, SITE)[:MINUTES]
    return rows, play.counters["duplicates"]


@cache
def undisturbed() -> list[dict[str, object]]:
    return replayed([0.0] * 6 * MINUTES, [], 0)[0]


@settings(max_examples=20, deadline=None)
@given(st.data())
def test_delay_order_and_repeats_change_no_count(data: st.DataObject) -> None:
    count = 6 * MINUTES
    delays = data.draw(st.lists(st.floats(0, 9.9), min_size=count, max_size=count))
    twice = data.draw(st.lists(st.integers(0, count - 1), max_size=10))
    rows, _ = replayed(delays, twice, data.draw(st.integers(0, 2**32)))
    assert len(undisturbed()) == 2 * MINUTES
    assert rows == undisturbed()


def test_a_repeat_is_counted_as_duplicate_and_another_value_as_correction() -> None:
    play = Player(small_city())
    for second, batch in busy_zones(play, 60):
        play.send(second, batch)
    play.send(61, *gate_counts(play, 0, 33, 12), *gate_counts(play, 0, 33, 12))
    assert play.counters["duplicates"] == 2
    play.send(62, play.reading("teller-plein-straat", Metric.IN, 0, 77, 60))
    assert play.counters["corrections"] == 1


def test_a_correction_before_the_close_wins_and_after_it_changes_nothing() -> None:
    play = Player(small_city())
    for second, batch in busy_zones(play, 60):
        play.send(second, batch)
    play.send(60.5, play.reading("teller-plein-straat", Metric.IN, 0, 33, 60))
    play.send(61, play.reading("teller-plein-straat", Metric.IN, 0, 44, 60))
    play.send(62, play.reading("teller-plein-straat", Metric.OUT, 0, 0, 60))
    [row] = play.gate("plein-straat")
    assert row["in_low"] == 40
    play.send(63, play.reading("teller-plein-straat", Metric.IN, 0, 99, 60))
    play.tick(200)
    assert [row["in_low"] for row in play.gate("plein-straat") if row["window_start"] == 0] == [40]
    assert play.counters["late"] == 1


def test_the_same_log_gives_the_same_effects() -> None:
    def play_once() -> list[object]:
        play = Player(small_city(road_table=small_roads()))
        rng = np.random.default_rng(3)
        for second in range(0, 900, 10):
            play.camera("cam-plein", [(second, float(rng.integers(0, 450)))])
            if second % 60 == 0 and second:
                play.send(second + 1, *gate_counts(play, second - 60, float(rng.integers(0, 90)), 5))
                road(play, second + 2, second - 60, {1: (600, 90), 2: (60 * float(rng.integers(0, 9)), 70)})
        return [effect if not hasattr(effect, "rows") else effect.rows.to_pylist() for effect in play.effects]
    assert play_once() == play_once()


def test_a_late_count_completes_no_later_window() -> None:
    """Open windows share a ring: what comes for one that is closed must not count for the next in its place."""
    play = Player(small_city())
    rings = play.partition._windows.rings
    for minute in range(rings + 6):
        second = 60 * minute
        play.camera("cam-plein", ((second + step, 120) for step in range(0, 60, 10)))
        early = play.reading("teller-plein-straat", Metric.IN, second, 30, 60)
        out = play.reading("teller-plein-straat", Metric.OUT, second, 30, 60)
        if minute == 2:
            play.send(second + 60 + 30, early, out)
        else:
            play.send(second + 61, early)
            play.send(second + 65, out)
    coverage = {row["window_start"]: row["coverage"] for row in play.gate("plein-straat")}
    assert [start for start, share in coverage.items() if share < 1] == [120]


def test_a_message_that_holds_minutes_makes_no_sensor_silent() -> None:
    """Recorded data come in large pieces, each stamped with the end of the one before."""
    file = small_file()
    quick = {key: Measure(semantics=Semantics.INTERVAL, interval_s=10) for key in ("in", "out")}
    counter = msgspec.structs.replace(file.sensors["teller-plein-straat"], measures=quick)
    play = Player(small_city(sensors={**file.sensors, "teller-plein-straat": counter}), Clock.DATA)
    late: list[int] = []
    for piece in range(7):
        begins = late + list(range(100 * piece, 100 * piece + 100, 10))
        late = [begins.pop()]  # the last one comes with the next piece: a few seconds late
        play.send(100 * piece, *(play.reading("teller-plein-straat", metric, begin_s, 5, 10)
                                 for begin_s in begins for metric in (Metric.IN, Metric.OUT)))
    coverage = {row["window_start"]: row["coverage"] for row in play.gate("plein-straat")}
    assert coverage[240] == 1
    assert set(coverage.values()) == {1}
