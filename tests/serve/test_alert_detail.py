# SPDX-License-Identifier: Apache-2.0
"""An alert in full in a real browser: cards, why, and an operator's orders, by keyboard, judged by a real fold."""

import ast
import re
from collections.abc import Iterator
from importlib import import_module
from importlib.resources import files

import pytest
from playwright.sync_api import Browser, Page, expect

from schemas.command import Command, Drill, Resolve, Suppress, Unsuppress
from schemas.log import LogMessage
from streams.topics import MOCK_PARTITIONS
from tests.conftest import ROOT
from tests.gateway.mock_broker import MockBroker
from tests.serve.folding import folding
from tests.serve.running import LIMIT_S, SHOWN_S, running, settings_for
from tests.serve.test_commands import FULL, give, guarded, open_alert, plan_city
from tests.serve.test_page import PHONE, WALL, opened, shows, tile

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


def given(broker: MockBroker, count: int) -> list[Command]:
    """The commands that stand in the log, once there are so many."""
    def commands(found: list[LogMessage]) -> list[Command]:
        return [one.command for one in found if one.command is not None]

    return commands(broker.decoded(lambda found: len(commands(found)) >= count))


def answer_is(page: Page, text: str | re.Pattern[str]) -> None:
    expect(page.locator("#answer")).to_have_text(text, timeout=LIMIT_MS)


def test_grave_orders_want_a_second_yes_and_say_what_they_did(broker: MockBroker, chromium: Browser) -> None:
    settings, city = settings_for(broker.kafka), plan_city()
    with folding(broker, city) as fold, running(settings, city=city) as client:
        key = open_alert(fold, client)
        with opened(chromium, settings) as page:
            page.locator(".alert button").click()
            shows(page, "#detail-title", "Plein, Centrum")
            page.locator("#role").fill("ovd")
            for order in ("suppress", "resolve"):
                page.locator(f'[data-order="{order}"]').click()
                # Whoever only presses Enter does nothing grave.
                focus_is(page, "#confirm-no")
                page.keyboard.press("Enter")
                answer_is(page, "Niet gedaan: niet bevestigd.")

            page.locator("#quiet-what").select_option("rule")
            page.locator('[data-order="suppress"]').click()
            shows(page, "#confirm-question", "alle meldingen van regel oranje, in de hele stad?")
            page.locator("#confirm-yes").click()
            answer_is(page, re.compile(r"Gedaan: tot 14:3\d gaat er geen bericht uit over .* van regel oranje, .*"))
            shows(page, "#detail-facts .marks", "onderdrukt")
            page.locator("#quiet-what").select_option("place")
            page.locator('[data-order="unsuppress"]').click()
            shows(page, "#answer", "Niet gedaan: hier staat zo geen onderdrukking")
            page.locator("#quiet-what").select_option("rule")
            page.locator('[data-order="unsuppress"]').click()
            shows(page, "#answer", "Gedaan: er gaan weer berichten uit")
            expect(page.locator("#detail-facts .marks")).to_have_text("", timeout=LIMIT_MS)

            page.locator('[data-order="resolve"]').click()
            shows(page, "#confirm-question", "De melding oranje bij Plein met de hand beëindigen?")
            page.locator("#confirm-yes").click()
            answer_is(page, "Gedaan: de melding is met de hand beëindigd.")
            shows(page, "#detail-facts .chip", "voorbij")
        # A rule is everybody's: each of its two orders goes to every partition.
        told = given(broker, 2 * MOCK_PARTITIONS + 2)
        assert len(told) == 2 * MOCK_PARTITIONS + 2
        suppressed = [one for one in told if isinstance(one, Suppress)]
        assert {one.rule for one in suppressed} == {"oranje"}
        # What the page said is what it sent: a whole minute.
        assert all(one.until_us % 60_000_000 == 0 for one in suppressed)
        assert {one.place for one in told if isinstance(one, Unsuppress)} == {"plein", None}
        assert [one.alert for one in told if isinstance(one, Resolve)] == [key]


