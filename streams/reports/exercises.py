# SPDX-License-Identifier: Apache-2.0
"""Exercises in the hand-over list: those that are on, and those that ended of late, by themselves or not. Pure."""

import msgspec

from schemas.command import DRILL_ORDER, ENGINE, Done, Outcome
from schemas.moment import rfc3339
from streams.reports.material import Material
from streams.reports.wording import Speech


class Exercise(msgspec.Struct, frozen=True, kw_only=True):
    """An exercise at a site or by a rule (`kind`, `key`).

    Log times: `at` and `at_us` of its begin while it is on, else of its end; `until` and `until_us` of the end that it
    has by itself, null where it is over or nobody said. `role` began or ended it; `ended_by_itself` where nobody did.
    """

    kind: str
    key: str
    name: str
    is_on: bool
    at: str
    at_us: int
    until: str | None
    until_us: int | None
    role: str
    ended_by_itself: bool


def exercises(material: Material) -> list[Exercise]:
    """Exercises that are on at the end of the material or ended in its time, those that are on first."""
    newest: dict[str, Outcome] = {}
    for one in sorted(material.outcomes, key=lambda one: one.at_us):
        if one.done is Done.DONE and one.standing_order.startswith(DRILL_ORDER) and one.at_us <= material.until_us:
            newest[one.standing_order.removeprefix(DRILL_ORDER)] = one
    found = [_exercise(material, order, one) for order, one in newest.items() if _is_told(material, order, one)]
    return sorted(found, key=lambda one: (not one.is_on, one.at_us, one.kind, one.key))


def _is_told(material: Material, order: str, one: Outcome) -> bool:
    kind, _, key = order.partition("/")
    if material.is_of_one_site and kind == "site" and key not in material.city.sites:
        return False
    if one.stands:
        return one.until_us is None or one.until_us > material.until_us
    return one.at_us >= material.from_us


def _exercise(material: Material, order: str, one: Outcome) -> Exercise:
    kind, _, key = order.partition("/")
    until_us = one.until_us if one.stands else None
    return Exercise(
        kind=kind, key=key, name=material.site_name(key) if kind == "site" else key, is_on=one.stands,
        at=rfc3339(one.at_us), at_us=one.at_us, until=None if until_us is None else rfc3339(until_us),
        until_us=until_us, role=one.role, ended_by_itself=not one.stands and one.role == ENGINE)


def exercise_text(one: Exercise, speech: Speech) -> str:
    """An exercise in one line."""
    where = speech.say("in", "at") if one.kind == "site" else speech.say("met regel", "of rule")
    since = speech.say("sinds", "since") if one.is_on else speech.say("voorbij om", "over at")
    who = speech.say("vanzelf", "by itself") if one.ended_by_itself else one.role
    until = "" if one.until_us is None else (
        f", {speech.say('tot uiterlijk', 'until at the latest')} {speech.clock(one.until_us)}")
    return f"{speech.say('OEFENING', 'EXERCISE')} {where} {one.name} {since} {speech.clock(one.at_us)} ({who}){until}"
