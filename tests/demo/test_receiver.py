# SPDX-License-Identifier: Apache-2.0
"""The demo's receiver takes what is signed, counts a repeat once, and keeps nothing else."""

import time
from http import HTTPStatus
from typing import Any

import httpx
import msgspec

from schemas.alert import Cause, State
from schemas.alert_outputs import SIGNATURE_HEADER
from schemas.delivery import AlertEvent
from streams.deliver.signature import sign
from streams.demo.receiver import BODY_LIMIT_BYTES, Receiver, webhook_receiver


def event(seq: int = 1, **changes: Any) -> bytes:
    moment = "2026-06-01T14:00:00Z"
    known = AlertEvent(
        alert_id="00112233aabbccdd", seq=seq, site="centrum", place="plein", place_name="Plein", rule="oranje",
        severity="warning", exercise=False, measure="people", unit="persons", state_from=State.NORMAL,
        state_to=State.FIRING, level_from=0, level_to=2, level="oranje", stale=False, late=False,
        people="340-344", people_low=340, people_high=344, percent_low=85.0, percent_high=86.0, coverage=1.0,
        profile="nl-evenement", city_version=1, cause=Cause.THRESHOLD, window_start=moment, window_end=moment,
        opened_at=moment, at=moment, starts_at=moment, ends_at=None, summary=f"Plein: melding {seq}",
    )
    return msgspec.json.encode(msgspec.structs.replace(known, **changes))


def post(receiver: Receiver, body: bytes, secret: str | None = None, at_s: float | None = None) -> int:
    signature = sign(secret or receiver.secret, body, round(at_s or time.time()))
    return httpx.post(receiver.url, content=body, headers={SIGNATURE_HEADER: signature}, trust_env=False).status_code


def test_signed_events_are_kept_and_a_repeat_counts_once() -> None:
    with webhook_receiver() as receiver:
        assert [post(receiver, event(seq)) for seq in (1, 2, 1)] == [HTTPStatus.NO_CONTENT] * 3
        assert (receiver.delivered, receiver.refused) == (2, 0)
        assert receiver.newest() == ("Plein: melding 1", "Plein: melding 2")


def test_a_wrong_signature_an_old_call_and_another_body_are_refused() -> None:
    with webhook_receiver() as receiver:
        assert post(receiver, event(), secret="another secret") == HTTPStatus.UNAUTHORIZED  # noqa: S106  no secret
        assert post(receiver, event(), at_s=time.time() - 3600) == HTTPStatus.UNAUTHORIZED
        assert post(receiver, b"{}") == HTTPStatus.UNAUTHORIZED
        assert post(receiver, b"x" * (BODY_LIMIT_BYTES + 1)) == HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        assert (receiver.delivered, receiver.newest()) == (0, ())
