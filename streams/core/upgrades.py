# SPDX-License-Identifier: Apache-2.0
"""From a state of an older version to the next one, so that a new release loses no snapshot."""

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from msgspec.structs import replace

from schemas.command import DRILL_ORDER, GATE_ORDER, Done, Drill, Outcome, tag_of
from streams.core.alarm import Alarm
from streams.core.desk import MUTED_BY, SUPPRESS_MOST_US, Until
from streams.core.layout import Rate
from streams.core.slots import EMPTY
from streams.core.step import Partition

DRILL = tag_of(Drill)


@dataclass(slots=True)
class Kept:
    """A state as it was put away.

    Parameters
    ----------
    arrays : dict of str to array
        By the names of `streams.core.snapshot`.
    values : dict of str to JSON
        What is no array.
    """

    arrays: dict[str, npt.NDArray[Any]]
    values: dict[str, msgspec.Raw]


def from_version_1(kept: Kept, partition: Partition) -> Kept:
    """Slots lay channel by channel and now lie interval by interval; nothing was kept for research.

    The quarters in which the open windows lie are the first ones that are released: with what is left of them.
    """
    to = partition._slots.by_channel()
    for name in ("begin", "span_us", "value", "weight"):
        old = kept.arrays[f"_slots.{name}"]
        new = np.empty_like(old)
        new[to] = old
        kept.arrays[f"_slots.{name}"] = new
    kept.arrays["_windows._arrived"] = _arrived(kept, partition)
    partition._grains.start(kept.arrays["_windows.open_start"])
    for name in partition._grains.STATE:
        kept.arrays[f"_grains.{name}"] = getattr(partition._grains, name)
    _fill_part(kept, "_sightings", partition._sightings)
    kept.values["_awaiting_adoption"] = msgspec.Raw(b"false")
    kept.values["_changes"] = msgspec.Raw(b"[]")
    kept.values["_purged"] = msgspec.Raw(b"[]")
    _fill_health(kept, partition)
    kept.values["_context.records"] = msgspec.Raw(b"[]")
    return kept


def _fill_part(kept: Kept, name: str, part: Any) -> None:
    """Give a part that the older version did not have the state of a fresh partition."""
    for attribute in part.STATE:
        _fill_attribute(kept, f"{name}.{attribute}", getattr(part, attribute))


def _fill_attribute(kept: Kept, name: str, value: object) -> None:
    if isinstance(value, np.ndarray):
        kept.arrays[name] = value
    else:
        kept.values[name] = msgspec.Raw(msgspec.json.encode(value))


def _fill_health(kept: Kept, partition: Partition) -> None:
    """What is known of the sensors, from what lies in their slots."""
    now_us = msgspec.json.decode(kept.values["_time.now_us"], type=int)
    for name in ("begin", "span_us", "value"):
        setattr(partition._slots, name, kept.arrays[f"_slots.{name}"])
    partition._windows._last_heard = kept.arrays["_windows._last_heard"]
    partition._health.assume(now_us, partition._windows, partition._slots)
    partition._sensor_days.start(now_us)
    _fill_part(kept, "_health", partition._health)
    _fill_part(kept, "_sensor_days", partition._sensor_days)


def _arrived(kept: Kept, partition: Partition) -> npt.NDArray[np.int64]:
    """Readings of the windows that are open, counted anew: version 1 let late ones count for later windows."""
    layout, slots = partition.layout, partition._slots
    channel = np.repeat(np.arange(len(layout.channel_place)), slots.lengths)
    begin = kept.arrays["_slots.begin"][slots.by_channel()]
    running = layout.channel_semantics[channel] == Rate.CUMULATIVE
    place = layout.channel_place[channel]
    held = layout.channel_counted[channel] & (begin != EMPTY)
    window = np.where(held, begin - np.where(running, layout.channel_interval_us[channel], 0), 0)
    held &= window >= kept.arrays["_windows.open_start"][place]
    old = kept.arrays["_windows._arrived"]
    counted = np.zeros(old.shape[::-1], np.int64)
    ring = window // layout.place_span_us[place] % len(counted)
    np.add.at(counted, (ring[held], place[held]), 1)
    return counted


