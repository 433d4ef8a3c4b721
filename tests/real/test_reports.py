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
from tests.writer.samples import alert_headers, live_message, zone_row

pytestmark = pytest.mark.real
OPEN, OVER, LONG_AGO = "a" * 16, "b" * 16, "c" * 16


@pytest.fixture
def reader(fresh_database: str) -> str:
    """Address of a database with an evening in it, for an account that may only read."""
    storage.migrate(fresh_database)
    plein = CITY.ids[IdKind.ZONE]["plein"]
    buffer = RowBuffer()
    buffer.add(live_message(LiveTable.ZONE, zone_row(plein, 0, level=1), zone_row(plein, 59, level=2)))
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
    assert report.sites[0].level == 2
    listed = made(ReportKind.HANDOVER, from_database(reader, CITY, Wish(ReportKind.HANDOVER, at(0), at(60))))
    assert isinstance(listed, Handover)
    [one] = listed.alerts
    assert (one.alert_id, one.acknowledged_by, [done.role for done in one.measures]) == (OPEN, "leider", ["leider"])


def test_the_account_may_not_write(reader: str) -> None:
    with storage.connect(reader) as session, pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute("DELETE FROM live.alert")
