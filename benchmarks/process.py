# SPDX-License-Identifier: Apache-2.0
"""A program of Drukte as a process that notes when its work began and ended, with the CPU it had used by then.

`python -m benchmarks.process ORDER_JSON PROGRAM ...` is `drukte PROGRAM ...` but for these notes: two cheap calls
a message at the places named below. The measured time holds neither start-up nor the reading of the city file.
"""

import sys
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.profile import Profile


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """What to note.

    Parameters
    ----------
    notes : str
        File that gets a line of JSON for each note.
    expected : int
        Messages after which the work is done: of `site-log` (worker), `edge` (gateway) or `live` (writer).
    profile : bool
        Whether to measure a worker's stages as well, which costs time of its own.
    """

    notes: str
    expected: int
    profile: bool = False


class Note(msgspec.Struct, frozen=True, kw_only=True):
    """An instant: the wall clock, this process's CPU time so far, and the CPU time by stage."""

    what: str
    wall_ns: int
    cpu_s: float
    stages_s: dict[str, float] = {}


class Notes:
    """Writes `first` and `last`, once each.

    Parameters
    ----------
    order : Order
    profile : Profile, optional
    """

    def __init__(self, order: Order, profile: Profile | None = None) -> None:
        self._path = Path(order.notes)
        self._profile = profile
        self._noted: set[str] = set()
        self.expected = order.expected

    def note(self, what: str) -> None:
        """Note this instant under a name; a second time nothing happens."""
        if what in self._noted:
            return
        self._noted.add(what)
        stages = {} if self._profile is None else dict(self._profile.spent_s)
        told = Note(what=what, wall_ns=time.time_ns(), cpu_s=time.process_time(), stages_s=stages)
        with self._path.open("ab") as sink:
            sink.write(msgspec.json.encode(told) + b"\n")


def read_notes(path: Path) -> dict[str, Note]:
    """What a process has noted so far, by name."""
    if not path.exists():
        return {}
    lines = path.read_bytes().split(b"\n")[:-1]
    return {note.what: note for note in (msgspec.json.decode(line, type=Note) for line in lines)}


def around(owner: Any, name: str, make: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Replace a function or method of `owner` by what `make` makes of it.

    Raises
    ------
    AttributeError
        There is none of this name any more: the benchmark has to follow the code.
    """
    original = getattr(owner, name)
    setattr(owner, name, wraps(original)(make(original)))


def watch_worker(notes: Notes) -> None:
    """From the first message folded in until the broker has every effect of the last."""
    from streams.worker.acknowledged import Unacknowledged
    from streams.worker.folds import Fold
    folded, waiting = [0], [0]

    def done() -> None:
        if folded[0] >= notes.expected and not waiting[0]:
            notes.note("last")

    def advance(original: Callable[..., Any]) -> Callable[..., Any]:
        def counted(fold: Any, offset: int, effects: int) -> Any:
            notes.note("first")
            original(fold, offset, effects)
            folded[0] += 1
            waiting[0] += effects
            done()
        return counted

    def acknowledge(original: Callable[..., Any]) -> Callable[..., Any]:
        def counted(unacknowledged: Any, offset: int) -> Any:
            original(unacknowledged, offset)
            waiting[0] -= 1
            done()
        return counted

    around(Fold, "advance", advance)
    around(Unacknowledged, "acknowledge", acknowledge)


def watch_gateway(notes: Notes) -> None:
    """From the first messages read from `edge` until the log has the readings of the last."""
    from streams.gateway.edge import EdgeReader
    following: dict[int, int] = {}

    def read(original: Callable[..., Any]) -> Callable[..., Any]:
        def noted(reader: Any) -> Any:
            messages = original(reader)
            if messages:
                notes.note("first")
            return messages
        return noted

    def note(original: Callable[..., Any]) -> Callable[..., Any]:
        def counted(reader: Any, next_offsets: dict[int, int]) -> Any:
            original(reader, next_offsets)
            following.update(next_offsets)
            if sum(following.values()) >= notes.expected:
                notes.note("last")
        return counted

    around(EdgeReader, "read", read)
    around(EdgeReader, "note", note)


def watch_writer(notes: Notes) -> None:
    """From the first messages polled until the database has committed the last."""
    from streams.writer.database import Database
    from streams.writer.log import LogReader
    following: dict[tuple[str, int], int] = {}

    def poll(original: Callable[..., Any]) -> Callable[..., Any]:
        def noted(*given: Any) -> Any:
            messages = original(*given)
            if messages:
                notes.note("first")
            return messages
        return noted

    def write(original: Callable[..., Any]) -> Callable[..., Any]:
        def counted(database: Any, buffer: Any) -> Any:
            told = original(database, buffer)
            following.update(buffer.next_offsets)
            if sum(following.values()) >= notes.expected:
                notes.note("last")
            return told
        return counted

    around(LogReader, "poll", poll)
    around(Database, "write", write)


WATCHES: dict[str, Callable[[Notes], None]] = {
    "worker": watch_worker, "gateway": watch_gateway, "writer": watch_writer,
}


def main() -> None:
    """Hang the notes in, then be the `drukte` command."""
    from streams import cli
    order = msgspec.json.decode(sys.argv[1], type=Order)
    program = sys.argv[2]
    profile = Profile.of_worker() if order.profile else None
    WATCHES[program](Notes(order, profile))
    sys.argv = ["drukte", *sys.argv[2:]]
    cli.main()


if __name__ == "__main__":
    main()
