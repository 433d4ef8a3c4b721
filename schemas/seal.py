# SPDX-License-Identifier: Apache-2.0
"""Messages of `seals`: the exact values of one sealed batch, on their way to be released with noise, once.

Exact domain: read by the writer only, which draws the noise before anything reaches the database.
"""

from dataclasses import dataclass
from enum import StrEnum

import pyarrow as pa

from schemas.arrow_stream import decode_stream, encode_stream, required
from schemas.errors import RefusedError
from schemas.log import ARROW, Headers, ReadHeaders, event_headers, event_type
from schemas.reading import Metric
from schemas.refusal import Reason

EVENT_TYPE = "seal.v1"
QUARTER_S = 900
GRAINS_S = (QUARTER_S, 4 * QUARTER_S, 24 * QUARTER_S)
"""A quarter hour, an hour, six hours: a zone's time is published at exactly one of them."""


class Group(StrEnum):
    """What is sealed together."""

    PEOPLE = "people"
    """Zones: person-seconds in view (`Metric.PEOPLE`); weight = seconds seen."""
    PASSAGES = "passages"
    """Gates: passages by direction (`Metric.IN`, `Metric.OUT`); weight = seconds reported."""
    VEHICLES = "vehicles"
    """Roads: vehicles (`Metric.VEHICLES`; weight = seconds reported) and their mean speed in km/h
    (`Metric.SPEED`; weight = vehicles behind it). Public at its source: exact."""


METRICS: dict[Group, tuple[Metric, ...]] = {
    Group.PEOPLE: (Metric.PEOPLE,),
    Group.PASSAGES: (Metric.IN, Metric.OUT),
    Group.VEHICLES: (Metric.VEHICLES, Metric.SPEED),
}
CELLS = pa.schema([
    required("place", pa.int32()),
    required("vehicle_class", pa.string()),
    required("metric", pa.uint8()),
    pa.field("value", pa.float64()),
    required("weight", pa.float64()),
    required("coverage", pa.float32()),
    required("status", pa.int16()),
])
"""One row a cell, the grid dense: place (zone or gate number in `CITY.ids`), vehicle class (roads only, else
empty), `Metric`, value (whole numbers for people and passages; null where `status`, a `schemas.live.Status`, is
MISSING), weight, coverage 0 to 1 from reports and heartbeats."""


@dataclass(frozen=True, slots=True)
class Seal:
    """One batch that is sealed.

    Parameters
    ----------
    site : str
    group : Group
    grain_s : int
        One of `GRAINS_S`.
    start_us : int
        Begin of the grain, microseconds since 1970, UTC.
    zone_map : str
        8 hex digits that name the geometry in force in that grain.
    part : int
        0 at the seal; above for cells that were missing at it and came later (back-fill).
    sealed_at_us : int
        Log time of the seal.
    cells : pyarrow.RecordBatch
        Columns of `CELLS`.
    """

    site: str
    group: Group
    grain_s: int
    start_us: int
    zone_map: str
    part: int
    sealed_at_us: int
    cells: pa.RecordBatch

    @property
    def batch_key(self) -> str:
        """The identity of the release: what has this key is drawn once, ever."""
        return f"{self.site}/{self.group}/{self.grain_s}/{self.start_us}/{self.zone_map}/{self.part}"


def encode_seal(source: str, seal: Seal) -> tuple[Headers, bytes]:
    """Headers and value."""
    headers = event_headers(EVENT_TYPE, source, seal.batch_key, ARROW)
    headers += [
        ("ce_site", seal.site.encode()), ("ce_group", seal.group.encode()),
        ("ce_grain", str(seal.grain_s).encode()), ("ce_start", str(seal.start_us).encode()),
        ("ce_zonemap", seal.zone_map.encode()), ("ce_part", str(seal.part).encode()),
        ("ce_sealedat", str(seal.sealed_at_us).encode()),
    ]
    return headers, encode_stream(seal.cells)


def decode_seal(headers: ReadHeaders | None, value: bytes | None) -> Seal:
    """Read what `encode_seal` wrote.

    Raises
    ------
    RefusedError
        `unknown-kind` for another type or version, `malformed` for bad headers or cells.
    """
    pairs = list(headers or ())
    if event_type(pairs) != EVENT_TYPE:
        raise RefusedError(Reason.UNKNOWN_KIND, f"message is no {EVENT_TYPE}; is a newer worker writing?")
    given = {name: text for name, text in pairs if text is not None}
    cells = decode_stream(value or b"", CELLS, "seal")
    try:
        return Seal(
            site=given["ce_site"].decode(), group=Group(given["ce_group"].decode()),
            grain_s=int(given["ce_grain"]), start_us=int(given["ce_start"]),
            zone_map=given["ce_zonemap"].decode(), part=int(given["ce_part"]),
            sealed_at_us=int(given["ce_sealedat"]), cells=cells,
        )
    except KeyError as error:
        raise RefusedError(Reason.MALFORMED, f"seal lacks header {error}") from None
    except ValueError as error:
        raise RefusedError(Reason.MALFORMED, f"seal has a bad header: {error}") from None
