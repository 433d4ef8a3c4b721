# SPDX-License-Identifier: Apache-2.0
"""Messages of `live`, `alerts`, `notes` and the like to rows, merged by key. Nothing here asks Kafka or the database.

One statement may not touch a key twice, and effects repeat after a worker's restart: rows are merged before
they are written, by the rules that hold in the database. A row about people is written once, so the first
stands; a road row is revised, so the highest revision stands.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self, TypeVar

import pyarrow as pa
from confluent_kafka import Message as KafkaMessage

from schemas.access import ACCESS_TYPE, Access, decode_access
from schemas.alert import Transition, decode_transition
from schemas.command import OUTCOME_TYPE, Outcome, decode_outcome
from schemas.context import LIVE_TYPE as CONTEXT_TYPE
from schemas.context import ContextRecord, decode_context
from schemas.delivery import DELIVERY_TYPE, Delivery, decode_delivery
from schemas.errors import RefusedError
from schemas.health import (
    HEALTH_SCHEMAS,
    HEALTH_TYPES,
    PURGED_TYPE,
    HealthTable,
    Purged,
    decode_health,
    decode_purged,
)
from schemas.letter import LETTER_TYPE, Letter, decode_letter
from schemas.live import SCHEMAS, LiveTable, decode_rows
from schemas.log import Headers, Topic, event_type
from schemas.note import NOTE_TYPE, Note, decode_note
from schemas.refusal import Reason
from schemas.sighting import SHOWN_TYPE, SightingShown, decode_shown
from streams.kafka_client import plain_headers

TRANSITION_TYPE = "alert.transition.v1"
LIVE_TYPES = {f"live.{table}.v1": table for table in LiveTable}
TOPICS = (Topic.LIVE, Topic.ALERTS, Topic.NOTES, Topic.DELIVERIES, Topic.DEAD_LETTERS, Topic.ACCESS)
LONGEST_PARTITION = 6
"""Digits of a partition's number."""
HEALTH_TIMES = ("at", "since", "day", "from", "until")

KEYS: dict[LiveTable, tuple[str, ...]] = {
    LiveTable.ZONE: ("zone", "window_start"),
    LiveTable.GATE: ("gate", "window_start"),
    LiveTable.ROAD: ("zone", "vehicle_class", "window_start"),
    LiveTable.INSIDE: ("zone", "window_start"),
    LiveTable.OUTLOOK: ("kind", "place", "window_start", "ahead_min"),
}
"""Primary keys of the tables."""

# The stamps that the driver and the database both can hold with room to spare.
_FIRST = datetime(1970, 1, 1, tzinfo=UTC)
_LAST = datetime(2200, 1, 1, tzinfo=UTC)

T = TypeVar("T")
Row = tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Message:
    """One message of Kafka as the writer needs it; `at_us` is its stamp, microseconds since 1970, UTC."""

    topic: str
    partition: int
    offset: int
    headers: Headers | None
    value: bytes
    at_us: int = 0

    @classmethod
    def of(cls, polled: KafkaMessage) -> Self:
        """As a consumer gives it, without error."""
        return cls(
            topic=polled.topic() or "", partition=polled.partition() or 0, offset=polled.offset() or 0,
            headers=plain_headers(polled), value=polled.value() or b"", at_us=polled.timestamp()[1] * 1000,
        )


def _key_positions(table: LiveTable) -> tuple[int, ...]:
    return tuple(SCHEMAS[table].names.index(name) for name in KEYS[table])


_POSITIONS = {table: _key_positions(table) for table in LiveTable}
_REVISION = SCHEMAS[LiveTable.ROAD].names.index("revision")
_START = {table: SCHEMAS[table].names.index("window_start") for table in LiveTable}


def _checked(table: LiveTable, batch: pa.RecordBatch) -> list[Row]:
    return _checked_rows(str(table), batch, [_START[table]])


def _checked_rows(table: str, batch: pa.RecordBatch, times: Sequence[int]) -> list[Row]:
    for declared, column in zip(batch.schema, batch.columns, strict=True):
        if column.null_count and not declared.nullable:
            raise RefusedError(Reason.MALFORMED, f"live rows of {table} lack values of {declared.name}")
    try:
        batch.validate(full=True)
        rows: list[Row] = list(zip(*(column.to_pylist() for column in batch.columns), strict=True))
    except (pa.ArrowException, ValueError, OverflowError):
        # Without the library's text, which may repeat a value.
        raise RefusedError(Reason.MALFORMED, f"live rows of {table} hold what no column can") from None
    if not all(_FIRST <= row[at] < _LAST for row in rows for at in times):
        raise RefusedError(Reason.BAD_TIME, f"live rows of {table} lie outside {_FIRST:%Y} to {_LAST:%Y}")
    return rows


def _told(what: str, decode: Callable[[bytes], T], value: bytes, stamps_us: Callable[[T], tuple[int, ...]]) -> T:
    """What a JSON message says, with its times within what the tables hold."""
    told = decode(value)
    _check_stamps(what, *stamps_us(told))
    return told


