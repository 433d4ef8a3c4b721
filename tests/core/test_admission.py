# SPDX-License-Identifier: Apache-2.0
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as stn

from schemas.ids import IdKind
from schemas.ndw_roads import road_table
from schemas.reading import Batch, Metric, NoValue
from schemas.refusal import Reason, Refusal
from schemas.registry import UNKNOWN_LANES, Registry
from streams.core.admission import (
    DEVICE_STATE_LIMIT,
    PASSAGES_PER_S_LIMIT,
    PEOPLE_LIMIT,
    SPEED_LIMIT_KM_H,
    VEHICLES_PER_H_LIMIT,
    admit,
)
from tests.cities import small_city
from tests.schemas.feeds.documents import channel, record, site_table

CITY = small_city(road_table(site_table(record(
    "A", channel("1"), channel("2", "trafficSpeed"), channel("3", lane="allLanesCompleteCarriageway"), lanes="3",
))))
REGISTRY = Registry.of(CITY)
SENSORS, SOURCES = CITY.ids[IdKind.SENSOR], CITY.ids[IdKind.SOURCE]
SECOND_US = 1_000_000
DAY_US = 86_400 * SECOND_US
NOW_US = 1_780_311_900 * SECOND_US
SKEW_US = 30 * SECOND_US
CAMERA: dict[str, Any] = {
    "sensor": SENSORS["cam-plein"], "metric": Metric.PEOPLE, "source": SOURCES["cameras"], "begin": NOW_US,
    "value": 250.0,
}
GATE: dict[str, Any] = {
    "sensor": SENSORS["teller-plein-straat"], "metric": Metric.IN, "source": SOURCES["counters"],
    "begin": NOW_US - 60 * SECOND_US, "span_ms": 60_000, "value": 21.0,
}
ROAD: dict[str, Any] = GATE | {
    "sensor": SENSORS["A/lane1"], "metric": Metric.VEHICLES, "source": SOURCES["ndw"], "value": 840.0
}


def judged(**columns: npt.ArrayLike) -> tuple[Batch, list[Refusal]]:
    return admit(Batch.of(**columns), REGISTRY, NOW_US, SKEW_US, DAY_US)


def reasons(**columns: npt.ArrayLike) -> list[str]:
    batch, refusals = judged(**columns)
    assert len(batch) + sum(refusal.count for refusal in refusals) == np.broadcast(*columns.values()).size
    return [refusal.reason for refusal in refusals]


@pytest.mark.parametrize("reading", [CAMERA, GATE, ROAD, ROAD | {"metric": Metric.SPEED, "value": 71.0}])
def test_a_sound_reading_is_let_in_unchanged(reading: dict[str, Any]) -> None:
    batch = Batch.of(**reading)
    kept, refusals = admit(batch, REGISTRY, NOW_US, SKEW_US, DAY_US)
    assert kept is batch
    assert refusals == []


def test_refusals_are_counted_by_reason_and_sensor_and_the_rest_goes_on() -> None:
    people = [10.0, -1.0, 20.0, -2.0, -3.0]
    other = SENSORS["cam-straat"]
    kept, refusals = judged(**CAMERA | {"value": people, "sensor": [CAMERA["sensor"]] * 4 + [other]})
    assert kept.value.tolist() == [10.0, 20.0]
    assert {(item.reason, item.where): item.count for item in refusals} == {
        (Reason.BAD_VALUE, "cam-plein"): 2, (Reason.BAD_VALUE, "cam-straat"): 1
    }


def test_a_reading_counts_under_its_first_reason_only() -> None:
    assert reasons(**CAMERA | {"sensor": 9_999, "value": -1.0, "span_ms": 5}) == [Reason.UNKNOWN_SENSOR]
    assert reasons(**CAMERA | {"value": -1.0, "begin": 0}) == [Reason.BAD_VALUE]


@pytest.mark.parametrize("number", [-1, 0, 9_999, 2**31 - 1, -(2**31)])
def test_a_number_of_no_sensor(number: int) -> None:
    kept, [refusal] = judged(**CAMERA | {"sensor": number})
    assert len(kept) == 0
    assert (refusal.reason, refusal.where) == (Reason.UNKNOWN_SENSOR, f"sensor number {number}")


