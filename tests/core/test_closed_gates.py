# SPDX-License-Identifier: Apache-2.0
"""Nobody passes a closed gate: its silence widens no estimate, and is the effect of a measure that closed it."""

from schemas.command import GateClosed, MeasureTaken
from schemas.events import Effect
from schemas.live import LiveTable
from schemas.rules import RuleKind
from tests.core.play import Player, at_us
from tests.core.test_alarm import told
from tests.core.test_alarm_estimates import city, counted, inside, plan, rule
from tests.core.test_signal_rules import minute

BOTH: dict[str, tuple[float | None, float | None]] = {"plein-straat": (30.0, 30.0), "straat-uit": (30.0, 30.0)}
OTHER: dict[str, tuple[float | None, float | None]] = {"straat-uit": (0.0, 0.0)}


def close(play: Player, second: float) -> None:
    play.command(second, GateClosed(id="dicht", role="operator", gate="plein-straat", until_us=at_us(9_000)))


def test_the_silence_of_a_closed_gate_leaves_the_people_inside_as_they_are() -> None:
    play = Player(city(rule(RuleKind.OCCUPANCY, limit=130, level=3)))
    counted(play, range(6), BOTH)
    close(play, 362)
    counted(play, range(6, 30), OTHER)
    high = [edge for _, edge in inside(play, "plein")]
    assert len(high) >= 28
    assert high[-1] <= high[5] + 5
    assert {row["coverage"] for row in play.rows(LiveTable.INSIDE, "plein")} == {1.0}
    assert told(play, "regel") == []


def test_an_open_gate_that_is_silent_makes_them_less_sure() -> None:
    play = Player(city(rule(RuleKind.OCCUPANCY, limit=130, level=3)))
    counted(play, range(6), BOTH)
    counted(play, range(6, 30), OTHER)
    assert inside(play, "plein")[-1][1] > inside(play, "plein")[5][1] + 200


def test_a_gate_that_a_measure_closed_has_no_inflow_left() -> None:
    play = Player(city(rule(RuleKind.EFFECT), plans={"plan": plan(
        Effect(gate="plein-straat", fall_percent=50, within_min=5))}))
    for number in range(20):
        minute(play, number, 300, {"plein-straat": (80, 40), **OTHER} if number < 9 else OTHER)
        if number == 8:
            play.command(541, MeasureTaken(id="m", role="operator", place="plein", plan="plan", measure="doseer"))
            close(play, 541.5)
    assert told(play, "regel", "plein") == []
