# SPDX-License-Identifier: Apache-2.0
"""Where reports read: the database with a reader's rights, and the topics while the database is away."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, LiteralString

import msgspec
import psycopg
from psycopg.rows import dict_row

from schemas.alert import Transition
from schemas.city import City
from schemas.command import Outcome
from schemas.errors import DrukteError, RefusedError, TransientError
from schemas.health import HEALTH_SCHEMAS, HealthTable, SensorState
from schemas.ids import IdKind
from schemas.live import SCHEMAS, LiveTable
from schemas.log import Topic
from schemas.moment import datetime_of, us_of
from schemas.roads import ANY_VEHICLE
from streams import storage
from streams.clock import now_us
from streams.core.measures import MeasureStatus
from streams.core.thresholds import level_by_gates, level_people, view_areas
from streams.reports.handover import Handover, handover, handover_text
from streams.reports.material import (
    ROADS,
    Heard,
    LostSensor,
    Material,
    Origin,
    OutlookRow,
    RoadRow,
    ZoneRow,
    stories,
)
from streams.reports.shift import Shift, shift, shift_text
from streams.reports.silence import silent_sites
from streams.reports.situation import Situation, situation, situation_text
from streams.reports.wording import Language
from streams.serve.tail import Tail
from streams.settings import Settings
from streams.writer.rows import RowBuffer

SECOND_US = 1_000_000
HOUR_US = 3600 * SECOND_US
MARGIN_US = HOUR_US
"""Rows are read from so long before the begin: what stood at the begin was said before it."""
READ_LIMIT_S = 60.0
LIVE_AN_HOUR = 1_500
ALL = 1 << 40
LOST_STATES = (SensorState.SILENT, SensorState.STUCK, SensorState.FAULTY)
_TRANSITIONS: LiteralString = """
SELECT * FROM live.transition WHERE at <= %(until)s AND alert_id IN (
    SELECT alert_id FROM live.alert WHERE at >= %(from)s OR state_to IN ('firing', 'recovering'))
ORDER BY alert_id, seq"""
_OUTCOMES: LiteralString = """
SELECT * FROM live.command_outcome WHERE at <= %(until)s AND (
    measure <> '' AND at >= %(oldest)s OR standing_order LIKE 'drill/%%' AND at >= %(from)s - interval '4 hours')"""
"""Measures that were taken, and exercises: none lasts longer than so many hours."""
_ROWS: LiteralString = """
SELECT * FROM live.zone_minute WHERE window_start >= %(rows_from)s AND window_start < %(until)s
    AND zone = ANY(%(zones)s)"""
_INSIDE: LiteralString = """
SELECT * FROM live.inside_minute WHERE window_start >= %(rows_from)s AND window_start < %(until)s
    AND zone = ANY(%(unseen)s)"""
_HEALTH: LiteralString = """
SELECT DISTINCT ON (sensor) sensor, at, state, since FROM live.sensor_health
WHERE at <= %(until)s AND at > %(until)s - interval '2 hours' ORDER BY sensor, at DESC"""

_ROADS: LiteralString = """
SELECT DISTINCT ON (zone) zone, window_start, span_s, speed_km_h, flow_veh_h_lane, service_level FROM live.road_minute
WHERE window_start > %(until)s - interval '30 minutes' AND window_start + span_s * interval '1 second' <= %(until)s
    AND vehicle_class = 'anyVehicle' AND (vehicles IS NOT NULL OR speed_km_h IS NOT NULL)
ORDER BY zone, window_start DESC"""
_OUTLOOK: LiteralString = """
SELECT DISTINCT ON (place, ahead_min) place, window_start, span_s, ahead_min, low, high, percent_reach
FROM live.outlook_quarter WHERE kind = 'zone' AND window_start > %(until)s - interval '1 hour'
    AND window_start + span_s * interval '1 second' <= %(until)s ORDER BY place, ahead_min, window_start DESC"""

_HEARD: LiteralString = """
SELECT zone, window_start, span_s FROM (
    SELECT DISTINCT ON (zone) zone, window_start, span_s FROM live.zone_minute
    WHERE window_start > %(until)s - interval '3 hours' AND window_start + span_s * interval '1 second' <= %(until)s
    ORDER BY zone, window_start DESC) AS newest
