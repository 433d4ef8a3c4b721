# SPDX-License-Identifier: Apache-2.0
"""A worker on the small city, as a process of its own: `python -m tests.worker.process BOOTSTRAP [WISH]`."""

import sys
from pathlib import Path

from schemas.log import LogMessage
from streams.core.effect import Effect
from streams.core.step import Partition
from streams.settings import KafkaSettings, Settings
from streams.topics import MOCK_PARTITIONS
from streams.worker.folds import Fold
from streams.worker.run import run_worker
from tests.cities import small_city

FAILING_FOLD = "failing-fold"
"""The fold has a bug."""
HIDDEN = "4711 persons"
"""What no log may show."""
LOST_MESSAGE = "lost-message"
"""Something between the broker and the fold loses a message."""


def main(arguments: list[str]) -> int:
    """Run until a signal; the exit code."""
    bootstrap, *wishes = arguments
    if FAILING_FOLD in wishes:
        Partition.step = _failing_step  # type: ignore[method-assign,assignment]  # that is the bug
    if LOST_MESSAGE in wishes:
        Fold.advance = _late_advance  # type: ignore[method-assign,assignment]  # the next one will seem to be missing
    kafka = KafkaSettings(bootstrap=bootstrap, partitions=MOCK_PARTITIONS, mock=True)
    return run_worker(Settings(city=Path("unused.toml"), kafka=kafka), small_city(), "test-worker")


def _failing_step(partition: Partition, message: LogMessage, append_us: int) -> list[Effect]:
    del partition, message, append_us
    raise ValueError(HIDDEN)


def _late_advance(fold: Fold, offset: int) -> None:
    fold.next_offset = offset
    fold.untouched = False


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
