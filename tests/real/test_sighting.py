# SPDX-License-Identifier: Apache-2.0
"""Sightings in a real database: written once, compared once, gone after their time, read by the dashboards' role."""

import pytest

from schemas.sighting import Disagreement
from streams import storage
from streams.writer.database import Database
from streams.writer.rows import RowBuffer
from tests.real.timescale_service import Databases
from tests.writer.test_sighting_rows import message, shown

pytestmark = pytest.mark.real
ROWS = "SELECT zone, role, people_low, people_high, sensor_low, disagreement, revision FROM live.sighting"


@pytest.mark.parametrize("timescale", [True, False], ids=["timescale", "plain"])
def test_a_sighting_is_stored_compared_and_dropped(databases: Databases, *, timescale: bool) -> None:
    uri = databases.create()
    storage.migrate(uri, timescale=timescale)
    database = Database(uri)
    compared = shown(1, disagreement=Disagreement.AGREES, sensor_low=80, sensor_high=84)
    try:
        for seen in (shown(0), compared, shown(0)):
            buffer = RowBuffer()
            buffer.add(message(seen))
            database.write(buffer)
    finally:
        database.close()
    with storage.connect(uri) as session:
        assert session.execute(ROWS).fetchall() == [("plein", "steward", 80, None, 80, "agrees", 1)]
        storage.drop_live_older_than(session, 1e6)
        assert len(session.execute(ROWS).fetchall()) == 1
        session.execute("SET ROLE drukte_reader")
        assert len(session.execute(ROWS).fetchall()) == 1
        session.execute("RESET ROLE")
        storage.drop_live_older_than(session, 72)
        assert session.execute(ROWS).fetchall() == []