def _letter(value: bytes) -> Letter:
    return _told("a dead letter", decode_letter, value, lambda one: (one.at_us,))


def _transition(value: bytes) -> Transition:
    return _told("a transition", decode_transition, value, lambda one: (
        one.window_start_us, one.window_end_us, one.opened_at_us, one.at_us))


def _outcome(value: bytes) -> Outcome:
    return _told("an outcome", decode_outcome, value, lambda one: (one.at_us,))


def _delivery(value: bytes) -> Delivery:
    return _told("a delivery", decode_delivery, value, lambda one: (
        one.done_at_us, one.first_try_at_us or 0, one.at_us or 0))


def _answering_partition(headers: Headers | None) -> int:
    """The partition of the log that answered a command, from the event's id `command/ID/PARTITION`."""
    for name, value in headers or ():
        number = value.rpartition(b"/")[2] if name == "ce_id" else b""
        if number.isdigit() and len(number) <= LONGEST_PARTITION:
            return int(number)
    raise RefusedError(Reason.MALFORMED, "an outcome whose ce_id does not end in a partition")


def _check_stamps(what: str, *stamps_us: int) -> None:
    last_us = (_LAST - _FIRST) // timedelta(microseconds=1)
    if not all(0 <= stamp < last_us for stamp in stamps_us):
        raise RefusedError(Reason.BAD_TIME, f"{what} is stamped outside {_FIRST:%Y} to {_LAST:%Y}")


