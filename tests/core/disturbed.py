# SPDX-License-Identifier: Apache-2.0
"""A log as it comes from a bad day: some messages corrupted, some twice, some late."""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from schemas.errors import RefusedError
from schemas.log import Headers, LogMessage, decode_log, encode_log
from streams.core.effect import Effect
from streams.core.step import Partition
from streams.worker.effects import in_messages, outgoing

CORRUPTED, TWICE, LATE = 0.01, 0.02, 0.05
BACK = 40
"""A late or repeated message comes at most so many messages later."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One message of the log; `append_us` is the broker's stamp."""

    offset: int
    headers: Headers
    value: bytes
    append_us: int
    is_broken: bool = False
    is_repeat: bool = False


def disturbed(messages: Iterable[LogMessage], rng: random.Random) -> list[Entry]:
    """The messages of one partition, encoded and disturbed; a late one keeps its readings' times."""
    order: list[tuple[float, int, LogMessage, bool]] = []
    for position, message in enumerate(messages):
        delay = rng.uniform(1, BACK) if message.batch is not None and rng.random() < LATE else 0.0
        order.append((position + delay, position, message, False))
        if rng.random() < TWICE:
            order.append((position + delay + rng.uniform(1, BACK), position, message, True))
    order.sort(key=lambda one: one[:2])
    entries, append_us = [], 0
    for offset, (_, _, message, is_repeat) in enumerate(order):
        headers, value = encode_log(message)
        append_us = max(append_us, message.ingested_at_us)
        is_broken = rng.random() < CORRUPTED
        if is_broken:
            headers, value = _corrupted(headers, value, rng)
        entries.append(Entry(offset, headers, value, append_us, is_broken, is_repeat))
    return entries


def _corrupted(headers: Headers, value: bytes, rng: random.Random) -> tuple[Headers, bytes]:
    how = rng.randrange(3)
    if how == 0 and value:
        return headers, value[: len(value) // 3]
    if how == 1:
        return [(name, rng.randbytes(len(held))) for name, held in headers], value
    return [], rng.randbytes(200)


Said = dict[tuple[str, bytes], bytes]
"""Effects by topic and identity."""


def folded(state: Partition, entries: Sequence[Entry], number: int) -> tuple[Said, list[Effect], int]:
    """What a fold says about messages: by identity, in order, and how many it refuses."""
    said: Said = {}
    order: list[Effect] = []
    refused = 0
    for entry in entries:
        try:
            effects = state.step(decode_log(entry.headers, entry.value), entry.append_us)
        except RefusedError:
            refused += 1
            continue
        order += effects
        for position, effect in enumerate(in_messages(effects)):
            letter = outgoing(effect, number, entry.offset, position)
            identity = (letter.topic.value, dict(letter.headers)["ce_id"])
            assert said.setdefault(identity, letter.value) == letter.value, identity
    return said, order, refused
