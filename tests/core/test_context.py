# SPDX-License-Identifier: Apache-2.0
"""Context in the fold: told when new or newer, repeated now and then, kept in a snapshot, near a site or nowhere."""

from dataclasses import replace

import pytest

from schemas.context import ContextRecord
from schemas.ids import IdKind
from schemas.log import Kind, LogMessage
from streams.core.context import KEPT_US, REPEAT_US, Context
from streams.core.effect import LiveContext
from streams.core.snapshot import dump, load
from streams.core.surroundings import Surroundings
from tests.cities import small_city, small_roads
from tests.core.play import Player, at_us
from tests.schemas.context_samples import BEGINS_US, record


def send(play: Player, second: float, *records: ContextRecord) -> list[ContextRecord]:
    """Fold a message in; what it made the fold tell."""
    message = LogMessage(Kind.CONTEXT, at_us(second), play.clock, 1, "ndw-situations", "1", context=records)
    effects = play.partition.step(message, at_us(second))
    return [one for effect in effects if isinstance(effect, LiveContext) for one in effect.records]


def test_a_record_is_told_when_it_is_new_and_when_it_is_newer() -> None:
    play = Player(small_city())
    first, second = record(version=1), record(version=2)
    assert send(play, 10, first, record("other")) == [first, record("other")]
    assert send(play, 20, first) == []
    assert send(play, 30, second, first) == [second]
    assert send(play, 40, first) == []


def test_an_ended_record_is_told_once_and_its_older_versions_never_come_back() -> None:
    play = Player(small_city())
    ended = record(version=2, ended=True)
    send(play, 10, record(version=1))
    assert send(play, 20, ended) == [ended]
    assert send(play, 30, record(version=1), ended) == []
    assert send(play, 40, record("never-seen", ended=True)) == []


def test_what_stands_is_told_again_for_those_who_come_late() -> None:
    play = Player(small_city())
    standing, soon_over = record(), record("short", ends_us=at_us(300))
    send(play, 10, standing, soon_over)
    repeated = send(play, REPEAT_US / 1e6)
    assert repeated == [standing]


def test_a_record_that_is_long_over_is_forgotten() -> None:
    context = Context()
    over_us = BEGINS_US + 1_000
    context.take([record("gone", ends_us=over_us)], BEGINS_US)
    context.take([record("new", ends_us=None)], over_us + KEPT_US)
    assert [one.record for one in context.records] == ["new"]


def test_context_changes_nothing_else() -> None:
    with_context, without = Player(small_city()), Player(small_city())
    send(with_context, 10, record())
    without.tick(10)
    for play in (with_context, without):
        play.tick(400)
    assert [one for one in with_context.effects if not isinstance(one, LiveContext)] == without.effects


def test_a_snapshot_keeps_the_records() -> None:
    city = small_city()
    play = Player(city)
    send(play, 10, record(version=2))
    encoded = dump(play.partition, 1, 0)
    play.partition = load(encoded, {city.sha256: city}.__getitem__, 1, 0)
    assert dump(play.partition, 1, 0) == encoded
    assert send(play, 20, record(version=1), record(version=2)) == []


@pytest.mark.parametrize(("north_m", "is_near"), [(-100.0, True), (0.0, True), (495.0, True), (505.0, False)])
def test_a_site_is_touched_within_500_m(north_m: float, is_near: bool) -> None:
    city = small_city()
    lat, lon, key = max((lat, lon, zone.site) for zone in city.file.zones.values() for lon, lat in zone.polygon)
    site = city.ids[IdKind.SITE][key]
    near = Surroundings(city).sites_near(record(place=[[(lon, lat + north_m / 111_195)]]))
    assert (site in near) is is_near


def test_a_line_counts_where_it_comes_nearest_and_no_place_touches_nothing() -> None:
    city = small_city(small_roads())
    near = Surroundings(city)
    lon, lat = (float(str(city.roads.column(name)[0])) for name in ("lon", "lat"))
    site = city.ids[IdKind.SITE][str(city.roads.column("site")[0])]
    assert site in near.sites_near(record(place=[[(lon - 0.5, lat), (lon + 0.5, lat)]]))
    assert near.sites_near(record(place=[])) == frozenset()
    assert near.by_partition([record(place=[[(lon, lat)]])], 4).keys() >= {site % 4}
    assert near.by_partition([record(place=[])], 4) == {}


def test_a_city_without_places_has_nothing_near() -> None:
    city = small_city()
    empty = replace(city, file=type(city.file)(
        format=1, city="leeg", name="Leeg", version=1, timezone="Europe/Amsterdam"))
    assert Surroundings(empty).sites_near(record()) == frozenset()
