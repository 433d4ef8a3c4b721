# SPDX-License-Identifier: Apache-2.0
"""Invented roads are real DATEX II: the ordinary decoder reads them and refuses nothing."""

import io
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.feeds.datex2 import RoadChannels, decode_measured, read_site_table
from schemas.ids import IdKind
from schemas.ndw_roads import road_table
from schemas.reading import Batch, Metric, NoValue
from schemas.roads import ANY_VEHICLE, RoadTable
from streams.simulate.road_sites import ID_PREFIX, SITES, site_table
from streams.simulate.roads import JAM_MIN, MINUTE_US, RoadTraffic, day_share, rfc3339
from tests.cities import small_city

MIDNIGHT_US = 1_793_487_600_000_000 // (24 * 60 * MINUTE_US) * (24 * 60 * MINUTE_US)
"""Midnight UTC of a day in the winter half year."""
HOUR_US = 60 * MINUTE_US
minutes = st.integers(0, 7 * 24 * 60).map(lambda minute: MIDNIGHT_US + minute * MINUTE_US)


@cache
def roads() -> RoadTable:
    return road_table(read_site_table(io.BytesIO(site_table(rfc3339(MIDNIGHT_US)))), None)


@cache
def channels() -> RoadChannels:
    return RoadChannels.of(roads(), small_city(roads()).ids)


def decoded(traffic: RoadTraffic, minute_us: int) -> Batch:
    found = decode_measured(io.BytesIO(traffic.publication(minute_us)), channels())
    assert found.refusals == []
    return found.batch


def test_the_site_table_is_read_whole() -> None:
    assert set(roads().column("zone")) == {site.key for site in SITES}
    assert all(str(zone).startswith(ID_PREFIX) for zone in roads().column("zone"))
    assert len(roads()) == sum(len(site.channels) for site in SITES)
    names = dict(zip(roads().column("zone"), roads().column("name"), strict=True))
    assert names == {site.key: site.name for site in SITES}
    any_vehicle = [kind == ANY_VEHICLE for kind in roads().column("vehicle_class")]
    assert sum(any_vehicle) == 2 * sum(site.lanes for site in SITES)
    assert 10 <= len(SITES) <= 14
    assert {site.lanes for site in SITES} == {2, 3}


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1), minutes)
def test_every_value_of_every_minute_is_taken(seed: int, minute_us: int) -> None:
    batch = decoded(RoadTraffic(seed, MIDNIGHT_US), minute_us)
    assert len(batch) == len(roads())
    assert set(batch.begin.tolist()) == {minute_us}
    assert set(batch.span_ms.tolist()) == {60_000}
    flows = batch.value[(batch.metric == Metric.VEHICLES) & ~np.isnan(batch.value)]
    speeds = batch.value[(batch.metric == Metric.SPEED) & ~np.isnan(batch.value)]
    assert (flows % 60 == 0).all()
    assert ((speeds > 0) & (speeds <= 130)).all()


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**32 - 1), minutes)
def test_a_minute_follows_from_the_seed_alone(seed: int, minute_us: int) -> None:
    traffic = RoadTraffic(seed, MIDNIGHT_US)
    first = traffic.publication(minute_us)
    traffic.publication(minute_us + MINUTE_US)
    assert RoadTraffic(seed, MIDNIGHT_US).publication(minute_us) == first
    assert RoadTraffic(seed + 1, MIDNIGHT_US).publication(minute_us) != first


def test_classes_add_up_to_the_whole() -> None:
    batch = decoded(RoadTraffic(1, MIDNIGHT_US), MIDNIGHT_US + 17 * HOUR_US)
    ids = small_city(roads()).ids
    table = roads()
    number_of = {key: number for kind in ids.numbers.values() for key, number in kind.items()}
    sums: dict[tuple[str, str], float] = {}
    whole: dict[tuple[str, str], float] = {}
    value_of = dict(zip(
        zip(batch.sensor.tolist(), batch.metric.tolist(), strict=True), batch.value.tolist(), strict=True
    ))
    for row in table.table.to_pylist():
        if row["metric"] != Metric.VEHICLES:
            continue
        value = value_of[(number_of[row["sensor"]], int(Metric.VEHICLES))]
        kind = whole if row["vehicle_class"] == ANY_VEHICLE else sums
        kind[row["zone"], row["lane"]] = kind.get((row["zone"], row["lane"]), 0.0) + value
    assert sums
    assert {lane: whole[lane] for lane in sums} == pytest.approx(sums, nan_ok=True)


