# SPDX-License-Identifier: Apache-2.0
"""What the state says: bands and ranges as text, missing and stale never look calm, alerts with their life."""

import datetime as dt
import re
from typing import Any

import msgspec
import pytest

from schemas.alert import State
from schemas.live import LiveTable
from streams.serve.board import Changed
from streams.serve.document import AlertItem, Document, Present, Stream, ZoneItem
from streams.serve.drawing import page
from streams.serve.passing import GateItem
from streams.serve.places import city_places, stale_after_s
from streams.serve.surroundings import SiteMaps
from streams.serve.wording import band_text, range_text, tone
from streams.writer.rows import Message
from tests.cities import small_city, small_file, small_roads
from tests.writer.samples import MINUTE, NOON, alert_message, gate_row, live_message, road_row, transition, zone_row

NOW = NOON + MINUTE + dt.timedelta(seconds=12)


def present(*messages: Message, speed: float = 1.0) -> Present:
    shown = Present("Klein", "Europe/Amsterdam", city_places(small_city(small_roads())), SiteMaps(), speed)
    for message in messages:
        shown.board.take(message, Changed())
    return shown


def zone_of(document: Document, key: str) -> ZoneItem:
    return next(zone for zone in document.zones if zone.key == key)


def plein(now: dt.datetime = NOW, **changes: Any) -> ZoneItem:
    row = zone_row(1, 0, 310, level=1, trend=1, percent_low=77.4, percent_high=78.6, **changes)
    return zone_of(present(live_message(LiveTable.ZONE, row)).whole(now), "plein")


def test_a_zone_says_word_percent_band_density_and_trend() -> None:
    zone = plein()
    assert (zone.name, zone.word, zone.tone, zone.trend) == ("Plein", "geel", 1, 1)
    assert (zone.status, zone.stale) == ("ok", False)
    assert zone.percent is not None
    assert zone.people is not None
    assert zone.density_per_m2 is not None
    texts = (zone.percent.text, zone.people.text, zone.density_per_m2.text)
    assert texts == ("77–79 %", "310–314", "38,75–39,25")
    assert zone.window_end == NOON + MINUTE


def test_a_missing_window_has_no_level_no_colour_and_no_number() -> None:
    zone = zone_of(present(live_message(LiveTable.ZONE, zone_row(1, 0, None))).whole(NOW), "plein")
    assert (zone.word, zone.status) == ("geen gegevens", "missing")
    assert (zone.level, zone.tone, zone.percent, zone.people, zone.density_per_m2) == (None,) * 5


def test_every_place_of_the_city_is_there_before_its_first_row() -> None:
    document = present().whole(NOW)
    assert [zone.key for zone in document.zones] == ["plein", "straat"]
    assert [gate.key for gate in document.gates] == ["plein-straat", "straat-uit"]
    assert [road.name for road in document.roads] == ["A12 km 0.1"]
    assert {zone.word for zone in document.zones} == {"geen gegevens"}
    assert document.log_time is None


@pytest.mark.parametrize(("age_s", "stale"), [(0, False), (190, False), (191, True), (86_400, True)])
def test_a_window_is_stale_three_windows_and_its_delay_after_its_end(age_s: int, stale: bool) -> None:
    assert plein(NOON + MINUTE + dt.timedelta(seconds=age_s)).stale is stale


def test_a_fast_clock_leaves_at_least_a_quarter_minute_of_the_watch() -> None:
    assert stale_after_s(60, 10, 1) == 190
    assert stale_after_s(60, 10, 20) == 300
    assert stale_after_s(900, 10, 20) == 2710


def test_a_withheld_gate_tells_no_band() -> None:
    open_row = gate_row(2, 0, withheld=False, in_low=10, in_high=14, out_low=0, out_high=9)
    gates = {gate.key: gate for gate in present(live_message(LiveTable.GATE, gate_row(1), open_row)).whole(NOW).gates}
    withheld, told = gates["plein-straat"], gates["straat-uit"]
    assert (withheld.withheld, withheld.inward, withheld.outward, withheld.zones) == (
        True, None, None, ("plein", "straat")
    )
    assert texts_of(told) == ("10–14", "<10")
    assert (withheld.flow_per_m_min, told.flow_per_m_min, told.coverage) == (None, None, 1.0)
    row = open_row | {"window_start": NOON + MINUTE, "flow_lower_per_m_min": 3.26, "flow_upper_per_m_min": 8.1}
    again = present(live_message(LiveTable.GATE, row)).whole(NOW + MINUTE).gates[1]
    assert again.flow_per_m_min is not None
    assert again.flow_per_m_min.text == "3,3–8,1"
    assert told.name == "Straat → buiten"


