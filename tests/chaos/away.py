# SPDX-License-Identifier: Apache-2.0
"""The database goes away while an event runs: alerts and the wall go on, and afterwards every row is there."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from tests.chaos import oracle
from tests.chaos.deployment import Deployment


class Stoppable(Protocol):
    """The database's server."""

    def start(self) -> None: ...

    def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Absence:
    """What happened.

    Parameters
    ----------
    told, changes : int
        Transitions that the receiver took, and changes that the wall showed, while the database was away.
    rounds : int
        How often both moved on during that time.
    """

    told: int
    changes: int
    rounds: int


def database_away(deployment: Deployment, database: Stoppable, away_s: float) -> Absence:
    """Stop the database for so long, at least until both alerts and the wall moved on; then start it again."""
    database.stop()
    try:
        told, changes, rounds = deployment.said(), deployment.watcher.changes, 0
        end_s = time.monotonic() + away_s
        while not rounds or time.monotonic() < end_s:
            deployment.wait_for_news("alerts and wall go on without the database")
            rounds += 1
        return Absence(deployment.said() - told, deployment.watcher.changes - changes, rounds)
    finally:
        database.start()


def report(deployment: Deployment, absence: Absence, say: Callable[[str], object]) -> int:
    """Compare and tell; the number of rows that differ."""
    truth = deployment.settle()
    found = oracle.differences(truth.rows, oracle.stored(deployment.uri))
    say(f"while the database was away: {absence.told} transitions delivered, {absence.changes} changes on the wall\n")
    say(f"afterwards: {sum(map(len, truth.rows.values()))} rows compared, {len(found)} differences\n")
    return len(found)
