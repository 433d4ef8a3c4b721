# SPDX-License-Identifier: Apache-2.0
"""People inside and what is ahead on the page: ranges, and "niet te zeggen" where nobody can; time to empty."""

import dataclasses
import datetime as dt
import re
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from schemas.alert import State, encode_transition
from schemas.command import Done, Outcome
from schemas.ids import IdKind
from schemas.live import LiveTable
from schemas.log import Topic
from streams.serve.ahead import Ahead, next_level
from streams.serve.board import Changed
from streams.serve.emptying import time_to_empty
from streams.serve.explain import detail
from streams.serve.wording import CANNOT_SAY, ahead_text
from streams.writer.rows import Message
from streams.zone_command import app
from tests.gateway.mock_broker import MockBroker
from tests.serve.running import LIMIT_S, page_city, running, send, settings_for
from tests.serve.test_document import NOW, present, zone_of
from tests.services.process import wait_until
from tests.writer.samples import MINUTE, NOON, Row, alert_headers, inside_row, live_message, transition, zone_row

CITY = page_city()
END = NOON + MINUTE


def outlook_row(ahead_min: int, low: int, high: int, kind: str = "zone", place: int = 1, **changes: Any) -> Row:
    row: Row = {
        "kind": kind, "place": place, "window_start": NOON - 14 * MINUTE, "span_s": 900, "ahead_min": ahead_min,
        "low": low, "middle": (low + high) // 2, "high": high, "percent_reach": 35.0,
    }
    return row | changes


def ahead(minutes: int, low: int, high: int) -> Ahead:
    return Ahead(ahead_min=minutes, at=END + minutes * MINUTE, shown_until=END + 60 * MINUTE, low=low, high=high,
                 text="", reach_percent=None)


def test_people_inside_are_a_band_with_percent_and_what_corrected_it() -> None:
    row = inside_row(correction="sighting")
    inside = zone_of(present(live_message(LiveTable.INSIDE, row)).whole(NOW), "plein").inside
    assert inside is not None
    assert (inside.text, inside.percent, inside.correction) == ("340–399", "85–95 %", "bijgesteld naar waarneming")
    assert inside.density_per_m2 is not None
    assert (inside.density_per_m2.text, inside.status) == ("0,34–0,41", "estimated")
    later = NOW + dt.timedelta(minutes=10)
    assert zone_of(present(live_message(LiveTable.INSIDE, row)).whole(later), "plein").inside is None


@pytest.mark.parametrize(("high", "word", "colour"), [(279, "groen", 0), (280, "geel", 1), (399, "oranje", 2)])
def test_the_level_of_people_inside_is_that_of_their_upper_bound(high: int, word: str, colour: int) -> None:
    row = inside_row(inside_low=0, inside_high=high)
    zone = zone_of(present(live_message(LiveTable.INSIDE, row)).whole(NOW), "plein")
    assert zone.inside is not None
    assert (zone.inside.word, zone.inside.tone) == (word, colour)
    # What sensors see stands apart: they saw nothing yet.
    assert (zone.is_seen, zone.level, zone.people, zone.density_per_m2) == (True, None, None, None)


def test_outlooks_of_zone_site_and_road_are_told_nearest_first_until_they_are_old() -> None:
    road = next(iter(present().places.roads))
    site = CITY.ids[IdKind.SITE]["centrum"]
    shown = present(live_message(
        LiveTable.OUTLOOK, outlook_row(30, 300, 420), outlook_row(15, 310, 390),
        outlook_row(15, 500, 800, "site", site), outlook_row(15, 20, 44, "road", road)))
    document = shown.whole(NOW)
    assert [(one.ahead_min, one.text, one.reach_percent) for one in zone_of(document, "plein").ahead] == [
        (15, "310–390 mensen", 35.0), (30, "300–420 mensen", 35.0)]
    assert [one.text for one in document.roads[0].ahead] == ["20–45 voertuigen"]
    assert [one.text for site_ in document.sites for one in site_.ahead] == ["500–800 mensen"]
    late = shown.whole(NOW + dt.timedelta(minutes=25))
    left = [*(one.ahead for one in late.zones), *(one.ahead for one in late.roads), *(one.ahead for one in late.sites)]
    assert not any(left)


