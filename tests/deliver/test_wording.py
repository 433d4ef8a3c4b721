# SPDX-License-Identifier: Apache-2.0
"""What outsiders read."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.alert import State, Transition
from schemas.alertmanager import alert_name, encode_alerts, labels, rfc3339
from streams.deliver.present import Alert
from streams.deliver.wording import Wording, band_text, people_text
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
        "description": "Regel oranje; mensen 340-344; 85-86 % van de toegestane bezetting; dekking 50 %.",
        "level": "oranje", "state": "firing", "people": "340-344", "percent": "85-86",
        "density": "0.34 p/m2", "coverage": "0.50", "profile": "nl-evenement v1", "stale": "false",
        "alert_id": "00112233aabbccdd", "window_start": "2026-06-01T12:00:00.000Z",
        "window_end": "2026-06-01T12:01:00.000Z", "opened_at": "2026-06-01T12:00:00.000Z",
    }


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


def test_the_names_of_other_measures() -> None:
    assert (alert_name("people"), alert_name("mean_speed")) == ("CrowdLevel", "MeanSpeedLevel")


def test_an_event_has_wall_times_and_log_times_apart() -> None:
    event = WORDING.event(resolved(at_s=60), START_US, late=True)
    assert (event.starts_at, event.ends_at) == (rfc3339(START_US), rfc3339(START_US + 60_000_000))
    assert (event.opened_at, event.late, event.level) == ("2026-06-01T12:00:00.000Z", True, "groen")
    assert WORDING.event(told(), START_US, late=False).ends_at is None
