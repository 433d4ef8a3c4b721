# SPDX-License-Identifier: Apache-2.0
"""States that older releases put away go on as if this one had written them."""

from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pytest

from schemas.command import Outcome
from schemas.live import LiveTable
from schemas.reading import Metric
from streams.core.desk import SUPPRESS_MOST_US, Until
from streams.core.effect import LiveRows
from streams.core.snapshot import OLDEST_VERSION, STATE_VERSION, SnapshotError, load
from streams.core.upgrades import UPGRADES, Kept
from tests.cities import small_city, small_roads
from tests.core.play import Player

STATES = Path(__file__).parent / "states"
"""One of every older version: the first 120 steps of `crowd`, written by the release that had it.

`orders-of-version-4` is one minute of it and five commands."""
CITY = small_city(road_table=small_roads())
ROAD = "RWS01_MONIBAS_0120vwg0001ra"


def crowd(play: Player, first: int, last: int) -> None:
    for step in range(first, last):
        second = 10.0 * step
        play.send(second, play.reading("cam-plein", Metric.PEOPLE, second, 345 + step % 40))
        play.send(second + 1, play.reading("cam-straat", Metric.PEOPLE, second - 3, 30 + step % 7))
        if step % 6 == 5:
            play.send(second + 4, play.reading("teller-plein-straat", Metric.IN, second - 70, step / 7, 60),
                      play.reading(f"{ROAD}/lane1", Metric.VEHICLES, second - 50, 60 * (step % 9), 60),
                      play.reading(f"{ROAD}/lane1", Metric.SPEED, second - 50, 50 + step % 30, 60))


def kept(name: str) -> bytes:
    stream = pa.CompressedInputStream(pa.BufferReader((STATES / f"{name}.zst").read_bytes()), "zstd")
    state: bytes = stream.read()
    return state


NEW = (LiveTable.INSIDE, LiveTable.OUTLOOK)
"""An older state knows nothing of people inside and of what is ahead: these begin anew."""


def said(play: Player) -> list[Any]:
    effects = [one for one in play.effects if not (isinstance(one, LiveRows) and one.table in NEW)]
    return [effect.rows.to_pylist() if isinstance(effect, LiveRows) else effect for effect in effects]


@pytest.mark.parametrize("version", range(OLDEST_VERSION, STATE_VERSION))
def test_an_older_state_goes_on_as_if_it_were_ours(version: int) -> None:
    whole, upgraded = Player(CITY), Player(CITY)
    crowd(whole, 0, 120)
    whole.effects.clear()
    upgraded.partition = load(kept(f"version-{version}"), lambda _: CITY, 1, 0)
    upgraded.effects.clear()
    for play in (whole, upgraded):
        crowd(play, 120, 300)
    assert whole.effects
    assert said(upgraded) == said(whole)


def test_orders_that_stood_in_an_older_state_are_told_again() -> None:
    play = Player(CITY)
    play.partition = load(kept("orders-of-version-4"), lambda _: CITY, 1, 0)
    play.effects.clear()
    play.tick(3_600)
    told = [one for one in play.effects if isinstance(one, Outcome)]
    assert [(one.command_id, one.standing_order, one.stands) for one in told] == [
        ("shut", "gate/plein-straat", True), ("exercise", "drill/site/centrum", True)]


def test_an_exercise_of_an_older_state_ends_by_itself_at_once_where_nobody_knows_its_begin() -> None:
    play = Player(CITY)
    play.partition = load(kept("orders-of-version-4"), lambda _: CITY, 1, 0)
    play.partition._alarm.desk.standing = []  # as of a rule's exercise, of which an older state did not say it
    play.effects.clear()
    play.tick(3_600)
    told = [one for one in play.effects if isinstance(one, Outcome) and one.standing_order == "drill/site/centrum"]
    assert [(one.stands, one.role) for one in told] == [(False, "engine")]
    assert "nobody knows" in told[0].reason


def test_a_suppression_of_an_older_state_lasts_no_longer_than_one_may_and_a_closed_gate_as_it_was_said() -> None:
    far_us = 10 * SUPPRESS_MOST_US
    holding = [Until("rule", "oranje", far_us), Until("place", "plein", 2_000), Until("gate", "plein-straat", far_us)]
    values: dict[str, Any] = {"_time.now_us": 1_000, "_alarm.desk.outcomes": [], "_alarm.desk.holding": holding,
                              "_alarm.book.drilled": []}
    older = Kept({}, {name: msgspec.Raw(msgspec.json.encode(value)) for name, value in values.items()})
    upgraded = UPGRADES[4](older, Player(CITY).partition)
    assert msgspec.json.decode(upgraded.values["_alarm.desk.holding"], type=list[Until]) == [
        Until("rule", "oranje", 1_000 + SUPPRESS_MOST_US), *holding[1:]]


def test_there_is_a_way_from_every_older_version() -> None:
    assert sorted(UPGRADES) == list(range(OLDEST_VERSION, STATE_VERSION))


def test_a_newer_state_is_refused() -> None:
    first = kept("version-1")
    with pytest.raises(SnapshotError, match="version 999"):
        load(first.replace(b'"version":1', b'"version":999', 1).replace(
            first[13:21], (int.from_bytes(first[13:21], "little") + 2).to_bytes(8, "little"), 1),
            lambda _: CITY, 1, 0)
