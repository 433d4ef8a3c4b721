# SPDX-License-Identifier: Apache-2.0
"""`drukte verify` across a program that added columns: rows of before it are judged by what their worker knew."""

import psycopg
import pytest

from schemas.errors import RefusedError
from schemas.live import GATE_SCHEMA, LATER_COLUMNS, LiveTable, encode_rows
from schemas.log import ARROW, Topic, event_headers
from streams.core.layout import layout
from streams.verify.comparison import FAR_US, Comparison, Difference, Report, Watch
from streams.verify.stored import Stored
from streams.verify.topics import Told, TopicReader, told
from streams.writer.database import write_buffer
from streams.writer.rows import Message, RowBuffer
from tests.cities import small_city
from tests.gateway.mock_broker import MockBroker, broker
from tests.writer.samples import NOON, Row, batch, gate_row, live_headers

__all__ = ["broker"]  # a fixture

pytestmark = pytest.mark.real
NOON_US = round(NOON.timestamp()) * 1_000_000
NEW = list(LATER_COLUMNS[LiveTable.GATE])
OLD = [name for name in GATE_SCHEMA.names if name not in NEW]


def old(*rows: Row) -> bytes:
    """As a worker sent them that did not know the new columns."""
    return encode_rows(batch(LiveTable.GATE, *rows).select(OLD))


def gate(minute: int) -> Row:
    return gate_row(minute=minute, withheld=False, in_low=10, in_high=14, out_low=0, out_high=9,
                    flow_low_per_m_min=2.5, flow_high_per_m_min=5.75, flow_lower_per_m_min=1.5,
                    flow_upper_per_m_min=8.25)


def message(offset: int, value: bytes) -> Message:
    return Message(Topic.LIVE, 0, offset, live_headers(LiveTable.GATE), value)


@pytest.fixture
def database(fresh_database: str) -> str:
    """Minute 0 told by an older worker, minutes 1 and 2 by this program's."""
    buffer = RowBuffer()
    buffer.add(message(0, old(gate(0))))
    buffer.add(message(1, encode_rows(batch(LiveTable.GATE, gate(1), gate(2)))))
    with psycopg.connect(fresh_database, autocommit=True) as connection:
        write_buffer(connection, buffer)
    return fresh_database


def compared(database: str) -> tuple[Report, list[Difference]]:
    """The log tells of minute N at its offset N; what came from offset 0 was told without the new columns."""
    report, listed, said = Report(), list[Difference](), Told()
    said.add((0, 0), LiveTable.GATE, NEW)
    said.add((2, 0), LiveTable.GATE)
    city = small_city()
    with psycopg.connect(database, autocommit=True) as connection:
        comparison = Comparison(city, [layout(city, 1, 0)], Stored(connection), said, set(), report,
                                Watch(listed.append))
        comparison.begin(NOON_US, whole=True)
        for minute in range(3):
            rows = batch(LiveTable.GATE, gate(minute))
            comparison.take(LiveTable.GATE, zip(*(column.to_pylist() for column in rows.columns), strict=True),
                            (minute, 0))
        comparison.compare_to(FAR_US)
    return report, listed


def changed(database: str, column: str, value: str, minute: int) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        done = connection.execute(
            f"UPDATE live.gate_minute SET {column} = {value} WHERE window_start = %s",  # noqa: S608  # from the test
            (gate(minute)["window_start"],))
        assert done.rowcount == 1


def test_a_column_that_its_teller_did_not_know_is_not_compared_and_is_told(database: str) -> None:
    report, listed = compared(database)
    assert listed == []
    assert report.rows["gate_minute"] == 3
    assert report.not_known == {f"gate_minute.{name}": 1 for name in NEW}


@pytest.mark.parametrize(("column", "value", "minute"), [
    ("in_low", "5", 0), ("flow_lower_per_m_min", "7", 0), ("flow_lower_per_m_min", "NULL", 1),
])
def test_what_its_teller_knew_is_compared(database: str, column: str, value: str, minute: int) -> None:
    changed(database, column, value, minute)
    report, listed = compared(database)
    assert [(one.kind, one.window) for one in listed] == [("altered", gate(minute)["window_start"].isoformat())]
    assert column in listed[0].detail
    assert report.rows["gate_minute"] == 2


def test_messages_say_which_columns_their_worker_did_not_know(broker: MockBroker) -> None:
    for offset, value in ((7, old(gate(0))), (9, old(gate(1))), (12, encode_rows(batch(LiveTable.GATE, gate(2))))):
        headers = event_headers("live.gate_minute.v1", "urn:drukte:worker", f"live/0/{offset}/3", ARROW)
        broker.producer.produce(Topic.LIVE, value, partition=0, headers=list(headers))
    assert broker.producer.flush(10) == 0
    reader = TopicReader(broker.kafka)
    try:
        found = told(reader.messages(Topic.LIVE, 0, 0, 3))
    finally:
        reader.close()
    assert found.newest == (12, 3)
    assert found.unknown == {LiveTable.GATE: dict.fromkeys(NEW, 9)}


def test_rows_of_before_get_what_the_database_gives_them() -> None:
    buffer = RowBuffer()
    buffer.add(message(0, old(gate(0))))
    [row] = buffer.sorted_rows(LiveTable.GATE)
    assert dict(zip(GATE_SCHEMA.names, row, strict=True)) == gate(0) | dict.fromkeys(NEW)


def test_rows_that_lack_another_column_are_refused() -> None:
    rows = batch(LiveTable.GATE, gate(0))
    lacking = encode_rows(rows.select([name for name in OLD if name != "in_low"]))
    with pytest.raises(RefusedError):
        RowBuffer().add(message(0, lacking))