@pytest.mark.parametrize("metric", [0, Metric.IN, 15, 16, 255])
def test_a_metric_that_the_sensor_has_not(metric: int) -> None:
    assert reasons(**CAMERA | {"metric": metric}) == [Reason.UNKNOWN_METRIC]


def test_a_sensor_of_another_source() -> None:
    assert reasons(**CAMERA | {"source": SOURCES["counters"]}) == [Reason.WRONG_SOURCE]


def test_spans_fit_the_semantics() -> None:
    for reading, span_ms in ((CAMERA, 1), (CAMERA, -1), (GATE, 0), (GATE, -60_000), (ROAD, 0)):
        assert reasons(**reading | {"span_ms": span_ms}) == [Reason.BAD_SPAN]


def test_the_end_of_a_reading_may_lie_in_the_skew_and_not_after_it() -> None:
    assert reasons(**CAMERA | {"begin": NOW_US + SKEW_US}) == []
    assert reasons(**CAMERA | {"begin": NOW_US + SKEW_US + 1}) == [Reason.IN_FUTURE]
    assert reasons(**GATE | {"begin": NOW_US + SKEW_US - 60 * SECOND_US}) == []
    assert reasons(**GATE | {"begin": NOW_US + SKEW_US - 60 * SECOND_US + 1}) == [Reason.IN_FUTURE]


@pytest.mark.parametrize("metric", [Metric.VEHICLES, Metric.SPEED])
def test_the_interval_of_a_road_may_still_be_running(metric: Metric) -> None:
    quarter = ROAD | {"metric": metric, "value": 60.0, "span_ms": 900_000}
    assert reasons(**quarter | {"begin": NOW_US + SKEW_US}) == []
    assert reasons(**quarter | {"begin": NOW_US + SKEW_US + 1}) == [Reason.IN_FUTURE]


def test_the_end_of_a_reading_may_be_as_old_as_allowed_and_not_older() -> None:
    assert reasons(**GATE | {"begin": NOW_US - DAY_US - 60 * SECOND_US}) == []
    assert reasons(**GATE | {"begin": NOW_US - DAY_US - 60 * SECOND_US - 1}) == [Reason.TOO_OLD]


@pytest.mark.parametrize("edge", ["start_us", "end_us"])
def test_readings_lie_within_the_sensors_dates(edge: str) -> None:
    instant = int(getattr(REGISTRY, edge)[CAMERA["sensor"]])
    inside, outside = (instant, instant - 1) if edge == "start_us" else (instant - 1, instant)

    def at(reading: dict[str, Any], begin: int) -> list[Refusal]:
        return admit(Batch.of(**reading | {"begin": begin}), REGISTRY, instant, DAY_US, DAY_US)[1]

    assert at(CAMERA, inside) == []
    [refusal] = at(CAMERA, outside)
    assert (refusal.reason, refusal.where) == (Reason.OUT_OF_SERVICE, "cam-plein")
    # An interval must lie inside as a whole.
    whole, half = (instant, instant - 1) if edge == "start_us" else (instant - 60 * SECOND_US, instant - SECOND_US)
    assert at(GATE, whole) == []
    assert [item.reason for item in at(GATE, half)] == [Reason.OUT_OF_SERVICE]
    # Public roads have no dates.
    assert at(ROAD, half) == []


LIMITS = [
    (CAMERA, PEOPLE_LIMIT),
    (GATE, PASSAGES_PER_S_LIMIT * 60),
    (GATE | {"span_ms": 1}, PASSAGES_PER_S_LIMIT),
    (ROAD, VEHICLES_PER_H_LIMIT),
    (ROAD | {"span_ms": 900_000, "begin": NOW_US - 900 * SECOND_US}, VEHICLES_PER_H_LIMIT),
    (ROAD | {"sensor": SENSORS["A/allLanesCompleteCarriageway"]}, 3 * VEHICLES_PER_H_LIMIT),
    (ROAD | {"metric": Metric.SPEED}, SPEED_LIMIT_KM_H),
]


