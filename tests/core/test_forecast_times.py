# SPDX-License-Identifier: Apache-2.0
"""Minutes to a level and to empty, plans of events, and quarters made of windows."""

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.emptying import Exits, minutes_to_empty, minutes_with_one_shut
from streams.core.event_plan import MINUTE_US, EventPlan, planned, usual_curve
from streams.core.quarter_bands import QuarterBands, net_inflow
from streams.core.time_to_level import MinutesTo, Reach, minutes_to


def path(*middle: float, half: float = 20.0) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.array([[[value - half, value, value + half] for value in middle]])


def reached(now: float, quantiles: np.ndarray[tuple[int, ...], np.dtype[np.float64]], level: float) -> MinutesTo:
    return minutes_to(np.array([now]), np.array([now]), quantiles, np.array([level]))


def test_a_rising_path_gives_a_range() -> None:
    found = reached(100, path(140, 180, 220, 260), 200)
    assert found.reach.tolist() == [Reach.RANGE]
    assert found.earliest_min == pytest.approx([30.0])
    assert found.likely_min == pytest.approx([37.5])
    assert found.latest_min == pytest.approx([45.0])


def test_a_lower_edge_that_never_reaches_leaves_the_range_open() -> None:
    found = reached(100, path(140, 180, 210), 200)
    assert found.reach.tolist() == [Reach.RANGE]
    assert np.isnan(found.latest_min[0])
    assert found.earliest_min[0] < found.likely_min[0]


@pytest.mark.parametrize(("now", "middle", "level", "wanted"), [
    (100.0, (110.0, 120.0), 130.0, Reach.CANNOT_SAY), (100.0, (90.0, 80.0), 130.0, Reach.NOT_AHEAD),
    (140.0, (90.0, 80.0), 130.0, Reach.REACHED), (100.0, (float("nan"),) * 2, 130.0, Reach.CANNOT_SAY),
    (100.0, (110.0, 120.0), float("nan"), Reach.CANNOT_SAY), (float("nan"), (150.0, 160.0), 130.0, Reach.CANNOT_SAY),
])
def test_what_can_be_said(now: float, middle: tuple[float, ...], level: float, wanted: Reach) -> None:
    found = reached(now, path(*middle), level)
    assert found.reach.tolist() == [wanted]
    times = [found.earliest_min[0], found.likely_min[0], found.latest_min[0]]
    assert times == [0, 0, 0] if wanted is Reach.REACHED else np.isnan(times).all()


@given(st.lists(st.floats(0, 500), min_size=8, max_size=8), st.floats(0, 200), st.floats(1, 600), st.floats(0, 500))
def test_ranges_are_in_order_and_within_the_horizons(middle: list[float], half: float, level: float, now: float
                                                     ) -> None:
    found = reached(now, path(*middle, half=half), level)
    times = np.array([found.earliest_min[0], found.likely_min[0], found.latest_min[0]])
    known = times[~np.isnan(times)]
    assert (np.diff(known) >= -1e-9).all()
    assert ((known >= 0) & (known <= 120 + 1e-9)).all()


def exits(zones: list[tuple[int, int]], widths: list[float], flow: float = 60.0) -> Exits:
    return Exits(np.array(zones, np.intp), np.array(widths), np.ones(len(widths), np.bool_), flow)


def test_a_zone_empties_through_its_open_width() -> None:
    site = exits([(-1, 0), (-1, 0)], [4.0, 6.0])
    assert minutes_to_empty(np.array([6000.0]), site) == pytest.approx(10.0)
    assert minutes_with_one_shut(np.array([6000.0]), site) == pytest.approx([16.667, 25.0], abs=1e-3)
    assert minutes_to_empty(np.array([8200.0]), exits([(-1, 0)], [10.0], 82.0)) == pytest.approx(10.0)


def test_the_narrowest_way_counts() -> None:
    # Zone 1 lies behind zone 0 and has a narrow door to it.
    site = exits([(-1, 0), (0, 1)], [10.0, 1.0])
    assert minutes_to_empty(np.array([100.0, 1200.0]), site) == pytest.approx(20.0)
    assert minutes_to_empty(np.array([9000.0, 600.0]), site) == pytest.approx(16.0)


@pytest.mark.parametrize(("people", "site"), [
    ([10.0], exits([], [])), ([10.0, 10.0], exits([(-1, 0)], [2.0])), ([float("nan")], exits([(-1, 0)], [2.0])),
    ([10.0], exits([(-1, 0)], [2.0]).without(0)),
])
def test_without_a_way_out_it_cannot_be_said(people: list[float], site: Exits) -> None:
    assert np.isnan(minutes_to_empty(np.array(people), Exits(site.zones.reshape(-1, 2), site.width_m, site.is_open)))


