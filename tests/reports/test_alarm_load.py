# SPDX-License-Identifier: Apache-2.0
"""An operator's alarm load: what counts as an alarm, how many there are, and which come again."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from schemas.alert import Cause, State, Transition
from streams.reports.alarm_load import Alarm, alarm_load, alarms_of, chattering, stale

MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
OPENED = Transition(
    alert_id="a", seq=1, site="s", place="plein", rule="rood", severity="critical", measure="people", unit="persons",
    level_from=0, level_to=3, state_from=State.PENDING, state_to=State.FIRING, stale=False, window_start_us=0,
    window_end_us=MINUTE_US, people_low=400, people_high=404, percent_low=None, percent_high=None, coverage=1.0,
    profile="p", city_version=1, cause=Cause.THRESHOLD, opened_at_us=MINUTE_US, at_us=MINUTE_US)


def later(minutes: int, **changes: Any) -> Transition:
    return replace(OPENED, seq=2, at_us=minutes * MINUTE_US, **changes)


def alarm(opened_min: int, ended_min: int | None, place: str = "plein") -> Alarm:
    return Alarm("a", place, "rood", "critical", opened_min * MINUTE_US,
                 None if ended_min is None else ended_min * MINUTE_US)


def test_alarms_are_counted_by_ten_minutes_and_by_the_hour() -> None:
    load = alarm_load([minute * MINUTE_US for minute in (0, 9, 10, 25, 60, -1)], 0, HOUR_US)
    assert (load.alarms, load.per_hour, load.slots) == (4, 4.0, (2, 1, 1, 0, 0, 0))


def test_a_flood_across_two_slots_is_seen() -> None:
    load = alarm_load([8 * MINUTE_US] * 6 + [12 * MINUTE_US] * 6, 0, HOUR_US)
    assert (max(load.slots), load.floods, load.largest) == (6, 0, 12)
    assert alarm_load([8 * MINUTE_US] * 11, 0, HOUR_US).floods == 1


@given(st.lists(st.integers(0, 5 * HOUR_US - 1)))
def test_no_alarm_is_lost_or_counted_twice(times_us: list[int]) -> None:
    load = alarm_load(times_us, 0, 5 * HOUR_US)
    assert sum(load.slots) == load.alarms == len(times_us)
    assert len(load.slots) == 30
    assert max(load.slots) <= load.largest <= load.alarms


def test_a_time_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(ValueError, match="behind"):
        alarm_load([], HOUR_US, HOUR_US)


def test_a_time_without_alarms_is_calm() -> None:
    load = alarm_load([], 0, 25 * MINUTE_US)
    assert (load.alarms, load.largest, load.slots) == (0, 0, (0, 0, 0))


def test_an_alert_that_is_quiet_from_its_begin_is_no_alarm() -> None:
    assert alarms_of([replace(OPENED, suppressed=True)]) == []
    assert alarms_of([OPENED, replace(OPENED, seq=2, suppressed=True, cause=Cause.INHIBITED)]) == []


def test_one_that_is_suppressed_later_is() -> None:
    told = [OPENED, later(5, suppressed=True), later(9, state_to=State.RESOLVED)]
    assert alarms_of(told) == [alarm(1, 9)]


def test_only_the_same_alert_soon_after_its_end_chatters() -> None:
    first, again, much_later = alarm(0, 5), alarm(14, 20), alarm(30, 40)
    elsewhere = alarm(7, 8, place="pier")
    assert chattering([first, elsewhere, again, much_later]) == [again]


def test_what_stands_longer_than_a_shift_is_stale() -> None:
    long, still_open, short = alarm(0, 481), alarm(10, None), alarm(0, 480)
    assert stale([long, still_open, short], until_us=500 * MINUTE_US) == [long, still_open]
    assert stale([still_open], until_us=480 * MINUTE_US) == []
