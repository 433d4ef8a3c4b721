# SPDX-License-Identifier: Apache-2.0
"""What the reports say: of open alerts, of sites, of a shift; in both languages, and about people only bands."""

import dataclasses
from importlib.resources import files
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.alert import Cause, Certainty, State
from schemas.command import ENGINE, Done, Outcome
from streams.report_sources import ReportKind, made, text_of
from streams.reports.handover import handover, handover_text
from streams.reports.material import Heard, LostSensor, OutlookRow, RoadRow, stories
from streams.reports.shift import Verdict, shift, shift_text
from streams.reports.situation import situation, situation_text
from streams.reports.wording import BY_GATES, Language, Speech
from tests.reports.samples import CITY, at, change, end, evening, row, taken

ROAD = str(CITY.roads.column("zone")[0])
A, B, C, D = (letter * 16 for letter in "abcd")


def test_the_hand_over_has_who_does_what() -> None:
    told = [
        change(A, 1, 10, 10),
        change(A, 2, 12, 10, acknowledged=True, actor="centralist", note_id="n1", cause=Cause.COMMAND),
        change(A, 3, 59, 10, acknowledged=True, assigned="politie", actor="leider", cause=Cause.COMMAND, trend=1,
               window_end_us=at(59)),
        change(B, 1, 5, 5), end(B, 2, 9, 5),
        change(C, 1, 70, 70),
    ]
    done = [taken(15), taken(9), taken(16, done=Done.REFUSED), taken(17, place="straat")]
    report = handover(evening(transitions=[*told, told[0]], outcomes=[*done, done[0]]))
    [one] = report.alerts
    assert (one.alert_id, one.acknowledged_by, one.assigned, one.note_id) == (A, "centralist", "politie", "n1")
    assert [(measure.measure, measure.role) for measure in one.measures] == [("plan/inlaat", "leider")]
    dutch, english = (handover_text(report, language) for language in Language)
    assert "Plein: 2 oranje ↑, 85-86 %, actief sinds 01-06 14:10" in dutch
    assert "bevestigd door centralist; toegewezen aan politie; maatregel plan/inlaat genomen door leider" in dutch
    assert "acknowledged by centralist; assigned to politie" in english
    assert "340" not in dutch + english  # people stand in percent


def test_who_acknowledged_is_not_guessed_where_the_opening_is_gone() -> None:
    told = [change(A, 3, 59, 10, acknowledged=True, assigned="politie", actor="leider", cause=Cause.COMMAND)]
    assert "bevestigd door onbekende rol" in handover_text(handover(evening(transitions=told)), Language.DUTCH)


def test_nothing_open_is_said_in_words() -> None:
    assert "Geen open meldingen." in handover_text(handover(evening()), Language.DUTCH)
    assert "LET OP" not in handover_text(handover(evening()), Language.DUTCH)


@pytest.mark.parametrize(("heard", "dutch", "english"), [
    ({"centrum": Heard(at(49), 60_000_000)}, "van Centrum is niets gehoord sinds 01-06 14:49",
     "nothing was heard of Centrum since 01-06 14:49"),
    ({}, "van Centrum is niets gehoord. Of er nu meldingen zijn is niet bekend",
     "nothing was heard of Centrum. Whether there are alerts now is not known"),
])
def test_a_silent_engine_never_reads_as_calm(heard: dict[str, Heard], dutch: str, english: str) -> None:
    for kind in ReportKind:
        report = made(kind, evening(heard=heard))
        assert f"LET OP: {dutch}" in text_of(report, Language.DUTCH)
        assert f"WARNING: {english}" in text_of(report, Language.ENGLISH)
    assert "Geen open meldingen bekend." in handover_text(handover(evening(heard=heard)), Language.DUTCH)


def test_a_site_of_slow_windows_is_not_silent_between_them() -> None:
    assert handover(evening(heard={"centrum": Heard(at(20), 900_000_000)})).silent == []


def test_figures_of_before_are_told_with_their_time_and_without_an_arrow() -> None:
    told = [change(A, 1, 10, 10, trend=1), change(A, 2, 59, 10, acknowledged=True, actor="ovd", trend=1)]
    dutch = handover_text(handover(evening(transitions=told)), Language.DUTCH)
    assert "Plein: 2 oranje, 85-86 % om 01-06 14:01, actief" in dutch


