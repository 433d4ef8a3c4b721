# SPDX-License-Identifier: Apache-2.0
"""Readings of many files in the order in which they were known, with bounded memory.

Files come in any order and overlap. Readings are sorted in runs; a run that does not fit in memory lies in a
temporary file without a name, compressed: it is gone when the process is, however it ends. Then the runs are merged.
"""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any, Self

import numpy as np
import pyarrow as pa

from schemas.errors import DrukteError
from schemas.reading import SCHEMA, Batch
from streams.recorded import Piece

RUN_READINGS = 2_000_000
"""In memory at once while files are read: some 120 MB."""
PIECE_READINGS = 16_384
"""Of each run in memory at once while they are merged: about 1 MB."""
_KNOWN = "known_us"
_RUN_SCHEMA = SCHEMA.append(pa.field(_KNOWN, pa.int64(), nullable=False))


class Runs:
    """Takes readings in any order, gives them back sorted; close it (or use `with`) to free the disk.

    Parameters
    ----------
    run_readings, piece_readings : int
        How many readings a run holds before it goes to disk, and how many of each are read back at a time.

    Attributes
    ----------
    readings : int
    earliest_us, latest_us : int or None
        Earliest begin, and latest moment at which a reading was known.
    on_disk : int
        Runs that went to disk.
    """

    def __init__(self, run_readings: int = RUN_READINGS, piece_readings: int = PIECE_READINGS) -> None:
        self._run_readings, self._piece_readings = run_readings, piece_readings
        self._open: list[Piece] = []
        self._open_readings = 0
        self._files: list[IO[bytes]] = []
        self._stack = contextlib.ExitStack()
        self.readings = 0
        self.earliest_us: int | None = None
        self.latest_us: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    @property
    def on_disk(self) -> int:
        """Runs that lie on disk."""
        return len(self._files)

    def add(self, piece: Piece) -> None:
        """Take readings in, in any order; raises `DrukteError` where the disk does not take them."""
        if not len(piece):
            return
        first, last = int(piece.batch.begin.min()), int(piece.known_us.max())
        self.earliest_us = first if self.earliest_us is None else min(first, self.earliest_us)
        self.latest_us = last if self.latest_us is None else max(last, self.latest_us)
        self.readings += len(piece)
        self._open.append(piece)
        self._open_readings += len(piece)
        if self._open_readings >= self._run_readings:
            self._put_away(Piece.joined(self._open).sorted())
            self._open, self._open_readings = [], 0

    def _put_away(self, piece: Piece) -> None:
        try:
            self._files.append(self._written(piece))
        except OSError as error:
            raise DrukteError(
                f"{tempfile.gettempdir()}: sorted readings cannot be put there ({error.strerror or error}); nothing "
                "was released. Make room, or name another folder in TMPDIR"
            ) from None

    def _written(self, piece: Piece) -> IO[bytes]:
        file = self._stack.enter_context(tempfile.TemporaryFile(prefix="drukte-backfill-"))  # noqa: SIM115
        options = pa.ipc.IpcWriteOptions(compression="zstd")
        with pa.ipc.new_file(file, _RUN_SCHEMA, options=options) as writer:
            for first in range(0, len(piece), self._piece_readings):
                writer.write_batch(_record(piece.part(first, min(first + self._piece_readings, len(piece)))))
        return file

    def merged(self) -> Iterator[Piece]:
        """All readings in the order of `known_us`, in pieces; may be asked for once."""
        sources = [_Source(_pieces(file)) for file in self._files]
        last, self._open = Piece.joined(self._open).sorted() if self._open else None, []
        if last is not None:
            sources.append(_Source(_cut(last, self._piece_readings)))
        sources = [source for source in sources if source.fill()]
        while sources:
            # Nothing that is not read yet was known before the end of any piece at hand.
            bound_us = min(int(source.piece.known_us[-1]) for source in sources)
            yield Piece.joined([source.take(bound_us) for source in sources]).sorted()
            sources = [source for source in sources if source.fill()]


@dataclass(slots=True)
class _Source:
    """One run: the piece at hand and those that follow."""

    following: Iterator[Piece]
    piece: Piece = field(default_factory=lambda: Piece(Batch.empty(), np.empty(0, np.int64)))

    def fill(self) -> bool:
        """Read the next piece where none is at hand; false at the end of the run."""
        while not len(self.piece):
            following = next(self.following, None)
            if following is None:
                return False
            self.piece = following
        return True

    def take(self, bound_us: int) -> Piece:
        """What was known by then."""
        end = int(np.searchsorted(self.piece.known_us, bound_us, side="right"))
        taken, self.piece = self.piece.part(0, end), self.piece.part(end, len(self.piece))
        return taken


def _cut(piece: Piece, size: int) -> Iterator[Piece]:
    for first in range(0, len(piece), size):
        yield piece.part(first, min(first + size, len(piece)))


def _record(piece: Piece) -> pa.RecordBatch:
    columns: list[Any] = [pa.array(getattr(piece.batch, name)) for name in SCHEMA.names]
    return pa.RecordBatch.from_arrays([*columns, pa.array(piece.known_us)], schema=_RUN_SCHEMA)


def _pieces(file: IO[bytes]) -> Iterator[Piece]:
    file.seek(0)
    with pa.ipc.open_file(file) as reader:
        for number in range(reader.num_record_batches):
            record = reader.get_batch(number)
            columns = [record.column(name).to_numpy() for name in SCHEMA.names]
            yield Piece(Batch(*columns), record.column(_KNOWN).to_numpy())
