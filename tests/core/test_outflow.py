# SPDX-License-Identifier: Apache-2.0
"""People who leave a zone, minute by minute, in whatever order its gates close."""

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from streams.core.layout import MINUTE_US, Layout, PlaceKind
from streams.core.moves import moves_between
from streams.core.outflow import Outflow
from tests.core.places import bare_layout

ZONE, GATES = 0, (1, 2)
WIDTH_M = np.array([0.0, 2.0, 3.0])


def zone_with_gates(spans_min: tuple[int, int] = (1, 1)) -> Layout:
    layout = bare_layout([PlaceKind.ZONE, PlaceKind.GATE, PlaceKind.GATE])
    span_us = np.array([1, *spans_min]) * MINUTE_US
    return replace(layout, gate_zones=np.array([[-1, -1], [ZONE, -1], [-1, ZONE]]), place_span_us=span_us)


def close(outflow: Outflow, gate: int, minute: int, leaving: float, span_min: int = 1) -> list[tuple[int, float]]:
    """Let `leaving` people out by one gate; the minutes and figures that are known by it."""
    ways = (np.zeros(1), np.array([leaving]))
    in_high, out_high = ways if gate == GATES[0] else ways[::-1]
    # In is from the first side to the second: out of the zone at gate 1 is the way in there.
    zone, start_us, figure = outflow.closed(
        np.array([gate]), np.array([minute * MINUTE_US]), out_high, in_high, np.array([float(span_min)]))
    assert set(zone.tolist()) <= {ZONE}
    return list(zip((start_us // MINUTE_US).tolist(), figure.round(9).tolist(), strict=True))


@given(st.lists(st.sampled_from(GATES), max_size=60))
def test_each_minute_is_judged_once_when_the_last_of_its_gates_has_closed_it(order: list[int]) -> None:
    outflow, closed = Outflow(zone_with_gates(), WIDTH_M), dict.fromkeys(GATES, 10)
    found: list[tuple[int, float]] = []
    for gate in order:
        found += close(outflow, gate, closed[gate], 10 * closed[gate] * gate)
        closed[gate] += 1
    assert found == [(minute, 30 * minute / 5) for minute in range(11, min(closed.values()))]


def test_a_gate_with_longer_windows_is_shared_over_its_minutes() -> None:
    outflow = Outflow(zone_with_gates((1, 5)), WIDTH_M)
    for minute in range(10, 20):
        assert close(outflow, 1, minute, 20) == []
    assert close(outflow, 2, 10, 50, span_min=5) == []  # the log's begin: others may not have begun
    assert close(outflow, 2, 15, 50, span_min=5) == [(15, (20 + 10) / 5)]


def test_a_gate_without_a_figure_leaves_none() -> None:
    outflow = Outflow(zone_with_gates(), WIDTH_M)
    for minute in (10, 11, 12):
        close(outflow, 1, minute, 20)
    [_, (minute, figure)] = [*close(outflow, 2, 11, 20), *close(outflow, 2, 12, np.nan)]
    assert (minute, np.isnan(figure)) == (12, True)


def test_a_zone_whose_gates_stay_goes_on_and_one_with_another_gate_begins_anew() -> None:
    old = Outflow(zone_with_gates(), WIDTH_M)
    for minute in (10, 11, 12):
        close(old, 1, minute, 20)
    same = Outflow(zone_with_gates(), WIDTH_M)
    same.carry(old, moves_between(zone_with_gates(), zone_with_gates(), 13 * MINUTE_US))
    assert close(same, 2, 11, 30) == [(11, 10)]
    layout = replace(zone_with_gates(), place_number=np.array([1, 2, 9], np.int32), place_key=["a", "b", "z"])
    other = Outflow(layout, WIDTH_M)
    other.carry(old, moves_between(zone_with_gates(), layout, 13 * MINUTE_US))
    for minute in (13, 14):
        close(other, 1, minute, 20)
    assert close(other, 2, 13, 30) == []
    assert close(other, 2, 14, 30) == [(14, 10)]
