# SPDX-License-Identifier: Apache-2.0
"""Messages to merged rows: what a flush holds is what the messages say, whatever the flushes are."""

from dataclasses import dataclass, field
from dataclasses import replace as replaced
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.alert import Transition
from schemas.errors import RefusedError
from schemas.live import SCHEMAS, LiveTable
from schemas.log import Topic
from schemas.refusal import Reason
from streams.writer.rows import KEYS, Message, RowBuffer
from tests.writer.samples import (
    NOON,
    Row,
    alert_headers,
    alert_message,
    gate_row,
    live_headers,
    live_message,
    road_row,
    transition,
    zone_row,
)


@dataclass
class Model:
    """The database's own rules, row by row and without merging."""

    live: dict[LiveTable, dict[tuple[Any, ...], tuple[Any, ...]]] = field(
        default_factory=lambda: {table: {} for table in LiveTable}
    )
    transitions: dict[tuple[str, int], Transition] = field(default_factory=dict)
    alerts: dict[str, Transition] = field(default_factory=dict)
    offsets: dict[tuple[str, int], int] = field(default_factory=dict)

    def write(self, buffer: RowBuffer) -> None:
        for table in LiveTable:
            for row in buffer.sorted_rows(table):
                self._write_row(table, row)
        for one in buffer.sorted_transitions():
            self.transitions.setdefault((one.alert_id, one.seq), one)
        for one in buffer.latest_transitions():
            if one.alert_id not in self.alerts or self.alerts[one.alert_id].seq < one.seq:
                self.alerts[one.alert_id] = one
        for place, following in buffer.next_offsets.items():
            self.offsets[place] = max(following, self.offsets.get(place, 0))

    def _write_row(self, table: LiveTable, row: tuple[Any, ...]) -> None:
        names = SCHEMAS[table].names
        key = tuple(row[names.index(name)] for name in KEYS[table])
        held = self.live[table].get(key)
        at = names.index("revision") if table is LiveTable.ROAD else None
        if held is None or (at is not None and held[at] <= row[at]):
            self.live[table][key] = row


small = st.integers(0, 2)
zone_rows = st.builds(zone_row, zone=small, minute=small, people_low=st.none() | st.integers(0, 50))
gate_rows = st.builds(gate_row, gate=small, minute=small, withheld=st.booleans())
road_rows = st.builds(road_row, zone=small, minute=small, vehicles=st.floats(0, 9), revision=small)
bodies = st.one_of(
    st.tuples(st.just(LiveTable.ZONE), st.lists(zone_rows, max_size=4)),
    st.tuples(st.just(LiveTable.GATE), st.lists(gate_rows, max_size=4)),
    st.tuples(st.just(LiveTable.ROAD), st.lists(road_rows, max_size=4)),
    st.builds(transition, st.sampled_from(["a", "b"]), st.integers(1, 4), people_low=small),
)


def numbered(found: list[tuple[LiveTable, list[Row]] | Transition]) -> list[Message]:
    return [
        alert_message(body, offset=at) if isinstance(body, Transition)
        else live_message(body[0], *body[1], offset=at)
        for at, body in enumerate(found)
    ]


def written(flushes: list[list[Message]], model: Model | None = None) -> Model:
    model = model or Model()
    for messages in flushes:
        buffer = RowBuffer()
        for message in messages:
            buffer.add(message)
        model.write(buffer)
    return model


@given(found=st.lists(bodies, max_size=12), cuts=st.sets(st.integers(0, 12)))
def test_any_division_into_flushes_writes_the_same(
    found: list[tuple[LiveTable, list[Row]] | Transition], cuts: set[int]
) -> None:
    messages = numbered(found)
    edges = [0, *sorted(cut for cut in cuts if 0 < cut < len(messages)), len(messages)]
    flushes = [messages[begin:end] for begin, end in pairwise(edges)]
    assert written(flushes) == written([[message] for message in messages])


@given(found=st.lists(bodies, max_size=10), begin=st.integers(0, 10))
def test_messages_that_come_again_change_nothing(
    found: list[tuple[LiveTable, list[Row]] | Transition], begin: int
) -> None:
    messages = numbered(found)
    once = written([messages])
    again = written([messages, messages[begin:]])
    assert again == once