@pytest.mark.parametrize(("reading", "limit"), LIMITS)
def test_values_lie_between_zero_and_their_limit(reading: dict[str, Any], limit: float) -> None:
    above = np.nextafter(limit, np.inf)
    kept, refusals = judged(**reading | {"value": [0.0, -0.0, limit, above, -1e-9, np.inf, -np.inf]})
    assert kept.value.tolist() == [0.0, 0.0, limit]
    assert [(item.reason, item.count) for item in refusals] == [(Reason.BAD_VALUE, 4)]


def test_the_limits_leave_room_for_what_was_measured() -> None:
    # Of a national minute: the greatest rate of a lane and the greatest mean speed.
    assert reasons(**ROAD | {"value": 3_600.0}) == []
    assert reasons(**ROAD | {"metric": Metric.SPEED, "value": 245.0}) == []
    assert VEHICLES_PER_H_LIMIT * UNKNOWN_LANES < DEVICE_STATE_LIMIT


@pytest.mark.parametrize("reason", [why for why in NoValue if why is not NoValue.NONE])
def test_no_value_passes_with_its_reason(reason: NoValue) -> None:
    kept, refusals = judged(**GATE | {"value": np.nan, "reason": reason})
    assert (kept.reason.tolist(), refusals) == ([reason], [])


def test_value_and_reason_must_agree() -> None:
    for change in ({"value": np.nan}, {"value": np.nan, "reason": 99}, {"reason": NoValue.NULL}, {"quality": 101}):
        assert reasons(**GATE | change) == [Reason.BAD_VALUE]


def test_an_empty_batch() -> None:
    empty = Batch.empty()
    assert admit(empty, REGISTRY, NOW_US, SKEW_US, DAY_US) == (empty, [])


def test_a_wide_open_door_still_judges_values() -> None:
    # A replay takes whatever age: its limit is far, and must not leave int64.
    batch = Batch.of(**CAMERA | {"begin": [1_780_000_000 * SECOND_US, NOW_US], "value": [1.0, -1.0]})
    kept, refusals = admit(batch, REGISTRY, NOW_US, 0, np.iinfo(np.int64).max // 4)
    assert (kept.value.tolist(), len(refusals)) == ([1.0], 1)


def columns(size: int) -> st.SearchStrategy[Batch]:
    def column(dtype: str) -> st.SearchStrategy[npt.NDArray[Any]]:
        return stn.arrays(dtype, size)

    few = st.sampled_from(range(-1, 8))
    return st.builds(
        Batch, stn.arrays("int32", size, elements=few), stn.arrays("uint8", size, elements=st.integers(0, 17)),
        stn.arrays("uint16", size, elements=st.integers(0, 3)), column("int64"), column("int32"), column("float64"),
        stn.arrays("uint8", size, elements=st.integers(0, 6)), column("float32"), column("uint8"),
    )


@given(st.integers(1, 8).flatmap(columns))
def test_whatever_comes_is_kept_or_counted(batch: Batch) -> None:
    kept, refusals = admit(batch, REGISTRY, NOW_US, SKEW_US, DAY_US)
    assert len(kept) + sum(item.count for item in refusals) == len(batch)
    assert len({(item.reason, item.where) for item in refusals}) == len(refusals)
    # What was let in is let in again, and all of it can be true.
    again, none = admit(kept, REGISTRY, NOW_US, SKEW_US, DAY_US)
    assert (len(again), none) == (len(kept), [])
    assert not np.any(np.isinf(kept.value) | (kept.value < 0))
    assert np.all(kept.begin <= NOW_US + SKEW_US)


@given(st.lists(st.tuples(st.sampled_from([CAMERA, GATE, ROAD]), st.floats(-10, 10), st.integers(-2, 2)), max_size=20))
def test_each_reading_is_judged_alone(drawn: list[tuple[dict[str, Any], float, int]]) -> None:
    singles = [
        Batch.of(**reading | {"value": value, "begin": reading["begin"] + shift * DAY_US // 2})
        for reading, value, shift in drawn
    ]
    together = admit(Batch.concatenated(singles), REGISTRY, NOW_US, SKEW_US, DAY_US)[0]
    alone = Batch.concatenated([admit(single, REGISTRY, NOW_US, SKEW_US, DAY_US)[0] for single in singles])
    assert together.begin.tolist() == alone.begin.tolist()
    assert together.value.tolist() == alone.value.tolist()
