# SPDX-License-Identifier: Apache-2.0
"""Messages in JSON: whatever the bytes are, they are read or refused, and a refusal repeats nothing of them."""

import contextlib
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.access import decode_access
from schemas.alert import decode_transition
from schemas.city_change import decode_change
from schemas.command import decode_command, decode_outcome
from schemas.context import decode_context
from schemas.delivery import decode_delivery
from schemas.errors import RefusedError
from schemas.health import decode_purged
from schemas.ledger import INTENT_TYPE, decode_ledger
from schemas.letter import decode_letter
from schemas.log import JSON, event_headers
from schemas.note import decode_note
from schemas.refusal import Reason
from schemas.sighting import decode_shown, decode_sighting

DEEP = 100_000
DECODERS: list[Callable[[bytes], object]] = [
    decode_access, decode_change, decode_command, decode_context, decode_delivery, decode_letter, decode_note,
    decode_outcome, decode_purged, decode_shown, decode_sighting, decode_transition,
    lambda value: decode_ledger(event_headers(INTENT_TYPE, "urn:test", "1", JSON), value),
]


@pytest.mark.parametrize("decode", DECODERS)
@pytest.mark.parametrize("encoded", [
    b"", b"{", b"7", b'{"\xff": 1}', b'[{"source": "\xff"}]', b"[" * DEEP, b'{"secret": ' + b"[" * DEEP,
], ids=["nothing", "cut off", "a number", "name no UTF-8", "text no UTF-8", "deep", "deep in a field"])
def test_what_is_no_such_message_is_malformed(decode: Callable[[bytes], object], encoded: bytes) -> None:
    with pytest.raises(RefusedError) as refused:
        decode(encoded)
    assert refused.value.reason == Reason.MALFORMED
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("decode", DECODERS)
@given(encoded=st.binary(max_size=32) | st.binary(max_size=24).map(lambda some: b'{"id": "' + some + b'"}'))
def test_any_bytes_are_read_or_refused(decode: Callable[[bytes], object], encoded: bytes) -> None:
    with contextlib.suppress(RefusedError):
        decode(encoded)
