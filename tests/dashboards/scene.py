# SPDX-License-Identifier: Apache-2.0
"""An afternoon in The Hague with everything that a dashboard has to tell apart, written by the writer's own code.

It is 14:00 in Amsterdam (12:00 UTC). Malieveld noord is red since 13:32, Boulevard Kurhaus orange since 12:15, the
pier was red when its data stopped at 13:00, Spui reports nothing since 12:30, the Zuiderpark's field never did.
One of Malieveld noord's cameras is stuck since 13:30, that of Spui is defective since the day before.
"""

from collections.abc import Iterator
from dataclasses import replace

import pyarrow as pa

from schemas.alert import State, Transition
from schemas.city import City
from schemas.city_load import wanted_ids
from schemas.health import HealthTable, SensorState
from schemas.ids import IdKind
from schemas.live import LiveTable, Status
from schemas.roads import RoadTable
from streams import storage
from streams.city_files import load_city
from streams.writer.database import Database, write_buffer
from streams.writer.rows import RowBuffer
from tests.cities import small_roads
from tests.conftest import ROOT
from tests.writer.health_samples import health_message, integrity, standing
from tests.writer.samples import (
    MINUTE,
    NOON,
    Row,
    alert_message,
    gate_row,
    inside_row,
    live_message,
    road_row,
    transition,
    zone_row,
)

MINUTES = range(-180, 0)
"""Windows of the afternoon, in minutes before 14:00 in Amsterdam."""
SECOND_US = 1_000_000
QUIET_ZONE, QUIET_ROAD = "plein", "RWS01_STIL"
BUSY_ROAD = "RWS01_MONIBAS_0120vwg0001ra"


def the_hague() -> City:
    """The example city with two measuring sites of roads."""
    city = load_city(ROOT / "infra" / "cities" / "den-haag" / "den-haag.toml")
    first = small_roads().table.to_pylist()
    second = [row | {"zone": QUIET_ROAD, "name": "A12 km 0.9", "lat": 52.09,
                     "sensor": f"{QUIET_ROAD}/{row['index']}"} for row in first]
    roads = RoadTable(pa.Table.from_pylist([*first, *second], schema=small_roads().table.schema))
    ids, _ = city.ids.extended(wanted_ids(city.file, roads))
    return replace(city, roads=roads, ids=ids)


def _course(key: str, minute: int) -> tuple[int, int] | None:
    """Level and low edge of the band of people of a zone's window; none where it is missing."""
    match key:
        case "malieveld-noord":
            if minute in (-20, -19):
                return None
            return (3, 18_000) if minute >= -28 else (2, 15_300) if minute >= -60 else (0, 9_000)
        case "boulevard-kurhaus":
            return (2, 3_900) if minute >= -105 else (1, 3_200)
        case "pier":
            return 3, 3_500
        case "spui":
            return (0, 600) if minute < -90 else None
        case "grote-marktstraat-west":
            return (1, 2_400) if minute >= -10 else (0, 1_200)
        case "plein":
            return 0, 0
        case _:
            return 0, 400


def _zone_rows(city: City) -> Iterator[Row]:
    for key, zone in city.file.zones.items():
        if key == "zuiderpark-veld":
            continue
        number = city.ids[IdKind.ZONE][key]
        for minute in MINUTES:
            if key == "pier" and minute >= -60:
                continue
            known = _course(key, minute)
            if known is None:
                yield zone_row(number, minute, None)
                continue
            level, low = known
            # Cameras see a part of a zone: bands are scaled, so they are wide where many people stand.
            high = 9 if low == 0 else low + low // 20
            capacity = zone.capacity
            half = key == "boulevard-kurhaus"
            yield zone_row(
                number, minute, low, people_high=high, level=level, trend=1 if level else 0,
                percent_low=None if capacity is None else 100 * low / capacity,
                percent_high=None if capacity is None else 100 * high / capacity,
                density_low_per_m2=low / zone.area_m2, density_high_per_m2=high / zone.area_m2,
                coverage=0.5 if half else 1.0, status=Status.PARTIAL if half else Status.OK,
            )


def _gate_rows(city: City) -> Iterator[Row]:
    numbers = city.ids[IdKind.GATE]
    for minute in MINUTES:
        number = numbers["malieveld-noord-toegang"]
        if -40 <= minute < -35:
            yield gate_row(number, minute, withheld=False, coverage=0.0, status=Status.MISSING)
        elif minute >= -90:
            yield gate_row(number, minute, withheld=False, in_low=120, in_high=124, out_low=20, out_high=24,
                           flow_low_per_m_min=6.4, flow_high_per_m_min=6.7, flow_lower_per_m_min=5.3,
                           flow_upper_per_m_min=8.0)
        else:
            yield gate_row(number, minute)
        yield gate_row(numbers["plein-toegang"], minute)


