# SPDX-License-Identifier: Apache-2.0
"""Effects as messages: topic, partition or key, headers and bytes. Pure.

The same effect has the same identity and the same bytes whoever says it and however often.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from schemas.alert import TRANSITION_TYPE, Transition, encode_transition
from schemas.command import OUTCOME_TYPE, Outcome, encode_outcome
from schemas.context import LIVE_TYPE, encode_context
from schemas.errors import RefusedError
from schemas.health import PURGED_TYPE, Purged, encode_purged
from schemas.letter import encode_letter, letter_headers, message_letter
from schemas.live import encode_rows
from schemas.log import ARROW, JSON, Headers, Topic, event_headers
from schemas.seal import Seal, encode_seal
from schemas.sighting import SHOWN_TYPE, SightingShown, encode_shown
from streams.core.effect import Effect, LiveContext, LiveRows

ROWS_A_MESSAGE = 40_000
"""Of at most some 100 bytes each: half of the largest message."""
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


def in_messages(effects: Iterable[Effect]) -> Iterator[Effect]:
    """The effects of a message, those with very many rows in pieces that fit into a message each.

    After a silence of hours one message passes thousands of windows. The pieces are the same whoever makes them.
    """
    for effect in effects:
        if isinstance(effect, LiveRows) and effect.rows.num_rows > ROWS_A_MESSAGE:
            for first in range(0, effect.rows.num_rows, ROWS_A_MESSAGE):
                yield LiveRows(effect.table, effect.rows.slice(first, ROWS_A_MESSAGE))
        else:
            yield effect


def outgoing(effect: Effect, partition: int, offset: int, position: int) -> Outgoing:
    """The message of one effect.

    Parameters
    ----------
    effect : Effect
    partition, offset : int
        Of the message of `site-log` that caused it.
    position : int
        Its place among the effects of that message, as `in_messages` gives them.
    """
    if isinstance(effect, Transition):
        headers = event_headers(TRANSITION_TYPE, SOURCE, f"{effect.alert_id}/{effect.seq}", JSON, effect.at_us)
        return Outgoing(Topic.ALERTS, encode_transition(effect), headers, key=effect.site.encode())
    if isinstance(effect, Outcome):
        headers = event_headers(OUTCOME_TYPE, SOURCE, f"command/{effect.command_id}/{partition}", JSON, effect.at_us)
        return Outgoing(Topic.ALERTS, encode_outcome(effect), headers, key=effect.command_id.encode())
    if isinstance(effect, Seal):
        headers, value = encode_seal(SOURCE, effect)
        return Outgoing(Topic.SEALS, value, headers, partition=partition)
    if isinstance(effect, SightingShown):
        headers = event_headers(SHOWN_TYPE, SOURCE, effect.event_id, JSON)
        return Outgoing(Topic.LIVE, encode_shown(effect), headers, partition=partition)
    if isinstance(effect, LiveContext):
        headers = event_headers(LIVE_TYPE, SOURCE, f"context/{partition}/{offset}/{position}", JSON)
        return Outgoing(Topic.LIVE, encode_context(effect.records), headers, partition=partition)
    if isinstance(effect, Purged):
        headers = event_headers(PURGED_TYPE, SOURCE, f"{effect.sensor}/{partition}/{offset}/{position}", JSON)
        return Outgoing(Topic.LIVE, encode_purged(effect), headers, partition=partition)
    event_id = f"{effect.table}/{partition}/{offset}/{position}"
    headers = event_headers(f"live.{effect.table}.v1", SOURCE, event_id, ARROW)
    return Outgoing(Topic.LIVE, encode_rows(effect.rows), headers, partition=partition)


def dead_letter(refused: RefusedError, place: tuple[str, int, int], size: int, append_us: int) -> Outgoing:
    """The dead letter of a message of `site-log` that cannot be folded; `place` is topic, partition, offset."""
    topic, partition, offset = place
    letter = message_letter(refused.reason, ADVICE, SERVICE, place, size, append_us)
    headers = letter_headers(SOURCE, f"{topic}/{partition}/{offset}", letter)
    return Outgoing(Topic.DEAD_LETTERS, encode_letter(letter), headers, key=topic.encode())