@pytest.mark.parametrize(("changes", "dutch", "english"), [
    ({"measure": "no-data", "level_to": 1}, "Plein: geen gegevens, actief", "Plein: no data, active"),
    ({"measure": "incident", "level_to": 1, "place": "weg", "profile": ""}, "weg: verkeersincident, actief",
     "weg: traffic incident, active"),
    ({"measure": "density", "level_to": 0, "state_to": State.RECOVERING}, "Plein: hoge dichtheid, neemt af",
     "Plein: high density, easing"),
])
def test_a_level_is_told_only_where_the_rule_knows_one(changes: dict[str, Any], dutch: str, english: str) -> None:
    nothing = {"people_low": None, "people_high": None, "percent_low": None, "percent_high": None}
    report = handover(evening(transitions=[change(A, 1, 10, 10, **nothing, **changes)]))
    assert dutch in handover_text(report, Language.DUTCH)
    assert english in handover_text(report, Language.ENGLISH)


def test_what_changed_in_an_exercise_says_so() -> None:
    told = [change(A, 1, 10, 10, exercise=True), end(B, 2, 50, 20), change(B, 1, 20, 20)]
    dutch = situation_text(situation(evening(transitions=told)), Language.DUTCH)
    assert "14:10 OEFENING melding geopend" in dutch
    assert "14:20 melding geopend" in dutch


def drill(order: str, minute: float, on: bool, role: str = "ovd", until: float | None = None) -> Outcome:
    return Outcome(command_id=f"{order}-{minute}", command="drill", done=Done.DONE, reason="", alert_id="", seq=0,
                   site="", role=role, at_us=at(minute), standing_order=f"drill/{order}", stands=on,
                   until_us=None if until is None else at(until))


def test_the_hand_over_has_the_exercises_that_are_on_and_those_that_ended_of_late() -> None:
    done = [drill("site/centrum", 30, True, until=270), drill("rule/oranje", -200, True, until=40),
            drill("rule/oranje", 40, False, ENGINE), drill("rule/rood", -90, True, until=150),
            drill("rule/rood", -30, False)]
    report = handover(evening(outcomes=[*reversed(done), done[0]]))
    assert [(one.kind, one.key, one.is_on, one.ended_by_itself) for one in report.exercises] == [
        ("site", "centrum", True, False), ("rule", "oranje", False, True)]
    dutch, english = (handover_text(report, language) for language in Language)
    assert "OEFENING in Centrum sinds 01-06 14:30 (ovd), tot uiterlijk 01-06 18:30" in dutch
    assert "EXERCISE of rule oranje over at 01-06 14:40 (by itself)" in english


def test_an_exercise_whose_end_nobody_told_is_not_on_after_it() -> None:
    assert handover(evening(outcomes=[drill("rule/rood", -200, True, until=40)])).exercises == []


def test_an_exercise_at_another_site_is_no_part_of_a_site_s_hand_over() -> None:
    done = [drill("site/elders", 30, True), drill("rule/rood", 30, True)]
    assert [one.key for one in handover(evening(outcomes=done, is_of_one_site=True)).exercises] == ["rood"]


def test_the_gravest_stands_first_and_drills_last() -> None:
    told = [change(A, 1, 1, 1, level_to=1), change(B, 1, 2, 2, level_to=3), change(C, 1, 3, 3, level_to=3,
                                                                                 exercise=True)]
    assert [one.alert_id for one in handover(evening(transitions=told)).alerts] == [B, A, C]


def test_the_situation_of_a_site() -> None:
    rows = [row("plein", 0, 1), row("plein", 30, 3), row("plein", 60, 2), row("straat", 0, 0, percent_high=None),
            row("straat", 60, 0, percent_low=None, percent_high=None)]
    told = [change(A, 1, 10, 10), end(A, 2, 50, 10), change(B, 1, -90, -90)]
    lost = [LostSensor("cam-straat", "centrum", 5, at(40))]
    report = situation(evening(rows=rows, transitions=told, lost=lost))
    [site] = report.sites
    assert (site.level, site.level_word, site.percent_low, site.trend) == (2, "oranje", 85.0, 1)
    assert (site.worst_zone, site.certainty, site.zones_blind) == ("Plein", Certainty.SURE, [])
    assert [(one.zone, one.before, one.after) for one in site.level_changes] == [("plein", 1, 2)]
    assert [(one.alert_id, one.opened) for one in site.alert_changes] == [(A, True), (A, False)]
    assert [one.alert_id for one in site.alerts] == [B]
    dutch, english = (situation_text(report, language) for language in Language)
    assert "Centrum: 2 oranje ↑, 85-86 % (Plein), zeker" in dutch
    assert "Plein: 1 geel → 2 oranje" in dutch
    assert "Sensor weg: cam-straat, stil sinds 01-06 14:40" in dutch
    assert "Sensor lost: cam-straat, silent" in english