UNION ALL (
    SELECT NULL, window_start, span_s FROM live.road_minute
    WHERE window_start > %(until)s - interval '3 hours' AND window_start + span_s * interval '1 second' <= %(until)s
    ORDER BY window_start DESC LIMIT 1)"""
"""The newest window of each zone, and of the roads together (zone null)."""

Report = Handover | Situation | Shift
Values = dict[str, Any]


class ReportKind(StrEnum):
    """The reports there are."""

    HANDOVER = "handover"
    SITUATION = "situation"
    SHIFT = "shift"


@dataclass(frozen=True, slots=True)
class Wish:
    """Which report, of which time, and of which site (None = all); times are log times in microseconds."""

    kind: ReportKind
    from_us: int
    until_us: int
    site: str | None = None


def report(settings: Settings, city: City, wish: Wish) -> Report:
    """Read and make a report.

    Raises
    ------
    TransientError
        Neither database nor broker answers.
    FatalError
        The broker does not let us in.
    """
    return made(wish.kind, _of_site(material(settings, city, wish), wish.site))


def made(kind: ReportKind, found: Material) -> Report:
    """The report of some material."""
    if kind is ReportKind.HANDOVER:
        return handover(found)
    return situation(found) if kind is ReportKind.SITUATION else shift(found)


def text_of(made_report: Report, language: Language) -> str:
    """A report as plain text."""
    if isinstance(made_report, Handover):
        return handover_text(made_report, language)
    if isinstance(made_report, Situation):
        return situation_text(made_report, language)
    return shift_text(made_report, language)


def material(settings: Settings, city: City, wish: Wish) -> Material:
    """What the database has, or where it is away or lags behind what the topics have; raises as `report`."""
    try:
        found = from_database(settings.database.uri, city, wish)
    except (DrukteError, psycopg.Error):
        # The report itself says where it comes from.
        return from_topics(settings, city, wish)
    is_of_now = wish.until_us > now_us(settings.clock) - MARGIN_US
    if not (is_of_now and silent_sites(found)):
        return found
    try:
        told = from_topics(settings, city, wish)
    except DrukteError:
        return found  # it says how old it is
    return told if len(silent_sites(told)) < len(silent_sites(found)) else found


def _of_site(found: Material, site: str | None) -> Material:
    if site is None:
        return found
    return replace(
        found, city=msgspec.structs.replace(found.city, sites={site: found.city.sites[site]}),
        transitions=[one for one in found.transitions if one.site == site],
        lost=[one for one in found.lost if one.site == site], is_of_one_site=True)


def from_database(uri: str, city: City, wish: Wish) -> Material:
    """Read the live tier in one read-only transaction; raises `TransientError` and psycopg's errors."""
    with storage.connect(uri, "drukte report") as connection:
        connection.read_only = True
        with connection.transaction(), connection.cursor(row_factory=dict_row) as cursor:
            values: Values = {"from": datetime_of(wish.from_us), "until": datetime_of(wish.until_us),
                              "rows_from": datetime_of(wish.from_us - MARGIN_US)}
            told = [_transition(row) for row in cursor.execute(_TRANSITIONS, values)]
            values["oldest"] = datetime_of(min((one.opened_at_us for one in told), default=wish.from_us))
            done = [_outcome(row) for row in cursor.execute(_OUTCOMES, values)]
            values["zones"] = _zones(city, wish, told)
            keys = _keys(city)
            rows = [_zone_row(keys, row) for row in cursor.execute(_ROWS, values)] if values["zones"] else []
            values["unseen"] = _unseen(city, values["zones"])
            if values["unseen"]:
                rows += _gate_rows(city, keys, cursor.execute(_INSIDE, values))
            standing = {row["sensor"]: row for row in cursor.execute(_HEALTH, values)}
            roads = list(_road_rows(keys, cursor.execute(_ROADS, values)))
            outlook = list(_outlook_rows(keys, cursor.execute(_OUTLOOK, values)))
            heard = _heard(city, keys, cursor.execute(_HEARD, values))
    return Material(
        city.file, city.roads, wish.from_us, wish.until_us, told, done, rows, _lost(city, standing.values()),
        Origin.DATABASE, roads, outlook, heard=heard)