def _transitions(city: City) -> Iterator[Transition]:
    def one(alert: str, seq: int, minute: int, opened: int, place: str, rule: str, **changes: object) -> Transition:
        at_us = round(NOON.timestamp()) * SECOND_US + minute * 60 * SECOND_US + 10 * SECOND_US
        opened_us = at_us + (opened - minute) * 60 * SECOND_US
        return transition(
            alert, seq, place=place, rule=rule, site=city.file.zones[place].site, opened_at_us=opened_us,
            at_us=at_us, **changes,
        )

    yield one("a1" * 8, 1, -60, -60, "malieveld-noord", "oranje", people_low=15_300, people_high=16_065,
              percent_low=85.0, percent_high=89.25)
    yield one("a2" * 8, 1, -28, -28, "malieveld-noord", "rood", severity="critical", level_to=3,
              people_low=18_000, people_high=18_900, percent_low=100.0, percent_high=105.0)
    yield one("a2" * 8, 2, -25, -28, "malieveld-noord", "rood", severity="critical", level_to=3,
              people_low=18_000, people_high=18_900, percent_low=100.0, percent_high=105.0, state_from=State.FIRING,
              level_from=3, acknowledged=True, assigned="police")
    yield one("a1" * 8, 2, -28, -60, "malieveld-noord", "oranje", people_low=15_300, people_high=16_065,
              percent_low=85.0, percent_high=89.25, state_from=State.FIRING, level_from=2, suppressed=True)
    yield one("a3" * 8, 1, -70, -70, "pier", "rood", severity="critical", level_to=3)
    yield one("a3" * 8, 2, -56, -70, "pier", "rood", severity="critical", level_to=3, stale=True,
              state_from=State.FIRING, level_from=3)
    yield one("a3" * 8, 3, -50, -70, "pier", "rood", severity="critical", level_to=3, stale=True,
              state_from=State.FIRING, level_from=3, escalated=True)
    yield one("a4" * 8, 1, -150, -150, "plein", "oranje")
    yield one("a4" * 8, 2, -130, -150, "plein", "oranje", state_from=State.RECOVERING, state_to=State.RESOLVED,
              level_from=2, level_to=0)
    yield one("a5" * 8, 1, -105, -105, "boulevard-kurhaus", "oranje")
    yield one("a5" * 8, 2, -3, -105, "boulevard-kurhaus", "oranje", state_from=State.FIRING,
              state_to=State.RECOVERING, level_from=2, level_to=1)


def _states(city: City) -> Iterator[Row]:
    numbers = city.ids[IdKind.SENSOR]
    changed = {
        "cam-malieveld-noord-2": (SensorState.STUCK, -30), "cam-pier": (SensorState.SILENT, -59),
        "teller-malieveld-zuid-toegang": (SensorState.SKEWED, -5), "cam-spui": (SensorState.FAULTY, -26 * 60),
    } | {key: (SensorState.SILENT, -100) for key in numbers if key.startswith(QUIET_ROAD)}
    for key, number in numbers.items():
        if key == "cam-zuiderpark-veld-1":
            continue
        state, since = changed.get(key, (SensorState.FRESH, -180))
        hours = [minute for minute in (-180, -120, -60, 0) if key != "cam-zuiderpark-veld-2" or minute <= -120]
        for minute in sorted({*hours, max(since, -180)}):
            is_so = minute >= since
            yield standing(number, state if is_so else SensorState.FRESH, minute, NOON + since * MINUTE
                           if is_so else NOON - 180 * MINUTE)


def _odd_readings(city: City) -> Iterator[Row]:
    numbers = city.ids[IdKind.SENSOR]
    yield integrity(numbers["cam-plein"], "replay", -45, "likely")
    yield integrity(numbers["cam-plein"], "replay", -30, "sure")
    yield integrity(numbers["cam-pier"], "semantics", -600, "likely")
    yield integrity(numbers["cam-spui"], "too-old", -30, "weak")
    yield integrity(numbers["cam-spui"], "replay", -25 * 60, "sure")


def write_scene(uri: str) -> City:
    """Fill a migrated database."""
    city = the_hague()
    database = Database(uri)
    try:
        database.write_city(city)
    finally:
        database.close()
    buffer = RowBuffer()
    road = city.ids[IdKind.ZONE][BUSY_ROAD]
    roads = [road_row(road, minute, 42.0, speed_km_h=31.0, coverage=1.0, speed_low_km_h=28.2, speed_high_km_h=33.8,
                      percent_of_free_flow=29.9, service_level=4) for minute in range(-180, -2)]
    inside = [inside_row(city.ids[IdKind.ZONE]["spui"], minute, inside_low=500, inside_high=599, percent_low=50.0,
                         percent_high=59.9) for minute in range(-60, 0)]
    buffer.add(live_message(LiveTable.ZONE, *_zone_rows(city), offset=1))
    buffer.add(live_message(LiveTable.GATE, *_gate_rows(city), offset=2))
    buffer.add(live_message(LiveTable.ROAD, *roads, offset=3))
    buffer.add(live_message(LiveTable.INSIDE, *inside, offset=6))
    buffer.add(health_message(HealthTable.HEALTH, *_states(city), offset=4))
    buffer.add(health_message(HealthTable.INTEGRITY, *_odd_readings(city), offset=5))
    for offset, found in enumerate(_transitions(city)):
        buffer.add(alert_message(found, offset=offset))
    with storage.connect(uri) as session:
        write_buffer(session, buffer)
    return city