@dataclass(slots=True)
class RowBuffer:
    """Rows and offsets of one flush.

    Parameters
    ----------
    live : dict of LiveTable to dict of key to row
        Rows have the columns of `schemas.live.SCHEMAS[table]`, in their order.
    transitions : dict of (alert id, seq) to Transition
    outcomes : dict of (command id, partition) to Outcome
        Of each partition of the log that folded the command; a repeat gives the same, so the first stands.
    notes : dict of id to Note
        Hold free text: nothing but the database's statement may see them.
    deliveries : dict of (receiver, alert id, seq) to Delivery
    sightings : dict of (zone, time, role) to SightingShown
    context : dict of (source, record) to ContextRecord
    health : dict of HealthTable to dict of key to row
        Rows have the columns of `schemas.health.HEALTH_SCHEMAS[table]`; written once, so the first stands.
    purges : dict of (kind, place) to Purged
    letters : list of (partition, offset, Letter)
    accesses : dict of id to Access
    next_offsets : dict of (topic, partition) to int
        Where to go on once the rows are written.
    stamps_us : dict of (topic, partition) to int
        The stamp of the newest message, microseconds since 1970, UTC.
    """

    live: dict[LiveTable, dict[Row, Row]] = field(default_factory=lambda: {table: {} for table in LiveTable})
    transitions: dict[tuple[str, int], Transition] = field(default_factory=dict)
    outcomes: dict[tuple[str, int], Outcome] = field(default_factory=dict)
    notes: dict[str, Note] = field(default_factory=dict)
    deliveries: dict[tuple[str, str, int], Delivery] = field(default_factory=dict)
    sightings: dict[tuple[str, int, str], SightingShown] = field(default_factory=dict)
    context: dict[tuple[str, str], ContextRecord] = field(default_factory=dict)
    health: dict[HealthTable, dict[Row, Row]] = field(default_factory=lambda: {table: {} for table in HealthTable})
    purges: dict[tuple[str, int], Purged] = field(default_factory=dict)
    letters: list[tuple[int, int, Letter]] = field(default_factory=list)
    accesses: dict[str, Access] = field(default_factory=dict)
    next_offsets: dict[tuple[str, int], int] = field(default_factory=dict)
    stamps_us: dict[tuple[str, int], int] = field(default_factory=dict)

    def __len__(self) -> int:
        return sum(len(rows) for rows in self.live.values()) + len(self.transitions) + len(self.deliveries) + len(
            self.sightings) + len(self.context) + len(self.purges) + len(self.letters) + len(
            self.accesses) + len(self.outcomes) + len(self.notes) + sum(
            len(rows) for rows in self.health.values())

    def add(self, message: Message) -> None:
        """Take a message's rows and its offset.

        Raises
        ------
        RefusedError
            `unknown-kind`, `malformed` or `bad-time`; nothing of the message was taken, not even its offset.
        """
        kind = event_type(message.headers)
        if message.topic == Topic.LIVE and kind in LIVE_TYPES:
            table = LIVE_TYPES[kind]
            self._merge(table, _checked(table, decode_rows(table, message.value)))
        elif message.topic == Topic.LIVE and kind == SHOWN_TYPE:
            self._merge_sighting(decode_shown(message.value))
        elif message.topic == Topic.LIVE and kind == CONTEXT_TYPE:
            self._merge_context(decode_context(message.value))
        elif message.topic == Topic.LIVE and kind in HEALTH_TYPES:
            self._merge_health(HEALTH_TYPES[kind], decode_health(HEALTH_TYPES[kind], message.value))
        elif message.topic == Topic.LIVE and kind == PURGED_TYPE:
            self._merge_purge(decode_purged(message.value))
        elif message.topic == Topic.DEAD_LETTERS and kind == LETTER_TYPE:
            self.letters.append((message.partition, message.offset, _letter(message.value)))
        elif message.topic == Topic.ACCESS and kind == ACCESS_TYPE:
            access = decode_access(message.value)
            _check_stamps("an access", access.at_us)
            self.accesses.setdefault(access.id, access)
        elif message.topic == Topic.ALERTS and kind == TRANSITION_TYPE:
            transition = _transition(message.value)
            self.transitions.setdefault((transition.alert_id, transition.seq), transition)
        elif message.topic == Topic.ALERTS and kind == OUTCOME_TYPE:
            outcome = _outcome(message.value)
            self.outcomes.setdefault((outcome.command_id, _answering_partition(message.headers)), outcome)
        elif message.topic == Topic.NOTES and kind == NOTE_TYPE:
            note = decode_note(message.value)
            self.notes.setdefault(note.id, note)
        elif message.topic == Topic.DELIVERIES and kind == DELIVERY_TYPE:
            delivery = _delivery(message.value)
            self.deliveries.setdefault((delivery.receiver, delivery.alert_id, delivery.seq), delivery)
        else:
            raise RefusedError(Reason.UNKNOWN_KIND, f"a message type that is not known on {message.topic}")
        self.skip(message)

    def skip(self, message: Message) -> None:
        """Go past a message without rows."""
        place = (message.topic, message.partition)
        self.next_offsets[place] = max(message.offset + 1, self.next_offsets.get(place, 0))
        self.stamps_us[place] = message.at_us

    def _merge(self, table: LiveTable, rows: Iterable[Row]) -> None:
        held, positions = self.live[table], _POSITIONS[table]
        for row in rows:
            key = tuple(row[position] for position in positions)
            before = held.get(key)
            if before is None or (table is LiveTable.ROAD and row[_REVISION] >= before[_REVISION]):
                held[key] = row

    def _merge_health(self, table: HealthTable, batch: pa.RecordBatch) -> None:
        rows = _checked_rows(str(table), batch, [at for at, named in enumerate(HEALTH_SCHEMAS[table].names)
                                                 if named in HEALTH_TIMES])
        for row in rows:
            # Sensor and time, or sensor, kind and time.
            self.health[table].setdefault(row[: 3 if table is HealthTable.INTEGRITY else 2], row)

    def _merge_purge(self, purged: Purged) -> None:
        _check_stamps("a purge", purged.at_us)
        if purged.kind not in ("zone", "gate"):
            raise RefusedError(Reason.MALFORMED, "a purge of another kind of place than zone and gate")
        before = self.purges.get((purged.kind, purged.place))
        if before is None or purged.at_us > before.at_us:
            self.purges[purged.kind, purged.place] = purged

    def sorted_health(self, table: HealthTable) -> list[Row]:
        """Rows of a table about sensors, by key."""
        return [row for _, row in sorted(self.health[table].items(), key=lambda item: item[0])]

    def _merge_context(self, records: list[ContextRecord]) -> None:
        for one in records:
            _check_stamps("a context record", one.changed_us, one.begins_us, one.ends_us or 0)
        for one in records:
            before = self.context.get(one.key)
            if before is None or one.order > before.order:
                self.context[one.key] = one

    def sorted_context(self) -> list[ContextRecord]:
        """Context records by source and id."""
        return [one for _, one in sorted(self.context.items(), key=lambda item: item[0])]

    def _merge_sighting(self, shown: SightingShown) -> None:
        _check_stamps("a sighting", shown.at_us, shown.window_start_us)
        key = (shown.zone, shown.at_us, shown.role)
        before = self.sightings.get(key)
        if before is None or shown.revision > before.revision:
            self.sightings[key] = shown

    def sorted_rows(self, table: LiveTable) -> list[Row]:
        """Rows of a table by key: every writer locks in the same order."""
        return [row for _, row in sorted(self.live[table].items(), key=lambda item: item[0])]

    def sorted_transitions(self) -> list[Transition]:
        """Transitions by alert id and sequence number."""
        return [transition for _, transition in sorted(self.transitions.items())]

    def sorted_deliveries(self) -> list[Delivery]:
        """Deliveries by receiver, alert id and sequence number."""
        return [delivery for _, delivery in sorted(self.deliveries.items())]

    def sorted_sightings(self) -> list[SightingShown]:
        """Sightings by zone, time and role."""
        return [shown for _, shown in sorted(self.sightings.items())]

    def latest_transitions(self) -> list[Transition]:
        """The transition with the highest sequence number of each alert, by alert id."""
        return list({transition.alert_id: transition for transition in self.sorted_transitions()}.values())
