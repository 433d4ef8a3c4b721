# SPDX-License-Identifier: Apache-2.0
"""Detectors that no rule wants do not run, and begin as after a start once a rule wants them."""

import datetime as dt
from collections.abc import Collection

import numpy as np
import numpy.typing as npt
import pytest

from schemas.alert import State
from schemas.events import Event
from schemas.rules import RuleKind
from streams.core.incident import Incidents
from streams.core.layout import PlaceKind, layout
from streams.core.levels import zone_figures
from streams.core.lookahead import DETECTED, LookAhead
from streams.core.moves import moves_between
from streams.core.surge import Surges
from tests.cities import small_city, small_file, small_roads
from tests.core.baseline_samples import baseline_rows
from tests.core.play import START_S, Player, at_us
from tests.core.test_alarm import crowd
from tests.core.test_alarm_estimates import city, know, rule, states, usual

CITY = small_city(small_roads())
LAID_OUT = layout(CITY, 1, 0)
MOVES = moves_between(LAID_OUT, LAID_OUT, 0)
MINUTE_US = 60_000_000


def look_ahead(*wanted: RuleKind) -> LookAhead:
    ahead = LookAhead(CITY, LAID_OUT, zone_figures(CITY, LAID_OUT), wanted)
    ahead.know_usual(baseline_rows(9))
    return ahead


def watched(ahead: LookAhead, minutes: int = 30) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """What the last surge slot and the last minute of the roads said, of busy zones and slow roads."""
    zones, roads = LAID_OUT.places_of(PlaceKind.ZONE), LAID_OUT.places_of(PlaceKind.ROAD)
    chance, score = np.zeros(0), np.zeros(0)
    for minute in range(minutes):
        start_us = at_us(60 * minute)
        people = np.full(len(zones), 300, np.int64)
        _, chance = ahead.zones_closed(zones, np.full(len(zones), start_us), people, people + 4,
                                       np.zeros(len(zones), np.bool_))
        speed = np.full(len(roads), 90.0 + minute % 2 if minute < 25 else 20.0)
        score = ahead.roads_closed(roads, np.full(len(roads), start_us), speed, np.full(len(roads), 30.0))
    return chance, score


def is_fresh(ahead: LookAhead, name: str) -> bool:
    fresh: Surges | Incidents = Surges(LAID_OUT) if name == "surges" else Incidents(LAID_OUT)
    mine = getattr(ahead, name)
    return all(np.array_equal(getattr(mine, one), getattr(fresh, one), equal_nan=True) for one in fresh.STATE)


@pytest.mark.parametrize("wanted", [(), DETECTED[:1], DETECTED[1:], DETECTED])
def test_only_what_a_rule_wants_runs(wanted: Collection[RuleKind]) -> None:
    ahead = look_ahead(*wanted)
    chance, score = watched(ahead)
    assert (len(chance) > 0) is (RuleKind.SURGE in wanted)
    assert bool((score > 3).any()) is (RuleKind.INCIDENT in wanted)
    assert is_fresh(ahead, "surges") is (RuleKind.SURGE not in wanted)
    assert is_fresh(ahead, "incidents") is (RuleKind.INCIDENT not in wanted)
    # The forecast sees its windows all the same.
    assert (ahead.zones.seen_s[LAID_OUT.places_of(PlaceKind.ZONE)] == 30 * 60).all()
    assert (ahead.roads.seen_s[LAID_OUT.places_of(PlaceKind.ROAD)] > 0).all()


def test_what_is_wanted_again_has_no_past_and_what_stays_wanted_keeps_it() -> None:
    first = look_ahead(*DETECTED)
    watched(first)
    kept, between, again = look_ahead(*DETECTED), look_ahead(), look_ahead(*DETECTED)
    kept.carry(first, MOVES)
    assert not is_fresh(kept, "surges")
    assert not is_fresh(kept, "incidents")
    between.carry(first, MOVES)
    again.carry(between, MOVES)
    assert is_fresh(again, "surges")
    assert is_fresh(again, "incidents")
    assert (again.zones.seen_s == first.zones.seen_s).all()


def test_a_rule_of_a_later_city_version_finds_its_surge() -> None:
    play = Player(small_city())
    know(play, usual(play, "plein", 100))
    crowd(play, 10, 300, 100)
    play.change(300, city(rule(RuleKind.SURGE), version=2), 600)
    crowd(play, 310, 1_500, 100)
    assert states(play, "plein") == []
    crowd(play, 1_500, 3_000, 320)
    assert states(play, "plein") == [State.FIRING]


def test_the_plan_of_a_site_brings_the_people_of_its_counted_zones_alone() -> None:
    begin, end = (dt.datetime.fromtimestamp(START_S + second, dt.UTC) for second in (0, 7_200))
    event = Event(name="Feest", from_=begin, until=end, sites=["centrum"], expected_visitors=900)
    sensors = {key: one for key, one in small_file().sensors.items() if key != "cam-straat"}
    planned_city = small_city(events={"feest": event}, sensors=sensors)
    laid_out = layout(planned_city, 1, 0)
    ahead = LookAhead(planned_city, laid_out, zone_figures(planned_city, laid_out))
    ahead.at_quarter(at_us(3_600), (np.full(2, 100), np.full(2, 104)))
    square, street, site = ahead.forecast.planned[:, -1].tolist()
    assert street > 0
    assert site == square > 0
