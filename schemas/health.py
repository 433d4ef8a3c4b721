# SPDX-License-Identifier: Apache-2.0
"""How well sensors do: rows of topic `live` about the sensors themselves, as Arrow tables. No counts of people."""

from enum import IntEnum, StrEnum

import msgspec
import pyarrow as pa

from schemas.arrow_stream import decode_stream, required
from schemas.json_message import decode_json


class SensorState(IntEnum):
    """How far a sensor can be trusted now; the higher number is the worse one."""

    FRESH = 0
    LATE = 1
    """Its readings come later than its allowed delay."""
    SKEWED = 2
    """Its clock runs ahead: readings are stamped later than the log's time."""
    JUMPED = 3
    """Its value changed by more than people could have walked into or out of its view."""
    UNHEARD = 4
    """It has reported nothing since the fold began."""
    SILENT = 5
    """It reported, and does so no more."""
    OUT_OF_SERVICE = 6
    """The city file says that it is not to be read now."""
    STUCK = 7
    """It repeats one value that is not zero: what it says is not used."""
    FAULTY = 8
    """Its own device says that it does not work: what it says is not used."""


UNUSABLE_FROM = SensorState.STUCK
"""From this state on readings are left out of states, counts and cells."""


class IntegrityKind(StrEnum):
    """What looks like somebody meddling with readings, or like a sensor that changed unannounced."""

    WRONG_SOURCE = "wrong-source"
    """A source sent readings of a sensor that belongs to another source."""
    SEMANTICS = "semantics"
    """Spans that are not the sensor's: it began to count in another way."""
    TOO_OLD = "too-old"
    """Readings from before the log's reach."""
    REPLAY = "replay"
    """Readings that were taken in long ago came again."""


class Sureness(StrEnum):
    """How sure it is that something is wrong."""

    WEAK = "weak"
    """Noted, not worth a look by itself."""
    LIKELY = "likely"
    SURE = "sure"


class HealthTable(StrEnum):
    """Kinds of row about sensors; also the names of the database's tables."""

    HEALTH = "sensor_health"
    DAY = "sensor_day"
    INTEGRITY = "integrity"


class Purged(msgspec.Struct, frozen=True, kw_only=True):
    """The fold forgot a sensor: what `live` says of its place before `at_us` has to go.

    Parameters
    ----------
    sensor : str
        Its key.
    kind : str
        `zone` or `gate` (roads are zones).
    place : int
        Number of the place in `CITY.ids`.
    at_us : int
        Log time of the purge, microseconds since 1970, UTC.
    """

    sensor: str
    kind: str
    place: int
    at_us: int


PURGED_TYPE = "live.purged.v1"


_TIME = pa.timestamp("us", tz="UTC")

HEALTH_SCHEMA = pa.schema([
    required("sensor", pa.int32()),
    required("at", _TIME),
    required("state", pa.int16()),
    required("since", _TIME),
])
"""A sensor's state: a row when it changes, and one an hour. `since` is the minute in which it was first seen."""

DAY_SCHEMA = pa.schema([
    required("sensor", pa.int32()),
    required("day", _TIME),
    required("available_share", pa.float32()),
    required("late_share", pa.float32()),
    required("corrected_share", pa.float32()),
    required("missed_share", pa.float32()),
    required("unusable_share", pa.float32()),
    pa.field("uptime_share", pa.float32()),
])
"""A sensor's UTC day. `available`: expected readings that came within the allowed delay; `late`: readings that
came after their window had closed, of all that came; `corrected`: readings told again with another value, of all
that came; `missed`: readings too late even for research, of all that came; `unusable`: time in which it was stuck
or faulty; `uptime` as the device says it, null where it says nothing."""

INTEGRITY_SCHEMA = pa.schema([
    required("sensor", pa.int32()),
    required("kind", pa.string()),
    required("from", _TIME),
    required("until", _TIME),
    required("readings", pa.int32()),
    required("sure", pa.string()),
])
"""An integrity event: how many readings (not people) were odd between `from` and `until`."""

HEALTH_SCHEMAS: dict[HealthTable, pa.Schema] = {
    HealthTable.HEALTH: HEALTH_SCHEMA, HealthTable.DAY: DAY_SCHEMA, HealthTable.INTEGRITY: INTEGRITY_SCHEMA,
}
HEALTH_TYPES = {f"live.{table}.v1": table for table in HealthTable}
"""By `ce_type` without its prefix."""


def decode_health(table: HealthTable, encoded: bytes) -> pa.RecordBatch:
    """Read what `schemas.live.encode_rows` wrote; raises `RefusedError` (`malformed`) for anything else."""
    return decode_stream(encoded, HEALTH_SCHEMAS[table], f"a message of {table}")


def encode_purged(purged: Purged) -> bytes:
    """As JSON."""
    return msgspec.json.encode(purged)


def decode_purged(encoded: bytes) -> Purged:
    """Read what `encode_purged` wrote; raises `RefusedError` (`malformed`) for anything else."""
    return decode_json(encoded, Purged, "a purge")
