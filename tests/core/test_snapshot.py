# SPDX-License-Identifier: Apache-2.0
"""A partition that is put away and taken out again goes on as if nothing had happened."""

from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.city import City
from schemas.reading import Metric
from streams.core.snapshot import SnapshotError, dump, load
from tests.cities import small_city, small_roads
from tests.core.play import Player

SITE = "RWS01_MONIBAS_0120vwg0001ra"


def crowd(city: City, restart_at: set[int]) -> list[object]:
    """All effects of an hour with a crowd, gates, roads and a silence, restarted at some steps."""
    play = Player(city)
    rng = np.random.default_rng(11)
    people = 100.0
    for step in range(240):
        if step in restart_at:
            kept = dump(play.partition, 1, 0)
            play.partition = load(kept, lambda _: city, 1, 0)
        second = 10.0 * step
        people = float(np.clip(people + rng.integers(-60, 70), 0, 450))
        if not 90 < step < 110:
            play.send(second, play.reading("cam-plein", Metric.PEOPLE, second, people))
            play.send(second + 1, play.reading("cam-straat", Metric.PEOPLE, second - 3, people // 3))
        if step % 6 == 5:
            play.send(second + 4, play.reading("teller-plein-straat", Metric.IN, second - 70, people / 7, 60),
                      play.reading(f"{SITE}/lane1", Metric.VEHICLES, second - 50, 60 * (step % 9), 60),
                      play.reading(f"{SITE}/lane1", Metric.SPEED, second - 50, 50 + step % 30, 60))
        play.tick(second + 5)
    assert play.transitions
    return [effect.rows.to_pylist() if hasattr(effect, "rows") else effect for effect in play.effects]


@cache
def undisturbed() -> list[object]:
    return crowd(small_city(road_table=small_roads()), set())


@settings(max_examples=5, deadline=None)
@given(st.sets(st.integers(0, 239), min_size=6, max_size=24))
def test_restarts_at_any_step_change_nothing(restart_at: set[int]) -> None:
    assert crowd(small_city(road_table=small_roads()), restart_at) == undisturbed()


def test_the_same_state_gives_the_same_bytes() -> None:
    city = small_city()
    play = Player(city)
    play.camera("cam-plein", [(second, 30) for second in range(0, 100, 10)])
    kept = dump(play.partition, 1, 0)
    assert dump(load(kept, lambda _: city, 1, 0), 1, 0) == kept


@pytest.mark.parametrize(("partitions", "number", "named"), [(2, 0, "partitions"), (1, 1, "partition")])
def test_a_state_is_restored_only_where_it_belongs(partitions: int, number: int, named: str) -> None:
    kept = dump(Player(small_city()).partition, 1, 0)
    with pytest.raises(SnapshotError, match=named):
        load(kept, lambda _: small_city(), partitions, number)


def test_a_state_of_a_city_version_that_nobody_knows_is_refused() -> None:
    kept = dump(Player(small_city()).partition, 1, 0)
    cities: dict[str, City] = {}
    with pytest.raises(SnapshotError, match=small_city().sha256):
        load(kept, cities.__getitem__, 1, 0)


@given(st.data())
@settings(max_examples=50, deadline=None)
def test_broken_bytes_are_refused_and_never_half_restored(data: st.DataObject) -> None:
    city = small_city()
    kept = dump(Player(city).partition, 1, 0)
    cut = data.draw(st.integers(0, len(kept) - 1))
    with pytest.raises(SnapshotError):
        load(kept[:cut], lambda _: city, 1, 0)
    with pytest.raises(SnapshotError):
        load(kept + b"x", lambda _: city, 1, 0)
