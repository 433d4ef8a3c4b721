# SPDX-License-Identifier: Apache-2.0
"""Context in the database: the newest version of each record, and what held between two times."""

from datetime import UTC, datetime, timedelta

import pytest

from schemas.context import LIVE_TYPE, ContextRecord, encode_context
from schemas.log import JSON, Topic, event_headers
from streams import storage
from streams.writer.database import write_buffer
from streams.writer.rows import Message, RowBuffer
from tests.schemas.context_samples import BEGINS_US, HERE, record

pytestmark = pytest.mark.real
BEGINS = datetime.fromtimestamp(BEGINS_US / 1e6, UTC)
HOUR = timedelta(hours=1)


def buffer(offset: int, *records: ContextRecord) -> RowBuffer:
    held = RowBuffer()
    headers = event_headers(LIVE_TYPE, "urn:drukte:worker", f"context/0/{offset}/0", JSON)
    held.add(Message(Topic.LIVE, 0, offset, headers, encode_context(records)))
    return held


def test_the_newest_version_stands_and_what_is_over_goes(fresh_database: str) -> None:
    with storage.connect(fresh_database, "test") as connection:
        line = record("line", place=[[(4.30, 52.0), HERE, (4.34, 52.1)]], ends_us=None)
        for offset, one in enumerate((record(version=2, what="new"), record(version=1, what="old"), line,
                                      record("shut", version=3, ended=True, changed_us=BEGINS_US + 1_800_000_000))):
            write_buffer(connection, buffer(offset, one))
        found = connection.execute("SELECT record, what, lon, lat FROM live.context ORDER BY record").fetchall()
        assert [row[:2] for row in found] == [("line", line.what), ("shut", record().what), ("works-1", "new")]
        assert found[0][2:] == HERE

        def between(begins: datetime, ends: datetime) -> list[str]:
            query = "SELECT record FROM live.context_between(%s, %s)"
            return sorted(row[0] for row in connection.execute(query, (begins, ends)))

        assert between(BEGINS, BEGINS + HOUR) == ["line", "shut", "works-1"]
        assert between(BEGINS + HOUR, BEGINS + 2 * HOUR) == ["line", "works-1"]
        assert between(BEGINS + 24 * HOUR, BEGINS + 25 * HOUR) == ["line"]
        assert between(BEGINS - HOUR, BEGINS) == []
        storage.drop_live_older_than(connection, 72)
        kept = [row[0] for row in connection.execute("SELECT record FROM live.context ORDER BY record")]
        assert kept == ["line"]
