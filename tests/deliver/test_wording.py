# SPDX-License-Identifier: Apache-2.0
"""What outsiders read."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.alert import State, Transition
from schemas.alertmanager import alert_name, encode_alerts, labels
from schemas.moment import rfc3339
from streams.deliver.present import Alert, Alerts, Told
from streams.deliver.wording import Wording, band_text, minutes_text, people_text
from tests.cities import small_city
from tests.deliver.samples import START_US, resolved, told
from tests.writer.samples import transition

WORDING = Wording(small_city(), "https://drukte.example/alerts/{alert_id}")
LABELS = {
    "alertname": "CrowdLevel", "site": "centrum", "place": "plein", "rule": "oranje", "source": "drukte",
    "severity": "warning", "exercise": "false",
}
bands = st.integers(0, 200).map(lambda number: (0, 9) if number < 2 else (5 * number, 5 * number + 4))


@st.composite
def transitions(draw: st.DrawFn) -> Transition:
    low, high = draw(bands)
    return transition(
        seq=draw(st.integers(1, 99)), level_from=draw(st.integers(0, 3)), level_to=draw(st.integers(0, 3)),
        state_to=draw(st.sampled_from([State.FIRING, State.RECOVERING, State.RESOLVED])),
        stale=draw(st.booleans()), people_low=low, people_high=high, percent_low=low / 4,
        percent_high=high / 4, coverage=draw(st.floats(0, 1)),
    )


@given(one=transitions())
def test_labels_never_move_and_all_else_is_text_about_bands(one: Transition) -> None:
    assert labels(one) == LABELS
    annotations = WORDING.annotations(one)
    assert not set(annotations) & set(LABELS)
    assert all(annotations.values())
    assert annotations["people"] == people_text(one.people_low, one.people_high)
    assert annotations["level"] in ("groen", "geel", "oranje", "rood")
    assert annotations["summary"].startswith("Plein: ")


def test_annotations() -> None:
    assert WORDING.annotations(transition()) == {
        "summary": "Plein: nu oranje",
        "description": "Regel oranje; stand van 01-06 14:01; mensen 340-344; 85-86 % van de toegestane bezetting; "
                       "dekking 50 %; waarschijnlijk.",
        "level": "oranje", "state": "firing", "people": "340-344", "percent": "85-86",
        "density": "0.34 p/m2", "coverage": "0.50", "profile": "nl-evenement v1", "stale": "false",
        "alert_id": "00112233aabbccdd", "window_start": "2026-06-01T12:00:00.000Z",
        "window_end": "2026-06-01T12:01:00.000Z", "opened_at": "2026-06-01T12:00:00.000Z",
        "certainty": "waarschijnlijk", "acknowledged": "false", "escalated": "false", "suppressed": "false",
        "minutes_to_next": "niet te zeggen",
    }


def test_flags_and_what_is_ahead() -> None:
    one = transition(
        acknowledged=True, escalated=True, suppressed=True, assigned="police", coverage=0.95, unit="persons/m/min",
        low=88.0, high=90.25, limit=82.0, trend=1, next_low_min=4.6, next_high_min=11.2, measure="flow",
        place="plein-straat", people_low=None, people_high=None, percent_low=None, percent_high=None)
    annotations = WORDING.annotations(one)
    assert {name: annotations[name] for name in (
        "certainty", "acknowledged", "escalated", "suppressed", "assigned", "trend", "limit", "measured",
        "minutes_to_next",
    )} == {
        "certainty": "zeker", "acknowledged": "true", "escalated": "true", "suppressed": "true", "assigned": "police",
        "trend": "↑", "limit": "82 personen/m/min", "measured": "88.00-90.25 personen/m/min", "minutes_to_next": "4-12",
    }
    assert annotations["summary"] == "plein-straat: sterke stroom (oranje), onderdrukt"
    assert "gemeten 88.00-90.25, grens 82 personen/m/min; verloop ↑; volgend niveau over 4-12 min" in annotations[
        "description"]
    event = WORDING.event(told(assigned="police", trend=-1, limit=82.0, next_low_min=4.6), START_US, late=False)
    assert (event.assigned, event.trend, event.limit, event.next_low_min, event.next_high_min) == (
        "police", -1, 82.0, 4.6, None)


@pytest.mark.parametrize(("low", "high", "text"), [
    (None, None, "niet te zeggen"), (3.2, 3.9, "3-4"), (5.0, 5.0, "5"), (4.9, None, ">= 4"), (None, 4.1, "<= 5"),
])
def test_minutes_are_a_range_outwards(low: float | None, high: float | None, text: str) -> None:
    assert minutes_text(low, high) == text


def test_a_suppressed_alert_has_ended_for_alertmanager_and_is_open_for_others() -> None:
    alerts = Alerts()
    muted = [told(seq=2, at_s=60, suppressed=True), told(seq=3, at_s=90, suppressed=True)]
    for one in (told(at_s=0), *muted):
        alerts.take(one)
    posted = WORDING.posted(next(alerts.current()))
    assert (posted.starts_at, posted.ends_at) == (rfc3339(START_US), rfc3339(START_US + 60_000_000))
    assert posted.annotations["suppressed"] == "true"
    event = WORDING.event(muted[1], START_US, late=False)
    assert (event.ends_at, event.suppressed) == (None, True)
    alerts.take(told(seq=4, at_s=120))
    assert WORDING.posted(next(alerts.current())).ends_at is None


def test_without_a_band_nothing_is_made_up() -> None:
    blind = transition(people_low=None, people_high=None, percent_low=None, percent_high=None, stale=True)
    annotations = WORDING.annotations(blind)
    assert (annotations["people"], annotations["percent"]) == ("onbekend", "onbekend")
    assert "density" not in annotations
    assert annotations["summary"] == "Plein: nu oranje, geen gegevens"


def test_what_the_city_file_lacks_goes_by_its_key() -> None:
    annotations = WORDING.annotations(transition(place="park", profile="oud", level_to=7, city_version=9))
    assert annotations["summary"] == "park: nu niveau 7"
    assert annotations["profile"] == "oud v9"


@pytest.mark.parametrize(("low", "high", "text"), [
    (0, 9, "<10"), (0, 39, "<40"), (10, 14, "10-14"), (None, None, "onbekend"),
])
def test_bands_of_people(low: int | None, high: int | None, text: str) -> None:
    assert people_text(low, high) == text


def test_equal_edges_are_one_figure() -> None:
    assert band_text(0.341, 0.344, 2) == "0.34"


def test_posted_alerts_are_the_array_of_the_api() -> None:
    opened, closed = told(at_s=0), resolved(at_s=90.5)
    [standing, over] = msgspec.json.decode(encode_alerts([
        WORDING.posted(Alert(opened, opened)), WORDING.posted(Alert(closed, opened))
    ]))
    assert standing["labels"] == over["labels"] == LABELS
    assert (standing["startsAt"], "endsAt" in standing) == (rfc3339(START_US), False)
    assert (over["startsAt"], over["endsAt"]) == (rfc3339(START_US), rfc3339(START_US + 90_500_000))
    assert standing["generatorURL"] == "https://drukte.example/alerts/00112233aabbccdd"
    assert set(standing) == {"labels", "annotations", "startsAt", "generatorURL"}


@pytest.mark.parametrize(("measure", "state", "level", "summary"), [
    ("no-data", State.FIRING, 1, "Plein: geen gegevens"),
    ("no-data", State.RECOVERING, 0, "Plein: geen gegevens: herstelt"),
    ("no-data", State.RESOLVED, 0, "Plein: geen gegevens: voorbij"),
    ("sensor-loss", State.FIRING, 1, "Plein: uitval van sensoren"),
    ("density", State.FIRING, 3, "Plein: hoge dichtheid (rood)"),
    ("density", State.RECOVERING, 0, "Plein: hoge dichtheid: neemt af"),
    ("density", State.RESOLVED, 0, "Plein: hoge dichtheid: voorbij"),
    ("forecast", State.RECOVERING, 0, "Plein: verwachte drukte: neemt af"),
    ("people", State.RESOLVED, 0, "Plein: voorbij, nu groen"),
])
def test_a_colour_is_told_only_where_a_rule_knows_it(measure: str, state: State, level: int, summary: str) -> None:
    annotations = WORDING.annotations(transition(measure=measure, state_to=state, level_to=level))
    assert annotations["summary"] == summary
    assert ("groen" in annotations["level"]) == (measure == "people")


def test_a_drill_says_so() -> None:
    drill = told(exercise=True)
    assert WORDING.posted(Alert(drill, drill)).labels["exercise"] == "true"
    assert WORDING.event(drill, START_US, late=False).exercise
    assert not WORDING.event(told(), START_US, late=False).exercise


def test_the_names_of_other_measures() -> None:
    assert (alert_name("people"), alert_name("mean_speed")) == ("CrowdLevel", "MeanSpeedLevel")


def test_an_event_has_wall_times_and_log_times_apart() -> None:
    event = WORDING.event(resolved(at_s=60), START_US, late=True)
    assert (event.starts_at, event.ends_at) == (rfc3339(START_US), rfc3339(START_US + 60_000_000))
    assert (event.opened_at, event.late, event.level) == ("2026-06-01T12:00:00.000Z", True, "groen")
    assert WORDING.event(told(), START_US, late=False).ends_at is None


@pytest.mark.parametrize(("changes", "summary"), [
    ({}, "Plein: oranje verwacht"),
    ({"state_to": State.RECOVERING}, "Plein: oranje verwacht, neemt af"),
    ({"state_to": State.RESOLVED, "level_to": 0}, "Plein: voorbij, niet meer verwacht"),
])
def test_a_forecast_is_told_as_expected_and_never_as_sure(changes: dict[str, Any], summary: str) -> None:
    one = transition(measure="forecast", unit="probability", coverage=1.0, low=0.8, high=0.8, limit=0.7, **changes)
    annotations = WORDING.annotations(one)
    assert (annotations["summary"], annotations["certainty"]) == (summary, "waarschijnlijk")
    assert "verwacht 0.80, grens 0.7 kans" in annotations["description"]
    assert WORDING.event(Told(one, START_US), START_US, late=False).certainty == "waarschijnlijk"
