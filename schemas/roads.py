# SPDX-License-Identifier: Apache-2.0
"""The companion file of a city: its road sensors, one row for each channel of an NDW measuring site."""

import io
from dataclasses import dataclass

import pyarrow as pa

from schemas.errors import DrukteError
from schemas.ids import IdKind

ANY_VEHICLE = "anyVehicle"
"""The class that holds all vehicles; other classes are rows of their own and never summed with it."""
NDW_SOURCE = "ndw"
"""Key of the source that all road sensors of the companion file belong to."""
ALLOWED_DELAY_S = 150.0
"""How long a road window waits for NDW after its end (delivery within 60 s, publication, polling)."""

SCHEMA = pa.schema([
    pa.field("site", pa.string(), nullable=False),          # our site: `roads-X-Y`, a 5 km square of RD New
    pa.field("zone", pa.string(), nullable=False),          # NDW's id of the measuring site
    pa.field("record_version", pa.string(), nullable=False),
    pa.field("name", pa.string(), nullable=False),
    pa.field("lon", pa.float64(), nullable=False),
    pa.field("lat", pa.float64(), nullable=False),
    pa.field("lanes", pa.int16(), nullable=False),
    pa.field("computation", pa.string(), nullable=False),
    pa.field("equipment", pa.string(), nullable=False),
    pa.field("index", pa.string(), nullable=False),         # channel index within the site
    pa.field("sensor", pa.string(), nullable=False),        # `ZONE/LANE` or `ZONE/LANE/CLASS`
    pa.field("lane", pa.string(), nullable=False),
    pa.field("vehicle_class", pa.string(), nullable=False),
    pa.field("metric", pa.uint8(), nullable=False),         # VEHICLES or SPEED
    pa.field("period_s", pa.float64(), nullable=False),
])


@dataclass(frozen=True, slots=True)
class RoadTable:
    """Road channels with the columns of `SCHEMA`, sorted by zone and index."""

    table: pa.Table

    def __len__(self) -> int:
        return int(self.table.num_rows)

    @classmethod
    def empty(cls) -> "RoadTable":
        """No roads."""
        return cls(SCHEMA.empty_table())

    def column(self, name: str) -> list[object]:
        """One column as Python values."""
        values: list[object] = self.table.column(name).to_pylist()
        return values


def road_keys(roads: RoadTable, kind: IdKind) -> list[str]:
    """The companion's keys of a kind (site, zone or sensor), each once, in the order of the table."""
    if not len(roads):
        return []  # without loading what pyarrow needs for it
    keys: list[str] = roads.table.column(kind.value).unique().to_pylist()
    return keys


def road_ids(roads: RoadTable) -> dict[IdKind, list[str]]:
    """Keys of the roads that need an integer: the source, sites, zones and sensors, each once and in order."""
    wanted: dict[IdKind, list[str]] = {IdKind.SOURCE: [NDW_SOURCE] if len(roads) else []}
    for kind in (IdKind.SITE, IdKind.ZONE, IdKind.SENSOR):
        wanted[kind] = road_keys(roads, kind)
    return wanted


def encode_roads(roads: RoadTable) -> bytes:
    """As Parquet; the same roads give the same bytes."""
    from pyarrow import parquet as pq  # only here and below: most programs read no Parquet
    sink = io.BytesIO()
    pq.write_table(roads.table, sink, compression="zstd", store_schema=False)
    return sink.getvalue()


def decode_roads(encoded: bytes) -> RoadTable:
    """Read what `encode_roads` wrote; raises `DrukteError` for another file."""
    from pyarrow import parquet as pq
    try:
        table = pq.read_table(io.BytesIO(encoded))
        return RoadTable(table.select(SCHEMA.names).cast(SCHEMA))
    except (pa.ArrowException, KeyError, ValueError, OSError) as error:
        text = f"no road companion file ({error}); make it anew with `drukte city import-ndw`"
        raise DrukteError(text) from None
