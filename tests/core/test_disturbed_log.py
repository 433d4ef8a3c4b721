# SPDX-License-Identifier: Apache-2.0
"""A log with corrupted, repeated and late messages: every way to fold it says the same."""

import random
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
from msgspec.structs import replace

from schemas.alert import State, Transition
from schemas.command import Adopt
from schemas.live import LiveTable
from schemas.log import Kind, LogMessage, decode_log, encode_log
from streams.core.effect import Effect, LiveRows
from streams.core.snapshot import dump, load
from streams.core.step import Partition
from streams.worker.adoption import open_alerts
from tests.core.disturbed import Entry, Said, disturbed, folded
from tests.worker.sites import city_of_sites, feed

CITY = city_of_sites(2)
STEPS = 700
SEEDS = (1, 3)
WARM_UP_US = 3_600_000_000


@dataclass(frozen=True, slots=True)
class Day:
    """A log, what one undisturbed fold says about it, and how many messages it refuses."""

    log: list[Entry]
    said: Said
    before: list[Effect]
    after: list[Effect]
    cut: int
    """Where the log's `after` begins."""
    refused: int

    @property
    def order(self) -> list[Effect]:
        """All effects in their order."""
        return [*self.before, *self.after]


@cache
def a_bad_day(seed: int) -> Day:
    messages = [message for _, message in feed(CITY, 2, 1, STEPS, seed)]
    log = disturbed(messages, random.Random(seed))  # noqa: S311  no secret
    state, cut = fresh(), len(log) // 3
    early, before, refused = folded(state, log[:cut], 0)
    late, after, refused_later = folded(state, log[cut:], 0)
    assert not early.keys() & late.keys()
    return Day(log, early | late, before, after, cut, refused + refused_later)


def fresh(*, awaiting_adoption: bool = False) -> Partition:
    return Partition(CITY, 1, 0, awaiting_adoption)


def restarted(state: Partition) -> Partition:
    return load(dump(state, 1, 0), {CITY.sha256: CITY}.__getitem__, 1, 0)


WINDOWS = (LiveTable.ZONE, LiveTable.GATE)
"""What is inside and ahead remembers longer: after a cold start it begins anew."""


def rows(effects: Iterable[Effect]) -> dict[tuple[str, Any, Any], dict[str, Any]]:
    """Rows about people by table, place and window; none may be said twice."""
    found: dict[tuple[str, Any, Any], dict[str, Any]] = {}
    for effect in effects:
        if isinstance(effect, LiveRows) and effect.table is not LiveTable.ROAD:
            for row in effect.rows.to_pylist():
                place = row.get("zone") or row.get("gate") or (row["kind"], row["place"], row["ahead_min"])
                key = (str(effect.table), place, row["window_start"])
                assert key not in found
                found[key] = row
    return found


def transitions(effects: Iterable[Effect]) -> list[Transition]:
    return [effect for effect in effects if isinstance(effect, Transition)]


@pytest.mark.parametrize("seed", SEEDS)
def test_it_is_as_bad_as_it_says_and_broken_messages_change_nothing(seed: int) -> None:
    day = a_bad_day(seed)
    broken = sum(entry.is_broken for entry in day.log)
    assert day.refused == broken > 0
    assert sum(entry.is_repeat for entry in day.log) > 0
    assert transitions(day.order)
    without = [entry for entry in day.log if not entry.is_broken]
    assert folded(fresh(), without, 0)[0] == day.said


@pytest.mark.parametrize("seed", SEEDS)
def test_repeats_change_nothing(seed: int) -> None:
    day = a_bad_day(seed)
    # A repeat of a readings message that came is dropped; log time is never moved by one that is older.
    _, once, _ = folded(fresh(), [one for one in day.log if not one.is_repeat and not one.is_broken], 0)
    assert rows(once) == rows(day.order)
    assert transitions(once) == transitions(day.order)


@pytest.mark.parametrize("seed", SEEDS)
def test_snapshots_anywhere_and_a_second_fold_say_the_same_byte_for_byte(seed: int) -> None:
    day = a_bad_day(seed)
    log, said = day.log, day.said
    assert folded(fresh(), log, 0)[0] == said
    rng = random.Random(seed)  # noqa: S311  no secret
    cuts = sorted(rng.sample(range(1, len(log)), 6))
    state = fresh()
    again: Said = {}
    for begin, end in zip([0, *cuts], [*cuts, len(log)], strict=True):
        again |= folded(state, log[begin:end], 0)[0]
        state = restarted(state)
        # Killed after its snapshot: what it folds twice it says twice, the same.
        assert folded(restarted(state), log[end : end + 50], 0)[0].items() <= said.items()
    assert again == said


@pytest.mark.parametrize("seed", SEEDS)
def test_a_cold_start_in_the_middle_comes_to_the_same_rows_and_goes_on_with_the_alerts(seed: int) -> None:
    day = a_bad_day(seed)
    log, cut, after = day.log, day.cut, day.after
    adopted = open_alerts(transitions(day.before))
    command = LogMessage(Kind.COMMAND, log[cut].append_us, decoded_clock(log), 1, "worker", "adopt",
                         command=Adopt(alerts=adopted))
    headers, value = encode_log(command)
    cold = fresh(awaiting_adoption=True)
    _, said, _ = folded(cold, [*log[cut : cut + 20], Entry(10**6, headers, value, log[cut + 19].append_us)], 0)
    _, rest, _ = folded(cold, log[cut + 20 :], 0)
    late_us = log[cut].append_us + WARM_UP_US
    wanted, found = (
        {key: row for key, row in rows(effects).items()
         if key[0] in WINDOWS and key[2].timestamp() * 1e6 >= late_us} for effects in (after, rest))
    assert wanted
    assert found == wanted
    told = transitions([*said, *rest])
    ended = {one.alert_id for one in told if one.state_to is State.RESOLVED}
    assert {one.alert_id for one in adopted} <= ended | {one.alert_id for one in open_alerts([*adopted, *told])}
    wanted_late, found_late = (
        [replace(one, next_low_min=None, next_high_min=None) for one in said if one.opened_at_us >= late_us]
        for said in (transitions(after), told))
    assert found_late == wanted_late


def decoded_clock(log: list[Entry]) -> Any:
    return next(decode_log(entry.headers, entry.value).clock for entry in log if not entry.is_broken)