def test_a_new_outlook_changes_its_places_alone_and_an_older_one_nothing() -> None:
    shown = present()
    for starts, told in ((NOON, ["plein"]), (NOON - MINUTE, []), (NOON, [])):
        changed = Changed()
        shown.board.take(live_message(LiveTable.OUTLOOK, outlook_row(15, 1, 9, window_start=starts)), changed)
        assert [zone.key for zone in shown.changed(changed, NOW).zones] == told


@pytest.mark.parametrize(("bands", "text"), [
    ([(15, 500, 700)], "tot oranje: 2–8 min"),
    ([(15, 200, 700), (30, 250, 800)], f"tot oranje: {CANNOT_SAY}"),
    ([(15, 200, 300)], f"tot oranje: {CANNOT_SAY}"),
    ([], f"tot oranje: {CANNOT_SAY}"),
])
def test_minutes_to_the_next_level(bands: list[tuple[int, int, int]], text: str) -> None:
    row = zone_row(1, 0, 300, people_high=340, level=1)
    told = next_level(row, [ahead(*one) for one in bands], (280.0, 400.0, 600.0), ("groen", "geel", "oranje", "rood"))
    assert told is not None
    assert told.text == text
    assert next_level(row | {"level": 3}, [], (280.0, 400.0, 600.0), ()) is None
    assert next_level(row | {"level": None}, [], (280.0,), ()) is None


def test_time_to_empty_takes_the_upper_edge_and_the_open_gates() -> None:
    shown = present(live_message(LiveTable.INSIDE, inside_row(1), inside_row(2, inside_low=0, inside_high=99)))
    one = time_to_empty(CITY, shown, "plein", [], NOW)
    width_m = CITY.file.gates["straat-uit"].width_m
    narrowest_m = min(width_m, CITY.file.gates["plein-straat"].width_m)
    assert one.people_at_most == 399
    assert one.minutes == pytest.approx(399 / (narrowest_m * one.flow_per_m_min), abs=0.06)
    assert one.site_minutes is not None
    assert one.site_minutes >= 498 / (width_m * one.flow_per_m_min) - 0.06
    shut = time_to_empty(CITY, shown, "plein", ["straat-uit"], NOW)
    assert (shut.minutes, shut.site_minutes, shut.text) == (None, None, "with straat-uit shut: cannot say")
    assert time_to_empty(CITY, present(), "plein", [], NOW).text == "cannot say"


def gate_outcome(command_id: str, command: str, minute: int, until_minute: int | None, done: Done = Done.DONE,
                 gate: str = "straat-uit") -> Outcome:
    at = round((NOW + minute * MINUTE).timestamp() * 1e6)
    until_us = None if until_minute is None else round((NOW + until_minute * MINUTE).timestamp() * 1e6)
    return Outcome(command_id=command_id, command=command, done=done, reason="", alert_id="", seq=0, site="centrum",
                   role="ovd", at_us=at, place=gate, until_us=until_us)


CLOSED = gate_outcome("a", "gate_closed", -9, 60)


@pytest.mark.parametrize(("told", "closed"), [
    ([CLOSED], True), ([CLOSED, CLOSED], True), ([gate_outcome("a", "gate_closed", -9, -1)], False),
    ([CLOSED, gate_outcome("b", "gate_open", -5, None)], False),
    ([gate_outcome("b", "gate_open", -5, None), CLOSED], False),
    ([CLOSED, gate_outcome("b", "gate_open", -5, None, Done.REFUSED)], True),
    ([gate_outcome("a", "gate_closed", -9, 60, Done.REFUSED)], False),
    ([gate_outcome("a", "measure_taken", -9, 60)], False),
])
def test_gates_that_operators_closed_are_no_way_out(told: list[Outcome], closed: bool) -> None:
    shown = present(live_message(LiveTable.INSIDE, inside_row(1)))
    for outcome in told:
        shown.board.outcomes.take(0, outcome)
    one = time_to_empty(CITY, shown, "straat", [], NOW)
    assert one.closed == (["straat-uit"] if closed else [])
    plein = time_to_empty(CITY, shown, "plein", [], NOW)
    assert plein.text.startswith("with straat-uit shut: cannot say") is closed
    assert (plein.minutes is None) is closed