def texts_of(gate: GateItem) -> tuple[str, str]:
    assert gate.inward is not None
    assert gate.outward is not None
    return gate.inward.text, gate.outward.text


def test_roads_tell_vehicles_a_minute() -> None:
    number = next(iter(city_places(small_city(small_roads())).roads))
    row = road_row(number, 0, 30.0, span_s=120)
    (road,) = present(live_message(LiveTable.ROAD, row)).whole(NOW).roads
    assert (road.vehicles_per_min, road.speed_km_h, road.stale) == (15.0, 87.5, False)
    assert (road.speed_bounds_km_h, road.percent_of_free_flow, road.service_level) == (None, None, None)
    row |= {"revision": 1, "speed_low_km_h": 80.2, "speed_high_km_h": 94.8, "percent_of_free_flow": 87.5,
            "service_level": 2, "density_low_veh_km_lane": 8.0, "density_high_veh_km_lane": 14.0}
    (road,) = present(live_message(LiveTable.ROAD, row)).whole(NOW).roads
    assert road.speed_bounds_km_h is not None
    assert road.density_veh_km_lane is not None
    assert (road.speed_bounds_km_h.text, road.density_veh_km_lane.text) == ("80–95", "8–14")
    assert (road.percent_of_free_flow, road.service_level) == (87.5, "C")


def alerts_of(now: dt.datetime, *changes: dict[str, Any]) -> list[AlertItem]:
    messages = [alert_message(transition(seq=seq, **one)) for seq, one in enumerate(changes, start=1)]
    return present(*messages).whole(now).alerts


def test_an_alert_tells_since_when_how_high_and_its_changes() -> None:
    (alert,) = alerts_of(NOW, {}, {"level_to": 3}, {"level_to": 2, "state_to": State.RECOVERING})
    assert (alert.name, alert.rule, alert.changes) == ("Plein", "oranje", 3)
    assert (alert.word, alert.worst_word) == ("oranje", "rood")
    assert (alert.open, alert.state_word, alert.severity_word) == (True, "neemt af", "waarschuwing")
    assert alert.opened_at == NOON
    assert [(change.at - NOON, change.word) for change in alert.life] == [
        (dt.timedelta(seconds=10), "oranje"), (dt.timedelta(seconds=20), "rood"), (dt.timedelta(seconds=30), "oranje")
    ]


def test_a_blind_alert_says_no_data() -> None:
    (alert,) = alerts_of(NOW, {}, {"stale": True})
    assert (alert.open, alert.word) == (True, "geen gegevens")


@pytest.mark.parametrize(("measure", "level", "word", "has_tone"), [
    ("no-data", 1, "geen gegevens", False), ("sensor-loss", 1, "uitval van sensoren", False),
    ("density", 3, "rood", True), ("density", 0, "hoge dichtheid", False), ("forecast", 0, "verwachte drukte", False),
    ("people", 0, "groen", True),
])
def test_an_alert_has_a_colour_only_where_its_rule_knows_one(
    measure: str, level: int, word: str, has_tone: bool
) -> None:
    (alert,) = alerts_of(NOW, {"measure": measure, "level_to": level})
    assert (alert.word, alert.tone is not None, alert.life[-1].word) == (word, has_tone, word)
    assert alert.worst_word == word.removesuffix(" verwacht")


def test_the_figures_of_an_alert_say_of_when_they_are_whatever_flag_changed_since() -> None:
    (alert,) = alerts_of(NOW, {}, {"acknowledged": True, "at_us": transition().at_us + 7_200_000_000})
    assert (alert.seen_at, alert.at > NOON + dt.timedelta(hours=1)) == (NOON + MINUTE, True)