def test_the_first_row_about_people_stands_and_the_highest_revision_of_a_road() -> None:
    buffer = RowBuffer()
    for offset, (people, vehicles, revision) in enumerate([(10, 1.0, 0), (20, 3.0, 2), (30, 2.0, 1)]):
        buffer.add(live_message(LiveTable.ZONE, zone_row(people_low=people), offset=2 * offset))
        road = road_row(vehicles=vehicles, revision=revision)
        buffer.add(live_message(LiveTable.ROAD, road, offset=2 * offset + 1))
    [zone] = buffer.sorted_rows(LiveTable.ZONE)
    [road_tuple] = buffer.sorted_rows(LiveTable.ROAD)
    assert zone[SCHEMAS[LiveTable.ZONE].names.index("people_low")] == 10
    assert road_tuple[SCHEMAS[LiveTable.ROAD].names.index("vehicles")] == 3.0
    assert buffer.next_offsets == {(Topic.LIVE, 0): 6}
    assert len(buffer) == 2


def _without(name: str) -> bytes:
    table = pa.RecordBatch.from_pylist([zone_row()], schema=SCHEMAS[LiveTable.ZONE])
    at = table.schema.names.index(name)
    arrays = [pa.nulls(1, column.type) if here == at else column for here, column in enumerate(table.columns)]
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_batch(pa.RecordBatch.from_arrays(arrays, schema=table.schema))
    encoded: bytes = sink.getvalue().to_pybytes()
    return encoded


GOOD = live_message(LiveTable.ZONE, zone_row(), offset=5)
REFUSED: dict[str, tuple[Message, Reason]] = {
    "no rows": (replaced(GOOD, value=b""), Reason.MALFORMED),
    "other bytes": (replaced(GOOD, value=b"\x00secret"), Reason.MALFORMED),
    "cut off": (replaced(GOOD, value=GOOD.value[:-60]), Reason.MALFORMED),
    "rows of another table": (replaced(GOOD, headers=live_headers(LiveTable.GATE)), Reason.MALFORMED),
    "no value where one must be": (replaced(GOOD, value=_without("coverage")), Reason.MALFORMED),
    "no headers": (replaced(GOOD, headers=None), Reason.UNKNOWN_KIND),
    "newer version": (
        replaced(GOOD, headers=[("ce_type", b"nl.drukte.live.zone_minute.v2")]), Reason.UNKNOWN_KIND
    ),
    "rows on alerts": (replaced(GOOD, topic=Topic.ALERTS), Reason.UNKNOWN_KIND),
    "transition on live": (replaced(alert_message(transition()), topic=Topic.LIVE), Reason.UNKNOWN_KIND),
    "no transition": (Message(Topic.ALERTS, 0, 5, alert_headers(), b'{"secret": 1}'), Reason.MALFORMED),
    "not JSON": (Message(Topic.ALERTS, 0, 5, alert_headers(), b"secret"), Reason.MALFORMED),
    "far past": (
        live_message(LiveTable.ZONE, zone_row(window_start=NOON - timedelta(days=40_000))), Reason.BAD_TIME
    ),
    "far future": (alert_message(transition(at_us=2**62)), Reason.BAD_TIME),
}


@pytest.mark.parametrize("named", REFUSED)
def test_what_cannot_be_read_is_refused_with_a_reason_and_leaves_no_trace(named: str) -> None:
    message, reason = REFUSED[named]
    buffer = RowBuffer()
    buffer.add(GOOD)
    before = (buffer.sorted_rows(LiveTable.ZONE), dict(buffer.transitions), dict(buffer.next_offsets))
    with pytest.raises(RefusedError) as refused:
        buffer.add(message)
    assert refused.value.reason == reason
    assert "secret" not in str(refused.value)
    assert (buffer.sorted_rows(LiveTable.ZONE), buffer.transitions, buffer.next_offsets) == before


def test_a_skipped_message_moves_the_offset_alone() -> None:
    buffer = RowBuffer()
    buffer.skip(GOOD)
    assert buffer.next_offsets == {(Topic.LIVE, 0): 6}
    assert len(buffer) == 0
