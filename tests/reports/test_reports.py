# SPDX-License-Identifier: Apache-2.0
"""What the reports say: of open alerts, of sites, of a shift; in both languages, and about people only bands."""

import dataclasses

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.alert import Cause, Certainty, State
from schemas.command import ENGINE, Done, Outcome
from streams.report_sources import ReportKind, made, text_of
from streams.reports.handover import handover, handover_text
from streams.reports.material import LostSensor, OutlookRow, RoadRow, stories
from streams.reports.shift import Verdict, shift, shift_text
from streams.reports.situation import situation, situation_text
from streams.reports.wording import Language, Speech
from tests.reports.samples import CITY, at, change, end, evening, row, taken

ROAD = str(CITY.roads.column("zone")[0])
A, B, C, D = (letter * 16 for letter in "abcd")


def test_the_hand_over_has_who_does_what() -> None:
    told = [
        change(A, 1, 10, 10),
        change(A, 2, 12, 10, acknowledged=True, actor="centralist", note_id="n1", cause=Cause.COMMAND),
        change(A, 3, 20, 10, acknowledged=True, assigned="politie", actor="leider", cause=Cause.COMMAND, trend=1),
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


def test_nothing_open_is_said_in_words() -> None:
    assert "Geen open meldingen." in handover_text(handover(evening()), Language.DUTCH)


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
    assert "Verwacht: Plein over 30 min 75-95 %, kans op een hoger niveau 35 %" in dutch
    assert "Expected: Plein in 30 min 75-95 %, chance of a higher level 35 %" in english
    calm = situation_text(situation(evening(outlook=[expected("plein", 45, 30, 3.0)])), Language.DUTCH)
    assert "in geen zone 10 % kans of meer" in calm


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
    assert "  Verwacht: over 30 min 75-95 %; over 60 min 75-95 %, kans op een hoger niveau 12 %" in dutch
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
    ]
    report = shift(evening(until=480, transitions=told, rows=[row("plein", 20, 1), row("plein", 25, 2)]))
    by_id = {one.alert_id: one for one in report.judged}
    assert {key: one.verdict for key, one in by_id.items()} == {
        A: Verdict.REACHED, B: Verdict.ACKNOWLEDGED, C: Verdict.NUISANCE, D: Verdict.UNANSWERED}
    assert by_id[A].minutes_before == 14  # the window that shows it began at 24
    assert by_id[B].acknowledged_after_s == 120
    assert (report.alarms, report.exercises, report.muted) == (4, 1, 1)
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
