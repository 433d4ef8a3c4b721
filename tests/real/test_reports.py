# SPDX-License-Identifier: Apache-2.0
"""Reports from a real database, with a reader's rights alone."""

import msgspec
import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from schemas.alert import Cause, encode_transition
from schemas.city import City
from schemas.command import OUTCOME_TYPE, encode_outcome
from schemas.ids import IdKind
from schemas.live import LiveTable
from schemas.log import JSON, Topic, event_headers
from streams import storage
from streams.report_sources import ReportKind, Wish, from_database, from_topics, made, report
from streams.reports.handover import Handover
from streams.reports.material import Origin
from streams.reports.situation import Situation, situation
from streams.serve.ahead import inside_item
from streams.serve.places import city_places
from streams.settings import DatabaseSettings
from streams.writer.database import write_buffer
from streams.writer.rows import Message, RowBuffer
from tests.gateway.mock_broker import MockBroker
from tests.reports.samples import CITY, at, change, end, taken
from tests.serve.running import send, settings_for
from tests.writer.samples import MINUTE, NOON, alert_headers, inside_row, live_message, road_row, zone_row

pytestmark = pytest.mark.real
ROAD = str(CITY.roads.column("zone")[0])
OPEN, OVER, LONG_AGO = "a" * 16, "b" * 16, "c" * 16


@pytest.fixture
def reader(fresh_database: str) -> str:
    """Address of a database with an evening in it, for an account that may only read."""
    plein = CITY.ids[IdKind.ZONE]["plein"]
    buffer = RowBuffer()
    buffer.add(live_message(LiveTable.ZONE, zone_row(plein, 0, level=1), zone_row(plein, 59, level=2)))
    road = CITY.ids[IdKind.ZONE][ROAD]
    buffer.add(live_message(
        LiveTable.ROAD, road_row(road, 57), road_row(road, 58, flow_veh_h_lane=900.0, service_level=2),
        road_row(road, 59, None, speed_km_h=None)))
    ahead = {"kind": "zone", "place": plein, "window_start": NOON + 30 * MINUTE, "span_s": 900, "low": 1, "middle": 2,
             "high": 3, "percent_reach": 40.0}
    newer = ahead | {"window_start": NOON + 45 * MINUTE}
    buffer.add(live_message(
        LiveTable.OUTLOOK, *(one | {"ahead_min": ahead_min} for one in (ahead, newer) for ahead_min in (30, 60))))
    straat = CITY.ids[IdKind.ZONE]["straat"]
    inside = [inside_row(zone, 58, inside_low=300, inside_high=399) for zone in (plein, straat)]
    buffer.add(live_message(LiveTable.INSIDE, *inside, inside_row(straat, 59, status=2)))
    told = [
        change(OPEN, 1, 10, 10), change(OPEN, 2, 12, 10, acknowledged=True, actor="leider", cause=Cause.COMMAND),
        change(OVER, 1, 20, 20), end(OVER, 2, 30, 20), change(LONG_AGO, 1, -90, -90), end(LONG_AGO, 2, -80, -90),
    ]
    for number, one in enumerate(told):
        buffer.add(Message(Topic.ALERTS, 0, number, alert_headers(), encode_transition(one)))
    headers = event_headers(OUTCOME_TYPE, "urn:drukte:worker", "c15/0", JSON)
    buffer.add(Message(Topic.ALERTS, 0, 99, headers, encode_outcome(taken(15))))
    with storage.connect(fresh_database) as session:
        write_buffer(session, buffer)
    return make_conninfo(fresh_database, options="-c role=drukte_reader")