def from_version_2(kept: Kept, partition: Partition) -> Kept:
    """Cases lay zone by zone and now lie rule by rule; nothing was estimated, forecast or commanded."""
    alarm, old = partition._alarm, "_rules."
    kept.values["_announced.changes"] = kept.values.pop("_changes")
    kept.values["_resting"] = msgspec.Raw(b"[]")
    for name in Alarm.PARTS:
        _fill_part(kept, f"_alarm.{name}", attrgetter(name)(alarm))
    _fill_attribute(kept, "_zone_windows.last_band", partition._zone_windows.last_band)
    order = _rule_by_rule(partition)
    cases = msgspec.json.decode(kept.values.pop(f"{old}cases"), type=list[msgspec.Raw])
    kept.values["_alarm.book.cases"] = msgspec.Raw(msgspec.json.encode([cases[at] for at in order]))
    kept.arrays["_alarm.book.busy"] = kept.arrays.pop(f"{old}_busy")[order]
    for name in ("_over_up", "_over_down"):
        kept.arrays[f"_alarm.levels.{name}"] = kept.arrays.pop(old + name)[:, order]
    for name in ("_level_before", "_window_level_before"):
        kept.arrays[f"_alarm.levels.{name}"] = kept.arrays.pop(old + name)
    now_us = msgspec.json.decode(kept.values["_time.now_us"], type=int)
    alarm.inside.start(kept.arrays["_windows.open_start"])
    if now_us >= 0:
        _fill_attribute(kept, "_alarm.inside._next_minute", alarm.inside._next_minute)
    return kept


def _rule_by_rule(partition: Partition) -> npt.NDArray[np.intp]:
    """For each case of now its number of then; only level rules were known."""
    keys = partition._alarm.book.keys()
    rules = {key: at for at, key in enumerate(partition.city.file.rules)}
    zones = {key: at for at, key in enumerate(partition.layout.place_key)}
    then = sorted(range(len(keys)), key=lambda at: (zones[keys[at][0]], rules[keys[at][1]]))
    order = np.empty(len(keys), np.intp)
    order[then] = np.arange(len(keys))
    return order


def from_version_3(kept: Kept, partition: Partition) -> Kept:
    """Gates had no second story, the one in which they count the wrong way round: it begins now, with its prior."""
    _fill_part(kept, "_alarm.inside.occupancy.exchange", partition._alarm.inside.occupancy.exchange)
    return kept


def from_version_4(kept: Kept, partition: Partition) -> Kept:
    """Orders that stand lay among the last outcomes: closed gates and exercises at a site can be found there.

    Which suppression or sensor an outcome was about was not told: those hold on and end, but are not told again.
    When an exercise of a rule began was not told either: it ends. Suppressions had no longest time: it runs from now.
    Outflow was kept for the newest window alone: it is judged anew from the next one on.
    """
    _fill_part(kept, "_alarm.outflow", partition._alarm.outflow)
    desk = "_alarm.desk."
    outcomes = msgspec.json.decode(kept.values[f"{desk}outcomes"], type=list[Outcome])
    holding = msgspec.json.decode(kept.values[f"{desk}holding"], type=list[Until])
    drilled = msgspec.json.decode(kept.values["_alarm.book.drilled"], type=list[str])
    latest_us = msgspec.json.decode(kept.values["_time.now_us"], type=int) + SUPPRESS_MOST_US
    _fill_attribute(kept, f"{desk}holding", [
        replace(one, until_us=min(one.until_us, latest_us)) if one.kind in MUTED_BY else one for one in holding])
    shut = {(one.key, one.until_us) for one in holding if one.kind == "gate"}
    standing: dict[str, Outcome] = {}
    for one in outcomes:
        if one.done is Done.DONE and (one.place, one.until_us) in shut:
            standing[f"{GATE_ORDER}{one.place}"] = one
        if one.done is Done.DONE and one.command == DRILL and f"site/{one.site}" in drilled:
            standing[f"{DRILL_ORDER}site/{one.site}"] = one
    told = [replace(one, standing_order=order, stands=True) for order, one in standing.items()]
    kept.values[f"{desk}standing"] = msgspec.Raw(msgspec.json.encode(sorted(told, key=lambda one: one.at_us)))
    return kept


def from_version_5(kept: Kept, partition: Partition) -> Kept:
    """Minutes to the next level said neither from when on nor to which level: nobody can say until the next look."""
    book = "_alarm.book."
    kept.arrays.pop(f"{book}next_min", None)
    for name in ("next_level", "next_us"):
        _fill_attribute(kept, book + name, getattr(partition._alarm.book, name))
    return kept


UPGRADES: dict[int, Callable[[Kept, Partition], Kept]] = {
    1: from_version_1, 2: from_version_2, 3: from_version_3, 4: from_version_4,
    5: from_version_5}
"""By the version that they begin with."""
