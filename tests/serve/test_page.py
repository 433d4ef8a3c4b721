# SPDX-License-Identifier: Apache-2.0
"""The page in a real browser: changes without reload, never calm when blind, readable by keyboard and phone."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from importlib.resources import files

import msgspec
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, expect

from schemas.alert import State
from schemas.city import City
from schemas.health import HealthTable, SensorState
from schemas.ids import IdKind
from schemas.live import LiveTable
from streams.settings import Settings
from tests.cities import small_city, small_roads
from tests.gateway.mock_broker import MockBroker
from tests.serve.running import LIMIT_S, address, page_city, running, send, settings_for
from tests.serve.test_ahead import outlook_row
from tests.writer.health_samples import health_message, standing
from tests.writer.samples import NOON, alert_message, gate_row, inside_row, live_message, road_row, transition, zone_row

LIMIT_MS = LIMIT_S * 1000
CAMERA = page_city().ids[IdKind.SENSOR]["cam-plein"]
WALL = (1920, 1080)
PHONE = (390, 844)


@contextmanager
def opened(chromium: Browser, settings: Settings, size: tuple[int, int] = WALL) -> Iterator[Page]:
    """The page in a browser window; fails when its script does, or loads what the policy forbids."""
    context = chromium.new_context(viewport={"width": size[0], "height": size[1]}, reduced_motion="reduce")
    page = context.new_page()
    page.set_default_timeout(LIMIT_MS)
    complaints: list[str] = []

    def hear(message: ConsoleMessage) -> None:
        # A stream that breaks, or an order that is refused, is what some tests are about.
        place = message.location.get("url", "")
        if message.type == "error" and "/events" not in place and "/api/" not in place:
            complaints.append(message.text)

    page.on("console", hear)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    try:
        page.goto(address(settings))
        yield page
        assert complaints == []
    finally:
        context.close()


def shows(page: Page, selector: str, text: str) -> None:
    expect(page.locator(selector)).to_contain_text(text, timeout=LIMIT_MS)


def tile(key: str) -> str:
    return f'.tile[data-zone="{key}"]'


def test_a_level_change_and_an_alert_appear_without_a_reload(broker: MockBroker, chromium: Browser) -> None:
    calm = zone_row(1, 0, 100, level=0, percent_low=25.0, percent_high=26.0)
    send(broker, live_message(LiveTable.ZONE, calm))
    settings = settings_for(broker.kafka)
    with running(settings), opened(chromium, settings) as page:
        shows(page, f"{tile('plein')} .word", "groen")
        shows(page, "#no-alerts", "Geen meldingen")
        page.evaluate("window.neverReloaded = true")
        red = zone_row(1, 1, 400, level=3, trend=1, percent_low=100.0, percent_high=101.0)
        send(broker, live_message(LiveTable.ZONE, red), alert_message(transition()))
        shows(page, f"{tile('plein')} .word", "rood")
        shows(page, f"{tile('plein')} .percent", "100–101 % ↑")
        shows(page, f"{tile('plein')} .people", "400–404 mensen")
        shows(page, ".alert", "Plein")
        shows(page, ".alert", "sinds 14:00")
        shows(page, "#said", "Nieuwe melding: oranje, Plein.")
        shows(page, "#summary", "hoogste: rood, Plein")
        for selector in (tile("plein"), '.area[data-zone="plein"]'):
            expect(page.locator(selector)).to_have_attribute("data-tone", "3")
        send(broker, alert_message(transition(seq=2, level_to=0, state_to=State.RESOLVED)))
        expect(page.locator(".alert.closed")).to_contain_text("voorbij", timeout=LIMIT_MS)
        shows(page, "#said", "Melding voorbij: oranje, Plein.")
        shows(page, "#open-count", "(0 open)")
        assert page.evaluate("window.neverReloaded") is True


def test_missing_and_stale_zones_never_look_calm(broker: MockBroker, chromium: Browser) -> None:
    send(broker, live_message(LiveTable.ZONE, zone_row(1, 0, None), zone_row(2, 0, 20)))
    settings = settings_for(broker.kafka, seconds=1200)
    with running(settings), opened(chromium, settings) as page:
        shows(page, f"{tile('straat')} .word", "verouderd")
        shows(page, f"{tile('straat')} .people", "was groen om 14:01")
        shows(page, f"{tile('straat')} .age", "19 min oud")
        shows(page, "#banner", "Er komt niets nieuws binnen, stand van 14:01")
        send(broker, live_message(LiveTable.ZONE, zone_row(1, 19, None), zone_row(2, 19, 20)))
        shows(page, f"{tile('straat')} .word", "groen")
        expect(page.locator("#banner")).to_be_hidden()
        shows(page, f"{tile('plein')} .word", "geen gegevens")
        expect(page.locator(tile("plein"))).to_have_attribute("data-tone", "none")
        shows(page, "#summary", "1 zone zonder gegevens")
        expect(page.locator(f"{tile('plein')} .people")).to_have_text("")


def test_a_zone_grows_stale_while_nothing_comes(broker: MockBroker, chromium: Browser) -> None:
    send(broker, live_message(LiveTable.ZONE, zone_row(1, 0, 100)))
    # Three windows and ten seconds of delay after its end, less two seconds.
    settings = settings_for(broker.kafka, seconds=60 + 3 * 60 + 10 - 2)
    with running(settings), opened(chromium, settings) as page:
        shows(page, f"{tile('plein')} .word", "verouderd")
        shows(page, "#banner", "Er komt niets nieuws binnen")


def test_a_broken_line_is_shown_and_a_reconnect_recovers(broker: MockBroker, chromium: Browser) -> None:
    send(broker, live_message(LiveTable.ZONE, zone_row(1, 0, 100)))
    settings = settings_for(broker.kafka)
    with opened_while_running(chromium, settings) as page:
        shows(page, "#banner", "Verbinding verbroken, stand van 14:01")
        expect(page.locator("body")).to_have_attribute("data-stand", "broken")
        send(broker, live_message(LiveTable.ZONE, zone_row(1, 1, 400, level=3)))
        with running(settings):
            shows(page, f"{tile('plein')} .word", "rood")
            expect(page.locator("#banner")).to_be_hidden()
            expect(page.locator("body")).to_have_attribute("data-stand", "ok")


def test_a_page_of_another_city_file_never_goes_on_with_its_places(broker: MockBroker, chromium: Browser) -> None:
    send(broker, live_message(LiveTable.ZONE, zone_row(1, 0, 100)))
    settings, before = settings_for(broker.kafka), page_city()
    plein = msgspec.structs.replace(before.file.zones["plein"], name="Voorplein")
    file = msgspec.structs.replace(before.file, zones={**before.file.zones, "plein": plein})
    after = City(file=file, ids=before.ids, roads=before.roads, sha256="b" * 64)
    with opened_while_running(chromium, settings) as page, running(settings, city=after):
        shows(page, tile("plein"), "Voorplein")
        shows(page, f"{tile('plein')} .word", "groen")
        expect(page.locator("#banner")).to_be_hidden()


def test_figures_of_hours_ago_are_told_with_their_time(broker: MockBroker, chromium: Browser) -> None:
    rows = live_message(LiveTable.ZONE, zone_row(1, 19, 400, level=2))
    old = transition(trend=1, next_low_min=4.0, next_high_min=6.0)
    blind = transition("b" * 16, rule="blind", measure="no-data", level_to=1, place="straat", percent_low=None,
                       opened_at_us=round(NOON.timestamp() - 86_400) * 1_000_000)
    send(broker, rows, alert_message(old), alert_message(blind))
    with running(settings := settings_for(broker.kafka, seconds=1212)), opened(chromium, settings) as page:
        line = '.alert[data-alert="00112233aabbccdd"]'
        expect(page.locator(f"{line} .percent")).to_have_text("85–86 % om 14:01", timeout=LIMIT_MS)
        expect(page.locator(line)).not_to_contain_text("volgend niveau")
        shows(page, '.alert[data-alert="bbbbbbbbbbbbbbbb"] .chip', "geen gegevens")
        shows(page, '.alert[data-alert="bbbbbbbbbbbbbbbb"]', "sinds zo 31 mei")
        expect(page.locator('.alert[data-alert="bbbbbbbbbbbbbbbb"]')).to_have_attribute("data-tone", "none")


def test_a_page_keeps_no_alert_that_it_shows_no_more(broker: MockBroker, chromium: Browser) -> None:
    send(broker, alert_message(transition()))
    aged = """async () => {
        const [present, alerts] = await Promise.all([import("/present.js"), import("/alerts.js")]);
        const [open] = present.held.alerts.values();
        const since = (minutes) => new Date(present.nowMs() - minutes * 60000).toISOString();
        for (const [id, minutes] of [["of-late", 5], ["long-ago", 16]]) {
            const closed = { ...open, id, open: false, at: since(minutes) };
            present.held.alerts.set(id, closed);
            alerts.sayAlerts([closed], false);
        }
        alerts.drawAlerts(() => {});
        return [[...present.held.alerts.keys()], [...alerts.told.keys()]];
    }"""
    with running(settings := settings_for(broker.kafka)), opened(chromium, settings) as page:
        shows(page, ".alert", "Plein")
        kept = ["00112233aabbccdd", "of-late"]
        assert page.evaluate(aged) == [kept, kept]


def test_a_page_that_slept_asks_anew_what_stands(broker: MockBroker, chromium: Browser) -> None:
    send(broker, live_message(LiveTable.ZONE, zone_row(1, 0, 100)))
    with running(settings := settings_for(broker.kafka)), opened(chromium, settings) as page:
        shows(page, f"{tile('plein')} .word", "groen")
        with page.expect_request("**/events"):
            page.evaluate("{ const now = Date.now; Date.now = () => now() + 60000; }")
        shows(page, f"{tile('plein')} .word", "groen")
        expect(page.locator("#banner")).to_be_hidden(timeout=LIMIT_MS)


@contextmanager
def opened_while_running(chromium: Browser, settings: Settings) -> Iterator[Page]:
    """The page of a server that has stopped since it was opened."""
    context = chromium.new_context(viewport={"width": WALL[0], "height": WALL[1]})
    page = context.new_page()
    try:
        with running(settings):
            page.goto(address(settings))
            shows(page, f"{tile('plein')} .word", "groen")
        yield page
    finally:
        context.close()


def test_a_failing_sensor_is_noted_on_its_tile_until_it_is_well_again(broker: MockBroker, chromium: Browser) -> None:
    stuck = standing(CAMERA, SensorState.STUCK)
    send(broker, live_message(LiveTable.ZONE, zone_row(1, 0, 100)), health_message(HealthTable.HEALTH, stuck))
    settings = settings_for(broker.kafka)
    with running(settings), opened(chromium, settings) as page:
        shows(page, f"{tile('plein')} .sensor", "camera vastgelopen sinds 14:00")
        page.locator(f"{tile('plein')} summary").click()
        shows(page, f"{tile('plein')} .more", "camera cam-plein: vastgelopen sinds 14:00")
        yesterday = standing(CAMERA, SensorState.SILENT, 1, NOON - timedelta(days=1))
        send(broker, health_message(HealthTable.HEALTH, yesterday))
        shows(page, f"{tile('plein')} .sensor", "camera stil sinds zo 31 mei")
        send(broker, health_message(HealthTable.HEALTH, standing(CAMERA, SensorState.FRESH, 2)))
        expect(page.locator(f"{tile('plein')} .sensor")).to_be_hidden(timeout=LIMIT_MS)


def test_keyboard_and_screen_reader_find_their_way(broker: MockBroker, chromium: Browser) -> None:
    told = gate_row(2, 0, withheld=False, in_low=10, in_high=14, out_low=0, out_high=9)
    rows = live_message(LiveTable.ZONE, zone_row(1), zone_row(2, 0, 20))
    send(broker, rows, live_message(LiveTable.GATE, gate_row(1), told))
    settings = settings_for(broker.kafka)
    with running(settings), opened(chromium, settings) as page:
        shows(page, f"{tile('straat')} .word", "groen")
        page.keyboard.press("Tab")
        expect(page.locator(".skip")).to_be_focused()
        page.keyboard.press("Tab")
        page.keyboard.press("Tab")
        expect(page.locator(f"{tile('straat')} summary")).to_be_focused()
        page.keyboard.press("Enter")
        shows(page, f"{tile('straat')} .more", "Straat → buiten: in 10–14, uit <10")
        shows(page, f"{tile('straat')} .more", "Plein → Straat: afgeschermd")
        expect(page.get_by_role("img", name=re.compile("Kaart van Centrum"))).to_be_visible()
        expect(page.get_by_role("complementary", name=re.compile("Meldingen"))).to_be_visible()
        assert page.evaluate("document.documentElement.lang") == "nl"
        assert page.locator("#said").get_attribute("aria-live") == "polite"
        duration = page.locator(tile("plein")).evaluate("tile => getComputedStyle(tile).transitionDuration")
        assert duration == "0s"


def test_roads_stand_in_a_table(broker: MockBroker, chromium: Browser) -> None:
    send(broker, live_message(LiveTable.ROAD, road_row(3, 0, 30.0)))
    settings = settings_for(broker.kafka)
    with running(settings), opened(chromium, settings) as page:
        shows(page, "#roads-count", "1 meetpunt, 1 met gegevens")
        page.locator("#roads > summary").click()
        expect(page.locator("#roads tbody td")).to_have_text(
            ["A12 km 0.1", "30", "88", "", "", "", re.compile(r"\d+ s oud")], timeout=LIMIT_MS
        )
        known = road_row(3, 0, 30.0, revision=1, speed_low_km_h=80.2, speed_high_km_h=94.8, percent_of_free_flow=87.5,
                         service_level=2)
        send(broker, live_message(LiveTable.ROAD, known))
        expect(page.locator("#roads tbody td")).to_have_text(
            ["A12 km 0.1", "30", "88 (80–95)", "87 %", "C", "", re.compile(r"\d+ s oud")], timeout=LIMIT_MS
        )


def test_a_zone_that_no_sensor_sees_stands_by_its_gates_and_says_so(broker: MockBroker, chromium: Browser) -> None:
    city = page_city()
    unseen = small_city(small_roads(), sensors={
        key: sensor for key, sensor in city.file.sensors.items() if key != "cam-plein"})
    rows = [live_message(LiveTable.ZONE, zone_row(1, 0, None), zone_row(2, 0, 20)),
            live_message(LiveTable.INSIDE, inside_row(1), inside_row(2))]
    send(broker, *rows)
    settings = settings_for(broker.kafka)
    with running(settings, city=unseen), opened(chromium, settings) as page:
        shows(page, f"{tile('plein')} .word", "oranje")
        shows(page, f"{tile('plein')} .percent", "85–95 %")
        shows(page, f"{tile('plein')} .people", "340–399 mensen, volgens de poorten")
        expect(page.locator(tile("plein"))).to_have_attribute("data-tone", "2", timeout=LIMIT_MS)
        shows(page, "#summary", "hoogste: oranje, Plein")
        page.locator(f"{tile('plein')} summary").click()
        shows(page, f"{tile('plein')} .more", "0,34–0,41 mensen per m², geschat volgens de poorten")
        shows(page, f"{tile('plein')} .empty", "leeg in 0–1 min")
        shows(page, f"{tile('plein')} .more", "zonder Plein → Straat: niet te zeggen")
        expect(page.locator(f"{tile('straat')} .empty")).to_be_hidden()
        # Where a camera sees, its word counts, whatever the gates say.
        shows(page, f"{tile('straat')} .word", "groen")
        blind = inside_row(1, 1, coverage=0.0, status=2, density_low_per_m2=None, density_high_per_m2=None)
        send(broker, live_message(LiveTable.INSIDE, blind))
        shows(page, f"{tile('plein')} .word", "geen gegevens")


def test_a_forecast_says_its_time_and_how_long_that_is_from_now(broker: MockBroker, chromium: Browser) -> None:
    site = outlook_row(15, 511, 789, "site", page_city().ids[IdKind.SITE]["centrum"])
    send(broker, live_message(LiveTable.OUTLOOK, outlook_row(15, 310, 390), site))
    # It was made for a quarter of an hour that ended four minutes before.
    settings = settings_for(broker.kafka, 300)
    with running(settings), opened(chromium, settings) as page:
        shows(page, "h2 .ahead", "(over 11 min): 510–790 mensen")
        page.locator(f"{tile('plein')} summary").click()
        shows(page, f"{tile('plein')} .more", "(over 11 min): 310–390 mensen")


@pytest.mark.parametrize("size", [PHONE, (640, 900), WALL])
def test_nothing_is_cut_off_at_the_side(broker: MockBroker, chromium: Browser, size: tuple[int, int]) -> None:
    wide = zone_row(1, 0, 18210, level=2, people_high=18219, trend=1, percent_low=100.4, percent_high=101.6)
    rows = live_message(LiveTable.ZONE, wide, zone_row(2, 0, 20, trend=-1))
    send(broker, rows, alert_message(transition()))
    settings = settings_for(broker.kafka)
    with running(settings), opened(chromium, settings, size) as page:
        shows(page, f"{tile('plein')} .word", "oranje")
        shows(page, f"{tile('plein')} .people", "18.210–18.219 mensen")
        shows(page, ".alert", "Plein")
        assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
        cut = page.locator(".tile span:not(.hidden), .alert p").evaluate_all(
            "all => all.filter(one => one.scrollWidth > one.parentElement.clientWidth + 1).map(one => one.className)"
        )
        assert cut == []


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2.1 has it."""
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def test_every_text_has_the_contrast_of_wcag_aa() -> None:
    style = (files("streams.serve") / "page" / "page.css").read_text()
    colours = dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", style))
    tones = [name for name in colours if name.startswith("tone-")]
    assert len(tones) == 5
    for name in tones:
        assert contrast(colours[name], "#000000") >= 4.5, name
        assert contrast(colours[name], colours["panel"]) >= 3.0, name
    assert contrast(colours["exercise"], "#000000") >= 4.5
    for text in ("text", "quiet"):
        for ground in ("ground", "panel"):
            assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
