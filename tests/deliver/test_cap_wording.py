# SPDX-License-Identifier: Apache-2.0
"""Which CAP document a transition gives."""

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.alert import Cause, State, Transition
from schemas.alert_words import ABOUT
from schemas.cap import (
    Category,
    Certainty,
    Document,
    MessageType,
    Named,
    ResponseType,
    Severity,
    Status,
    Urgency,
    encode_cap,
)
from schemas.cap_check import cap_faults
from schemas.city import CbsArea, City
from schemas.rules import Rule, RuleKind
from schemas.rules import Severity as Class
from streams.deliver.cap_wording import CapWording, identifier, is_told
from streams.deliver.wording import Wording
from streams.deliver_settings import CapDocumentSettings
from tests.cities import small_city
from tests.writer.samples import transition

SETTINGS = CapDocumentSettings(sender="drukte@example.org", sender_name="Centrale")
NETHERLANDS = (50.7, 3.2, 53.7, 7.3)


def ruled_city() -> City:
    """The small city with a rule of every kind, under the kind's own name."""
    city = small_city()
    rules = {kind.value: Rule(kind=kind, severity=Class.WARNING) for kind in RuleKind}
    file = msgspec.structs.replace(city.file, rules=rules)
    return City(file=file, ids=city.ids, roads=city.roads, sha256=city.sha256)


CITY = ruled_city()
CAP = CapWording(CITY, Wording(CITY), SETTINGS, "https://drukte.example/alerts/{alert_id}")


def document(one: Transition, earlier: Sequence[Transition] = ()) -> Document:
    found = CAP.document(one, earlier)
    assert cap_faults(encode_cap(found), NETHERLANDS) == []
    return found


def mapped(one: Transition, earlier: Sequence[Transition] = ()) -> tuple[object, ...]:
    found = document(one, earlier)
    info = found.infos[0]
    return found.message_type, info.urgency, info.certainty, info.response_types[0], info.severity


def test_the_life_of_an_alert() -> None:
    firing = transition(seq=1, level_to=1)
    risen = transition(seq=2, state_from=State.FIRING, level_from=1, level_to=3)
    taken = transition(seq=3, state_from=State.FIRING, level_from=3, level_to=3, cause=Cause.COMMAND,
                       acknowledged=True, actor="supervisor")
    blind = transition(seq=4, state_from=State.FIRING, level_from=3, level_to=3, stale=True, acknowledged=True,
                       cause=Cause.NO_DATA)
    easing = transition(seq=5, state_from=State.FIRING, state_to=State.RECOVERING, level_from=3, level_to=2,
                        acknowledged=True)
    again = transition(seq=6, state_from=State.RECOVERING, level_from=2, level_to=2, acknowledged=True)
    over = transition(seq=7, state_from=State.RECOVERING, state_to=State.RESOLVED, level_from=1, level_to=0)
    life = [firing, risen, taken, blind, easing, again, over]
    assert mapped(firing) == (
        MessageType.ALERT, Urgency.IMMEDIATE, Certainty.OBSERVED, ResponseType.MONITOR, Severity.MINOR)
    assert mapped(risen, life[:1]) == (
        MessageType.UPDATE, Urgency.IMMEDIATE, Certainty.OBSERVED, ResponseType.EXECUTE, Severity.EXTREME)
    ack = document(taken, life[:2])
    assert (ack.message_type, ack.infos, ack.note) == (MessageType.ACK, (), "acknowledged by supervisor")
    assert mapped(blind, life[:3])[:3] == (MessageType.UPDATE, Urgency.IMMEDIATE, Certainty.UNKNOWN)
    assert mapped(easing, life[:4]) == (
        MessageType.UPDATE, Urgency.IMMEDIATE, Certainty.OBSERVED, ResponseType.AVOID, Severity.SEVERE)
    assert mapped(again, life[:5])[0] == MessageType.UPDATE
    assert mapped(over, life[:6]) == (
        MessageType.CANCEL, Urgency.PAST, Certainty.OBSERVED, ResponseType.ALL_CLEAR, Severity.MINOR)
    last = document(over, life[:6])
    assert [(one.identifier, one.sent_us) for one in last.references] == [
        (identifier(one), one.at_us) for one in life[:6]]
    assert last.infos[0].expires_us is None
    assert last.infos[0].onset_us == firing.window_start_us


