# SPDX-License-Identifier: Apache-2.0
"""A gate that counts the wrong way round is found, and a healthy one is left alone."""

import numpy as np

from benchmarks.truth.occupancy import SCENARIOS, run
from benchmarks.truth.occupancy_ground import MINUTES, TO, ZONES, gates, lived
from streams.core.conservation import Swapped
from streams.core.layout import MINUTE_US
from streams.core.occupancy import Kind, Occupancy

SEEDS = 3


def _found(swapped: int | None) -> tuple[list[Swapped], Occupancy]:
    """What is found on days with good counters, where one gate is or is not exchanged on the first day."""
    days = lived(SEEDS, np.random.default_rng(4))
    occupancy = Occupancy(gates(SEEDS), np.full(SEEDS * ZONES, 5.0))
    found: list[Swapped] = []
    for minute in range(MINUTES // 4):
        counts = days.passages[minute].astype(float)
        if swapped is not None:
            counts[:, 0, swapped] = counts[::-1, 0, swapped]
        flat = counts.reshape(2, -1)
        found += occupancy.minute(minute * MINUTE_US, flat[0], flat[1], np.ones(flat.shape[1]))[1]
        if minute % 30 == 29:
            people = days.people[minute].ravel().astype(float)
            found += occupancy.anchor(minute * MINUTE_US, Kind.SIGHTING, np.arange(len(people)), people,
                                      0.05 * people + 2)[1]
    return found, occupancy


def test_a_swapped_gate_is_found_with_its_evidence_and_its_counts_are_exchanged() -> None:
    for gate in (2, 3):
        found, occupancy = _found(gate)
        assert [(one.gate, one.reversed) for one in found] == [(gate, True)]
        assert found[0].looks >= 2
        assert TO[gate] in found[0].rows
        assert np.flatnonzero(occupancy.is_reversed).tolist() == [gate]


def test_healthy_gates_are_not_reported() -> None:
    found, occupancy = _found(None)
    assert found == []
    assert not occupancy.is_reversed.any()


def test_misses_in_one_direction_are_no_swapped_gate() -> None:
    score = run(SCENARIOS[2], lived(SEEDS, np.random.default_rng(8)), SEEDS, np.random.default_rng(9))
    assert score.false == 0
    assert score.held.mean() > 0.8
