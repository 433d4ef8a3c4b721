# SPDX-License-Identifier: Apache-2.0
"""A small sound city in memory, for every test that needs one."""

from typing import Any

import msgspec
import pyarrow as pa

from schemas.city import City, CityFile, Source
from schemas.city_load import city_sha256, roads_name, wanted_ids
from schemas.city_sensors import DATEX2_FORMAT
from schemas.ids import Ids, format_ids
from schemas.reading import Metric
from schemas.roads import ANY_VEHICLE, NDW_SOURCE, SCHEMA, RoadTable, encode_roads
from schemas.rules import Rule

SMALL_TOML = """\
format = 1
city = "klein"
name = "Klein"
version = 1
timezone = "Europe/Amsterdam"

[sources.cameras]
format = "native"

[sources.counters]
format = "native"

[sites.centrum]
name = "Centrum"

[zones.plein]
site = "centrum"
name = "Plein"
facility = "standing"
area_m2 = 1000
capacity = 400
profile = "nl-evenement"
polygon = [[4.3155, 52.0796], [4.3161, 52.0796], [4.3161, 52.07984], [4.3155, 52.07984]]

[zones.straat]
site = "centrum"
name = "Straat"
facility = "walkway"
area_m2 = 500
profile = "amsterdam-peak"
polygon = [[4.3161, 52.0796], [4.3170, 52.0796], [4.3170, 52.07969], [4.3161, 52.07969]]

[gates.plein-straat]
site = "centrum"
from = "plein"
to = "straat"
width_m = 8
line = [[4.3161, 52.0796], [4.3161, 52.07969]]

[gates.straat-uit]
site = "centrum"
from = "straat"
to = "outside"
width_m = 8
line = [[4.3170, 52.0796], [4.3170, 52.07969]]

[sensors.cam-plein]
source = "cameras"
supplier = "Voorbeeld BV"
zone = "plein"
purpose = "crowd safety"
legal_basis = "public task"
start = 2026-01-01
end = 2027-12-31
[sensors.cam-plein.measures.people]
semantics = "instant"
interval_s = 10
view_area_m2 = 1000

[sensors.cam-straat]
source = "cameras"
supplier = "Voorbeeld BV"
zone = "straat"
purpose = "crowd safety"
legal_basis = "public task"
start = 2026-01-01
end = 2027-12-31
[sensors.cam-straat.measures.people]
semantics = "instant"
interval_s = 10
view_area_m2 = 250

[sensors.teller-plein-straat]
source = "counters"
supplier = "Voorbeeld BV"
gate = "plein-straat"
purpose = "crowd safety"
legal_basis = "public task"
start = 2026-01-01
end = 2027-12-31
[sensors.teller-plein-straat.measures.in]
semantics = "interval"
interval_s = 60
[sensors.teller-plein-straat.measures.out]
semantics = "interval"
interval_s = 60

[sensors.teller-straat-uit]
source = "counters"
supplier = "Voorbeeld BV"
gate = "straat-uit"
purpose = "crowd safety"
legal_basis = "public task"
start = 2026-01-01
end = 2027-12-31
[sensors.teller-straat-uit.measures.in]
semantics = "interval"
interval_s = 60
[sensors.teller-straat-uit.measures.out]
semantics = "interval"
interval_s = 60

[profiles.nl-evenement]
levels = ["groen", "geel", "oranje", "rood"]
percent_of_capacity = [0, 70, 85, 100]
density_per_m2 = { standing = [0, 2, 2.5, 4.7], walkway = [0, 2, 2.5, 4], queue = [0, 2, 2.5, 4.7] }
source = "Dutch event practice"

[profiles.amsterdam-peak]
levels = ["groen", "geel", "oranje", "rood"]
density_per_m2 = { walkway = [0, 0.72, 1.08, 2.17] }
source = "Amsterdam, peak"

[rules.oranje]
kind = "level"
level = 2
severity = "warning"

[rules.rood]
kind = "level"
level = 3
severity = "critical"
"""


def small_file(**changes: Any) -> CityFile:
    """One site with two zones, two gates, two cameras and two line counters; fields replaced by `changes`."""
    return msgspec.structs.replace(msgspec.toml.decode(SMALL_TOML, type=CityFile), **changes)


def with_rules(**rules: Rule) -> CityFile:
    """`small_file` with more rules."""
    file = small_file()
    return msgspec.structs.replace(file, rules={**file.rules, **rules})


def small_city(road_table: RoadTable | None = None, **changes: Any) -> City:
    """`small_file` with numbers (from 1 in the order of the file) and, if given, roads.

    Examples
    --------
    >>> small_city(version=2, rules={}).file.version
    2
    """
    roads = road_table or RoadTable.empty()
    encoded = encode_roads(roads) if len(roads) else None
    file = small_file(**changes)
    if encoded is not None:
        sources = {**file.sources, NDW_SOURCE: Source(format=DATEX2_FORMAT)}
        file = msgspec.structs.replace(file, roads=roads_name(encoded), sources=sources)
    ids, added = Ids().extended(wanted_ids(file, roads))
    return City(file, ids, roads, city_sha256(msgspec.json.encode(file), format_ids(added), encoded))


def small_roads() -> RoadTable:
    """One measuring site with two lanes, each with vehicles and speed of all classes, every 60 s."""
    rows = [
        {
            "site": "roads-16-91", "zone": "RWS01_MONIBAS_0120vwg0001ra", "record_version": "1",
            "name": "A12 km 0.1", "lon": 4.3300, "lat": 52.0800, "lanes": 2,
            "computation": "arithmeticAverageOfSamplesInATimePeriod", "equipment": "lus",
            "index": str(index), "sensor": f"RWS01_MONIBAS_0120vwg0001ra/lane{lane}", "lane": f"lane{lane}",
            "vehicle_class": ANY_VEHICLE, "metric": metric.value, "period_s": 60.0,
        }
        for index, (lane, metric) in enumerate(
            ((lane, metric) for lane in (1, 2) for metric in (Metric.VEHICLES, Metric.SPEED)), start=1
        )
    ]
    return RoadTable(pa.Table.from_pylist(rows, schema=SCHEMA))
