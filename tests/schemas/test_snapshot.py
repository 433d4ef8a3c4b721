# SPDX-License-Identifier: Apache-2.0
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import RefusedError
from schemas.snapshot import (
    HOUR_KEYS,
    HOUR_US,
    SnapshotHead,
    decode_head,
    decode_state,
    encode_snapshot,
    hour_key,
    hour_keys,
)

HEAD = SnapshotHead(3, 17, 1_780_000_000_000_000, 1, 2, "ab" * 32)


@given(st.binary(max_size=2_000))
def test_what_was_written_is_read(state: bytes) -> None:
    headers, value = encode_snapshot("urn:test", HEAD, state)
    assert decode_head(headers) == HEAD
    assert decode_state(headers, value) == state


def test_a_snapshot_is_smaller_than_its_state_and_a_cloud_event() -> None:
    headers, value = encode_snapshot("urn:test", HEAD, bytes(100_000))
    assert len(value) < 1_000
    given_headers = dict(headers)
    assert given_headers["ce_type"] == b"nl.drukte.snapshot.v1"
    assert given_headers["ce_id"] == b"3/17"
    assert all(re.fullmatch("content-type|ce_[a-z0-9]{1,20}", name) for name in given_headers)


@given(st.data())
def test_any_changed_bit_is_seen(data: st.DataObject) -> None:
    headers, value = encode_snapshot("urn:test", HEAD, b"state of a partition")
    at = data.draw(st.integers(0, len(value) - 1))
    bit = 1 << data.draw(st.integers(0, 7))
    with pytest.raises(RefusedError, match="not those"):
        decode_state(headers, value[:at] + bytes([value[at] ^ bit]) + value[at + 1 :])


@pytest.mark.parametrize("left_out", ["ce_nextoffset", "ce_logtime", "ce_citysha256"])
def test_a_missing_or_bad_header_is_malformed(left_out: str) -> None:
    headers, _ = encode_snapshot("urn:test", HEAD, b"")
    with pytest.raises(RefusedError, match=left_out):
        decode_head([header for header in headers if header[0] != left_out])
    with pytest.raises(RefusedError):
        decode_head([(name, b"\xff" if name == left_out else value) for name, value in headers])


@given(st.lists(st.integers(0, 60 * HOUR_US), min_size=1, max_size=30).map(sorted))
def test_every_key_of_an_hour_is_empty_or_younger_than_all_hours_together(times_us: list[int]) -> None:
    kept = {hour_key(back * HOUR_US): -1_000 * HOUR_US for back in range(HOUR_KEYS)}
    before_us = None
    for now_us in times_us:
        key, emptied = hour_keys(now_us, before_us)
        for old in emptied:
            kept.pop(old, None)
        if key is not None:
            assert key not in emptied
            kept[key] = now_us
        before_us = now_us
        assert all(now_us // HOUR_US - then_us // HOUR_US < HOUR_KEYS for then_us in kept.values())
        assert hour_key(now_us) in kept
