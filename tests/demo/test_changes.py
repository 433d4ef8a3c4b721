# SPDX-License-Identifier: Apache-2.0
"""Plain lines tell each change once."""

import datetime as dt
import io

from rich.console import Console

from streams.demo.changes import changed_lines, delivered_lines
from streams.demo.picture import Picture
from streams.demo.terminal import PlainView, view_on
from tests.demo.pictures import NOW, alert, missing_zone, picture, status, zone


def test_the_first_windows_and_alerts_are_told() -> None:
    lines = changed_lines(Picture(), picture(), status())
    assert lines == [
        "16:00:00 Plein: geel (77–79 %, 310–314 people, 0.31 per m2)",
        "16:00:00 Straat: geen gegevens",
        "15:52:30 alert opened: oranje (warning), Plein, now oranje, firing",
    ]


def test_nothing_new_is_no_line() -> None:
    later = zone(window_end=NOW + dt.timedelta(minutes=1), people_low=320, people_high=324)
    assert changed_lines(picture(), picture(zones=[later, missing_zone()]), status()) == []


def test_a_zone_that_goes_blind_and_comes_back_is_told() -> None:
    seen, blind = picture(zones=[zone()], alerts=[]), picture(zones=[missing_zone("plein")], alerts=[])
    assert changed_lines(seen, blind, status()) == ["16:00:00 Plein: geel -> geen gegevens"]
    assert changed_lines(blind, seen, status())[0].startswith("16:00:00 Plein: geen gegevens -> geel (")


def test_an_alert_is_told_when_it_changes_and_when_it_closes() -> None:
    risen = alert(level=3, worst=3, changes=2, at=NOW)
    closed = alert(level=0, worst=3, changes=4, state="resolved", at=NOW)
    assert changed_lines(picture(), picture(alerts=[risen]), status()) == [
        "16:00:30 alert changed: oranje (warning), Plein, now rood, firing"
    ]
    assert changed_lines(picture(alerts=[risen]), picture(alerts=[closed]), status()) == [
        "16:00:30 alert closed: oranje (warning), Plein, now groen, resolved"
    ]


def test_what_is_no_terminal_gets_plain_lines_without_control_codes() -> None:
    sink = io.StringIO()
    with view_on(Console(file=sink, width=100)) as view:
        assert isinstance(view, PlainView)
        view.show(picture(), status(notes=("NDW cannot be reached",)))
        view.show(picture(), status(notes=("NDW cannot be reached",)))
    text = sink.getvalue()
    assert "\x1b" not in text
    assert text.count("NDW cannot be reached") == 1
    assert text.count("Plein: geel") == 1
    assert "forget everything" in text


def test_each_delivery_is_told_once() -> None:
    two = status(delivered=2, newest_delivered=("Plein: nu oranje", "Plein: nu rood"))
    assert delivered_lines(0, two) == [
        "16:00:30 delivered to the webhook: Plein: nu oranje", "16:00:30 delivered to the webhook: Plein: nu rood"
    ]
    assert delivered_lines(1, two) == ["16:00:30 delivered to the webhook: Plein: nu rood"]
    assert delivered_lines(2, two) == []
    # More than are kept: those that are.
    assert len(delivered_lines(0, status(delivered=500, newest_delivered=("a", "b")))) == 2
