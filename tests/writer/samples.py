# SPDX-License-Identifier: Apache-2.0
"""Messages of `live` and `alerts` for the writer's tests."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pyarrow as pa

from schemas.alert import Cause, State, Transition, encode_transition
from schemas.command import OUTCOME_TYPE, Done, Outcome, encode_outcome
from schemas.live import SCHEMAS, LiveTable, Status, encode_rows
from schemas.log import ARROW, JSON, Headers, Topic, event_headers
from schemas.note import Note, encode_note
from streams.writer.rows import TRANSITION_TYPE, Message

NOON = datetime(2026, 6, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
Row = dict[str, Any]


def zone_row(zone: int = 1, minute: int = 0, people_low: int | None = 10, **changes: Any) -> Row:
    """A closed minute of a zone; without people it is a missing one."""
    low = people_low
    known = low is not None
    row: Row = {
        "zone": zone, "window_start": NOON + minute * MINUTE, "span_s": 60,
        "people_low": low, "people_high": None if low is None else low + 4,
        "percent_low": None, "percent_high": None,
        "density_low_per_m2": None if low is None else low / 8,
        "density_high_per_m2": None if low is None else (low + 4) / 8,
        "level": 0 if known else None, "trend": None, "coverage": 1.0 if known else 0.0,
        "status": Status.OK if known else Status.MISSING,
    }
    return row | changes


def gate_row(gate: int = 1, minute: int = 0, **changes: Any) -> Row:
    """A minute of a gate, withheld unless `changes` say otherwise."""
    row: Row = {
        "gate": gate, "window_start": NOON + minute * MINUTE, "span_s": 60, "in_low": None, "in_high": None,
        "out_low": None, "out_high": None, "flow_low_per_m_min": None, "flow_high_per_m_min": None,
        "withheld": True, "coverage": 1.0, "status": Status.OK, "flow_lower_per_m_min": None,
        "flow_upper_per_m_min": None,
    }
    return row | changes


def road_row(zone: int = 7, minute: int = 0, vehicles: float | None = 12.0, **changes: Any) -> Row:
    """A minute of a road."""
    row: Row = {
        "zone": zone, "vehicle_class": "anyVehicle", "window_start": NOON + minute * MINUTE, "span_s": 60,
        "vehicles": vehicles, "speed_km_h": 87.5, "coverage": 1.0, "speed_coverage": 0.5, "status": Status.OK,
        "revision": 0, "flow_veh_h_lane": None, "density_low_veh_km_lane": None, "density_high_veh_km_lane": None,
        "service_level": None, "speed_low_km_h": None, "speed_high_km_h": None, "percent_of_free_flow": None,
    }
    return row | changes


def inside_row(zone: int = 1, minute: int = 0, **changes: Any) -> Row:
    """A minute of the people inside a zone, by its gates."""
    row: Row = {
        "zone": zone, "window_start": NOON + minute * MINUTE, "span_s": 60, "inside_low": 340, "inside_high": 399,
        "percent_low": 85.0, "percent_high": 95.0, "coverage": 1.0, "correction": None, "version": 0,
        "density_low_per_m2": 0.34, "density_high_per_m2": 0.41, "status": 3,
    }
    return row | changes


def batch(table: LiveTable, *rows: Row) -> pa.RecordBatch:
    """Rows as Arrow, with the columns of the table."""
    return pa.RecordBatch.from_pylist(list(rows), schema=SCHEMAS[table])


def live_headers(table: LiveTable) -> Headers:
    """Headers of a message of `live`."""
    return event_headers(f"live.{table}.v1", "urn:drukte:worker", "1", ARROW)


def live_message(table: LiveTable, *rows: Row, partition: int = 0, offset: int = 0) -> Message:
    """A message of `live`."""
    return Message(Topic.LIVE, partition, offset, live_headers(table), encode_rows(batch(table, *rows)))


def transition(alert_id: str = "00112233aabbccdd", seq: int = 1, **changes: Any) -> Transition:
    """An alert that begins to fire."""
    noon_us = round(NOON.timestamp()) * 1_000_000
    known = Transition(
        alert_id=alert_id, seq=seq, site="centrum", place="plein", rule="oranje", severity="warning",
        measure="people", unit="persons", level_from=0, level_to=2, state_from=State.NORMAL,
        state_to=State.FIRING, stale=False, window_start_us=noon_us, window_end_us=noon_us + 60_000_000,
        people_low=340, people_high=344, percent_low=85.0, percent_high=86.0, coverage=0.5,
        profile="nl-evenement", city_version=1, cause=Cause.THRESHOLD, opened_at_us=noon_us,
        at_us=noon_us + seq * 10_000_000 + 1,
    )
    return msgspec.structs.replace(known, **changes)


def alert_headers() -> Headers:
    """Headers of a message of `alerts`."""
    return event_headers(TRANSITION_TYPE, "urn:drukte:worker", "1", JSON)


def alert_message(one: Transition, partition: int = 0, offset: int = 0) -> Message:
    """A message of `alerts`."""
    return Message(Topic.ALERTS, partition, offset, alert_headers(), encode_transition(one))


def outcome(command_id: str = "c-1", **changes: Any) -> Outcome:
    """An acknowledgement that was done."""
    known = Outcome(
        command_id=command_id, command="acknowledge", done=Done.DONE, reason="", alert_id="00112233aabbccdd", seq=2,
        site="centrum", role="operator", at_us=round(NOON.timestamp()) * 1_000_000,
    )
    return msgspec.structs.replace(known, **changes)


def outcome_headers(command_id: str = "c-1", partition: int = 0) -> Headers:
    """Headers of an outcome that a partition of the log gave, as the worker makes them."""
    return event_headers(OUTCOME_TYPE, "urn:drukte:worker", f"command/{command_id}/{partition}", JSON)


def outcome_message(one: Outcome, partition: int = 0, offset: int = 0) -> Message:
    """An outcome on `alerts`."""
    return Message(Topic.ALERTS, 0, offset, outcome_headers(one.command_id, partition), encode_outcome(one))


def note(**changes: Any) -> Note:
    """What an operator wrote."""
    known = Note(
        id="n-1", site="centrum", role="operator", at_us=round(NOON.timestamp()) * 1_000_000,
        alert_id="00112233aabbccdd", text="Jan bij poort 3 vraagt om hekken.",
    )
    return msgspec.structs.replace(known, **changes)


def note_message(one: Note, offset: int = 0) -> Message:
    """A note on `notes`."""
    headers, value = encode_note(one)
    return Message(Topic.NOTES, 0, offset, headers, value)