def _zones(city: City, wish: Wish, told: Iterable[Transition]) -> list[int]:
    """Numbers of the zones whose windows the report needs."""
    if wish.kind is ReportKind.HANDOVER:
        return []
    numbers = city.ids[IdKind.ZONE]
    wanted = city.file.zones if wish.kind is ReportKind.SITUATION else {one.place for one in told}
    return [numbers[key] for key in wanted if key in city.file.zones]


def _unseen(city: City, zones: Iterable[int]) -> list[int]:
    """Those zones in which no sensor sees people: they are known by their gates alone."""
    seen = {city.ids[IdKind.ZONE][key] for key in view_areas(city.file)}
    return [number for number in zones if number not in seen]


def from_topics(settings: Settings, city: City, wish: Wish) -> Material:
    """Read `alerts` whole (7 days) and the end of `live` (72 hours at most).

    Raises
    ------
    TransientError
        The broker does not answer.
    """
    hours = (wish.until_us - wish.from_us + MARGIN_US) / HOUR_US
    back = {Topic.LIVE: round(LIVE_AN_HOUR * (hours + 1)), Topic.ALERTS: ALL}
    buffer = RowBuffer()
    for message in _messages(Tail(settings.kafka, "drukte-report", back)):
        try:
            buffer.add(message)
        except RefusedError:
            continue  # its dead letter is the writer's
    wanted = set(_zones(city, wish, buffer.transitions.values()))
    first_us = wish.from_us - MARGIN_US
    zone_rows, road_rows, outlook, inside = (
        [dict(zip(SCHEMAS[table].names, row, strict=True)) for row in buffer.live[table].values()]
        for table in (LiveTable.ZONE, LiveTable.ROAD, LiveTable.OUTLOOK, LiveTable.INSIDE))
    keys = _keys(city)
    rows = [_zone_row(keys, row) for row in zone_rows if row["zone"] in wanted]
    unseen = set(_unseen(city, wanted))
    rows += _gate_rows(city, keys, (row for row in inside if row["zone"] in unseen))
    told = [one for one in buffer.transitions.values() if one.at_us <= wish.until_us]
    found = Material(
        city.file, city.roads, wish.from_us, wish.until_us, told,
        list(buffer.outcomes.values()),
        [row for row in rows if first_us <= row.start_us < wish.until_us], _lost(city, _standing(buffer, wish)),
        Origin.TOPICS,
        list(_road_rows(keys, (row for row in road_rows if row["vehicle_class"] == ANY_VEHICLE
                               and (row["vehicles"], row["speed_km_h"]) != (None, None)))),
        list(_outlook_rows(keys, (row for row in outlook if row["kind"] == "zone"))),
        heard=_heard(city, keys, _ended(wish, [*zone_rows, *({**row, "zone": None} for row in road_rows)])))
    # As from the database: alerts that ended before the time are no part of it.
    kept = {story.first.alert_id for story in stories(found) if story.is_open or story.last.at_us >= wish.from_us}
    return replace(found, transitions=[one for one in told if one.alert_id in kept])


def _messages(tail: Tail) -> Iterator[Any]:
    until_s = time.monotonic() + READ_LIMIT_S
    try:
        tail.open()
        while not tail.caught_up:
            yield from tail.poll()
            if time.monotonic() > until_s:
                raise TransientError("topics live and alerts: not read to their ends; is the broker there?")
    finally:
        tail.close()


def _standing(buffer: RowBuffer, wish: Wish) -> Iterable[Values]:
    """By sensor, what was told of it last."""
    names = [{"from": "from_at", "until": "until_at"}.get(name, name)
             for name in HEALTH_SCHEMAS[HealthTable.HEALTH].names]
    newest: dict[int, Values] = {}
    for row in buffer.health[HealthTable.HEALTH].values():
        values = dict(zip(names, row, strict=True))
        if us_of(values["at"]) <= wish.until_us and (
            values["sensor"] not in newest or values["at"] > newest[values["sensor"]]["at"]
        ):
            newest[values["sensor"]] = values
    return newest.values()


