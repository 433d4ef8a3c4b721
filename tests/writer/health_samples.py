# SPDX-License-Identifier: Apache-2.0
"""Messages of `live` about sensors, for tests of those that read them."""

from datetime import datetime
from typing import Any

import pyarrow as pa

from schemas.health import HEALTH_SCHEMAS, HealthTable, SensorState
from schemas.live import encode_rows
from schemas.log import ARROW, Topic, event_headers
from streams.writer.rows import Message
from tests.writer.samples import MINUTE, NOON, Row


def standing(sensor: int, state: SensorState, minute: int = 0, since: datetime | None = None) -> Row:
    """A sensor's state as told `minute` minutes after noon; since then where `since` is not given."""
    at = NOON + minute * MINUTE
    return {"sensor": sensor, "at": at, "state": state, "since": since or at}


def integrity(sensor: int, kind: str, minute: int, sure: str) -> Row:
    """Odd readings of the quarter hour that began `minute` minutes after noon."""
    begin = NOON + minute * MINUTE
    return {"sensor": sensor, "kind": kind, "from": begin, "until": begin + 15 * MINUTE, "readings": 60, "sure": sure}


def health_message(table: HealthTable, *rows: dict[str, Any], offset: int = 0) -> Message:
    """A message of `live` about sensors."""
    encoded = encode_rows(pa.RecordBatch.from_pylist(list(rows), schema=HEALTH_SCHEMAS[table]))
    headers = event_headers(f"live.{table}.v1", "urn:drukte:worker", "1", ARROW)
    return Message(Topic.LIVE, 0, offset, headers, encoded)
