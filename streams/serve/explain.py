# SPDX-License-Identifier: Apache-2.0
"""Why an alert is: its place, the sensors behind it, rule, inputs, every change, notes and the plan. Pure."""

import datetime as dt
import math
from typing import Any

import msgspec

from schemas.alert import Transition
from schemas.alert_words import about, has_level
from schemas.city import City
from schemas.expected import expected_level
from schemas.health import SensorState
from schemas.ids import IdKind
from schemas.moment import datetime_of
from schemas.rules import KINDS, Rule, RuleKind
from streams.core.cards import Card, cards_for, site_of, zones_of
from streams.serve.board import Alert, Board
from streams.serve.document import AlertItem, Present
from streams.serve.emptying import TimeToEmpty, time_to_empty
from streams.serve.sensors import UNKNOWN_STATE
from streams.serve.wording import CANNOT_SAY, CAUSES, SENSOR_STATES, STATES, level_word

_FIELDS_OF = {
    "min_people": RuleKind.DENSITY, "density_from_per_m2": RuleKind.STOP_AND_GO, "lead_min": RuleKind.FORECAST,
}
UNHEARD = "nog niets over gehoord"


class SensorFact(msgspec.Struct, frozen=True, kw_only=True):
    """A sensor of the place and how it is; `since` is null where nothing was told of it yet."""

    key: str
    word: str
    well: bool
    since: dt.datetime | None