def test_what_a_reader_finds(reader: str) -> None:
    found = from_database(reader, CITY, Wish(ReportKind.SITUATION, at(0.5), at(60.5)))
    assert found.origin is Origin.DATABASE
    assert {one.alert_id for one in found.transitions} == {OPEN, OVER}
    made_report = made(ReportKind.SITUATION, found)
    assert isinstance(made_report, Situation)
    site = made_report.sites[0]
    assert site.level == 2
    [worst] = made_report.roads.worst
    assert (worst.road, worst.service_level, worst.flow_veh_h_lane) == (ROAD, "C", 900.0)
    assert [(one.zone, one.percent_reach) for one in site.outlook.rising] == [("plein", 40.0)]
    listed = made(ReportKind.HANDOVER, from_database(reader, CITY, Wish(ReportKind.HANDOVER, at(0), at(60))))
    assert isinstance(listed, Handover)
    [one] = listed.alerts
    assert (one.alert_id, one.acknowledged_by, [done.role for done in one.measures]) == (OPEN, "leider", ["leider"])
    assert [ahead.ahead_min for ahead in one.expected] == [30, 60]
    assert listed.silent == []
    later = made(ReportKind.HANDOVER, from_database(reader, CITY, Wish(ReportKind.HANDOVER, at(60), at(90))))
    assert isinstance(later, Handover)
    assert [(one.site, one.heard_us) for one in later.silent] == [("centrum", at(60))]


def test_a_window_that_ends_later_hides_no_older_one_of_roads_and_forecasts(reader: str) -> None:
    found = from_database(reader, CITY, Wish(ReportKind.SITUATION, at(0), at(58.5)))
    assert [(row.end_us, row.flow_veh_h_lane) for row in found.road_rows] == [(at(58), None)]
    assert [(row.end_us, row.ahead_min) for row in found.outlook] == [(at(45), 30), (at(45), 60)]


def gates_only() -> City:
    """The small city without a camera in one of its zones."""
    file = msgspec.structs.replace(
        CITY.file, sensors={key: one for key, one in CITY.file.sensors.items() if key != "cam-straat"})
    return City(file=file, ids=CITY.ids, roads=CITY.roads, sha256="")


def test_a_zone_without_sensors_has_the_level_of_the_people_inside_by_its_gates(
    reader: str, broker: MockBroker
) -> None:
    wish = Wish(ReportKind.SITUATION, at(0), at(60.5))
    send(broker, live_message(LiveTable.INSIDE, inside_row(CITY.ids[IdKind.ZONE]["straat"], 58, inside_high=399),
                              inside_row(CITY.ids[IdKind.ZONE]["straat"], 59, status=2)))
    city = gates_only()
    [straat] = [place for place in city_places(city).zones.values() if place.key == "straat"]
    for found in (from_database(reader, city, wish), from_topics(settings_for(broker.kafka), city, wish)):
        [by_gates] = [row for row in found.rows if row.by_gates]
        page = inside_item(inside_row(minute=58, inside_high=399), 180.0, NOON + 59 * MINUTE, straat.limits,
                           straat.levels)
        assert page is not None
        assert (by_gates.zone, by_gates.end_us, by_gates.level) == ("straat", at(59), page.level)
        assert situation(found).sites[0].level == max(page.level, 2 if found.origin is Origin.DATABASE else 0)
    assert [row for row in from_database(reader, CITY, wish).rows if row.by_gates] == []


def test_a_database_that_lags_behind_gives_way_to_the_topics(reader: str, broker: MockBroker) -> None:
    settings = msgspec.structs.replace(settings_for(broker.kafka, 120 * 60), database=DatabaseSettings(uri=reader))
    wish = Wish(ReportKind.HANDOVER, at(60), at(120))
    lagging = report(settings, CITY, wish)
    assert isinstance(lagging, Handover)
    assert (lagging.origin, [one.alert_id for one in lagging.alerts]) == ("database", [OPEN])
    assert [one.heard_us for one in lagging.silent] == [at(60)]
    send(broker, live_message(LiveTable.ZONE, zone_row(CITY.ids[IdKind.ZONE]["plein"], 118)),
         Message(Topic.ALERTS, 0, 0, alert_headers(), encode_transition(change("d" * 16, 1, 110, 110))))
    found = report(settings, CITY, wish)
    assert isinstance(found, Handover)
    assert (found.origin, [one.alert_id for one in found.alerts], found.silent) == ("topics", ["d" * 16], [])


def test_the_account_may_not_write(reader: str) -> None:
    with storage.connect(reader) as session, pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute("DELETE FROM live.alert")
