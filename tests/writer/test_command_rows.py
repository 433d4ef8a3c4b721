# SPDX-License-Identifier: Apache-2.0
"""Outcomes of commands and notes to rows; and transitions of before their flags."""

from dataclasses import replace as replaced
from typing import Any

import msgspec
import pytest

from schemas.alert import decode_transition, encode_transition
from schemas.command import Done, encode_outcome
from schemas.errors import RefusedError
from schemas.log import JSON, Topic, event_headers
from schemas.note import LONGEST, NOTE_TYPE, Note, decode_note, encode_note
from schemas.refusal import Reason
from streams.writer.rows import Message, RowBuffer
from tests.writer.samples import note, note_message, outcome, outcome_headers, outcome_message, transition

PERSON = "Jan de Vries"


def test_an_outcome_of_each_partition_stands_and_the_first_of_a_repeat() -> None:
    buffer = RowBuffer()
    buffer.add(outcome_message(outcome("c/1"), partition=3, offset=0))
    buffer.add(outcome_message(outcome("c/1", done=Done.REFUSED, reason="no such rule"), partition=4, offset=1))
    buffer.add(outcome_message(outcome("c/1", at_us=7), partition=3, offset=2))
    assert set(buffer.outcomes) == {("c/1", 3), ("c/1", 4)}
    assert buffer.outcomes["c/1", 3] == outcome("c/1")
    assert (len(buffer), buffer.next_offsets) == (2, {(Topic.ALERTS, 0): 3})


def test_the_first_note_of_an_id_stands() -> None:
    buffer = RowBuffer()
    buffer.add(note_message(note()))
    buffer.add(note_message(note(text="Iets anders."), offset=1))
    assert buffer.notes == {"n-1": note()}
    assert (len(buffer), buffer.next_offsets) == (1, {(Topic.NOTES, 0): 2})


REFUSED: dict[str, tuple[Message, Reason]] = {
    "no outcome": (replaced(outcome_message(outcome()), value=b'{"secret": 1}'), Reason.MALFORMED),
    "an outcome of no time": (outcome_message(outcome(at_us=2**62)), Reason.BAD_TIME),
    "an outcome of no partition": (
        Message(Topic.ALERTS, 0, 0, event_headers("alert.outcome.v1", "urn:drukte:worker", "c-1", JSON),
                encode_outcome(outcome())), Reason.MALFORMED),
    "an outcome on notes": (Message(Topic.NOTES, 0, 0, outcome_headers(), encode_outcome(outcome())),
                            Reason.UNKNOWN_KIND),
    "a note on alerts": (replaced(note_message(note()), topic=Topic.ALERTS), Reason.UNKNOWN_KIND),
    "a note on live": (replaced(note_message(note()), topic=Topic.LIVE), Reason.UNKNOWN_KIND),
}


@pytest.mark.parametrize("named", REFUSED)
def test_what_cannot_be_read_is_refused_and_leaves_no_trace(named: str) -> None:
    message, reason = REFUSED[named]
    buffer = RowBuffer()
    with pytest.raises(RefusedError) as refused:
        buffer.add(message)
    assert refused.value.reason == reason
    assert "secret" not in str(refused.value)
    assert (len(buffer), buffer.next_offsets) == (0, {})


@pytest.mark.parametrize("changes", [
    {"text": ""}, {"text": PERSON * LONGEST}, {"role": PERSON}, {"id": "n 1"}, {"at_us": -1}, {"name": PERSON},
    {"alert_id": None},
])
def test_a_note_that_is_none_is_refused_without_a_word_of_it(changes: dict[str, Any]) -> None:
    given = msgspec.to_builtins(note()) | changes
    headers = event_headers(NOTE_TYPE, "urn:drukte:serve", "n-1", JSON)
    with pytest.raises(RefusedError) as refused:
        RowBuffer().add(Message(Topic.NOTES, 0, 0, headers, msgspec.json.encode(given)))
    assert refused.value.reason == Reason.MALFORMED
    assert "Jan" not in str(refused.value)


def test_a_note_comes_back_as_it_was_and_is_printed_without_its_text() -> None:
    longest = note(text=LONGEST * "é", alert_id="")
    assert decode_note(encode_note(longest)[1]) == longest
    assert not hasattr(longest, "__dict__")
    assert "Jan" not in repr(note()) + str(note()) + f"{note()}" + repr([note()])
    assert isinstance(note(), Note)


def test_a_transition_of_before_the_flags_is_read() -> None:
    given = msgspec.json.decode(encode_transition(transition()))
    new = ("acknowledged", "escalated", "suppressed", "exercise", "low", "high", "limit", "trend", "next_low_min",
           "next_high_min", "reached", "method", "assigned", "command_id", "actor", "note_id")
    for name in new:
        del given[name]
    assert decode_transition(msgspec.json.encode(given)) == transition()