class Inputs(msgspec.Struct, frozen=True, kw_only=True):
    """What the newest change stands on; people and percent as bands, `low` and `high` in the unit of the rule."""

    window_start: dt.datetime
    window_end: dt.datetime
    coverage: float
    people_low: int | None
    people_high: int | None
    percent_low: float | None
    percent_high: float | None
    measure: str
    unit: str
    low: float | None
    high: float | None
    limit: float | None
    dwell_reached: int
    profile: str
    city_version: int
    method: int


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One change of the alert: what caused it and, for a command, which role gave it."""

    seq: int
    at: dt.datetime
    state: str
    state_word: str
    level: int
    word: str
    cause: str
    cause_word: str
    actor: str
    command_id: str
    note_id: str
    flags: list[str]


class NoteItem(msgspec.Struct, frozen=True, kw_only=True):
    """What an operator wrote; it may name people."""

    id: str
    at: dt.datetime
    role: str
    text: str


class CardItem(msgspec.Struct, frozen=True, kw_only=True):
    """A scenario card; `zone` is where it is marked as taken, `taken_at` since when it is."""

    plan: str
    measure: str
    plan_name: str
    event: str
    zone: str
    title: str
    level: int
    trigger: str
    decides: str
    steps: list[str]
    sign_text: str
    detour: str
    stop_when: str
    effect: str
    taken_at: dt.datetime | None
    taken_by: str


class AlertDetail(msgspec.Struct, frozen=True, kw_only=True):
    """All that is known of an alert. `rule` is null where the city file no longer has it.

    `rule` has the limits that hold, in the unit of its kind. `next_level` says in words when it is reached, or that
    nobody can say; `empty` how long the place needs to empty (zones, while it is open). `notes` is null for those who
    may not read them; `transitions_missing` counts older ones that are
    not kept here.
    """

    alert: AlertItem
    site_name: str
    camera_url: str | None
    next_level: str
    sensors: list[SensorFact]
    rule: dict[str, Any] | None
    inputs: Inputs
    transitions: list[Step]
    transitions_missing: int
    cards: list[CardItem]
    empty: TimeToEmpty | None
    notes: list[NoteItem] | None


def detail(present: Present, city: City, alert: Alert, now: dt.datetime, *, with_notes: bool) -> AlertDetail:
    """All that is known of an alert.

    Parameters
    ----------
    present : Present
    city : City
        The version in force.
    alert : Alert
        Of the board of `present`.
    now : datetime
        Log time.
    with_notes : bool
        Whether who asks may read what operators wrote.
    """
    last, board = alert.last, present.board
    site = city.file.sites.get(last.site)
    rule = city.file.rules.get(last.rule)
    item = present.alert(alert)
    # A closed alert shows the cards of its worst level, for those who look back.
    level = last.level_to if alert.is_open else alert.worst
    at_us = round(now.timestamp() * 1e6) if alert.is_open else last.at_us
    levels = _levels(present, last.place)
    return AlertDetail(
        alert=item, site_name=last.site if site is None else site.name, camera_url=_camera(city, last.place),
        next_level=_next_level(present, last.place, now),
        sensors=_sensors(board, city, last.place), rule=None if rule is None else _rule_facts(rule),
        inputs=_inputs(last), transitions=[_step(one, levels) for one in alert.history],
        transitions_missing=last.seq - len(alert.history),
        cards=[_card(one, board, last.opened_at_us) for one in cards_for(city, last.place, level, at_us)],
        empty=_empty(present, city, last.place, now) if alert.is_open else None,
        notes=_notes(board, last.alert_id) if with_notes else None,
    )


def _empty(present: Present, city: City, place: str, now: dt.datetime) -> TimeToEmpty | None:
    return time_to_empty(city, present, place, [], now) if place in city.file.zones else None


def _levels(present: Present, place: str) -> tuple[str, ...]:
    known = present.places.by_key(place)
    return () if known is None else known.levels


def _next_level(present: Present, place: str, now: dt.datetime) -> str:
    # Not by the alert's own minutes: they were counted when it changed last, and to the next level of then.
    zone = present.zone(place, now)
    return f"volgend niveau: {CANNOT_SAY}" if zone is None or zone.next is None else zone.next.text


def _rule_facts(rule: Rule) -> dict[str, Any]:
    """Without what belongs to other kinds, and with the limits that follow where none are written."""
    others = {name for name, kind in _FIELDS_OF.items() if kind is not rule.kind}
    facts = {name: value for name, value in msgspec.to_builtins(rule).items() if name not in others}
    limits = {"limit": rule.raising, "clear": rule.clearing}
    return facts | {name: None if math.isnan(value) else value for name, value in limits.items()} | {
        "unit": KINDS[rule.kind].unit}


def _camera(city: City, place: str) -> str | None:
    return next((url for zone in zones_of(city, place) if (url := city.file.zones[zone].camera_url)), None)


def _sensors(board: Board, city: City, place: str) -> list[SensorFact]:
    """Those that stand at the place; for a zone also those at its gates."""
    gates = {key for key, gate in city.file.gates.items() if place in (gate.from_, gate.to)}
    here = [key for key, one in city.file.sensors.items() if place in (one.zone, one.gate) or one.gate in gates]
    if not here and site_of(city, place):
        columns = zip(city.roads.column("zone"), city.roads.column("sensor"), strict=True)
        here = list(dict.fromkeys(str(sensor) for zone, sensor in columns if str(zone) == place))
    return [_sensor(board, key, city.ids[IdKind.SENSOR].get(key, 0)) for key in here]


def _sensor(board: Board, key: str, number: int) -> SensorFact:
    one = board.sensors.get(number)
    if one is None:
        return SensorFact(key=key, word=UNHEARD, well=False, since=None)
    word = SENSOR_STATES.get(one.state, UNKNOWN_STATE)
    return SensorFact(key=key, word=word, well=one.state == SensorState.FRESH, since=one.since)


def _inputs(last: Transition) -> Inputs:
    return Inputs(
        window_start=datetime_of(last.window_start_us), window_end=datetime_of(last.window_end_us),
        coverage=last.coverage, people_low=last.people_low, people_high=last.people_high, percent_low=last.percent_low,
        percent_high=last.percent_high, measure=last.measure, unit=last.unit, low=last.low, high=last.high,
        limit=last.limit, dwell_reached=last.reached, profile=last.profile, city_version=last.city_version,
        method=last.method,
    )


def _step(one: Transition, levels: tuple[str, ...]) -> Step:
    flags = ("acknowledged", "escalated", "suppressed", "stale", "exercise")
    word = expected_level(one, level_word(one.level_to, levels)) if has_level(one) else about(one.measure)
    return Step(
        seq=one.seq, at=datetime_of(one.at_us), state=one.state_to, state_word=STATES[one.state_to], level=one.level_to,
        word=word, cause=one.cause, cause_word=CAUSES[one.cause],
        actor=one.actor, command_id=one.command_id, note_id=one.note_id,
        flags=[flag for flag in flags if getattr(one, flag)],
    )


def _card(card: Card, board: Board, since_us: int) -> CardItem:
    content = card.content
    taken = board.outcomes.taken(card.zone, card.plan, card.measure, since_us)
    return CardItem(
        plan=card.plan, measure=card.measure, plan_name=card.plan_name, event=card.event, zone=card.zone,
        title=content.title, level=content.level, trigger=content.trigger, decides=content.decides,
        steps=content.steps, sign_text=content.sign_text, detour=content.detour, stop_when=content.stop_when,
        effect=_effect(card), taken_at=None if taken is None else datetime_of(taken.at_us),
        taken_by="" if taken is None else taken.role,
    )


def _effect(card: Card) -> str:
    effect = card.content.effect
    if effect is None:
        return ""
    what = "aantal mensen" if effect.gate is None else f"instroom bij {effect.gate}"
    return f"{what} {effect.fall_percent:g} % lager binnen {effect.within_min} minuten"


def _notes(board: Board, alert_id: str) -> list[NoteItem]:
    found = [one for one in board.notes.values() if one.alert_id == alert_id]
    return [NoteItem(id=one.id, at=datetime_of(one.at_us), role=one.role, text=one.text)
            for one in sorted(found, key=lambda note: note.at_us)]