def test_a_zone_without_sensors_is_known_by_its_gates_and_the_report_says_so() -> None:
    gates = row("straat", 60, 2, by_gates=True, trend=None)
    report = situation(evening(rows=[row("straat", 0, 1, by_gates=True), gates, row("plein", 60, 0)]))
    [site] = report.sites
    assert (site.worst_zone, site.by_gates, site.level, site.zones_blind) == ("Straat", True, 2, [])
    assert site.certainty is Certainty.LIKELY
    assert [(one.zone, one.before, one.after) for one in site.level_changes] == [
        ("plein", None, 0), ("straat", 1, 2)]
    dutch, english = (situation_text(report, language) for language in Language)
    assert "Centrum: 2 oranje, 85-86 % (Straat, volgens de poorten), waarschijnlijk" in dutch
    assert "(Straat, by its gates), likely" in english
    assert "Geen gegevens van" not in dutch
    page = (files("streams.serve") / "page" / "zones.js").read_text()
    assert f'const BY_GATES = "{BY_GATES[0]}"' in page


def test_what_sensors_see_stands_before_what_gates_say() -> None:
    report = situation(evening(rows=[row("plein", 59, 1), row("plein", 60, 3, by_gates=True)]))
    assert (report.sites[0].level, report.sites[0].by_gates) == (1, False)


def expected(zone: str, minute: float, ahead_min: int, reach: float | None, low: int = 300) -> OutlookRow:
    return OutlookRow(zone, at(minute), ahead_min, low, low + 80, reach)


def road(minute: float, level: int | None = 4, speed: float | None = 34.4, key: str = ROAD) -> RoadRow:
    return RoadRow(key, at(minute - 1), at(minute), speed, 1450.2 if speed else None, level)


def test_the_situation_says_what_is_ahead_in_percent_and_chances() -> None:
    outlook = [expected("plein", 45, 30, 35.2), expected("plein", 45, 60, 20.0), expected("plein", 45, 120, 90.0),
               expected("plein", 30, 30, 80.0), expected("straat", 45, 30, 9.9)]
    report = situation(evening(outlook=outlook))
    [rising] = report.sites[0].outlook.rising
    capacity = CITY.file.zones["plein"].capacity
    assert capacity is not None
    assert (rising.zone, rising.ahead_min, rising.percent_reach) == ("plein", 30, 35.2)
    assert rising.percent_low == pytest.approx(100 * 300 / capacity)
    dutch, english = (situation_text(report, language) for language in Language)
    assert "Verwacht: Plein om 01-06 15:15 75-95 %, kans op een hoger niveau 35 %" in dutch
    assert "Expected: Plein at 01-06 15:15 75-95 %, chance of a higher level 35 %" in english


def test_a_zone_without_a_forecast_is_not_among_the_calm() -> None:
    calm, unknown = expected("plein", 45, 30, 3.0), expected("straat", 45, 30, None)
    half = situation_text(situation(evening(outlook=[calm, unknown])), Language.DUTCH)
    assert "overal minder dan 10 % kans op een hoger niveau, van 1 van de 2 zones niet te zeggen" in half
    whole = situation_text(situation(evening(outlook=[calm, expected("straat", 45, 30, 3.0)])), Language.DUTCH)
    assert "niet te zeggen" not in whole.partition("Verwacht")[2].partition("\n")[0]
    assert "Verwacht" not in situation_text(situation(evening(outlook=[unknown])), Language.DUTCH)


@pytest.mark.parametrize("minute", [39.0, 61.0])
def test_a_forecast_that_is_old_or_of_later_is_not_told(minute: float) -> None:
    told = [change(A, 1, 10, 10)]
    material = evening(transitions=told, outlook=[expected("plein", minute, 30, 50.0)])
    assert "Verwacht" not in situation_text(situation(material), Language.DUTCH)
    assert handover(material).alerts[0].expected == []