def test_faults_and_empty_lanes_are_spelled_as_ndw_spells_them() -> None:
    night = [decoded(RoadTraffic(seed, MIDNIGHT_US), MIDNIGHT_US + 3 * HOUR_US) for seed in range(12)]
    reasons = np.concatenate([batch.reason[np.isnan(batch.value)] for batch in night])
    assert {NoValue.DATA_ERROR, NoValue.NO_VEHICLES} <= set(reasons.tolist())


def mean(traffic: RoadTraffic, minute_us: int, metric: Metric) -> float:
    batch = decoded(traffic, minute_us)
    return float(np.nanmean(batch.value[batch.metric == metric]))


def test_the_day_has_its_busy_hours() -> None:
    traffic = RoadTraffic(1, MIDNIGHT_US)
    # 04:00 and 17:00 in the Netherlands in winter.
    night, evening = MIDNIGHT_US + 3 * HOUR_US, MIDNIGHT_US + 16 * HOUR_US
    assert mean(traffic, evening, Metric.VEHICLES) > 5 * mean(traffic, night, Metric.VEHICLES)
    assert mean(traffic, evening, Metric.SPEED) < mean(traffic, night, Metric.SPEED)
    assert day_share(evening) > day_share(night)


def test_in_a_jam_one_site_crawls_and_is_free_again_afterwards() -> None:
    traffic = RoadTraffic(1, MIDNIGHT_US)
    begin_us = MIDNIGHT_US + 12 * HOUR_US
    slowest = {
        minute: float(np.nanmin(speeds.value[speeds.metric == Metric.SPEED]))
        for minute in (JAM_MIN[0] - 3, JAM_MIN[0] + 10, JAM_MIN[1] + 3)
        for speeds in [decoded(traffic, begin_us + minute * MINUTE_US)]
    }
    before, within, after = slowest.values()
    assert within < 0.5 * before
    assert within < 0.5 * after


def test_truth_is_what_error_free_lanes_report() -> None:
    numbers = {number: key for key, number in small_city(roads()).ids.numbers[IdKind.SENSOR].items()}
    compared = 0
    for minute_us in range(MIDNIGHT_US + 15 * HOUR_US, MIDNIGHT_US + 16 * HOUR_US, MINUTE_US):
        traffic = RoadTraffic(1, MIDNIGHT_US)
        batch = decoded(traffic, minute_us)
        whole = {
            str(row["sensor"]): str(row["zone"]) for row in roads().table.to_pylist()
            if row["vehicle_class"] == ANY_VEHICLE
        }
        vehicles: dict[str, float] = {}
        for number, metric, value in zip(batch.sensor, batch.metric, batch.value, strict=True):
            zone = whole.get(numbers[int(number)])
            if zone is not None and metric == Metric.VEHICLES:
                vehicles[zone] = vehicles.get(zone, 0.0) + float(value) / 60
        for site in traffic.truth(minute_us):
            if not np.isnan(vehicles[site.site]):
                assert vehicles[site.site] == pytest.approx(site.vehicles)
                compared += 1
            assert site.speed_km_h is None or site.speed_km_h > 0
    assert compared > 500


def test_the_jam_stands_when_it_is_wanted() -> None:
    begin_us = MIDNIGHT_US + 12 * HOUR_US
    jammed, free = RoadTraffic(1, begin_us, (3, 20)), RoadTraffic(1, begin_us, (0, 0))

    def slowest(traffic: RoadTraffic, minute: int) -> float:
        return min(site.speed_km_h or np.inf for site in traffic.truth(begin_us + minute * MINUTE_US))

    assert slowest(jammed, 10) < 0.5 * slowest(free, 10)
    assert slowest(jammed, 2) == slowest(free, 2)
    assert slowest(jammed, 20) == slowest(free, 20)
