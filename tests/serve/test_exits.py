# SPDX-License-Identifier: Apache-2.0
"""How long a zone needs to empty, on its tile: a range, only where it matters, and never more than is known."""

import dataclasses
import datetime as dt
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.city import City
from schemas.events import Event
from schemas.live import LiveTable
from streams.serve.document import ZoneItem
from streams.serve.exits import EmptyItem, empty_item, site_exits
from streams.serve.places import city_places
from tests.serve.running import page_city
from tests.serve.test_document import NOW, present, zone_of
from tests.writer.samples import inside_row, live_message, outcome, outcome_message, zone_row

CITY = page_city()
"""A square that empties over a street, through two gates of 8 m each."""


def changed(**changes: Any) -> City:
    return dataclasses.replace(CITY, file=msgspec.structs.replace(CITY.file, **changes))


def narrow() -> City:
    """The same with a side gate of 2 m from the square to the outside, and the others 1 m wide."""
    gates = {key: msgspec.structs.replace(gate, width_m=1.0) for key, gate in CITY.file.gates.items()}
    side = msgspec.structs.replace(gates["straat-uit"], name="Zijpoort", from_="plein", to="outside", width_m=2.0)
    return changed(gates={**gates, "zij": side})


def of(people: tuple[int, int] | None, *closed: str, city: City | None = None) -> EmptyItem:
    return empty_item(site_exits(city or narrow())["centrum"], "plein", people, closed)


def test_the_range_is_from_the_low_edge_at_the_highest_flow_to_the_high_edge_at_the_measured_one() -> None:
    told = of((2_460, 2_999))
    # 3 m out: 2,460 / (3 * 82) = 10.0 and 2,999 / (3 * 60) = 16.7 minutes.
    assert (told.low_min, told.high_min, told.text) == (10, 17, "leeg in 10–17 min")
    # Without the side gate 2,999 / 60 = 49.98; without either of the others 2,999 / 120 = 24.99.
    assert [one.text for one in told.with_one_shut] == [
        "zonder Zijpoort: 50 min", "zonder Plein → Straat: 25 min", "zonder Straat → buiten: 25 min"]


def test_a_gate_that_is_closed_is_no_way_out_and_is_named() -> None:
    told = of((2_460, 2_999), "zij", "elders")
    assert (told.text, told.closed) == ("leeg in 30–50 min", ["Zijpoort"])
    assert [one.text for one in told.with_one_shut] == [
        "zonder Plein → Straat: niet te zeggen", "zonder Straat → buiten: niet te zeggen"]


@pytest.mark.parametrize("told", [of(None), of((100, 104), "zij", "straat-uit")])
def test_where_nobody_can_say_it_says_so(told: EmptyItem) -> None:
    assert (told.low_min, told.high_min, told.text, told.with_one_shut) == (None, None, "leeg: niet te zeggen", [])


@given(low=st.integers(0, 20_000), more=st.integers(0, 4_000), shut=st.sets(st.sampled_from(["zij", "straat-uit"])))
def test_a_closed_gate_never_makes_it_faster(low: int, more: int, shut: set[str]) -> None:
    site = site_exits(narrow())["centrum"]
    whole, less = (empty_item(site, "plein", (low, low + more), closed) for closed in ((), shut))
    assert whole.low_min is not None
    assert whole.high_min is not None
    assert whole.low_min <= whole.high_min
    if less.low_min is not None and less.high_min is not None:
        assert (less.low_min, less.high_min) >= (whole.low_min, whole.high_min)


def shown(*messages: Any, city: City = CITY, now: dt.datetime = NOW) -> ZoneItem:
    there = present(*messages)
    there.places = city_places(city)
    return zone_of(there.whole(now), "plein")


def test_it_is_told_from_orange_up_only() -> None:
    def tile(level: int) -> EmptyItem | None:
        return shown(live_message(LiveTable.ZONE, zone_row(1, 0, 350, level=level))).empty

    assert [tile(level) is not None for level in range(4)] == [False, False, True, True]


def test_while_an_event_lasts_it_is_told_at_any_level_and_says_when_it_cannot() -> None:
    def event(begin_min: int, end_min: int) -> City:
        begin, end = (NOW + dt.timedelta(minutes=minutes) for minutes in (begin_min, end_min))
        return changed(events={"feest": Event(name="Feest", from_=begin, until=end, sites=["centrum"])})

    green = live_message(LiveTable.ZONE, zone_row(1, 0, 100, level=0))
    lasting = shown(green, city=event(-5, 5)).empty
    assert lasting is not None
    assert lasting.text == "leeg in 0–1 min"
    assert shown(green, city=event(5, 10)).empty is None
    assert shown(green, city=event(-10, -5)).empty is None
    blind = shown(city=event(-5, 5)).empty
    assert blind is not None
    assert blind.text == "leeg: niet te zeggen"


def test_people_by_the_gates_count_before_those_that_cameras_see() -> None:
    both = [live_message(LiveTable.ZONE, zone_row(1, 0, 10, level=0)),
            live_message(LiveTable.INSIDE, inside_row(1, inside_low=3_400, inside_high=3_999))]
    told = shown(*both).empty
    assert told is not None
    assert (told.low_min, told.high_min) == (5, 9)


def test_a_gate_that_operators_close_counts_at_once() -> None:
    closed = outcome("shut", command="gate_closed", place="straat-uit", standing_order="gate/straat-uit", stands=True,
                     until_us=round((NOW.timestamp() + 600) * 1e6))
    told = shown(live_message(LiveTable.ZONE, zone_row(1, 0, 350, level=2)), outcome_message(closed)).empty
    assert told is not None
    assert (told.text, told.closed) == ("leeg: niet te zeggen", ["Straat → buiten"])