def test_the_situation_says_how_the_roads_flow_the_worst_first() -> None:
    report = situation(evening(road_rows=[road(40, 5), road(55, 4)]))
    assert (report.roads.known, [one.service_level for one in report.roads.worst]) == (1, ["E"])
    assert [one.roads.roads for one in report.sites] == [0]  # roads have sites of their own
    dutch, english = (situation_text(report, language) for language in Language)
    line = f"{evening().place_name(ROAD)}: dienstniveau E, 34 km/u, 1450 voertuigen per uur en strook"
    assert f"met gegevens. {line}" in dutch
    assert "service level E, 34 km/h, 1450 vehicles per hour and lane" in english
    assert "Wegen: 0 van" in situation_text(situation(evening(road_rows=[road(40)])), Language.DUTCH)
    one_site = dataclasses.replace(evening(road_rows=[road(55)]), is_of_one_site=True)
    assert "Wegen" not in situation_text(situation(one_site), Language.DUTCH)
    nothing = road(55, None, None)
    assert "geen gegevens" in situation_text(situation(evening(road_rows=[nothing])), Language.DUTCH)


def test_the_hand_over_has_the_road_of_an_incident_and_the_forecast_of_a_zone() -> None:
    told = [change(A, 1, 10, 10), change(B, 1, 12, 12, place=ROAD, measure="incident", people_low=None,
                                         people_high=None, percent_low=None, percent_high=None)]
    material = evening(transitions=told, road_rows=[road(58)], outlook=[expected("plein", 45, 30, None),
                                                                        expected("plein", 45, 60, 12.0)])
    report = handover(material)
    by_id = {one.alert_id: one for one in report.alerts}
    assert by_id[A].road is None
    assert [one.ahead_min for one in by_id[A].expected] == [30, 60]
    one_road = by_id[B].road
    assert one_road is not None
    assert one_road.disturbed
    dutch, english = (handover_text(report, language) for language in Language)
    assert "  Weg: verstoord, dienstniveau E, 34 km/u" in dutch
    assert "  Verwacht: om 01-06 15:15 75-95 %; om 01-06 15:45 75-95 %, kans op een hoger niveau 12 %" in dutch
    assert "  Road: disturbed, service level E" in english
    assert "380" not in dutch + english  # a forecast of people stands in percent too


def test_a_zone_without_data_is_never_calm_and_makes_the_site_less_sure() -> None:
    blind = situation(evening(rows=[row("plein", 60, None), row("straat", 40, 0)])).sites[0]
    assert (blind.level, blind.certainty, blind.zones_blind) == (None, Certainty.UNSURE, ["Plein", "Straat"])
    assert "GEEN GEGEVENS" in situation_text(situation(evening()), Language.DUTCH)
    half = situation(evening(rows=[row("plein", 60, 0), row("straat", 40, 0)])).sites[0]
    assert (half.level, half.certainty) == (0, Certainty.UNSURE)


def test_verdicts_of_a_shift() -> None:
    told = [
        change(A, 1, 10, 10, measure="forecast", rule="straks", level_to=2), end(A, 2, 40, 10),
        change(B, 1, 11, 11, place="straat"),
        change(B, 2, 13, 11, place="straat", acknowledged=True, actor="centralist", cause=Cause.COMMAND),
        change(C, 1, 12, 12, place="straat", rule="b"), end(C, 2, 14, 12, Cause.COMMAND),
        change(D, 1, 13, 13, place="straat", rule="c"), end(D, 2, 20, 13),
        change("e" * 16, 1, 5, 5, exercise=True),
        change("f" * 16, 1, 6, 6, suppressed=True, rule="d"),
        change("0" * 16, 1, -30, -30, rule="e"),
        change("1" * 16, 1, 7, 7, rule="f", severity="info"),
    ]
    report = shift(evening(until=480, transitions=told, rows=[row("plein", 20, 1), row("plein", 25, 2)]))
    by_id = {one.alert_id: one for one in report.judged}
    assert {key: one.verdict for key, one in by_id.items()} == {
        A: Verdict.REACHED, B: Verdict.ACKNOWLEDGED, C: Verdict.NUISANCE, D: Verdict.UNANSWERED}
    assert by_id[A].minutes_before == 14  # the window that shows it began at 24
    assert by_id[B].acknowledged_after_s == 120
    assert (report.alarms, report.exercises, report.muted, report.informative) == (4, 1, 1, 1)
    assert "oefeningen 1, ter informatie 1, onderdrukt 1" in shift_text(report, Language.DUTCH)
    assert (report.forecasts.alarms, report.forecasts.reached, report.forecasts.median_min) == (1, 1, 14)
    assert report.load.slots_by_alarms == {0: 47, 4: 1}
    assert (report.load.per_hour, report.load.largest_in_10_min) == (0.5, 4)
    assert "1 met de hand beëindigd" in shift_text(report, Language.DUTCH)
    assert "came true; 14 / 14 / 14 min before" in shift_text(report, Language.ENGLISH)