def _lost(city: City, standing: Iterable[Values]) -> list[LostSensor]:
    keys = {number: key for key, number in city.ids[IdKind.SENSOR].items()}
    found = []
    for values in standing:
        sensor = city.file.sensors.get(keys.get(values["sensor"], ""))
        if sensor is None or values["state"] not in LOST_STATES:
            continue
        place = city.file.zones.get(sensor.zone or "") or city.file.gates.get(sensor.gate or "")
        if place is not None:
            found.append(LostSensor(keys[values["sensor"]], place.site, values["state"], us_of(values["since"])))
    return sorted(found, key=lambda one: one.sensor)


def _transition(row: Values) -> Transition:
    return msgspec.convert(_with_times(row, ("window_start", "window_end", "opened_at", "at")), Transition)


def _outcome(row: Values) -> Outcome:
    times = ("at",) if row["until"] is None else ("at", "until")
    return msgspec.convert(_with_times(row, times), Outcome)


def _with_times(row: Values, times: Iterable[str]) -> Values:
    return row | {f"{name}_us": us_of(row[name]) for name in times}


def _zone_row(keys: dict[int, str], row: Values) -> ZoneRow:
    start_us = us_of(row["window_start"])
    return ZoneRow(
        keys[row["zone"]], start_us, start_us + row["span_s"] * SECOND_US, row["people_low"],
        row["people_high"], row["percent_low"], row["percent_high"], row["level"], row["trend"], row["coverage"])


def _gate_rows(city: City, keys: dict[int, str], rows: Iterable[Values]) -> Iterator[ZoneRow]:
    """Of rows of `inside_minute`; where no gate was seen nobody knows."""
    for row in rows:
        if row["status"] == MeasureStatus.MISSING:
            continue
        start_us, key = us_of(row["window_start"]), keys[row["zone"]]
        zone = city.file.zones[key]
        limits = level_people(zone, city.file.profiles[zone.profile])
        yield ZoneRow(
            key, start_us, start_us + row["span_s"] * SECOND_US, row["inside_low"], row["inside_high"],
            row["percent_low"], row["percent_high"], level_by_gates(row["inside_high"], limits), None, row["coverage"],
            by_gates=True)


def _ended(wish: Wish, rows: Iterable[Values]) -> Iterator[Values]:
    return (row for row in rows if us_of(row["window_start"]) + row["span_s"] * SECOND_US <= wish.until_us)


def _heard(city: City, keys: dict[int, str], rows: Iterable[Values]) -> dict[str, Heard]:
    """By site the newest window of its zones; rows without a zone are those of roads."""
    found: dict[str, Heard] = {}
    for row in rows:
        zone = city.file.zones.get(keys.get(row["zone"], "")) if row["zone"] is not None else None
        if zone is None and row["zone"] is not None:
            continue
        span_us = row["span_s"] * SECOND_US
        one = Heard(us_of(row["window_start"]) + span_us, span_us)
        site = ROADS if zone is None else zone.site
        found[site] = max(found.get(site, one), one, key=lambda known: known.end_us)
    return found


def _road_rows(keys: dict[int, str], rows: Iterable[Values]) -> Iterator[RoadRow]:
    for row in rows:
        if row["zone"] in keys:
            start_us = us_of(row["window_start"])
            yield RoadRow(keys[row["zone"]], start_us, start_us + row["span_s"] * SECOND_US, row["speed_km_h"],
                          row["flow_veh_h_lane"], row["service_level"])


def _outlook_rows(keys: dict[int, str], rows: Iterable[Values]) -> Iterator[OutlookRow]:
    for row in rows:
        if row["place"] in keys:
            end_us = us_of(row["window_start"]) + row["span_s"] * SECOND_US
            yield OutlookRow(keys[row["place"]], end_us, row["ahead_min"], row["low"], row["high"],
                             row["percent_reach"])


def _keys(city: City) -> dict[int, str]:
    return {number: key for key, number in city.ids[IdKind.ZONE].items()}
