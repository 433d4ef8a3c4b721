# SPDX-License-Identifier: Apache-2.0
"""Rows about sensors in the database: states, days, refusals, integrity events, and what a purge takes away.

States, days and events of the fold are absolute: a repeat changes nothing. Refusals are added up, so each dead
letter must count once: the offset of `dead-letters` is locked in the transaction, and what lies before it is known.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from schemas.city import City, Sensor
from schemas.health import HealthTable, IntegrityKind, Purged, Sureness
from schemas.ids import IdKind
from schemas.letter import Letter
from schemas.log import Topic
from schemas.refusal import Reason
from schemas.roads import NDW_SOURCE
from streams import storage

Row = tuple[Any, ...]
QUARTER = timedelta(minutes=15)
ROAD_SUPPLIER = "NDW"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_KIND_OF = {
    Reason.WRONG_SOURCE.value: IntegrityKind.WRONG_SOURCE, Reason.BAD_SPAN.value: IntegrityKind.SEMANTICS,
    Reason.TOO_OLD.value: IntegrityKind.TOO_OLD,
}
LIKELY_FROM = {IntegrityKind.WRONG_SOURCE: 1, IntegrityKind.SEMANTICS: 10, IntegrityKind.TOO_OLD: 30}
"""Readings in a quarter hour from which an event is likely: a foreign source is odd at once, one bad span is not."""
SURE_TIMES = 20
"""So many times that is sure."""

_STATEMENTS = {
    HealthTable.HEALTH: """
INSERT INTO live.sensor_health (sensor, at, state, since)
SELECT * FROM unnest(%b::int4[], %b::timestamptz[], %b::int2[], %b::timestamptz[])
ON CONFLICT (sensor, at) DO NOTHING""",
    HealthTable.DAY: """
INSERT INTO engine.sensor_day (sensor, day, available_share, late_share, corrected_share, missed_share,
    unusable_share, uptime_share)
SELECT * FROM unnest(%b::int4[], %b::timestamptz[], %b::float4[], %b::float4[], %b::float4[], %b::float4[],
    %b::float4[], %b::float4[])
ON CONFLICT (sensor, day) DO NOTHING""",
    HealthTable.INTEGRITY: """
INSERT INTO engine.integrity (sensor, kind, from_at, until_at, readings, sure)
SELECT s.key, f.kind, f.from_at, f.until_at, f.readings, f.sure
FROM unnest(%b::int4[], %b::text[], %b::timestamptz[], %b::timestamptz[], %b::int4[], %b::text[])
    AS f (sensor, kind, from_at, until_at, readings, sure)
JOIN engine.sensor s ON s.number = f.sensor
ON CONFLICT (sensor, kind, from_at) DO NOTHING""",
}
_REFUSAL = """
INSERT INTO engine.refusal_day AS existing (source, reason, sensor, day, readings) VALUES (%s, %s, %s, %s, %s)
ON CONFLICT (source, reason, sensor, day) DO UPDATE SET readings = existing.readings + EXCLUDED.readings"""
_EVENT = """
INSERT INTO engine.integrity AS existing (sensor, kind, from_at, until_at, readings, sure)
VALUES (%(sensor)s, %(kind)s, %(from)s, %(until)s, %(readings)s, %(sure)s)
ON CONFLICT (sensor, kind, from_at) DO UPDATE SET readings = existing.readings + EXCLUDED.readings,
    sure = CASE WHEN existing.readings + EXCLUDED.readings >= %(sure_from)s THEN 'sure'
        WHEN existing.readings + EXCLUDED.readings >= %(likely_from)s THEN 'likely' ELSE 'weak' END"""
_SENSORS = """
INSERT INTO engine.sensor AS existing (number, key, source, supplier, place_kind, place, city_version)
SELECT number, key, source, supplier, place_kind, place, %s
FROM unnest(%b::int4[], %b::text[], %b::text[], %b::text[], %b::text[], %b::text[])
    AS f (number, key, source, supplier, place_kind, place)
