# SPDX-License-Identifier: Apache-2.0
import gzip
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.errors import RefusedError
from schemas.feeds.compression import CHUNK_BYTES, decompressed
from schemas.refusal import Reason

LIMIT = 1_000_000
TEXT = b"druk te " * 40_000


class OneByteAtATime(io.BytesIO):
    """A reader that gives less than it is asked for, as a socket may."""

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(min(1, size or 1) if size else size)


def whole(stream: bytes | io.BytesIO, limit_bytes: int = LIMIT) -> bytes:
    return b"".join(decompressed(stream, limit_bytes))


def content_or_reason(body: bytes) -> bytes | str:
    try:
        return whole(body)
    except RefusedError as refused:
        return refused.reason


@given(st.binary(max_size=2_000), st.booleans(), st.booleans())
def test_content_comes_out_as_it_went_in(content: bytes, packed: bool, slow_reader: bool) -> None:
    if content.startswith(b"\x1f\x8b") and not packed:
        return
    body = gzip.compress(content) if packed else content
    assert whole(OneByteAtATime(body) if slow_reader else body) == content


def test_chunks_stay_small_and_members_follow_each_other() -> None:
    body = gzip.compress(TEXT) + gzip.compress(b"end")
    chunks = list(decompressed(body, LIMIT))
    assert b"".join(chunks) == TEXT + b"end"
    assert max(map(len, chunks)) <= CHUNK_BYTES


@pytest.mark.parametrize("body", [TEXT, gzip.compress(TEXT)], ids=["plain", "gzip"])
def test_the_limit_counts_what_comes_out(body: bytes) -> None:
    assert len(whole(body, len(TEXT))) == len(TEXT)
    with pytest.raises(RefusedError) as refused:
        whole(body, len(TEXT) - 1)
    assert refused.value.reason == Reason.TOO_LARGE


def test_a_bomb_stops_at_the_limit() -> None:
    bomb = gzip.compress(bytes(50_000_000))
    assert len(bomb) < 100_000
    out: list[int] = []
    with pytest.raises(RefusedError) as refused:
        out.extend(map(len, decompressed(bomb, LIMIT)))
    assert refused.value.reason == Reason.TOO_LARGE
    assert sum(out) <= LIMIT


@given(st.integers(min_value=2, max_value=len(gzip.compress(b"some text" * 20)) - 1))
def test_a_cut_off_stream_is_malformed(length: int) -> None:
    with pytest.raises(RefusedError) as refused:
        whole(gzip.compress(b"some text" * 20)[:length])
    assert refused.value.reason == Reason.MALFORMED


@given(st.data())
def test_a_flipped_byte_is_refused_or_harmless(data: st.DataObject) -> None:
    body = bytearray(gzip.compress(TEXT[:5_000]))
    at = data.draw(st.integers(2, len(body) - 1))
    body[at] ^= data.draw(st.integers(1, 255))
    # The header holds a time and a name that nobody reads.
    assert content_or_reason(bytes(body)) in (TEXT[:5_000], Reason.MALFORMED)


@pytest.mark.parametrize("tail", [b"x", b"\x1f\x8b", b"<html>"])
def test_what_follows_a_stream_is_refused(tail: bytes) -> None:
    with pytest.raises(RefusedError) as refused:
        whole(gzip.compress(b"text") + tail)
    assert refused.value.reason == Reason.MALFORMED
