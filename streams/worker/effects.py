# SPDX-License-Identifier: Apache-2.0
"""Effects as messages: topic, partition or key, headers and bytes. Pure.

The same effect has the same identity and the same bytes whoever says it and however often.
"""

from dataclasses import dataclass

from schemas.alert import Transition, encode_transition
from schemas.errors import RefusedError
from schemas.letter import encode_letter, letter_headers, message_letter
from schemas.live import encode_rows
from schemas.log import ARROW, JSON, Headers, Topic, event_headers
from streams.core.effect import Effect

SERVICE = "worker"
SOURCE = f"urn:drukte:{SERVICE}"
ADVICE = "skipped; does a newer gateway, or something else, write to the log?"
"""`ce_source` of all that a worker says; not which worker, since any of them says the same."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to send; without a partition the key chooses it."""

    topic: Topic
    value: bytes
    headers: Headers
    partition: int | None = None
    key: bytes | None = None


def outgoing(effect: Effect, partition: int, offset: int, position: int) -> Outgoing:
    """The message of one effect.

    Parameters
    ----------
    effect : Effect
    partition, offset : int
        Of the message of `site-log` that caused it.
    position : int
        Its place among the effects of that message.
    """
    if isinstance(effect, Transition):
        headers = event_headers("alert.transition.v1", SOURCE, f"{effect.alert_id}/{effect.seq}", JSON)
        return Outgoing(Topic.ALERTS, encode_transition(effect), headers, key=effect.site.encode())
    event_id = f"{effect.table}/{partition}/{offset}/{position}"
    headers = event_headers(f"live.{effect.table}.v1", SOURCE, event_id, ARROW)
    return Outgoing(Topic.LIVE, encode_rows(effect.rows), headers, partition=partition)


def dead_letter(refused: RefusedError, place: tuple[str, int, int], size: int, append_us: int) -> Outgoing:
    """The dead letter of a message of `site-log` that cannot be folded; `place` is topic, partition, offset."""
    topic, partition, offset = place
    letter = message_letter(refused.reason, ADVICE, SERVICE, place, size, append_us)
    headers = letter_headers(SOURCE, f"{topic}/{partition}/{offset}")
    return Outgoing(Topic.DEAD_LETTERS, encode_letter(letter), headers, key=topic.encode())
