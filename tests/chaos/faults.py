# SPDX-License-Identifier: Apache-2.0
"""Which process is killed or frozen when: drawn from a seed. Pure."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

FIRST_S = 4.0
FREEZE_S = (11.5, 15.0)
"""Longer than the session time-out of the workers (10 s) and the gateway's patience with the broker (10 s)."""
DOWN_S = {"broker": (0.0, 12.0), "database": (0.0, 12.0)}
"""How long a service stays away after a kill; a process of ours is started again at once."""
AT_ONCE = (0.2, 1.0)


class Action(StrEnum):
    """What is done to a process."""

    KILL = "kill"
    FREEZE = "freeze"


@dataclass(frozen=True, slots=True)
class Fault:
    """One blow.

    Parameters
    ----------
    at_s : float
        Since the feed began.
    target : str
        Name of a process.
    action : Action
    down_s : float
        How long it stays frozen, or away after a kill.
    """

    at_s: float
    target: str
    action: Action
    down_s: float


def schedule(seed: int, targets: Sequence[str], until_s: float, pace_s: float) -> list[Fault]:
    """Blows in the order of their time, `pace_s` apart on average; each kind once before any comes again."""
    drawn = random.Random(seed)  # noqa: S311  no secret
    kinds = [(target, action) for target in targets for action in Action]
    deck: list[tuple[str, Action]] = []
    faults = []
    at_s = FIRST_S
    while at_s < until_s:
        if not deck:
            deck = drawn.sample(kinds, len(kinds))
        target, action = deck.pop()
        span = FREEZE_S if action is Action.FREEZE else DOWN_S.get(target, AT_ONCE)
        faults.append(Fault(at_s, target, action, drawn.uniform(*span)))
        at_s += drawn.uniform(0.5 * pace_s, 1.5 * pace_s)
    return faults
