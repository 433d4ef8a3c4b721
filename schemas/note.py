# SPDX-License-Identifier: Apache-2.0
"""The text of an operator's note, on topic `notes` and nowhere else: it may name people.

Commands and transitions carry the note's id alone. Only the writer and the service that shows notes read it; no line
of a log, no dead letter and no other topic holds the text.
"""

from typing import Annotated

import msgspec

from schemas.command import Id, Key, RoleName, Time
from schemas.json_message import decode_json
from schemas.log import JSON, Headers, event_headers

NOTE_TYPE = "note.v1"
LONGEST = 2_000
"""Characters of a note."""


class Note(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator wrote.

    Parameters
    ----------
    id : str
        That commands and transitions name; a repeat has the same one.
    site : str
        Key of the site it is about.
    role : str
        Who wrote it; a role, never a name.
    at_us : int
        On the deployment's clock, microseconds since 1970, UTC.
    alert_id : str
        The alert it is about; empty where it is about none.
    text : str
        May hold personal data: kept for 7 days, for operations only.
    """

    id: Id
    site: Key
    role: RoleName
    at_us: Time
    alert_id: Annotated[str, msgspec.Meta(max_length=64)] = ""
    text: Annotated[str, msgspec.Meta(min_length=1, max_length=LONGEST)]

    def __repr__(self) -> str:
        """Without the text: what is printed by mistake shows none."""
        return f"Note(id={self.id!r}, site={self.site!r})"


def encode_note(note: Note, source: str = "serve") -> tuple[Headers, bytes]:
    """Headers and value of a message of `notes`; `source` is the service that sends it. Its key is the site."""
    return event_headers(NOTE_TYPE, f"urn:drukte:{source}", note.id, JSON), msgspec.json.encode(note)


def decode_note(encoded: bytes) -> Note:
    """Read what `encode_note` wrote; raises `RefusedError` (`malformed`), which repeats nothing of it."""
    return decode_json(encoded, Note, "a note")
