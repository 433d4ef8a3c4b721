# SPDX-License-Identifier: Apache-2.0
"""What the reports say: of open alerts, of sites, of a shift; in both languages, and about people only bands."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.alert import Cause, Certainty, State
from schemas.command import Done
from streams.report_sources import ReportKind, made, text_of
from streams.reports.handover import handover, handover_text
from streams.reports.material import LostSensor, stories
from streams.reports.shift import Verdict, shift, shift_text
from streams.reports.situation import situation, situation_text
from streams.reports.wording import Language
from tests.reports.samples import at, change, end, evening, row, taken

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
    material = evening(transitions=[change(A, 1, 10, 10)], rows=[row("plein", 60, 2)])
    report = made(kind, material)
    told = msgspec.json.encode(report).decode() + "".join(text_of(report, language) for language in Language)
    assert "340" not in told
    assert "344" not in told
