# SPDX-License-Identifier: Apache-2.0
"""Bytes in chunks, gzip taken off on the way, never more of them than allowed."""

import io
import zlib
from collections.abc import Iterator
from typing import BinaryIO

from schemas.errors import RefusedError
from schemas.refusal import Reason

GZIP_MAGIC = b"\x1f\x8b"
CHUNK_BYTES = 65_536
_COMPRESSED_CHUNK_BYTES = 16_384
_GZIP_WINDOW = 31
"""zlib's window bits for a stream with a gzip header and its checksum."""


def decompressed(stream: bytes | BinaryIO, limit_bytes: int) -> Iterator[bytes]:
    """Chunks of at most 64 KiB of a document that may be gzipped; the content tells.

    Parameters
    ----------
    stream : bytes or binary file
        Read from where it stands to its end.
    limit_bytes : int
        So many bytes may come out, counted after decompression.

    Raises
    ------
    RefusedError
        `too-large` when more would come out; `malformed` for a truncated or corrupt gzip stream.
    """
    source: BinaryIO = io.BytesIO(stream) if isinstance(stream, bytes) else stream
    # A reader of a socket may give fewer bytes than asked: the two of the magic number are waited for.
    head = source.read(len(GZIP_MAGIC))
    while len(head) == 1 and (more := source.read(1)):
        head += more
    chunks = _gunzipped(head, source) if head == GZIP_MAGIC else _plain(head, source)
    total = 0
    for chunk in chunks:
        total += len(chunk)
        if total > limit_bytes:
            raise RefusedError(
                Reason.TOO_LARGE,
                f"document holds more than {limit_bytes} bytes; raise the limit or send it in parts",
            )
        yield chunk


def _plain(head: bytes, source: BinaryIO) -> Iterator[bytes]:
    chunk = head
    while chunk:
        yield chunk
        chunk = source.read(CHUNK_BYTES)


def _gunzipped(head: bytes, source: BinaryIO) -> Iterator[bytes]:
    decompressor = zlib.decompressobj(_GZIP_WINDOW)
    waiting = head
    while waiting or (waiting := source.read(_COMPRESSED_CHUNK_BYTES)):
        if decompressor.eof:
            # Another member may follow; anything else fails on its header.
            decompressor = zlib.decompressobj(_GZIP_WINDOW)
        try:
            chunk = decompressor.decompress(waiting, CHUNK_BYTES)
        except zlib.error:
            raise RefusedError(Reason.MALFORMED, "gzip stream is corrupt; fetch or send it again") from None
        waiting = decompressor.unused_data if decompressor.eof else decompressor.unconsumed_tail
        if chunk:
            yield chunk
    if not decompressor.eof:
        raise RefusedError(Reason.MALFORMED, "gzip stream is cut off; fetch or send it again")
