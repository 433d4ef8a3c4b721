# SPDX-License-Identifier: Apache-2.0
"""Counters that report their count since the last reset."""

from collections.abc import Sequence

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.city import City, Measure, Semantics
from schemas.reading import Metric
from tests.cities import small_city, small_file
from tests.core.play import Player, Row

Sample = tuple[float, float]


def counter_city(interval_s: float = 10.0, rolls_over_at: float | None = None) -> City:
    file = small_file()
    measure = Measure(semantics=Semantics.CUMULATIVE, interval_s=interval_s, rolls_over_at=rolls_over_at)
    counter = msgspec.structs.replace(file.sensors["teller-plein-straat"], measures={"in": measure})
    return small_city(sensors={**file.sensors, "teller-plein-straat": counter})


def played(city: City, samples: Sequence[Sample], until_s: float = 320.0) -> list[Row]:
    """Rows of the gate, beside a busy square; each sample is taken in as it is made."""
    play = Player(city)
    events = [(10.0 * step, "cam-plein", Metric.PEOPLE, 80.0) for step in range(32)]
    events += [(second, "teller-plein-straat", Metric.IN, count) for second, count in samples]
    for second, sensor, metric, value in sorted(events, key=lambda event: event[0]):
        play.send(second, play.reading(sensor, metric, second, value))
    play.tick(until_s)
    return play.gate("plein-straat")


def counts(rows: list[Row]) -> list[tuple[int | None, float]]:
    return [(row["in_low"], round(row["coverage"], 3)) for row in rows]


def steady(until_s: float, a_second: float = 1.0, every_s: float = 10.0, begin_s: float = 0.0) -> list[Sample]:
    return [(second, 500 + a_second * second) for second in np.arange(begin_s, until_s + 1, every_s).tolist()]


def test_differences_are_counted_and_the_first_sample_counts_nothing() -> None:
    assert counts(played(counter_city(), steady(300)))[:3] == [(60, 1.0), (60, 1.0), (60, 1.0)]
    assert counts(played(counter_city(), steady(300, begin_s=30)))[:2] == [(30, 0.5), (60, 1.0)]


def test_a_window_closes_as_soon_as_the_count_at_its_end_is_there() -> None:
    play = Player(counter_city())
    for second in range(0, 61, 10):
        play.send(second, play.reading("cam-plein", Metric.PEOPLE, second, 80.0),
                  play.reading("teller-plein-straat", Metric.IN, second, 2.0 * second))
    [row] = play.gate("plein-straat")
    assert (row["in_low"], row["coverage"]) == (120, 1.0)


def test_samples_off_the_minute_are_shared_by_time() -> None:
    rows = played(counter_city(60.0), steady(300, every_s=60, begin_s=15))
    assert counts(rows)[:3] == [(45, 0.75), (60, 1.0), (60, 1.0)]


def test_a_reset_counts_nothing_and_never_negative() -> None:
    samples = [(second, count if second < 90 else count - 580) for second, count in steady(300)]
    assert counts(played(counter_city(), samples))[:3] == [(60, 1.0), (50, 0.833), (60, 1.0)]


def test_a_roll_over_is_no_reset() -> None:
    samples = [(second, (count + 400) % 1000) for second, count in steady(300)]
    assert counts(played(counter_city(rolls_over_at=1000.0), samples))[:3] == [(60, 1.0), (60, 1.0), (60, 1.0)]
    assert counts(played(counter_city(), samples))[1] != (60, 1.0)


def test_a_counter_that_falls_from_low_was_reset_though_it_rolls_over() -> None:
    samples = [(second, count if second < 90 else count - 580) for second, count in steady(300)]
    assert counts(played(counter_city(rolls_over_at=10_000.0), samples))[1] == (50, 0.833)


@pytest.mark.parametrize(("gap_s", "second_minute"), [(30, (60, 1.0)), (40, (20, 0.333))])
def test_a_gap_of_more_than_three_intervals_is_missing(gap_s: int, second_minute: tuple[int, float]) -> None:
    samples = [sample for sample in steady(300) if not 70 < sample[0] < 70 + gap_s]
    assert counts(played(counter_city(), samples))[1] == second_minute


def test_a_sample_without_value_is_bridged_like_a_lost_one() -> None:
    samples = [(second, np.nan if second == 90 else count) for second, count in steady(300)]
    assert counts(played(counter_city(), samples))[1] == (60, 1.0)


@settings(max_examples=12, deadline=None)
@given(st.lists(st.tuples(st.floats(0, 9), st.integers(0, 40)), min_size=36, max_size=36), st.integers(0, 2**32))
def test_order_and_repeats_change_nothing(drawn: list[tuple[float, int]], seed: int) -> None:
    running = np.cumsum([rise for _, rise in drawn]).tolist()
    samples = [(10.0 * step, float(count)) for step, count in enumerate(running)]
    sent = [(second + delay, second, count)
            for (second, count), (delay, _) in zip(samples, drawn, strict=True)]
    sent += [(at + 0.5, second, count) for at, second, count in sent[:: 5]]
    rng = np.random.default_rng(seed)
    play = Player(counter_city())
    cameras = [(10.0 * step, None, 80.0) for step in range(40)]
    for at, own, value in sorted([*sent, *cameras], key=lambda event: (event[0], rng.random())):
        sensor, metric = ("cam-plein", Metric.PEOPLE) if own is None else ("teller-plein-straat", Metric.IN)
        play.send(at, play.reading(sensor, metric, at if own is None else own, value))
    play.tick(400)
    assert counts(play.gate("plein-straat"))[:5] == counts(played(counter_city(), samples))[:5]
