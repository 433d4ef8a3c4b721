# SPDX-License-Identifier: Apache-2.0
"""Readings that wait for one another: nobody can tell when they were taken in."""

import msgspec
import numpy as np
import pytest

from schemas.city import City, Semantics, SensorStatus
from schemas.ids import IdKind
from schemas.log import Clock, Kind, LogMessage
from schemas.reading import Batch, Metric
from streams.core.effect import Effect
from streams.core.snapshot import dump
from streams.core.step import Partition
from streams.core.waiting import MOST
from tests.cities import small_city, small_file, small_roads
from tests.core.play import Player, at_us

SITE = "RWS01_MONIBAS_0120vwg0001ra"
MINUTES = 18


def city_of_all_kinds() -> City:
    """States, running counts, counts by the minute, a sensor on trial, one slower than its rows, roads."""
    file, replace = small_file(), msgspec.structs.replace
    cameras, counter, running = (file.sensors[key] for key in ("cam-plein", "teller-plein-straat", "teller-straat-uit"))
    people = replace(cameras.measures["people"], allowed_delay_s=3.0)  # so that deadlines lie between steps
    return small_city(road_table=small_roads(), sensors={
        **file.sensors,
        "cam-quick": replace(cameras, measures={"people": replace(people, interval_s=1.0, view_area_m2=100)}),
        "cam-slow": replace(cameras, measures={"people": replace(people, interval_s=300.0, view_area_m2=100)}),
        "cam-trial": replace(cameras, status=SensorStatus.TRIAL),
        "teller-straat-uit": replace(running, measures={
            metric: replace(measure, semantics=Semantics.CUMULATIVE) for metric, measure in running.measures.items()}),
        "teller-op-proef": replace(counter, status=SensorStatus.TRIAL),
    })


CITY = city_of_all_kinds()
MEASURES = (
    ("cam-plein", Metric.PEOPLE, 10, 0), ("cam-straat", Metric.PEOPLE, 10, 0), ("cam-quick", Metric.PEOPLE, 1, 0),
    ("cam-trial", Metric.PEOPLE, 10, 0), ("cam-slow", Metric.PEOPLE, 300, 0),
    ("teller-plein-straat", Metric.IN, 60, 60), ("teller-plein-straat", Metric.OUT, 60, 60),
    ("teller-straat-uit", Metric.IN, 60, 0), ("teller-straat-uit", Metric.OUT, 60, 0),
    ("teller-op-proef", Metric.IN, 60, 60),
    (f"{SITE}/lane1", Metric.VEHICLES, 60, 60), (f"{SITE}/lane1", Metric.SPEED, 60, 60),
    (f"{SITE}/lane2", Metric.VEHICLES, 60, 60),
)
CAMERAS = 4
"""The first ones."""


