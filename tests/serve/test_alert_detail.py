# SPDX-License-Identifier: Apache-2.0
"""An alert in full in a real browser: cards, why, and an operator's orders, by keyboard, judged by a real fold."""

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.gateway.mock_broker import MockBroker
from tests.serve.folding import folding
from tests.serve.running import LIMIT_S, running, settings_for
from tests.serve.test_commands import give, guarded, open_alert, plan_city
from tests.serve.test_page import PHONE, WALL, opened, shows

LIMIT_MS = LIMIT_S * 1000


def focus_is(page: Page, selector: str) -> None:
    expect(page.locator(selector)).to_be_focused(timeout=LIMIT_MS)


def test_an_operator_takes_a_measure_and_acknowledges_by_keyboard(broker: MockBroker, chromium: Browser) -> None:
    settings, city = settings_for(broker.kafka), plan_city()
    with folding(broker, city) as fold, running(settings, city=city) as client:
        key = open_alert(fold, client)
        with opened(chromium, settings) as page:
            shows(page, ".alert", "oranje")
            shows(page, ".alert .percent", "90–91 %")
            page.locator(".alert button").focus()
            page.keyboard.press("Enter")
            focus_is(page, "#detail-title")
            shows(page, "#detail-title", "Plein, Centrum")
            shows(page, ".card", "Toegang doseren")
            shows(page, "#note-warning", "geen namen")
            page.locator(".card button").press("Enter")
            shows(page, "#answer", "Kies eerst uw rol")
            focus_is(page, "#role")
            page.keyboard.type("ovd")
            page.locator(".card button").press("Enter")
            shows(page, ".card .taken", "door ovd")
            page.locator("#note").fill("hek staat half dicht")
            page.locator('[data-order="acknowledge"]').press("Enter")
            shows(page, "#detail-facts .marks", "bevestigd door ovd")
            expect(page.locator("#note")).to_have_value("")
            page.locator("#detail details summary").click()
            shows(page, "#detail-why", "opdracht door ovd")
            shows(page, "#detail-why", "hek staat half dicht")
            page.keyboard.press("Escape")
            expect(page.locator("#detail")).to_be_hidden()
            focus_is(page, ".alert button")
            shows(page, ".alert .marks", "bevestigd door ovd")
            assert give(client, "acknowledge", alert=key).status_code == 409


def test_a_refusal_and_a_wanted_token_are_told(broker: MockBroker, chromium: Browser) -> None:
    settings, city = guarded(broker), plan_city()
    with folding(broker, city) as fold, running(settings, city=city) as client:
        open_alert(fold, client)
        with opened(chromium, settings) as page:
            page.locator(".alert button").click()
            page.locator("#role").fill("ovd")
            page.locator('[data-order="unacknowledge"]').click()
            shows(page, "#answer", "vraagt een toegangscode")
            page.locator("#token").fill("o" * 20)
            page.locator('[data-order="unacknowledge"]').click()
            shows(page, "#answer", "Niet gedaan: de melding is niet bevestigd.")


@pytest.mark.parametrize("size", [PHONE, WALL])
def test_nothing_of_the_detail_is_cut_off(broker: MockBroker, chromium: Browser, size: tuple[int, int]) -> None:
    settings, city = settings_for(broker.kafka), plan_city()
    with folding(broker, city) as fold, running(settings, city=city) as client:
        open_alert(fold, client)
        with opened(chromium, settings, size) as page:
            page.locator(".alert button").click()
            shows(page, ".card", "Toegang doseren")
            expect(page.locator("#note-warning")).to_be_visible()
            page.locator("#detail details summary").click()
            wide = page.locator("#detail").evaluate("one => one.scrollWidth - one.clientWidth")
            assert wide <= 0
            box = page.locator("#detail").bounding_box()
            assert box is not None
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= size[0]