def test_an_exercise_is_begun_and_ended_on_the_page(broker: MockBroker, chromium: Browser) -> None:
    settings, city = settings_for(broker.kafka), plan_city()
    with folding(broker, city) as fold, running(settings, city=city):
        with opened(chromium, settings) as page:
            page.locator("#drill-open").click()
            page.locator("#drill-begin").click()
            answer_is(page, "Kies eerst uw rol, in kleine letters.")
            page.locator("#role").fill("ovd")
            page.locator("#drill-begin").click()
            shows(page, "#confirm-question", "Een oefening in Centrum beginnen?")
            page.locator("#confirm-yes").click()
            shows(page, "#answer", "Gedaan: de oefening in Centrum is begonnen")
            page.locator("#drill-begin").click()
            page.locator("#confirm-yes").click()
            answer_is(page, "Niet gedaan: de oefening is daar al bezig.")
            fold.people(FULL, *range(SHOWN_S + 60, SHOWN_S + 120, 10))
            shows(page, ".alert .exercise", "OEFENING")
            shows(page, f"{tile('plein')} .exercise", "OEFENING")
            shows(page, ".site h2 .exercise", "OEFENING")
            shows(page, "#exercise-banner", "OEFENING in Centrum sinds")
            shows(page, "#exercise-banner", "(ovd) · 1 melding van een oefening staat open")
            shows(page, "#exercise-banner", ", tot uiterlijk ")
            page.locator("#drill-end").click()
            shows(page, "#answer", "Gedaan: de oefening in Centrum is voorbij")
            expect(page.locator(".alert.closed")).to_have_count(1, timeout=LIMIT_MS)
            expect(page.locator("#exercise-banner")).to_be_hidden()
            # The crowd is there still: from now on for real.
            fold.people(FULL, *range(SHOWN_S + 120, SHOWN_S + 180, 10))
            shows(page, ".alert:not(.closed)", "oranje")
            expect(page.locator(".alert:not(.closed) .exercise")).to_have_count(0, timeout=LIMIT_MS)
            expect(page.locator("#exercise-banner")).to_be_hidden()
        drills = [one for one in given(broker, 3) if isinstance(one, Drill)]
        assert [(one.on, one.site, one.rule) for one in drills] == [
            (on, "centrum", None) for on in (True, True, False)]


def refusals() -> set[str]:
    """What the fold says where it refuses a command; constants of the module within a text are filled in."""
    found = set[str]()
    for path in sorted((ROOT / "streams" / "core").glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "RefusedCommandError":
                names = vars(import_module(f"streams.core.{path.stem}"))
                found |= {text for part in node.args for text in _texts(part, names)}
    return found


def _texts(part: ast.AST, names: dict[str, object]) -> Iterator[str]:
    if isinstance(part, ast.JoinedStr):
        yield "".join(next(_texts(one, names)) for one in part.values)
    elif isinstance(part, ast.FormattedValue) and isinstance(part.value, ast.Name):
        yield str(names[part.value.id])
    elif isinstance(part, ast.Constant) and isinstance(part.value, str):
        yield part.value
    else:
        for one in ast.iter_child_nodes(part):
            yield from _texts(one, names)


def test_every_refusal_of_an_order_of_the_page_has_dutch_words() -> None:
    words = (files("streams.serve") / "page" / "order_words.js").read_text(encoding="utf-8")
    known = set(re.findall(r'^ {2}"([^"]+)":', words, re.MULTILINE))
    of_other_orders = {
        "the city file has no such gate", "it is not closed", "the city file has no such sensor",
        "the city file has no such zone", "the zone has no gates: nothing is estimated there",
        "it was seen more than a quarter of an hour ago: look again",
    }
    assert known == refusals() - of_other_orders


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
            page.locator("#role").fill("ovd")
            page.locator('[data-order="resolve"]').click()
            is_within(page, "#confirm", size)
            page.locator("#confirm-no").click()
            is_within(page, "#detail", size)
            page.locator("#detail-close").click()
            page.locator("#drill-open").click()
            is_within(page, "#drill", size)


def is_within(page: Page, selector: str, size: tuple[int, int]) -> None:
    """A dialog stands within the window, and nothing in it is wider than itself."""
    dialog = page.locator(selector)
    assert dialog.evaluate("one => one.scrollWidth - one.clientWidth") <= 0
    box = dialog.bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= size[0]
