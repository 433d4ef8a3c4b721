# SPDX-License-Identifier: Apache-2.0
"""Which scenario cards belong to a place at a level: plans that always hold, and those of events that last."""

import datetime as dt

import pytest

from schemas.city import City
from schemas.events import Event, Measure, Plan
from streams.core.cards import cards_for, site_of
from tests.cities import small_city, small_roads

BEGIN = dt.datetime(2026, 6, 1, 12, tzinfo=dt.UTC)
ROAD = "RWS01_MONIBAS_0120vwg0001ra"


def us(hours: float) -> int:
    return round((BEGIN + dt.timedelta(hours=hours)).timestamp() * 1e6)


def measure(level: int, *zones: str) -> Measure:
    return Measure(title="t", zones=list(zones), level=level, trigger="t", decides="ovd", steps=["s"], stop_when="s")


def city() -> City:
    plans = {
        "vast": Plan(name="Vast", always=True, measures={
            "geel": measure(1, "*"), "rood": measure(3, "plein"), "straat": measure(1, "straat")}),
        "feest": Plan(name="Feest", measures={"doseren": measure(2, "plein")}),
    }
    event = Event(name="Feest", from_=BEGIN, until=BEGIN + dt.timedelta(hours=2), sites=["centrum"], plan="feest")
    return small_city(small_roads(), plans=plans, events={"feest": event})


def names(place: str, level: int, hours: float) -> list[str]:
    return [card.measure for card in cards_for(city(), place, level, us(hours))]


def test_a_place_has_the_cards_from_their_level_on_the_highest_first() -> None:
    assert names("plein", 0, -1) == []
    assert names("plein", 1, -1) == ["geel"]
    assert names("plein", 3, -1) == ["rood", "geel"]
    assert names("straat", 3, -1) == ["geel", "straat"]


@pytest.mark.parametrize(("hours", "lasts"), [(-0.001, False), (0, True), (1.999, True), (2, False)])
def test_an_event_brings_its_plan_for_as_long_as_it_lasts(hours: float, lasts: bool) -> None:
    assert ("doseren" in names("plein", 2, hours)) is lasts


def test_a_gate_has_the_cards_of_the_zones_beside_it_and_a_road_those_of_everywhere() -> None:
    assert names("plein-straat", 3, 1) == ["rood", "doseren", "geel", "straat"]
    zones = {card.measure: card.zone for card in cards_for(city(), "plein-straat", 3, us(1))}
    assert zones == {"rood": "plein", "doseren": "plein", "geel": "straat", "straat": "straat"}
    assert names(ROAD, 3, 1) == ["geel"]
    assert cards_for(city(), ROAD, 3, us(1))[0].zone == ""


def test_the_site_of_every_kind_of_place() -> None:
    assert [site_of(city(), key) for key in ("plein", "plein-straat", ROAD, "nergens")] == [
        "centrum", "centrum", "roads-16-91", ""]