def messages(seed: int, clock: Clock) -> list[LogMessage]:
    """Small messages in the order of the log: most readings in time, some late, ahead, again or corrected."""
    rng = np.random.default_rng(seed)
    made: list[LogMessage] = []
    sent: list[Batch] = []
    for second in np.sort(rng.uniform(0, MINUTES * 60, 40 * MINUTES)).tolist():
        batches = []
        is_plain = rng.random() < 0.7
        for at in rng.integers(0, CAMERAS if is_plain else len(MEASURES), rng.integers(1, 9)).tolist():
            sensor, metric, interval_s, span_s = MEASURES[at]
            behind_s = 0.0 if is_plain else float(rng.choice([0, 2, 30, 400, -700], p=[0.55, 0.3, 0.08, 0.05, 0.02]))
            end_s = np.floor((second - behind_s) / interval_s) * interval_s
            value = np.nan if rng.random() < 0.03 else float(rng.integers(0, 300))
            if metric in (Metric.IN, Metric.OUT) and span_s == 0:
                value = float(end_s // 20)
            batches.append(Batch.of(
                sensor=CITY.ids[IdKind.SENSOR][sensor], metric=metric, begin=at_us(end_s - span_s),
                span_ms=1000 * span_s * int(rng.random() > 0.02), value=value, weight=rng.random()))
        batch = Batch.concatenated(batches)
        if sent and rng.random() < 0.1:
            batch = sent[rng.integers(0, len(sent))]
        sent.append(batch)
        made.append(LogMessage(Kind.READINGS, at_us(second), clock, 1, "test", "1", batch))
        if rng.random() < 0.2:
            made.append(LogMessage(Kind.TICK, at_us(second), clock, 1, "test", "1"))
    return [*made, LogMessage(Kind.TICK, at_us(MINUTES * 60 + 1200), clock, 1, "test", "1")]


def folded(log: list[LogMessage], at_once: bool) -> tuple[list[list[object]], bytes, int]:
    """Effects of each message, the state at the end, and how often readings had to wait."""
    partition = Partition(CITY, 1, 0)
    partition.step(LogMessage(Kind.TICK, at_us(0), log[0].clock, 1, "test", "1"), 0)
    said, waited = [], 0
    for message in log:
        said.append([_comparable(effect) for effect in partition.step(message, message.ingested_at_us)])
        waited += bool(len(partition._waiting))  # shows that the test is about something
        if at_once:
            partition.settle()
    return said, dump(partition, 1, 0), waited


def _comparable(effect: Effect) -> object:
    return repr(effect.rows.to_pylist()) if hasattr(effect, "rows") else repr(effect)


@pytest.mark.parametrize(("seed", "clock"), [(1, Clock.SIMULATED), (2, Clock.SIMULATED), (3, Clock.DATA)])
def test_it_does_not_matter_when_readings_are_taken_in(seed: int, clock: Clock) -> None:
    log = messages(seed, clock)
    said, state, waited = folded(log, at_once=False)
    assert waited > len(log) / 5
    said_at_once, state_at_once, _ = folded(log, at_once=True)
    assert said == said_at_once
    assert state == state_at_once


def test_readings_wait_in_bounded_number_and_never_over_a_step() -> None:
    play = Player(small_city())
    many = Batch.of(sensor=play.city.ids[IdKind.SENSOR]["cam-plein"], metric=Metric.PEOPLE, begin=at_us(11),
                    value=np.arange(MOST // 3, dtype=float))
    taken = []
    for second in (11, 12, 13, 14, 20):
        play.send(second, many)
        taken.append(play.partition.counters["readings"] // len(many))
    assert taken == [0, 0, 0, 3, 4]


def test_what_completes_a_window_closes_it_at_once() -> None:
    file = small_file()
    city = small_city(gates={}, zones={"plein": file.zones["plein"]}, sensors={"cam-plein": file.sensors["cam-plein"]})
    play = Player(city)
    play.camera("cam-plein", [(second, 50) for second in (0, 10, 20, 30, 40)])
    play.tick(61)
    assert not play.zone("plein")
    play.send(61.5, play.reading("cam-plein", Metric.PEOPLE, 50, 50))
    assert [row["window_start"] for row in play.zone("plein")] == [0]


def test_a_deadline_counts_on_a_sensor_that_was_heard_again_just_before_it() -> None:
    file, replace = small_file(), msgspec.structs.replace
    camera = file.sensors["cam-plein"]
    quick, slow = (replace(camera, measures={"people": replace(camera.measures["people"], allowed_delay_s=delay_s)})
                   for delay_s in (3.0, 8.0))
    play = Player(small_city(gates={}, zones={"plein": file.zones["plein"]},
                             sensors={"cam-plein": quick, "cam-later": slow}))
    play.camera("cam-plein", [(second, 50) for second in (0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100)])
    play.tick(121)
    closed = len(play.zone("plein"))
    play.send(122, play.reading("cam-later", Metric.PEOPLE, 122, 50))
    play.tick(124)
    assert len(play.zone("plein")) == closed  # it would have been closed at 123 for the quick one alone
    play.tick(128)
    assert len(play.zone("plein")) == closed + 1


def test_a_correction_of_a_closed_road_window_is_told_at_once() -> None:
    play = Player(small_city(road_table=small_roads()), start_s=0)
    for lane in (1, 2):
        play.send(61, play.reading(f"{SITE}/lane{lane}", Metric.VEHICLES, 0, 10, 60),
                  play.reading(f"{SITE}/lane{lane}", Metric.SPEED, 0, 50, 60))
    play.tick(300)
    before = len(play.effects)
    play.send(301, play.reading(f"{SITE}/lane1", Metric.VEHICLES, 0, 12, 60))
    assert len(play.effects) == before + 1