@pytest.mark.parametrize(("kind", "changes", "category", "wanted"), [
    ("no-data", {}, Category.INFRA, (Urgency.UNKNOWN, Certainty.UNKNOWN, ResponseType.ASSESS, Severity.UNKNOWN)),
    ("no-data", {"state_to": State.RESOLVED}, Category.INFRA,
     (Urgency.UNKNOWN, Certainty.UNKNOWN, ResponseType.ASSESS, Severity.UNKNOWN)),
    ("sensor-loss", {}, Category.INFRA, (Urgency.UNKNOWN, Certainty.UNKNOWN, ResponseType.ASSESS, Severity.UNKNOWN)),
    ("forecast", {"coverage": 1.0, "next_low_min": 10.0}, Category.SAFETY,
     (Urgency.EXPECTED, Certainty.LIKELY, ResponseType.PREPARE, Severity.SEVERE)),
    ("forecast", {"coverage": 0.1, "next_low_min": 40.0}, Category.SAFETY,
     (Urgency.FUTURE, Certainty.POSSIBLE, ResponseType.MONITOR, Severity.SEVERE)),
    ("forecast", {"state_to": State.RESOLVED}, Category.SAFETY,
     (Urgency.PAST, Certainty.UNKNOWN, ResponseType.NONE, Severity.SEVERE)),
    ("congestion", {}, Category.TRANSPORT,
     (Urgency.IMMEDIATE, Certainty.OBSERVED, ResponseType.AVOID, Severity.SEVERE)),
    ("level", {"state_to": State.RESOLVED, "cause": Cause.CITY}, Category.SAFETY,
     (Urgency.PAST, Certainty.UNKNOWN, ResponseType.NONE, Severity.SEVERE)),
    ("level", {"level_to": 9}, Category.SAFETY,
     (Urgency.IMMEDIATE, Certainty.OBSERVED, ResponseType.EXECUTE, Severity.EXTREME)),
])
def test_what_each_kind_of_rule_says(
    kind: str, changes: dict[str, Any], category: Category, wanted: tuple[object, ...]
) -> None:
    one = transition(seq=2, rule=kind, **changes)
    assert mapped(one, [transition(seq=1, rule=kind)])[1:] == wanted
    assert document(one).infos[0].categories == (category,)


@pytest.mark.parametrize("kind", list(RuleKind))
def test_only_a_rule_about_levels_that_ends_at_the_lowest_one_is_an_all_clear(kind: RuleKind) -> None:
    about = "people" if kind is RuleKind.LEVEL else str(kind)
    opening = transition(rule=kind, measure=about)
    wanted = {RuleKind.LEVEL: ResponseType.ALL_CLEAR, RuleKind.FORECAST: ResponseType.NONE,
              RuleKind.NO_DATA: ResponseType.ASSESS, RuleKind.SENSOR_LOSS: ResponseType.ASSESS}
    over = document(transition(seq=2, rule=kind, measure=about, level_to=0, state_to=State.RESOLVED), [opening])
    assert {info.response_types for info in over.infos} == {(wanted.get(kind, ResponseType.MONITOR),)}
    assert ABOUT[kind][0] in (over.infos[0].headline or "") or kind in (RuleKind.LEVEL, RuleKind.FORECAST)


@pytest.mark.parametrize("changes", [{"level_to": 1}, {"level_to": 0, "stale": True}])
def test_the_end_of_a_level_that_is_not_seen_to_be_calm_is_no_all_clear(changes: dict[str, Any]) -> None:
    over = document(transition(seq=2, state_to=State.RESOLVED, **changes), [transition()])
    assert (over.message_type, over.infos[0].response_types) == (MessageType.CANCEL, (ResponseType.MONITOR,))


def test_a_forecast_begins_when_it_is_expected() -> None:
    one = transition(rule="forecast", next_low_min=10.0, next_high_min=25.0)
    assert document(one).infos[0].onset_us == one.at_us + 600_000_000
    assert document(transition(rule="forecast")).infos[0].onset_us is None


def test_the_end_of_a_drill_is_no_all_clear_and_what_is_real_after_it_is_an_alert_of_its_own() -> None:
    begun = transition(seq=1, exercise=True)
    over = transition(seq=2, exercise=True, state_from=State.FIRING, state_to=State.RESOLVED, cause=Cause.DRILL)
    ended = document(over, [begun])
    assert (ended.status, ended.infos[0].response_types) == (Status.EXERCISE, (ResponseType.NONE,))
    assert [one.identifier for one in ended.references] == [document(begun).identifier]
    real = document(transition(alert_id="b" * 16, seq=1, at_us=over.at_us))
    assert (real.status, real.message_type, list(real.references)) == (Status.ACTUAL, MessageType.ALERT, [])
    assert real.identifier != document(begun).identifier


def test_a_drill_says_so_in_both_languages() -> None:
    found = document(transition(exercise=True))
    assert found.status is Status.EXERCISE
    assert [(info.language, info.headline) for info in found.infos] == [
        ("nl-NL", "OEFENING: Plein: nu oranje"), ("en-GB", "EXERCISE: Plein: now level 2 (oranje)")]
    assert document(transition()).status is Status.ACTUAL


def test_figures_have_their_time_in_both_languages() -> None:
    """They stand for as long as the alert; the document is told again hours later."""
    dutch, english = document(transition()).infos
    assert "; stand van 01-06 14:01; " in (dutch.description or "")
    assert "; as seen at 01-06 14:01; " in (english.description or "")


def test_missing_data_have_no_level() -> None:
    blind = document(transition(rule="no-data", measure="no-data", level_to=1))
    assert [info.headline for info in blind.infos] == ["Plein: geen gegevens", "Plein: no data"]
    assert "level" not in {one.name for one in blind.infos[0].parameters}
    over = document(transition(seq=2, rule="density", measure="density", level_to=0, state_to=State.RESOLVED))
    assert over.infos[1].headline == "Plein: high density: over"