def test_a_level_that_comes_too_late_is_not_reached() -> None:
    forecast = change(A, 1, 10, 10, measure="forecast", level_to=2)
    [one] = shift(evening(until=120, transitions=[forecast], rows=[row("plein", 42, 2)])).judged
    assert (one.verdict, one.minutes_before) == (Verdict.UNANSWERED, None)
    [young] = shift(evening(until=39, transitions=[forecast])).judged
    assert young.verdict is Verdict.PENDING


def test_the_window_that_raised_an_alarm_shows_its_level() -> None:
    told = [change(A, 1, 10, 10, window_start_us=at(9), window_end_us=at(10)), end(A, 2, 12, 10)]
    [one] = shift(evening(until=120, transitions=told, rows=[row("plein", 10, 2), row("plein", 11, 0)])).judged
    assert (one.verdict, one.minutes_before) == (Verdict.REACHED, 0)


def test_an_alarm_about_something_else_is_never_judged_by_the_level_of_its_zone() -> None:
    blind = change(A, 1, 10, 10, measure="no-data", level_to=1)
    report = shift(evening(until=120, transitions=[blind], rows=[row("plein", 12, 1)]))
    assert report.judged[0].verdict is Verdict.UNANSWERED
    assert "bereikt" not in shift_text(report, Language.DUTCH)


def test_an_empty_shift_is_refused() -> None:
    with pytest.raises(ValueError, match="behind"):
        shift(evening(until=0))


STEPS = st.lists(st.tuples(
    st.sampled_from([A, B, C]), st.integers(-100, 100), st.sampled_from([State.FIRING, State.RECOVERING,
                                                                        State.RESOLVED]), st.booleans()), max_size=12)


@given(STEPS, st.randoms(use_true_random=False))
def test_neither_order_nor_repeats_change_a_report(steps: list[tuple[str, int, State, bool]], random: object) -> None:
    told = [change(key, seq, minute, -100, state_to=state, acknowledged=acknowledged)
            for seq, (key, minute, state, acknowledged) in enumerate(steps, 1)]
    mixed = [*told, *told[:3]]
    random.shuffle(mixed)  # type: ignore[attr-defined]  # hypothesis' own random
    first, second = (evening(transitions=one) for one in (told, mixed))
    assert [story.last for story in stories(first)] == [story.last for story in stories(second)]
    for kind in (ReportKind.HANDOVER, ReportKind.SITUATION):
        assert msgspec.json.encode(made(kind, first)) == msgspec.json.encode(made(kind, second))


@pytest.mark.parametrize("kind", list(ReportKind))
def test_no_field_is_a_number_of_people(kind: ReportKind) -> None:
    material = evening(transitions=[change(A, 1, 10, 10)], rows=[row("plein", 60, 2)],
                       outlook=[expected("plein", 45, 30, 50.0, low=340)])
    report = made(kind, material)
    told = msgspec.json.encode(report).decode() + "".join(text_of(report, language) for language in Language)
    assert "340" not in told
    assert "344" not in told
    assert "420" not in told


def test_the_hand_over_says_that_a_forecast_level_is_expected() -> None:
    report = handover(evening(transitions=[change(A, 1, 10, 10, measure="forecast", coverage=1.0)]))
    dutch, english = (handover_text(report, language) for language in Language)
    assert "Plein: 2 oranje verwacht, 85-86 %" in dutch
    assert "Plein: 2 oranje expected, 85-86 %" in english
    assert "om 01-06 14:01" in dutch
    assert ("waarschijnlijk" in dutch, "likely" in english) == (True, True)


@pytest.mark.parametrize(("low", "high", "dutch", "english"), [
    (85.0, 86.0, "85-86 %", "85-86 %"), (210.0, 804.0, "meer dan 200 %", "more than 200 %"),
    (0.0, 804.0, "percentage niet te zeggen", "percentage cannot be said"),
    (150.4, 230.0, "150 % of meer", "150 % or more"),
    (0.0, 100.0, "0-100 %", "0-100 %"), (60.0, 170.0, "percentage niet te zeggen", "percentage cannot be said"),
])
def test_percentages_that_say_nothing_are_words(low: float, high: float, dutch: str, english: str) -> None:
    said = [Speech(language, "Europe/Amsterdam").percent(low, high) for language in Language]
    assert said == [dutch, english]
