# SPDX-License-Identifier: Apache-2.0
"""Reports from a real database, with a reader's rights alone."""

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from schemas.alert import Cause, encode_transition
from schemas.command import OUTCOME_TYPE, encode_outcome
from schemas.ids import IdKind
from schemas.live import LiveTable
from schemas.log import JSON, Topic, event_headers
from streams import storage
from streams.report_sources import ReportKind, Wish, from_database, made
from streams.reports.handover import Handover
from streams.reports.material import Origin
from streams.reports.situation import Situation
from streams.writer.database import write_buffer
from streams.writer.rows import Message, RowBuffer
from tests.reports.samples import CITY, at, change, end, taken
from tests.writer.samples import MINUTE, NOON, alert_headers, live_message, road_row, zone_row

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
    buffer.add(live_message(LiveTable.OUTLOOK, ahead | {"ahead_min": 30}, ahead | {"ahead_min": 60}))
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
    report = made(ReportKind.SITUATION, found)
    assert isinstance(report, Situation)
    site = report.sites[0]
    assert site.level == 2
    assert [(one.road, one.service_level, one.flow_veh_h_lane) for one in report.roads.worst] == [(ROAD, "C", 900.0)]
    assert [(one.zone, one.percent_reach) for one in site.outlook.rising] == [("plein", 40.0)]
    listed = made(ReportKind.HANDOVER, from_database(reader, CITY, Wish(ReportKind.HANDOVER, at(0), at(60))))
    assert isinstance(listed, Handover)
    [one] = listed.alerts
    assert (one.alert_id, one.acknowledged_by, [done.role for done in one.measures]) == (OPEN, "leider", ["leider"])
    assert [ahead.ahead_min for ahead in one.expected] == [30, 60]


def test_the_account_may_not_write(reader: str) -> None:
    with storage.connect(reader) as session, pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute("DELETE FROM live.alert")