def test_of_people_the_band_alone() -> None:
    found = document(transition(low=340.0, high=344.0))
    texts = {one.name: one.value for one in found.infos[0].parameters}
    assert (texts["people_band"], texts["percent_band"], texts["coverage"]) == ("340-344", "85-86", "0.50")
    assert (texts["profile"], texts["range"]) == ("nl-evenement v1", "340.00-344.00 persons")
    assert found.restriction == "operations centre only"
    assert found.infos[0].web == "https://drukte.example/alerts/00112233aabbccdd"
    unknown = document(transition(people_low=None, people_high=None, percent_low=None, percent_high=None))
    assert {"people_band", "percent_band"}.isdisjoint(one.name for one in unknown.infos[0].parameters)


def test_an_opening_that_aged_out_is_still_referred_to() -> None:
    late = transition(seq=4, state_from=State.FIRING)
    found = document(late)
    assert found.message_type is MessageType.UPDATE
    assert [(one.identifier, one.sent_us) for one in found.references] == [
        ("drukte-00112233aabbccdd-1", late.opened_at_us)]


def test_where_it_is() -> None:
    area = document(transition()).infos[0].areas[0]
    assert (area.description, len(area.polygons), area.geocodes) == ("Plein", 1, ())
    gate = document(transition(place="plein-straat")).infos[0].areas[0]
    assert (gate.description, gate.polygons) == ("plein-straat", ())


def test_a_place_whose_statistical_area_is_known_names_it() -> None:
    plein = msgspec.structs.replace(CITY.file.zones["plein"], cbs=CbsArea(code="BU05180701", year=2026))
    file = msgspec.structs.replace(CITY.file, zones={**CITY.file.zones, "plein": plein})
    city = City(file=file, ids=CITY.ids, roads=CITY.roads, sha256=CITY.sha256)
    found = CapWording(city, Wording(city), SETTINGS).document(transition(), [])
    assert cap_faults(encode_cap(found), NETHERLANDS) == []
    assert list(found.infos[0].areas[0].geocodes) == [Named("CBS-buurt-2026", "BU05180701")]
    assert CbsArea(code="GM0518", year=2026).level == "gemeente"


keys = st.text(st.characters(exclude_categories=["Cs", "Cc", "Zl", "Zp", "Zs"]), min_size=1, max_size=20)
times = st.integers(0, 4_000_000_000_000_000)
floats = st.none() | st.floats(allow_nan=False, allow_infinity=False)
transitions = st.builds(
    Transition, alert_id=st.text("0123456789abcdef", min_size=16, max_size=16), seq=st.integers(1, 10**6),
    place=keys | st.sampled_from(["plein", "straat", "plein-straat"]), rule=keys | st.sampled_from(list(RuleKind)),
    site=keys, profile=keys, measure=st.text(max_size=5), unit=st.text(max_size=5), coverage=st.floats(0, 1),
    actor=st.text(max_size=5), window_start_us=times, window_end_us=times, opened_at_us=times, at_us=times,
    people_low=st.none() | st.integers(0, 10**6), people_high=st.none() | st.integers(0, 10**6),
    percent_low=floats, percent_high=floats, low=floats, high=floats,
    next_low_min=st.none() | st.floats(0, 1000),
)


@given(one=transitions, earlier=st.lists(transitions, max_size=3))
def test_any_transition_gives_a_document_without_faults(one: Transition, earlier: list[Transition]) -> None:
    found = CAP.document(one, earlier)
    xml = encode_cap(found)
    assert cap_faults(xml, NETHERLANDS) == []
    assert xml == encode_cap(CAP.document(one, earlier))
    assert (found.message_type is MessageType.ALERT) == (not found.references)


def test_no_alert_begins_while_it_is_suppressed() -> None:
    muted = [transition(seq=seq, suppressed=True) for seq in (1, 2)]
    free, muted_again = transition(seq=3), transition(seq=4, suppressed=True)
    over = transition(seq=3, state_from=State.RECOVERING, state_to=State.RESOLVED)
    told = [muted[0], muted[1], free, muted_again]
    assert [is_told(one, told[:at]) for at, one in enumerate(told)] == [False, False, True, True]
    assert not is_told(over, muted)
    assert is_told(over, [free])
    assert document(free, muted).message_type is MessageType.ALERT
    assert document(free, muted).references == []
    update = document(muted_again, [*muted, free])
    assert (update.message_type, [one.identifier for one in update.references]) == (
        MessageType.UPDATE, [identifier(free)])
    assert (update.infos[1].headline or "").endswith(", suppressed")


def test_what_follows_on_an_opening_that_aged_out_is_told() -> None:
    assert is_told(transition(seq=7, suppressed=True), [])
    assert is_told(transition(seq=8, state_to=State.RESOLVED), [transition(seq=7, suppressed=True)])
