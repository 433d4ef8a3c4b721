# SPDX-License-Identifier: Apache-2.0
"""The screen says what a stranger needs, fits 100 x 30, and never shows missing as calm."""

import datetime as dt
import io
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from streams.demo.picture import Picture
from streams.demo.view import LEVEL_STYLES, NO_DATA_STYLE, Status, screen
from tests.demo.pictures import NOW, alert, missing_zone, picture, road, status, zone

COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def drawn(shown: Picture, with_status: Status | None = None, height: int = 30, *, colours: bool = False) -> list[str]:
    console = Console(
        file=io.StringIO(), width=100, height=height, force_terminal=True, color_system="256", legacy_windows=False
    )
    with console.capture() as capture:
        console.print(screen(shown, with_status or status(), height))
    lines = capture.get().rstrip("\n").split("\n")
    return lines if colours else [COLOURS.sub("", line).rstrip() for line in lines]


def line_with(lines: list[str], text: str) -> str:
    found = [line for line in lines if text in line]
    assert found, f"{text!r} is nowhere"
    return found[0]


def test_a_zone_shows_word_percent_band_density_trend_coverage_and_age() -> None:
    line = line_with(drawn(picture()), "Plein ")
    assert line.split() == ["Plein", "geel", "77–79", "%", "310–314", "0.31", "↑", "100", "%", "30", "s"]


def test_few_people_are_shown_as_fewer_than() -> None:
    shown = picture(zones=[zone(people_low=0, people_high=9, level=0)])
    assert " <10 " in line_with(drawn(shown), "Plein ")


@pytest.mark.parametrize("shown", [
    missing_zone("plein"),
    zone(window_end=None, level=None, coverage=None),
    zone(window_end=NOW - dt.timedelta(minutes=30), level=0),
])
def test_missing_never_yet_and_long_ago_are_no_data_not_calm(shown: object) -> None:
    line = line_with(drawn(picture(zones=[shown])), "Plein ")
    assert "geen gegevens" in line
    assert "groen" not in line
    assert "310" not in line
    coloured = line_with(drawn(picture(zones=[shown]), colours=True), "Plein ")
    calm = line_with(drawn(picture(zones=[zone(level=0)]), colours=True), "Plein ")
    assert COLOURS.findall(coloured)[0] != COLOURS.findall(calm)[0]


def test_each_level_has_a_word_and_a_colour_of_its_own() -> None:
    codes = set()
    for level, word in enumerate(("groen", "geel", "oranje", "rood")):
        line = line_with(drawn(picture(zones=[zone(level=level)], alerts=[]), colours=True), "Plein ")
        assert word in line
        codes.add(COLOURS.findall(line)[0])
    assert len(codes) == 4
    assert NO_DATA_STYLE not in LEVEL_STYLES


def test_the_highest_of_two_levels_is_red() -> None:
    names = ["rustig", "vol"]
    vol = line_with(drawn(picture(zones=[zone(level=1, level_names=names)]), colours=True), "Plein ")
    rood = line_with(drawn(picture(zones=[zone(level=3)]), colours=True), "Plein ")
    assert COLOURS.findall(vol)[0] == COLOURS.findall(rood)[0]


def test_roads_show_vehicles_per_minute_speed_and_coverage() -> None:
    lines = drawn(picture(roads=[road(), road("A4", span_s=120)], alerts=[]))
    assert line_with(lines, "A12").split() == ["A12", "Utrechtsebaan", "41", "62", "50", "%"]
    assert line_with(lines, "A4").split() == ["A4", "Utrechtsebaan", "20", "62", "50", "%"]


def test_a_road_without_value_is_no_data() -> None:
    lines = drawn(picture(roads=[road(vehicles=None, speed_km_h=None, coverage=0.0, status=2)], alerts=[]))
    assert line_with(lines, "A12").split() == ["A12", "Utrechtsebaan", "geen", "geg.", "0", "%"]


