# SPDX-License-Identifier: Apache-2.0
"""Messages of `snapshots`: the state of one partition's fold, compressed, and where in the log it goes on.

Exact values stand in it, so the keys are few and used again: a key that is written anew lets compaction remove
what it held. A key for each date would stay: compaction joins segments, and a joined segment is as young as its
youngest message, so deletion by time would never reach the old ones.
"""

from dataclasses import dataclass
from hashlib import blake2b

import pyarrow as pa

from schemas.errors import RefusedError
from schemas.log import Headers, ReadHeaders, event_headers, event_type
from schemas.refusal import Reason

EVENT_TYPE = "snapshot.v1"
CONTENT_TYPE = "application/zstd"
LATEST_KEY = b"latest"
HOUR_KEYS = 12
"""How many log hours keep a snapshot of their own: with the topic's 24 h they end after 37 h at the latest."""
HOUR_US = 3_600_000_000
COMPRESSION_LEVEL = 1
"""Half the time of zstd's default for a few percent of size."""


@dataclass(frozen=True, slots=True)
class SnapshotHead:
    """What a snapshot is of; stands in the headers, so that one that does not fit need not be unpacked.

    Parameters
    ----------
    partition : int
    next_offset : int
        Of `site-log`: the first message that is not folded in.
    log_time_us : int
        Microseconds since 1970, UTC.
    state_version : int
        Of the state's own format.
    city_version : int
    city_sha256 : str
    """

    partition: int
    next_offset: int
    log_time_us: int
    state_version: int
    city_version: int
    city_sha256: str


def hour_key(log_time_us: int) -> bytes:
    """The key of a log hour; the same again after `HOUR_KEYS` hours."""
    return b"hour-%02d" % (log_time_us // HOUR_US % HOUR_KEYS)


def hour_keys(log_time_us: int, before_us: int | None) -> tuple[bytes | None, list[bytes]]:
    """Which hour key a snapshot is written to, and which ones it empties because no snapshot fell in their hour.

    Parameters
    ----------
    log_time_us : int
        Of the snapshot.
    before_us : int or None
        Log time of the snapshot before it; None when nothing is known of the keys.

    Returns
    -------
    bytes or None
        None when the hour has its snapshot already.
    list of bytes
        Keys whose snapshots are older than `HOUR_KEYS` hours.
    """
    hour = log_time_us // HOUR_US
    passed = HOUR_KEYS if before_us is None else min(hour - before_us // HOUR_US, HOUR_KEYS)
    if passed <= 0:
        return None, []
    return hour_key(log_time_us), [hour_key((hour - back) * HOUR_US) for back in range(1, passed)]


def encode_snapshot(source: str, head: SnapshotHead, state: bytes) -> tuple[Headers, bytes]:
    """Headers and value of a snapshot; `state` is compressed here."""
    value: bytes = pa.Codec("zstd", COMPRESSION_LEVEL).compress(state, asbytes=True)
    headers = event_headers(EVENT_TYPE, source, f"{head.partition}/{head.next_offset}", CONTENT_TYPE)
    headers += [
        ("ce_partition", str(head.partition).encode()),
        ("ce_nextoffset", str(head.next_offset).encode()),
        ("ce_logtime", str(head.log_time_us).encode()),
        ("ce_stateversion", str(head.state_version).encode()),
        ("ce_cityversion", str(head.city_version).encode()),
        ("ce_citysha256", head.city_sha256.encode()),
        ("ce_digest", _digest(value)),
    ]
    return headers, value


def decode_head(headers: ReadHeaders | None) -> SnapshotHead:
    """Read the headers.

    Raises
    ------
    RefusedError
        `unknown-kind` for another type or version, `malformed` for a header that is missing or bad.
    """
    given = _given(headers)
    try:
        return SnapshotHead(
            partition=int(given["ce_partition"]), next_offset=int(given["ce_nextoffset"]),
            log_time_us=int(given["ce_logtime"]), state_version=int(given["ce_stateversion"]),
            city_version=int(given["ce_cityversion"]), city_sha256=given["ce_citysha256"].decode(),
        )
    except KeyError as error:
        raise RefusedError(Reason.MALFORMED, f"snapshot lacks header {error}") from None
    except ValueError as error:
        raise RefusedError(Reason.MALFORMED, f"snapshot has a bad header: {error}") from None


def decode_state(headers: ReadHeaders | None, value: bytes) -> bytes:
    """The state that `encode_snapshot` was given.

    Raises
    ------
    RefusedError
        `malformed`: not the bytes that were written.
    """
    if _given(headers).get("ce_digest") != _digest(value):
        raise RefusedError(Reason.MALFORMED, "snapshot's bytes are not those that were written")
    try:
        with pa.CompressedInputStream(pa.BufferReader(value), "zstd") as unpacked:
            state: bytes = unpacked.read()
    except (pa.ArrowException, OSError) as error:
        raise RefusedError(Reason.MALFORMED, f"snapshot cannot be unpacked: {error}") from None
    return state


def _given(headers: ReadHeaders | None) -> dict[str, bytes]:
    pairs = list(headers or ())
    if event_type(pairs) != EVENT_TYPE:
        raise RefusedError(Reason.UNKNOWN_KIND, f"message is no {EVENT_TYPE}; is a newer worker writing?")
    return {name: value for name, value in pairs if value is not None}


def _digest(value: bytes) -> bytes:
    return blake2b(value, digest_size=16).hexdigest().encode()
