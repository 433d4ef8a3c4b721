# SPDX-License-Identifier: Apache-2.0
"""Rules about estimates through the fold: people inside, forecasts, surges, incidents, effects of measures."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from schemas.alert import State
from schemas.baseline import SLOTS, BaselineRows
from schemas.city import City
from schemas.command import MeasureTaken, SensorOutOfService, SetOccupancy, ZoneEmpty
from schemas.events import Effect, Measure, Plan
from schemas.ids import IdKind
from schemas.live import LiveTable
from schemas.log import Kind, LogMessage
from schemas.reading import Metric
from schemas.rules import Rule, RuleKind, Severity
from streams.core.effect import LiveRows
from streams.core.measures import MeasureStatus
from tests.cities import small_city, small_file
from tests.core.play import Player, at_us
from tests.core.test_alarm import crowd, path, plain, told
from tests.core.test_signal_rules import LIFE, minute, passages

GATES: dict[str, tuple[float | None, float | None]] = {"plein-straat": (0.0, 0.0), "straat-uit": (0.0, 0.0)}


def city(rule: Rule, **changes: Any) -> City:
    return small_city(rules={**small_file().rules, "regel": rule}, **changes)


def rule(kind: RuleKind, **changes: Any) -> Rule:
    given: dict[str, Any] = {"raise_after": 1, "severity": Severity.WARNING, **changes}
    return Rule(kind=kind, **given)


def states(play: Player, place: str) -> list[State]:
    # An open alert is told again every hour.
    once = {(one.alert_id, one.seq): one for one in told(play, "regel", place)}
    return [state for state, _, _ in path(once.values())]


def inside(play: Player, place: str) -> list[tuple[int, int]]:
    return [(row["inside_low"], row["inside_high"]) for row in play.rows(LiveTable.INSIDE, place)]


def test_people_inside_follow_the_gates_and_are_shown_as_bands_minute_by_minute() -> None:
    play = Player(city(rule(RuleKind.OCCUPANCY)))
    for number in range(10):
        # Nobody looks at the square: only the gate knows.
        play.send(60 * number + 61, *passages(play, 60 * number, {"plein-straat": (0, 20), "straat-uit": (0, 20)}))
    play.send(900, *passages(play, 840, GATES))
    play.tick(960)
    low, high = np.array(inside(play, "plein")).T
    assert (np.diff(high) >= 0).all()
    assert (low % 5 == 0).all()
    assert ((high + 1) % 5 == 0).all()
    assert low[9] <= 200 <= high[9]
    rows = play.rows(LiveTable.INSIDE, "plein")
    assert [row["window_start"] for row in rows][:10] == [60 * at for at in range(10)]
    area_m2 = small_file().zones["plein"].area_m2
    assert {row["status"] for row in rows[:10]} == {MeasureStatus.ESTIMATED}
    for edge in ("low", "high"):
        assert [row[f"density_{edge}_per_m2"] for row in rows[:10]] == pytest.approx(
            [row[f"inside_{edge}"] / area_m2 for row in rows[:10]])


def test_where_no_gate_was_seen_people_inside_have_no_density() -> None:
    play = Player(city(rule(RuleKind.OCCUPANCY)))
    play.send(61, *passages(play, 0, {"plein-straat": (0, 200), "straat-uit": (0, 20)}))
    play.tick(400)
    seen, blind = play.rows(LiveTable.INSIDE, "plein")[:2]
    assert (seen["coverage"], blind["coverage"]) == (1.0, 0.0)
    assert seen["density_high_per_m2"] > 0
    assert blind["inside_high"] > 0
    assert (blind["density_low_per_m2"], blind["status"]) == (None, MeasureStatus.MISSING)


def test_the_upper_bound_against_the_capacity_raises_and_clears() -> None:
    play = Player(city(rule(RuleKind.OCCUPANCY, limit=90, level=3)))
    for number in range(30):
        people = 390 if 8 <= number < 16 else 100
        minute(play, number, people, GATES)
    assert states(play, "plein") == LIFE
    first = told(play, "regel", "plein")[0]
    assert (first.unit, first.limit) == ("percent", 90)
    assert first.high is not None
    assert first.high >= 90
    assert first.low is not None
    assert first.low <= 100


def counted(play: Player, numbers: range, gates: Mapping[str, tuple[float | None, float | None]]) -> None:
    for number in numbers:
        play.send(60 * number + 61, *passages(play, 60 * number, dict(gates)))


def test_an_operator_who_sees_that_nobody_is_there_corrects_it_from_then_on_only() -> None:
    play = Player(city(rule(RuleKind.OCCUPANCY)))
    counted(play, range(6), {"plein-straat": (0, 50), "straat-uit": (0, 50)})
    before = inside(play, "plein")
    assert before[-1][1] > 300
    assert play.command(362, ZoneEmpty(id="leeg", role="operator", zone="plein", at_us=at_us(360))).done == "done"
    counted(play, range(6, 9), GATES)
    after = inside(play, "plein")
    assert after[: len(before)] == before
    assert after[-1][1] <= 24
    told = [row["correction"] for row in play.rows(LiveTable.INSIDE, "plein")]
    assert told[-1] is None
    play.command(542, SetOccupancy(id="tel", role="operator", zone="plein", persons=251, at_us=at_us(540)))
    counted(play, range(9, 11), GATES)
    low, high = inside(play, "plein")[-1]
    assert low <= 251 <= high
    assert high - low < 100
    refused = play.command(700, ZoneEmpty(id="x", role="operator", zone="nergens", at_us=at_us(700)))
    assert (refused.done, "zone" in refused.reason) == ("refused", True)


def test_a_gate_count_that_comes_late_counts_from_then_on() -> None:
    never, late = (Player(city(rule(RuleKind.OCCUPANCY))) for _ in range(2))
    for play in (never, late):
        counted(play, range(5), {"plein-straat": (0, 20), "straat-uit": (0, 20)})
        counted(play, range(5, 6), {"straat-uit": (0, 20)})
        counted(play, range(6, 8), {"plein-straat": (0, 20), "straat-uit": (0, 20)})
    late.send(482, *passages(late, 300, {"plein-straat": (0, 100)}))
    for play in (never, late):
        counted(play, range(8, 12), {"plein-straat": (0, 20), "straat-uit": (0, 20)})
    without, with_it = inside(never, "plein"), inside(late, "plein")
    assert with_it[:7] == without[:7]
    assert with_it[-1][0] >= without[-1][0] + 50


def test_counts_of_a_gate_that_stays_silent_are_not_lost() -> None:
    never, late = (Player(city(rule(RuleKind.OCCUPANCY))) for _ in range(2))
    for play in (never, late):
        counted(play, range(5), {"plein-straat": (0, 20), "straat-uit": (0, 20)})
        counted(play, range(5, 8), {"straat-uit": (0, 20)})
    late.send(482, *passages(late, 300, {"plein-straat": (0, 100)}))
    for play in (never, late):
        counted(play, range(8, 12), {"straat-uit": (0, 20)})
    assert inside(late, "plein")[-1][1] >= inside(never, "plein")[-1][1] + 90


def test_what_was_seen_long_ago_corrects_nobody() -> None:
    play = Player(city(rule(RuleKind.OCCUPANCY)))
    counted(play, range(30), {"plein-straat": (0, 20), "straat-uit": (0, 20)})
    refused = play.command(1_862, ZoneEmpty(id="leeg", role="operator", zone="plein", at_us=at_us(900)))
    assert (refused.done, "quarter" in refused.reason) == ("refused", True)
    counted(play, range(30, 32), GATES)
    assert inside(play, "plein")[-1][1] > 500


def plan(effect: Effect) -> Plan:
    return Plan(name="Plan", always=True, measures={"doseer": Measure(
        title="Doseer", zones=["*"], level=2, trigger="oranje", decides="hoofd-crowd", steps=["sluit"],
        stop_when="geel", effect=effect)})


@pytest.mark.parametrize("works", [True, False])
def test_a_measure_without_effect_is_an_alert_and_one_with_effect_is_none(works: bool) -> None:
    effect = Effect(gate="plein-straat", fall_percent=50, within_min=5)
    play = Player(city(rule(RuleKind.EFFECT), plans={"plan": plan(effect)}))
    for number in range(20):
        inflow = 20 if works and number > 10 else 80
        minute(play, number, 300, {"plein-straat": (inflow, 40), "straat-uit": (40, 40)})
        if number == 8:
            play.command(541, MeasureTaken(
                id="m", role="operator", place="straat", plan="plan", measure="doseer"))
    assert (states(play, "straat") == []) is works


def test_an_effect_that_nobody_can_see_any_more_has_not_come() -> None:
    play = Player(city(rule(RuleKind.EFFECT), plans={"plan": plan(
        Effect(gate="plein-straat", fall_percent=50, within_min=5))}))
    for number in range(22):
        seen: dict[str, tuple[float | None, float | None]] = {"plein-straat": (80, 40)} if number < 16 else {}
        minute(play, number, 300, {**seen, "straat-uit": (40, 40)})
        if number == 8:
            play.command(541, MeasureTaken(id="m", role="operator", place="plein", plan="plan", measure="doseer"))
    assert [(one.state_to, one.stale) for one in told(play, "regel", "plein")] == [
        (State.FIRING, False), (State.FIRING, True)]


def test_a_zone_that_is_not_seen_has_no_effect_to_lack() -> None:
    play = Player(city(rule(RuleKind.EFFECT), plans={"plan": plan(Effect(fall_percent=50, within_min=5))}))
    crowd(play, 0, 400, 300)
    play.command(401, MeasureTaken(id="m", role="operator", place="plein", plan="plan", measure="doseer"))
    crowd(play, 410, 500, 300)
    play.tick(1_000)
    assert told(play, "regel", "plein") == []
    crowd(play, 1_000, 1_130, 300)
    assert states(play, "plein") == [State.FIRING]


def usual(play: Player, place: str, mean: float) -> BaselineRows:
    """The same number of people at all times of all days."""
    def all_slots(value: float) -> Any:
        return np.full((1, SLOTS), value, np.float32)
    return BaselineRows(
        kind=np.zeros(1, np.uint8), place=np.array([play.city.ids[IdKind.ZONE][place]], np.int32), vehicle_class=[""],
        measure=np.array([Metric.PEOPLE], np.uint8), computed_at_us=np.array([at_us(-3_600)], np.int64),
        mean=all_slots(mean), sd=all_slots(mean / 10), low=all_slots(mean * 0.8), middle=all_slots(mean),
        high=all_slots(mean * 1.2), weeks=np.full((1, SLOTS), 8, np.uint8),
        grain_s=np.full((1, SLOTS), 900, np.uint16))


def know(play: Player, rows: BaselineRows) -> None:
    message = LogMessage(Kind.BASELINE, at_us(1), play.clock, 1, "test", "1", baseline=rows)
    play.effects += play.partition.step(message, at_us(1))


def test_a_crowd_that_is_not_usual_is_a_surge_until_it_has_gone() -> None:
    play = Player(city(rule(RuleKind.SURGE)))
    know(play, usual(play, "plein", 100))
    crowd(play, 10, 1_800, 100)
    assert states(play, "plein") == []
    crowd(play, 1_800, 4_500, 320)
    assert states(play, "plein") == [State.FIRING]
    crowd(play, 4_500, 9_000, 100)
    assert states(play, "plein") == LIFE


def test_without_a_baseline_nothing_is_unusual() -> None:
    play = Player(city(rule(RuleKind.SURGE)))
    crowd(play, 0, 1_800, 100)
    crowd(play, 1_800, 4_500, 380)
    assert states(play, "plein") == []


def test_a_level_that_is_ahead_is_told_before_it_is_reached() -> None:
    play = Player(city(rule(RuleKind.FORECAST, level=2, lead_min=30)))
    know(play, usual(play, "plein", 60))
    crowd(play, 10, 12_600, lambda second: 60 + second / 40)
    first, reached = told(play, "regel", "plein")[0], told(play, "oranje", "plein")[0]
    assert first.at_us < reached.at_us
    assert first.unit == "probability"
    ahead = [row for effect in play.effects if isinstance(effect, LiveRows) and effect.table is LiveTable.OUTLOOK
             for row in effect.rows.to_pylist()]
    assert {row["kind"] for row in ahead} <= {"zone", "site"}
    assert {row["ahead_min"] for row in ahead} == {15, 30, 60, 120}
    assert all(row["low"] <= row["middle"] <= row["high"] for row in ahead)


@pytest.mark.parametrize("second", [1_000, 2_750])
def test_a_restart_in_the_middle_changes_nothing(second: int) -> None:
    whole, again = (Player(city(rule(RuleKind.OCCUPANCY, limit=80))) for _ in range(2))
    for play in (whole, again):
        know(play, usual(play, "plein", 150))
        for number in range(60):
            minute(play, number, 150 + 4 * number, {"plein-straat": (10, 20), "straat-uit": (5, 15)})
            if play is again and 60 * number <= second < 60 * number + 60:
                play.restart()
    assert [plain(one) for one in again.effects] == [plain(one) for one in whole.effects]


def test_a_sensor_that_is_out_of_service_does_not_count_and_is_not_waited_for_until_its_time_is_over() -> None:
    play = Player(small_city())
    crowd(play, 0, 120, 300)
    play.command(121, SensorOutOfService(
        id="uit", role="operator", sensor="cam-plein", until_us=at_us(600)))
    crowd(play, 130, 590, 380)
    assert [row["people_low"] for row in play.zone("plein") if 180 <= row["window_start"] < 480] == [None] * 5
    crowd(play, 600, 900, 380)
    play.tick(960)
    assert next(row["people_low"] for row in play.zone("plein") if row["window_start"] >= 660) == 380