def test_nobody_inside_takes_no_time_even_behind_shut_gates() -> None:
    assert minutes_to_empty(np.zeros(2), exits([(-1, 0)], [2.0]).without(0)) == 0.0


@given(st.lists(st.integers(0, 5000), min_size=4, max_size=4),
       st.lists(st.tuples(st.integers(-1, 3), st.integers(-1, 3)), min_size=1, max_size=7),
       st.lists(st.floats(0.5, 20), min_size=7, max_size=7))
def test_the_worst_of_all_bottlenecks_decides(people: list[int], gates: list[tuple[int, int]], widths: list[float]
                                              ) -> None:
    gates = [gate for gate in gates if gate[0] != gate[1]] or [(-1, 0)]
    site = exits(gates, widths[: len(gates)])
    wanted = 0.0
    for size in range(1, 5):
        for group in itertools.combinations(range(4), size):
            inside = sum(people[zone] for zone in group)
            out = sum(60 * width for gate, width in zip(gates, widths, strict=False)
                      if (gate[0] in group) != (gate[1] in group))
            if inside > 0:
                wanted = max(wanted, inside / out if out > 0 else float("inf"))
    found = minutes_to_empty(np.array(people, np.float64), site)
    assert np.isnan(found) if wanted == float("inf") else found == pytest.approx(wanted, rel=1e-6, abs=1e-6)


def test_a_plan_adds_people_between_its_points_only() -> None:
    plan = EventPlan(1, np.array([0, 60, 120]) * MINUTE_US, np.array([0.0, 600.0, 0.0]))
    added = planned([plan, plan], 3, np.array([-30, -15, 0, 45, 60, 105, 120]) * MINUTE_US)
    assert added[0].tolist() == added[2].tolist() == [0.0] * 7
    assert added[1].tolist() == pytest.approx([0, 0, 300, 1200, 1200, 300, 0])


def test_the_usual_curve_begins_and_ends_with_nobody_and_never_exceeds_the_visitors() -> None:
    plan = usual_curve(0, 600 * MINUTE_US, 780 * MINUTE_US, 4000.0)
    assert (np.diff(plan.at_us) >= 0).all()
    assert plan.people[0] == plan.people[-1] == 0
    assert plan.people.max() == 4000.0
    assert planned([plan], 1, np.array([690 * MINUTE_US]))[0, 0] == pytest.approx(4000.0, rel=0.05)


def test_a_quarter_is_the_largest_band_and_the_sum_of_flows() -> None:
    quarter = QuarterBands(2)
    for minute in range(15):
        low = np.array([10.0 + 5 * (minute == 7), np.nan if minute > 8 else 2.0])
        quarter.add(np.arange(2), low, low + 4, np.full(2, 60.0))
    low, high = quarter.maxima()
    assert (low[0], high[0]) == (15.0, 19.0)
    total_low, total_high = quarter.totals()
    assert (total_low[0], total_high[0]) == (155.0, 215.0)
    assert total_low[1] == pytest.approx(30.0)  # nine minutes seen, scaled up
    quarter.clear()
    assert np.isnan(quarter.maxima()[0]).all()


def test_a_quarter_hardly_seen_is_missing() -> None:
    quarter = QuarterBands(1)
    for _ in range(8):
        quarter.add(np.zeros(1, np.intp), np.ones(1), np.ones(1), np.full(1, 60.0))
    assert np.isnan(quarter.maxima()[0][0])
    assert np.isnan(quarter.totals()[1][0])


def test_gates_add_to_one_zone_and_take_from_the_other() -> None:
    gates = np.array([[-1, 0], [0, 1]], np.intp)
    low, high = net_inflow(gates, np.array([100.0, 20.0]), np.array([104.0, 24.0]), np.array([10.0, 0.0]),
                           np.array([14.0, 9.0]), 3)
    assert (low[0], high[0]) == (100 - 14 + 0 - 24, 104 - 10 + 9 - 20)
    assert (low[1], high[1]) == (20 - 9, 24 - 0)
    assert np.isnan(low[2])
    hidden = net_inflow(gates, np.array([np.nan, 20.0]), np.array([np.nan, 24.0]), np.zeros(2), np.zeros(2), 3)
    assert np.isnan(hidden[0]).tolist() == [True, False, True]
