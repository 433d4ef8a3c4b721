# SPDX-License-Identifier: Apache-2.0
"""Incidents on a road: onset, freezing, usual congestion, missing minutes."""

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from streams.core.baselines import SIDES, Figures
from streams.core.incident import CLEAR_MINUTES, LONGEST_MINUTES, Incidents, IncidentStep
from streams.core.layout import PlaceKind
from streams.core.moves import moves_between
from tests.core.places import bare_layout

MINUTE_US = 60_000_000


class Road:
    """One road, a minute a step."""

    def __init__(self, seed: int = 1) -> None:
        self.incidents = Incidents(bare_layout([PlaceKind.ROAD]))
        self.rng, self.minute = np.random.default_rng(seed), 0

    def drive(self, speed: float, minutes: int, flow: float = 30.0,
              figures: Figures | None = None) -> list[IncidentStep]:
        found = []
        for _ in range(minutes):
            self.minute += 1
            found.append(self.incidents.closed(
                np.zeros(1, np.intp), np.array([self.minute * MINUTE_US]),
                np.array([speed + self.rng.normal(0, 1.5)]), np.array([flow]), figures))
        return found


def onsets(steps: list[IncidentStep]) -> list[int]:
    return [int(step.end_us[0]) // MINUTE_US for step in steps if step.onset[0]]


def usually(low: float) -> Figures:
    table: npt.NDArray[np.float64] = np.full((SIDES, 1), low)
    return Figures(table * 1.3, table, table, table * 1.3, table * 1.5, table * 0 + 8, table * 0 + 900)


def test_an_incident_is_told_once_at_the_end_of_its_minute_and_ends() -> None:
    road = Road()
    assert onsets(road.drive(90, 120)) == []
    slow = road.drive(40, 30, flow=15)
    told = onsets(slow)
    assert len(told) == 1
    assert 122 <= told[0] <= 125
    assert slow[-1].active[0]
    free = road.drive(90, 20)
    assert [step.ended[0] for step in free].count(True) == 1
    assert not free[-1].active[0]
    assert free[CLEAR_MINUTES - 2].active[0]


def test_one_slow_minute_is_no_incident() -> None:
    road = Road()
    road.drive(90, 60)
    assert onsets(road.drive(30, 1) + road.drive(90, 10)) == []


def test_what_is_usual_is_frozen_while_an_incident_lasts() -> None:
    road = Road()
    road.drive(90, 120)
    slow = road.drive(50, 90)
    assert slow[-1].active[0]
    assert slow[-1].ewma[0] > 5


def test_a_road_that_stays_slow_is_learned_anew() -> None:
    road = Road()
    road.drive(90, 60)
    steps = road.drive(40, LONGEST_MINUTES + 60)
    assert onsets(steps) == onsets(steps[:5])
    assert not steps[-1].active[0]


def test_slowness_that_is_usual_at_this_hour_is_none() -> None:
    road, other = Road(), Road()
    for each in (road, other):
        each.drive(90, 60)
    assert onsets(road.drive(50, 20, figures=usually(45.0))) == []
    assert len(onsets(other.drive(50, 20, figures=usually(80.0)))) == 1


def test_a_small_steady_fall_is_none() -> None:
    road = Road()
    road.drive(90, 60)
    assert onsets(road.drive(80, 30)) == []


def test_missing_minutes_are_no_evidence() -> None:
    road, whole = Road(), Road()
    for each in (road, whole):
        each.drive(90, 60)
        each.drive(40, 4)
    gone = [road.incidents.closed(np.zeros(1, np.intp), np.array([(64 + at) * MINUTE_US]), np.array([np.nan]),
                                  np.array([np.nan])) for at in range(1, 30)]
    assert all(step.active[0] for step in gone)
    assert all(np.isnan(step.score[0]) for step in gone)
    assert not any(step.below_fixed[0] for step in gone)
    # Time without evidence changes nothing: the next minute is judged as if there had been none.
    assert road.drive(40, 3)[-1].score[0] == pytest.approx(whole.drive(40, 3)[-1].score[0])


def test_the_fixed_threshold_stands_beside() -> None:
    road = Road()
    assert not road.drive(90, 30)[-1].below_fixed[0]
    assert road.drive(20, 15)[-1].below_fixed[0]


@given(st.lists(st.one_of(st.just(np.nan), st.floats(0, 200)), min_size=1, max_size=60))
def test_any_speeds_give_sound_states(speeds: list[float]) -> None:
    incidents, was = Incidents(bare_layout([PlaceKind.ROAD])), False
    for minute, speed in enumerate(speeds):
        step = incidents.closed(np.zeros(1, np.intp), np.array([minute * MINUTE_US]), np.array([speed]),
                                np.array([np.nan]))
        assert not (step.onset[0] and was)
        assert not (step.ended[0] and not was)
        if np.isnan(speed):
            assert step.active[0] == was
        was = bool(step.active[0])


def test_places_that_stay_keep_what_they_know() -> None:
    layout, fewer = bare_layout([PlaceKind.ROAD] * 2), bare_layout([PlaceKind.ROAD], first_number=2)
    old = Incidents(layout)
    for minute in range(60):
        old.closed(np.arange(2), np.full(2, minute * MINUTE_US), np.array([50.0, 90.0]), np.full(2, 30.0))
    new = Incidents(fewer)
    new.carry(old, moves_between(layout, fewer, 0))
    given_old = old.closed(np.ones(1, np.intp), np.zeros(1, np.int64), np.array([60.0]), np.array([30.0]))
    given_new = new.closed(np.zeros(1, np.intp), np.zeros(1, np.int64), np.array([60.0]), np.array([30.0]))
    assert given_new.snd.tobytes() == given_old.snd.tobytes()