def test_what_the_loss_of_each_open_gate_would_mean() -> None:
    gates = CITY.file.gates
    two = msgspec.structs.replace(gates["straat-uit"], name="Zijpoort", from_="plein", to="outside", width_m=2.0)
    city = dataclasses.replace(CITY, file=msgspec.structs.replace(CITY.file, gates={**gates, "zij": two}))
    shown = present(live_message(LiveTable.INSIDE, inside_row(1)))
    told = time_to_empty(city, shown, "plein", [], NOW)
    assert told.minutes is not None
    lost = {one.gate: one.minutes for one in told.with_one_shut}
    assert lost == {key: time_to_empty(city, shown, "plein", [key], NOW).minutes for key in lost}
    assert set(lost) >= {"zij", "plein-straat"}
    assert all(minutes is not None and minutes > told.minutes for minutes in lost.values())
    assert told.with_one_shut[0].minutes == max(minutes for minutes in lost.values() if minutes is not None)
    assert {one.gate: one.text for one in told.with_one_shut}["zij"].startswith("with zij shut: ")
    one_way = time_to_empty(city, shown, "plein", ["zij"], NOW)
    assert {one.gate: one.minutes for one in one_way.with_one_shut} == {"plein-straat": None, "straat-uit": None}


@pytest.mark.parametrize("opened", [True, False])
def test_an_open_alert_tells_how_long_its_zone_needs_to_empty(opened: bool) -> None:
    one = transition() if opened else transition(state_from=State.RECOVERING, state_to=State.RESOLVED)
    shown = present(live_message(LiveTable.INSIDE, inside_row(1)),
                    Message(Topic.ALERTS, 0, 0, alert_headers(), encode_transition(one)))
    told = detail(shown, CITY, shown.board.alerts[one.alert_id], NOW, with_notes=False)
    assert told.empty == (time_to_empty(CITY, shown, "plein", [], NOW) if opened else None)


def test_a_zone_over_http(broker: MockBroker) -> None:
    settings = settings_for(broker.kafka)
    with running(settings) as client:
        send(broker, live_message(LiveTable.INSIDE, inside_row(1), inside_row(2)),
             live_message(LiveTable.OUTLOOK, outlook_row(15, 310, 390)))
        wait_until(lambda: bool(_zone(client).get("inside") and _zone(client)["ahead"]), LIMIT_S, "the zone is told")
        assert _zone(client)["inside"]["text"] == "340–399"
        told = client.get("/api/zones/plein/empty", params={"shut": ["straat-uit"]}).json()
        assert told["text"] == "with straat-uit shut: cannot say"
        assert client.get("/api/zones/plein/empty").json()["minutes"] > 0
        said = CliRunner().invoke(app, ["time-to-empty", "plein", "--url", str(client.base_url)])
        assert "  with straat-uit shut: cannot say\n" in said.output
        for path in ("/api/zones/nergens", "/api/zones/nergens/empty", "/api/zones/plein/empty?shut=nergens"):
            assert client.get(path).status_code == 404


def _zone(client: httpx.Client) -> dict[str, Any]:
    found: dict[str, Any] = client.get("/api/zones/plein").json()
    return found


@pytest.mark.parametrize(("low", "high", "width", "text"), [
    (38_624, 99_386, 5, "38.000–100.000 mensen"), (311, 389, 5, "310–390 mensen"),
    (311, 389, 23, "300–400 mensen"), (0, 3, 5, "<10 mensen"), (7, 41, 5, "<45 mensen"),
    (2_091, 130_889, 5, CANNOT_SAY), (0, 401, 5, CANNOT_SAY),
])
def test_a_forecast_is_told_with_its_unit_and_no_finer_than_the_bands(
    low: int, high: int, width: int, text: str
) -> None:
    assert ahead_text(low, high, width, "mensen") == text


@given(low=st.integers(0, 10**6), wide=st.integers(0, 10**6), width=st.integers(1, 5_000))
def test_what_is_told_of_a_forecast_never_leaves_out_a_part_of_it(low: int, wide: int, width: int) -> None:
    text = ahead_text(low, low + wide, width, "mensen")
    if text != CANNOT_SAY:
        edges = [int(edge) for edge in re.findall(r"\d+", text.replace(".", ""))]
        assert edges[-1] >= low + wide
        assert len(edges) == 1 or edges[0] <= low


def test_a_site_is_told_no_finer_than_the_bands_of_its_zones_together() -> None:
    site = outlook_row(15, 511, 789, "site", CITY.ids[IdKind.SITE]["centrum"])
    rows = [zone_row(number, 0, 300, people_high=339) for number in (1, 2)]
    shown = present(live_message(LiveTable.ZONE, *rows), live_message(LiveTable.OUTLOOK, site))
    assert [one.text for site_ in shown.whole(NOW).sites for one in site_.ahead] == ["500–800 mensen"]