def test_all_roads_take_their_turn() -> None:
    roads = [road(f"N{number}") for number in range(30)]
    seen = {
        name for second in range(0, 60, 2)
        for line in drawn(picture(roads=roads), status(running_s=float(second)))
        for name in re.findall(r"\bN\d+\b", line)
    }
    assert seen == {f"N{number}" for number in range(30)}


def test_alerts_show_their_life() -> None:
    changed = alert(
        "a2", rule="rood", level=2, worst=3, changes=3, state="recovering", at=NOW - dt.timedelta(minutes=1)
    )
    closed = alert("a3", rule="geel", level=0, worst=2, state="resolved", at=NOW - dt.timedelta(minutes=2))
    old = alert("a4", rule="oud", level=0, state="resolved", at=NOW - dt.timedelta(hours=3))
    lines = drawn(picture(alerts=[alert(), changed, closed, old]))
    assert "alerts: 2 open" in line_with(lines, "alerts")
    # 14:00 UTC is 16:00 in the city.
    assert "oranje  Plein · since 15:52" in line_with(lines, " oranje  Plein")
    assert "rood  Plein · since 15:52, now oranje ↓" in line_with(lines, " rood  Plein")
    assert "geel  Plein · 15:52–15:58, was oranje" in line_with(lines, " geel  Plein")
    assert not any(" oud " in line for line in lines)


def test_an_alert_on_a_blind_zone_says_so() -> None:
    assert "now geen gegevens" in line_with(drawn(picture(alerts=[alert(stale=True)])), "oranje  Plein")


def test_it_says_how_far_behind_what_was_sent_and_that_all_is_forgotten() -> None:
    lines = drawn(picture(), status(refused=5, notes=("NDW cannot be reached",)))
    assert "log shown up to 16:00, 30 s behind = 1.5 s of yours" in line_with(lines, "log shown")
    assert "sent 1,234 (80/s, 5 refused)" in line_with(lines, "sent")
    assert "zone 12, gate 10, road 3" in line_with(lines, "rows")
    assert "forget everything" in line_with(lines, "stand-ins")
    assert line_with(lines, "NDW cannot be reached")


def test_it_says_where_the_page_is_and_what_the_webhook_took() -> None:
    line = line_with(drawn(picture()), "webhook")
    assert line == "page http://127.0.0.1:8481/ · webhook: 2 delivered, last: Plein: nu rood"
    assert "webhook: 0 delivered" in line_with(drawn(picture(), status(delivered=0, newest_delivered=())), "webhook")


def test_before_the_first_window_it_says_so() -> None:
    assert line_with(drawn(Picture()), "no window yet")
    assert line_with(drawn(Picture()), "no roads")


zones = st.lists(st.sampled_from([0, 1, 2, 3, None]), max_size=60)


@settings(max_examples=40, deadline=None)
@given(zones, st.integers(0, 40), st.integers(0, 20), st.integers(26, 60))
def test_it_always_fits(levels: list[int | None], roads: int, alerts: int, height: int) -> None:
    shown = picture(
        zones=[
            zone(f"zone-{number}-met-een-erg-lange-naam", level=level, people_low=22210, people_high=22219)
            for number, level in enumerate(levels)
        ],
        roads=[road(f"A{number}") for number in range(roads)],
        alerts=[
            alert(str(number), name="Den Haag Centraal, Koningin Julianaplein", level=1, state="recovering")
            for number in range(alerts)
        ],
    )
    lines = drawn(shown, status(notes=("a note",)), height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= 100
    assert "forget everything" in lines[-1]


def test_where_not_all_zones_fit_the_urgent_and_the_blind_stay() -> None:
    calm = [zone(f"rustig-{number}", level=0) for number in range(40)]
    lines = drawn(picture(zones=[*calm, zone("volgepakt", level=3), missing_zone("blind")]))
    assert line_with(lines, "Volgepakt")
    assert line_with(lines, "Blind")
    shown = sum("Rustig" in line for line in lines)
    assert f"and {40 - shown} calmer ones" in line_with(lines, "calmer")