def test_an_open_alert_is_shown_however_many_newer_ones_there_are() -> None:
    old = transition("0" * 16, level_to=3)
    newer = [transition(f"{number:016x}", at_us=old.at_us + number, opened_at_us=old.at_us) for number in range(1, 300)]
    shown = present(*map(alert_message, [old, *newer])).whole(NOW).alerts
    assert "0" * 16 in {alert.id for alert in shown}


def test_closed_alerts_leave_after_a_quarter_of_an_hour_and_open_ones_stay() -> None:
    closed: tuple[dict[str, Any], ...] = ({}, {"state_to": State.RESOLVED, "level_to": 0})
    assert [alert.open for alert in alerts_of(NOW, *closed)] == [False]
    later = NOW + dt.timedelta(hours=1)
    assert alerts_of(later, *closed) == []
    assert [alert.open for alert in alerts_of(later, {})] == [True]


def test_a_change_tells_only_what_changed_and_only_places_of_the_city() -> None:
    shown = present()
    changed = Changed()
    shown.board.take(live_message(LiveTable.ZONE, zone_row(2, 0, 20), zone_row(99, 0, 20)), changed)
    document = shown.changed(changed, NOW)
    assert [zone.key for zone in document.zones] == ["straat"]
    assert (document.gates, document.roads, document.alerts) == ([], [], [])
    assert shown.clock(NOW).zones == []


def test_a_place_that_the_city_does_not_know_does_not_move_the_log_time() -> None:
    document = present(live_message(LiveTable.ZONE, zone_row(99, 30), zone_row(1, 0))).whole(NOW)
    assert document.log_time == NOON + MINUTE


def test_the_state_goes_through_json() -> None:
    document = present(live_message(LiveTable.ZONE, zone_row(1)), alert_message(transition())).whole(NOW)
    assert msgspec.json.decode(msgspec.json.encode(document), type=Document) == document
    assert document.stream is Stream.STARTING


def test_texts_and_tones() -> None:
    assert (band_text(0, 9), band_text(10, 14)) == ("<10", "10–14")
    assert (range_text(0.31, 0.314, 2), range_text(77.4, 78.6, 0, " %")) == ("0,31", "77–79 %")
    assert [tone(level, 4) for level in range(4)] == [0, 1, 2, 3]
    assert [tone(level, 2) for level in range(2)] == [0, 3]


def test_the_page_draws_each_zone_and_nothing_of_the_city_file_is_taken_for_html() -> None:
    file = small_file()
    zones = {
        key: msgspec.structs.replace(zone, name=f"<b>{zone.name}</b> & $co") for key, zone in file.zones.items()
    }
    html = page("<h1>$city</h1>$sites", msgspec.structs.replace(file, name="<Klein>", zones=zones))
    assert "<h1>&lt;Klein&gt;</h1>" in html
    assert "<b>" not in html
    assert html.count("&lt;b&gt;Plein&lt;/b&gt; &amp; $co") == 1
    assert re.findall(r'<polygon class="area[^"]*" data-zone="([^"]*)"', html) == ["plein", "straat"]
    corners = [tuple(map(float, spot.split(","))) for spot in re.findall(r'points="([^"]*)"', html)[0].split()]
    width = max(right for right, _ in corners) - min(right for right, _ in corners)
    height = max(down for _, down in corners) - min(down for _, down in corners)
    # 0.0006 degrees of longitude at 52.08 degrees north, 0.00024 of latitude.
    assert width == pytest.approx(41.0, abs=0.3)
    assert height == pytest.approx(26.7, abs=0.3)


def test_a_forecast_alert_says_that_its_level_is_expected_and_is_never_sure() -> None:
    given: dict[str, Any] = {"measure": "forecast", "coverage": 1.0, "people_low": 340, "people_high": 344}
    [alert] = present(alert_message(transition(**given))).whole(NOW).alerts
    assert (alert.word, alert.expected, alert.certainty) == ("oranje verwacht", True, "waarschijnlijk")
    assert [change.word for change in alert.life] == ["oranje verwacht"]
    [seen] = present(alert_message(transition(**(given | {"measure": "people"})))).whole(NOW).alerts
    assert (seen.word, seen.expected, seen.certainty) == ("oranje", False, "zeker")
