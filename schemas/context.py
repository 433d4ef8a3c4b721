# SPDX-License-Identifier: Apache-2.0
"""Context: what stands beside roads and zones and may explain them (road works, closures, events, incidents).

A record is public, describes no person, changes no count and raises no alert. It is known by its source and its
id there; the newest version of it stands.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

import msgspec

from schemas.errors import RefusedError
from schemas.json_message import decode_json
from schemas.refusal import Reason

LIVE_TYPE = "live.context.v1"
"""Of messages with records on topic `live`, without prefix."""
RECORDS_A_MESSAGE = 50
"""Most records of one message: even with all their points it stays below the largest message."""
POINTS_A_RECORD = 500
"""Most points of a record's place; a longer line is thinned."""
HOUR_US = 3_600_000_000

Longitude = Annotated[float, msgspec.Meta(ge=-180, le=180)]
Latitude = Annotated[float, msgspec.Meta(ge=-90, le=90)]
Spot = tuple[Longitude, Latitude]
"""WGS 84, [longitude, latitude]."""
Text = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
Stamp = Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
"""Microseconds since 1970, UTC."""


class ContextKind(StrEnum):
    """What a record is about."""

    ROAD_WORKS = "road-works"
    CLOSURE = "closure"
    """A road, carriageway or lane is shut."""
    EVENT = "event"
    INCIDENT = "incident"
    MEASURE = "measure"
    """Traffic management: rerouting, speed limits, changed lanes."""


class ContextRecord(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One version of one record.

    Parameters
    ----------
    source : str
        Key of the source in the city file.
    record : str
        Its id at the source.
    version : int
        0 where the source's own is no number: then `changed_us` alone decides which is newer.
    changed_us : int
        When this version was made.
    kind : ContextKind
    what : str
        The source's own words for its kind, from its fixed lists; never free text.
    place : list of list of (longitude, latitude)
        Parts: one point, or the points of a line. Empty where the source gives no place in WGS 84.
    begins_us : int
    ends_us : int, optional
        None while the end is not known.
    ended : bool
        Ended, cancelled or suspended before its time.
    """

    source: Text
    record: Text
    version: Annotated[int, msgspec.Meta(ge=0, lt=2**53)]
    changed_us: Stamp
    kind: ContextKind
    what: Annotated[str, msgspec.Meta(max_length=200)]
    place: list[list[Spot]]
    begins_us: Stamp
    ends_us: Stamp | None = None
    ended: bool = False

    @property
    def key(self) -> tuple[str, str]:
        """Which record it is, whatever its version."""
        return self.source, self.record

    @property
    def order(self) -> tuple[int, int]:
        """The greater, the newer."""
        return self.version, self.changed_us

    def is_over(self, now_us: int) -> bool:
        """Whether it no longer holds at a time, microseconds since 1970, UTC."""
        return self.ended or (self.ends_us is not None and self.ends_us <= now_us)


def newest(records: Iterable[ContextRecord]) -> dict[tuple[str, str], ContextRecord]:
    """The newest version of each record, in the order of first sight; of two equal versions the first."""
    found: dict[tuple[str, str], ContextRecord] = {}
    for one in records:
        before = found.get(one.key)
        if before is None or one.order > before.order:
            found[one.key] = one
    return found


def encode_context(records: Iterable[ContextRecord]) -> bytes:
    """As a JSON array."""
    return msgspec.json.encode(list(records))


def decode_context(encoded: bytes) -> list[ContextRecord]:
    """Read what `encode_context` wrote; raises `RefusedError` (`malformed`) for anything else."""
    records = decode_json(encoded, list[ContextRecord], "context records")
    for one in records:
        if not one.record.isprintable() or not one.what.isprintable() or not all(one.place):
            raise RefusedError(Reason.MALFORMED, "a context record has an unreadable id or an empty part of a place")
    return records
