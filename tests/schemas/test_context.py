# SPDX-License-Identifier: Apache-2.0
"""Context records: the newest version stands, and only what is one can be read."""

import contextlib

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.context import decode_context, encode_context, newest
from schemas.errors import RefusedError
from schemas.log import Clock, Kind, LogMessage, decode_log, encode_log
from tests.schemas.context_samples import BEGINS_US, record


def test_records_come_back_as_they_went_also_through_the_log() -> None:
    records = [record(), record("event", 3, ends_us=None, place=[[(4.3, 52.1), (4.31, 52.11)]], ended=True)]
    assert decode_context(encode_context(records)) == records
    message = LogMessage(Kind.CONTEXT, BEGINS_US, Clock.WALL, 1, "ndw-situations", "a/1", context=records)
    assert decode_log(*encode_log(message)) == message


def test_a_record_is_over_when_its_time_is_or_when_it_says_so() -> None:
    closure = record()
    assert not closure.is_over(BEGINS_US)
    assert closure.is_over(BEGINS_US + 86_400_000_000)
    assert record(ends_us=None, ended=True).is_over(BEGINS_US)
    assert not record(ends_us=None).is_over(2**52)


@given(st.permutations([record(version=number) for number in range(4)] + [record("other", 2)]))
def test_the_newest_version_stands_in_whatever_order_they_come(records: list[object]) -> None:
    found = newest(records)  # type: ignore[arg-type]  # permutations of the list above
    assert {key: one.version for key, one in found.items()} == {
        ("ndw-situations", "works-1"): 3, ("ndw-situations", "other"): 2}


@pytest.mark.parametrize("change", [
    {"kind": "other"}, {"place": [[]]}, {"place": [[[200.0, 52.0]]]}, {"begins_us": -1}, {"record": ""},
    {"record": "a\nb"}, {"version": "1"}, {"note": "free text"},
])
def test_what_is_no_record_is_refused(change: dict[str, object]) -> None:
    values = [msgspec.to_builtins(record()) | change]
    with pytest.raises(RefusedError) as refused:
        decode_context(msgspec.json.encode(values))
    assert refused.value.reason == "malformed"


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    with contextlib.suppress(RefusedError):
        decode_context(body)
