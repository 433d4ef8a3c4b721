# SPDX-License-Identifier: Apache-2.0
"""The access log: a look is at the broker before anything is shown, and without it nothing is."""

import pytest

from schemas.access import Access, Looked, decode_access, encode_access
from schemas.errors import RefusedError, TransientError
from schemas.log import Topic
from streams import access_log
from streams.access_log import note_access
from streams.writer.rows import Message, RowBuffer
from tests.gateway.mock_broker import MockBroker, nowhere


def test_each_subject_has_a_line_of_its_own() -> None:
    broker = MockBroker()
    note_access(broker.kafka, "operator", Looked.REDO, ["0-1", "0-2"])
    found = [decode_access(one.value() or b"") for one in broker.read(Topic.ACCESS, lambda found: len(found) >= 2)]
    assert {(one.who, one.looked, one.subject) for one in found} == {
        ("operator", Looked.REDO, "0-1"), ("operator", Looked.REDO, "0-2")}
    assert len({one.id for one in found}) == 2


def test_without_a_broker_nobody_is_told_that_it_was_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(access_log, "DELIVERY_S", 0.2)
    with pytest.raises(TransientError, match="nothing is shown"):
        note_access(nowhere(), "operator", Looked.TRACE, ["cam"])


@pytest.mark.parametrize("value", [
    b"{}", b"[", b'{"id":"1","at_us":1,"who":"a","looked":"all","subject":"s"}',
    b'{"id":"1","at_us":1,"who":"a","looked":"trace","subject":"s","count":12}',
])
def test_what_is_no_look_is_refused(value: bytes) -> None:
    with pytest.raises(RefusedError):
        decode_access(value)


def test_a_look_that_comes_twice_is_one_row() -> None:
    buffer = RowBuffer()
    headers, value = encode_access(Access(id="1", at_us=1, who="a", looked=Looked.TRACE, subject="s"))
    for offset in (0, 1):
        buffer.add(Message(Topic.ACCESS, 0, offset, headers, value))
    assert len(buffer) == 1
    assert buffer.next_offsets == {("access", 0): 2}
