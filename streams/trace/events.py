# SPDX-License-Identifier: Apache-2.0
"""Messages of `live` and `dead-letters` as events of one sensor: bands, states and reasons, never a body. Pure."""

from collections.abc import Iterator
from functools import partial
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from schemas.city_publication import instant
from schemas.errors import RefusedError
from schemas.health import HEALTH_TYPES, PURGED_TYPE, HealthTable, SensorState, decode_health, decode_purged
from schemas.letter import LETTER_TYPE, Letter, decode_letter
from schemas.live import LiveTable, Status, decode_rows
from schemas.log import Topic, event_type
from schemas.moment import us_of
from schemas.refusal import Reason
from schemas.roads import NDW_SOURCE
from streams.core.layout import PlaceKind
from streams.serve.wording import band_text, level_word
from streams.trace.subject import Subject
from streams.writer.rows import LIVE_TYPES, Message

OF_THE_SOURCE = {
    Reason.MALFORMED, Reason.TOO_LARGE, Reason.FORBIDDEN_XML, Reason.UNKNOWN_FIELD, Reason.UNKNOWN_SENSOR,
    Reason.UNKNOWN_METRIC, Reason.BAD_TIME, Reason.BAD_SPAN,
}
"""Reasons under which a source's letter that names no sensor may be about any of them."""
english_band = partial(band_text, thousands=",")
_TABLES = {PlaceKind.ZONE: LiveTable.ZONE, PlaceKind.GATE: LiveTable.GATE, PlaceKind.ROAD: LiveTable.ROAD}


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a trace.

    Parameters
    ----------
    kind : str
        `row`, `health`, `integrity`, `purged`, `refused`, `unreadable`, `why` or `well`.
    at : str
        Log time, UTC: of a row its window's end.
    says : str
        The same as `values`, for people.
    after_s : float, optional
        How long after `at` its message stood on the topic, in seconds of log time.
    values : dict
        Columns of the row, or what the letter tells.
    at_us : int
        `at` in microseconds since 1970, UTC.
    """

    kind: str
    at_us: int
    at: str
    says: str
    after_s: float | None = None
    values: dict[str, Any] = {}


def event(kind: str, at_us: int, says: str, came_us: int | None = None, values: dict[str, Any] | None = None) -> Event:
    """An event; `came_us` is when its message stood on the topic, in log time."""
    after_s = None if came_us is None else round((came_us - at_us) / 1e6, 3)
    return Event(kind=kind, at_us=at_us, at=instant(at_us), says=says, after_s=after_s, values=values or {})


def live_events(message: Message, came_us: int, subject: Subject) -> Iterator[Event]:
    """What a message of `live` tells of the sensor and its place; `came_us` is its stamp in log time."""
    said = event_type(message.headers)
    try:
        if said in LIVE_TYPES:
            if LIVE_TYPES[said] is _TABLES[subject.place_kind]:
                rows = _mine(decode_rows(LIVE_TYPES[said], message.value), subject)
                yield from (_row(row, came_us, subject) for row in rows)
        elif said in HEALTH_TYPES:
            yield from _health(HEALTH_TYPES[said], message.value, came_us, subject)
        elif said == PURGED_TYPE:
            purged = decode_purged(message.value)
            if (purged.kind == "gate") == (subject.place_kind is PlaceKind.GATE) and \
                    purged.place == subject.place_number:
                says = "forgotten: its readings are refused" if purged.sensor == subject.registered.key else \
                    f"{purged.sensor} at the same place was forgotten"
                yield event("purged", purged.at_us, f"{says}, and what stood here before is gone", came_us,
                            {"sensor": purged.sensor})
    except RefusedError as refused:
        place = f"{message.topic}[{message.partition}]@{message.offset}"
        yield event("unreadable", came_us, f"{place} cannot be read ({refused.reason}); is a newer worker writing?")


def _mine(rows: pa.RecordBatch, subject: Subject) -> list[dict[str, Any]]:
    place = "gate" if subject.place_kind is PlaceKind.GATE else "zone"
    mine = pc.equal(rows.column(place), subject.place_number)
    if subject.place_kind is PlaceKind.ROAD:
        mine = pc.and_(mine, pc.equal(rows.column("vehicle_class"), subject.vehicle_class))
    found: list[dict[str, Any]] = rows.filter(mine).to_pylist()
    return found


def _row(row: dict[str, Any], came_us: int, subject: Subject) -> Event:
    start_us = us_of(row["window_start"])
    shown = {**row, "window_start": instant(start_us), "status": _status(row["status"])}
    what = {PlaceKind.ZONE: _zone_text, PlaceKind.GATE: _gate_text, PlaceKind.ROAD: _road_text}[subject.place_kind]
    text = "no value" if row["status"] == Status.MISSING else what(row, subject)
    says = f"{shown['status']:<8}coverage {100 * row['coverage']:.0f} %  {text}"
    return event("row", start_us + row["span_s"] * 1_000_000, says, came_us, shown)


def _status(number: int) -> str:
    return Status(number).name.lower() if number in set(Status) else f"status {number}"


def _zone_text(row: dict[str, Any], subject: Subject) -> str:
    percent = "" if row["percent_low"] is None else \
        f"  {row['percent_low']:.0f} to {row['percent_high']:.0f} % of capacity"
    density = f"  {row['density_low_per_m2']:.2f} to {row['density_high_per_m2']:.2f} /m2"
    return f"people {english_band(row['people_low'], row['people_high'])}{percent}{density}  " \
        f"level {level_word(row['level'], subject.levels)}"


def _gate_text(row: dict[str, Any], _: Subject) -> str:
    if row["withheld"]:
        return "withheld: too few people beside the gate to hide one"
    flow = f"{row['flow_lower_per_m_min']:.1f} to {row['flow_upper_per_m_min']:.1f} /m/min"
    way_in, way_out = english_band(row["in_low"], row["in_high"]), english_band(row["out_low"], row["out_high"])
    return f"in {way_in}  out {way_out}  {flow}"


def _road_text(row: dict[str, Any], _: Subject) -> str:
    vehicles = "no count" if row["vehicles"] is None else f"vehicles {row['vehicles']:g}"
    speed = "no speed" if row["speed_km_h"] is None else f"{row['speed_km_h']:.0f} km/h"
    return f"{vehicles}  {speed}" + (f"  revision {row['revision']}" if row["revision"] else "")


def state_word(number: int) -> str:
    """The word of a `SensorState`."""
    return SensorState(number).name.lower().replace("_", "-") if number in set(SensorState) else f"state {number}"


def _health(table: HealthTable, value: bytes, came_us: int, subject: Subject) -> Iterator[Event]:
    if table is HealthTable.DAY:
        return
    rows = decode_health(table, value)
    mine = rows.filter(pc.equal(rows.column("sensor"), subject.registered.number)).to_pylist()
    for row in mine:
        if table is HealthTable.HEALTH:
            word, since = state_word(row["state"]), instant(us_of(row["since"]))
            yield event("health", us_of(row["at"]), f"{word} since {since}", came_us,
                        {"state": word, "number": row["state"], "since": since})
        else:
            # Not how many: of a sensor that tells every passage that would be a number of people.
            yield event("integrity", us_of(row["until"]), f"{row['kind']}: {row['sure']}", came_us,
                        {"what": row["kind"], "sure": row["sure"]})


def letter_of(message: Message) -> Letter | None:
    """The letter of a message of `dead-letters`; None for somebody else's message."""
    if event_type(message.headers) != LETTER_TYPE:
        return None
    try:
        return decode_letter(message.value)
    except RefusedError:
        return None


def concerns(letter: Letter, subject: Subject) -> str:
    """Whether a letter is about the `sensor`, perhaps about it (`source`), about its `log`; else empty."""
    sensor = subject.registered
    if letter.topic == Topic.SITE_LOG:
        return "log" if letter.partition == subject.partition else ""
    words = set(letter.where.split())
    if sensor.key in words or letter.where == f"sensor number {sensor.number}":
        return "sensor"
    if letter.source != sensor.source:
        return ""
    if sensor.vendor_id in words or (sensor.source == NDW_SOURCE and sensor.zone in words):
        return "sensor"
    of_another = not words.isdisjoint(subject.sensors)
    return "source" if letter.reason in OF_THE_SOURCE and not of_another else ""
