# SPDX-License-Identifier: Apache-2.0
"""An event arrives, peaks, surges and goes home; nobody is made or lost on the way."""

from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.city import City
from schemas.errors import FatalError
from streams.simulate.crowd import OUTSIDE_PEOPLE, Crowd
from streams.simulate.event import ARRIVAL, EGRESS, Errors, Event, Programme, read_event
from streams.simulate.ground import Ground
from streams.simulate.sensor_errors import Mix, SensorError
from tests.cities import small_city
from tests.simulate.test_crowd import cities

events = st.builds(
    Event, length_s=st.integers(60, 10_000), seed=st.integers(0, 2**32 - 1),
    visitors=st.none() | st.integers(1, 20_000), level=st.integers(1, 9), peaks=st.integers(0, 5),
    surge_at_s=st.none() | st.integers(0, 120),
)


def wished(event: Event, zone: str | None = None) -> npt.NDArray[np.float64]:
    """Wished people second by second; of the main zone, or of the named one."""
    ground = Ground.of(small_city())
    programme = Programme(ground, event)
    at = ground.square if zone is None else ground.zones.index(zone)
    return np.array([programme.at(second)[at] for second in range(event.length_s)])


@settings(max_examples=30, deadline=None)
@given(cities(), events)
def test_people_are_conserved_in_every_second(city: City, event: Event) -> None:
    ground = Ground.of(city)
    crowd = Crowd(ground, event.seed, Programme(ground, event))
    for _ in range(60):
        before = crowd.people.copy()
        moves = crowd.step()
        change = np.zeros(len(before), np.int64)
        np.add.at(change, ground.side_to, moves.forth - moves.back)
        np.add.at(change, ground.side_from, moves.back - moves.forth)
        assert (crowd.people - before == change).all()
        assert crowd.people.min() >= 0
        assert crowd.people.sum() == OUTSIDE_PEOPLE


@pytest.mark.parametrize("level", [1, 2, 3])
def test_the_main_zone_peaks_in_the_wanted_level(level: int) -> None:
    ground = Ground.of(small_city())
    bounds = [*ground.level_people[ground.square], np.inf]
    peak = wished(Event(level=level)).max()
    assert bounds[level - 1] <= peak < bounds[level]


def test_people_come_the_programme_peaks_and_people_go() -> None:
    event = Event(length_s=4000, peaks=3)
    people = wished(event)
    begin, end = round(ARRIVAL[1] * 4000), round(EGRESS[0] * 4000)
    assert people[0] < 0.1 * people.max()
    assert people[-1] < 0.1 * people.max()
    plateau = people[begin + 100 : end - 100]
    assert plateau.min() > 0.7 * people.max()
    rises = np.diff(np.sign(np.diff(plateau)))
    assert int((rises < 0).sum()) == 3


def test_so_many_visitors_are_wanted_at_most() -> None:
    ground = Ground.of(small_city())
    programme = Programme(ground, Event(visitors=777, length_s=4000))
    assert max(programme.at(second).sum() for second in range(4000)) == pytest.approx(777, rel=0.03)


def test_a_surge_is_sudden_at_one_zone_and_passes() -> None:
    calm, surging = Event(level=1, length_s=4000), Event(level=1, length_s=4000, surge_at_s=1900, surge_s=200)
    ground = Ground.of(small_city())
    difference = wished(surging) - wished(calm)
    assert (difference[:1900] == 0).all()
    assert wished(surging)[2000] > ground.most_people[ground.square]
    assert (difference[2400:] == 0).all()
    assert (wished(surging, "plein") == wished(calm, "plein")).all()


def test_the_crowd_itself_surges_within_minutes() -> None:
    ground = Ground.of(small_city())
    crowd = Crowd(ground, 1, Programme(ground, Event(level=1, length_s=4000, surge_at_s=1900)))
    people = []
    for _ in range(2200):
        crowd.step()
        people.append(int(crowd.people[ground.square]))
    threshold = ground.most_people[ground.square]
    assert max(people[:1900]) < threshold
    assert max(people[1900:]) > threshold


def test_a_surge_where_no_zone_is_is_refused_by_name() -> None:
    with pytest.raises(FatalError, match="'nowhere'"):
        Programme(Ground.of(small_city()), Event(surge_zone="nowhere"))


def test_a_file_gives_event_and_errors(tmp_path: Path) -> None:
    path = tmp_path / "event.toml"
    path.write_text(
        '[event]\nlength_s = 900\nvisitors = 500\n[errors]\nmix = "none"\n'
        '[errors.sensors.cam-plein]\nbias = -0.07\nstuck_from_s = 60\n'
    )
    found = read_event(path)
    assert found.event == Event(length_s=900, visitors=500)
    assert found.errors == Errors(
        mix=Mix.NONE, sensors={"cam-plein": SensorError(bias=-0.07, stuck_from_s=60)}
    )


@pytest.mark.parametrize(("text", "named"), [
    ("[event]\nlenght_s = 3", "lenght_s"), ("[event]\nlength_s = 3", r"\$.event.length_s"),
    ("[errors.sensors.x]\nbias = -1", "bias"), ("[errors.sensors.x]\nclock_skew_s = 9223372036854", "clock_skew_s"),
    ("[event", r"event\.toml"),
])
def test_a_wrong_file_is_refused_by_the_key(tmp_path: Path, text: str, named: str) -> None:
    path = tmp_path / "event.toml"
    path.write_text(text)
    with pytest.raises(FatalError, match=named):
        read_event(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FatalError, match=r"none\.toml"):
        read_event(tmp_path / "none.toml")


def test_the_event_is_plain_data() -> None:
    event = Event(visitors=10)
    assert msgspec.json.decode(msgspec.json.encode(event), type=Event) == event
