# SPDX-License-Identifier: Apache-2.0
"""Records of deliveries as the writer reads them."""

from typing import Any

import msgspec
import pytest

from schemas.delivery import DELIVERY_TYPE, Delivery, Outcome, decode_delivery, encode_delivery
from schemas.errors import RefusedError
from schemas.log import JSON, Headers, Topic, event_headers
from schemas.refusal import Reason
from streams.writer.rows import Message, RowBuffer
from tests.deliver.samples import START_US


def delivery(**changes: Any) -> Delivery:
    """A record."""
    known = Delivery(
        receiver="desk", site="centrum", alert_id="00112233aabbccdd", seq=1, outcome=Outcome.DELIVERED,
        attempts=1, first_try_at_us=START_US, done_at_us=START_US, http_status=200, at_us=START_US,
    )
    return msgspec.structs.replace(known, **changes)


def headers(kind: str = DELIVERY_TYPE) -> Headers:
    return event_headers(kind, "urn:drukte:deliver", "1", JSON)


def delivery_message(offset: int = 0, **changes: Any) -> Message:
    """A message of `deliveries`."""
    return Message(Topic.DELIVERIES, 0, offset, headers(), encode_delivery(delivery(**changes)))


def test_a_record_holds_nothing_of_the_transition_but_its_identity_and_its_time() -> None:
    assert decode_delivery(encode_delivery(delivery())) == delivery()
    assert set(msgspec.json.decode(encode_delivery(delivery()))) == {
        "receiver", "site", "alert_id", "seq", "outcome", "attempts", "first_try_at_us", "done_at_us",
        "http_status", "at_us",
    }


def test_a_record_of_before_has_no_time_of_its_transition() -> None:
    fields = msgspec.json.decode(encode_delivery(delivery()))
    del fields["at_us"]
    assert decode_delivery(msgspec.json.encode(fields)).at_us is None


def test_the_first_record_of_an_identity_stands() -> None:
    buffer = RowBuffer()
    buffer.add(delivery_message(0, seq=2))
    buffer.add(delivery_message(1, seq=1, outcome=Outcome.SUPERSEDED))
    buffer.add(delivery_message(2, seq=2, outcome=Outcome.FAILED))
    assert [(one.seq, one.outcome) for one in buffer.sorted_deliveries()] == [
        (1, Outcome.SUPERSEDED), (2, Outcome.DELIVERED)
    ]
    assert (len(buffer), buffer.next_offsets) == (2, {(Topic.DELIVERIES, 0): 3})


@pytest.mark.parametrize(("message", "reason"), [
    (Message(Topic.DELIVERIES, 0, 0, headers(), b"{}"), Reason.MALFORMED),
    (Message(Topic.DELIVERIES, 0, 0, headers("live.zone.v1"), encode_delivery(delivery())), Reason.UNKNOWN_KIND),
    (delivery_message(done_at_us=-1), Reason.BAD_TIME),
    (delivery_message(first_try_at_us=2**62), Reason.BAD_TIME),
    (delivery_message(at_us=-1), Reason.BAD_TIME),
])
def test_what_is_no_record_is_refused(message: Message, reason: Reason) -> None:
    buffer = RowBuffer()
    with pytest.raises(RefusedError) as refused:
        buffer.add(message)
    assert refused.value.reason == reason
    assert (len(buffer), buffer.next_offsets) == (0, {})