ON CONFLICT (number) DO UPDATE SET source = EXCLUDED.source, supplier = EXCLUDED.supplier,
    place_kind = EXCLUDED.place_kind, place = EXCLUDED.place, city_version = EXCLUDED.city_version
    WHERE existing.city_version <= EXCLUDED.city_version"""
_DELETE = {
    "zone": ("DELETE FROM live.zone_minute WHERE zone = %s AND window_start < %s",
             "DELETE FROM live.road_minute WHERE zone = %s AND window_start < %s",
             "DELETE FROM live.inside_minute WHERE zone = %s AND window_start < %s",
             "DELETE FROM live.outlook_quarter WHERE kind <> 'site' AND place = %s AND window_start < %s"),
    "gate": ("DELETE FROM live.gate_minute WHERE gate = %s AND window_start < %s",),
}


def write_sensors(connection: storage.Connection, city: City) -> None:
    """Say what sensors a city version has, whose they are and where they stand; in the caller's transaction."""
    numbers = city.ids[IdKind.SENSOR]
    rows: list[Row] = [
        (numbers[key], key, sensor.source, sensor.supplier, *_stands_at(sensor))
        for key, sensor in city.file.sensors.items()
    ]
    roads = dict(zip(map(str, city.roads.column("sensor")), map(str, city.roads.column("zone")), strict=True))
    rows += [
        (numbers[key], key, NDW_SOURCE, ROAD_SUPPLIER, IdKind.ZONE.value, zone) for key, zone in sorted(roads.items())
    ]
    if rows:
        connection.execute(_SENSORS, [city.version, *(list(column) for column in zip(*rows, strict=True))])


def _stands_at(sensor: Sensor) -> tuple[str, str | None]:
    if sensor.zone is not None:
        return IdKind.ZONE.value, sensor.zone
    return IdKind.GATE.value, sensor.gate


def write_health(connection: storage.Connection, table: HealthTable, rows: Collection[Row]) -> None:
    """Write rows of the fold about sensors; in the caller's transaction."""
    if rows:
        connection.execute(_STATEMENTS[table], [list(column) for column in zip(*rows, strict=True)])


def purge_places(connection: storage.Connection, purges: Iterable[Purged]) -> None:
    """Delete what the live tier says of the places of purged sensors before their purge."""
    for purged in purges:
        for statement in _DELETE[purged.kind]:
            connection.execute(statement, (purged.place, _time(purged.at_us)))


def write_refusals(connection: storage.Connection, letters: Sequence[tuple[int, int, Letter]]) -> None:
    """Add up refusals of dead letters, each with its partition and offset, those that are new to the database.

    In the caller's transaction, before it moves the offsets on.
    """
    if not letters:
        return
    reached = {partition: _locked_offset(connection, partition) for partition in {one[0] for one in letters}}
    fresh = [letter for partition, offset, letter in letters if offset >= reached[partition]]
    keys = {letter.where for letter in fresh}
    known = {str(key) for (key,) in connection.execute(
        "SELECT key FROM engine.sensor WHERE key = ANY(%s)", (sorted(keys),))}
    days: Counter[tuple[str, str, str, date]] = Counter()
    events: Counter[tuple[str, IntegrityKind, datetime]] = Counter()
    for letter in fresh:
        at = _time(letter.at_us)
        sensor = letter.where if letter.where in known else ""
        days[letter.source, letter.reason, sensor, at.date()] += letter.count
        if sensor and letter.reason in _KIND_OF:
            quarter = _EPOCH + (at - _EPOCH) // QUARTER * QUARTER
            events[sensor, _KIND_OF[letter.reason], quarter] += letter.count
    for key, readings in sorted(days.items()):
        connection.execute(_REFUSAL, (*key, readings))
    for (sensor, kind, quarter), readings in sorted(events.items()):
        connection.execute(_EVENT, _event(sensor, kind, quarter, readings))


def _event(sensor: str, kind: IntegrityKind, quarter: datetime, readings: int) -> dict[str, object]:
    likely_from = LIKELY_FROM[kind]
    return {
        "sensor": sensor, "kind": kind.value, "from": quarter, "until": quarter + QUARTER, "readings": readings,
        "sure": sureness(kind, readings).value, "likely_from": likely_from, "sure_from": likely_from * SURE_TIMES,
    }


def sureness(kind: IntegrityKind, readings: int) -> Sureness:
    """How sure an event is by how many readings of a quarter hour were odd. Pure."""
    likely_from = LIKELY_FROM[kind]
    if readings >= likely_from * SURE_TIMES:
        return Sureness.SURE
    return Sureness.LIKELY if readings >= likely_from else Sureness.WEAK


def _locked_offset(connection: storage.Connection, partition: int) -> int:
    """The next offset of `dead-letters` that is not counted yet; no other writer counts until this one commits."""
    place = (Topic.DEAD_LETTERS.value, partition)
    connection.execute(
        "INSERT INTO engine.writer_offset (topic, partition, next_offset) VALUES (%s, %s, 0) ON CONFLICT DO NOTHING",
        place)
    row = connection.execute(
        "SELECT next_offset FROM engine.writer_offset WHERE topic = %s AND partition = %s FOR UPDATE", place).fetchone()
    return 0 if row is None else int(row[0])


def _time(at_us: int) -> datetime:
    return _EPOCH + timedelta(microseconds=at_us)
