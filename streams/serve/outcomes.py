# SPDX-License-Identifier: Apache-2.0
"""What the fold said to operators' commands: each partition's answer, and those who wait for it.

Bound to one event loop: outcomes are taken in and waited for there.
"""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field

from schemas.command import DRILL_ORDER, GATE_ORDER, Done, GateClosed, GateOpen, Outcome, tag_of

GATE_COMMANDS = {tag_of(kind) for kind in (GateClosed, GateOpen)}
KEPT = 5_000
"""Commands whose answers are remembered; a client that tries again does so within minutes."""


@dataclass(slots=True)
class Outcomes:
    """Outcomes by command and partition; the first of each stands, since a repeat says the same."""

    orders: dict[str, Outcome] = field(default_factory=dict)
    """The newest outcome that began or ended each exercise, closed or opened each gate; by standing order."""
    _known: dict[str, dict[int, Outcome]] = field(default_factory=dict)
    _waiting: dict[str, set[asyncio.Event]] = field(default_factory=dict, compare=False)

    def take(self, partition: int, outcome: Outcome) -> bool:
        """Take an answer in; whether it changes what stands."""
        changed = self._take_order(outcome)
        answers = self._known.setdefault(outcome.command_id, {})
        if partition in answers:
            return changed
        answers[partition] = outcome
        if len(self._known) > KEPT:
            del self._known[next(iter(self._known))]
        for event in self._waiting.get(outcome.command_id, ()):
            event.set()
        return changed

    def _take_order(self, outcome: Outcome) -> bool:
        order = _order(outcome)
        before = self.orders.get(order)
        if outcome.done is not Done.DONE or not order.startswith((GATE_ORDER, DRILL_ORDER)) or (
            before is not None and before.at_us > outcome.at_us
        ):
            return False
        self.orders[order] = outcome
        return outcome != before

    def closed_gates(self, now_us: int) -> set[str]:
        """Gates that operators closed and that are closed at that time (log time, microseconds since 1970, UTC)."""
        return {order.removeprefix(GATE_ORDER) for order, one in self.orders.items()
                if order.startswith(GATE_ORDER) and one.until_us is not None and one.until_us > now_us}

    def drills(self, now_us: int) -> dict[str, Outcome]:
        """Exercises that are on at that log time, by `site/KEY` or `rule/KEY`: the outcome that began each."""
        return {order.removeprefix(DRILL_ORDER): one for order, one in self.orders.items()
                if order.startswith(DRILL_ORDER) and one.stands and (one.until_us is None or one.until_us > now_us)}

    def answer(self, command_id: str, partitions: Iterable[int]) -> Outcome | None:
        """The one answer of all partitions that were asked; None while some are silent.

        A command to all of them is done as soon as every one answered and one of them did it.
        """
        answers = self._known.get(command_id, {})
        asked = [answers.get(partition) for partition in partitions]
        told = [one for one in asked if one is not None]
        if len(told) < len(asked) or not told:
            return None
        return next((one for one in told if one.done is Done.DONE), told[0])

    async def wait(self, command_id: str, partitions: Iterable[int], limit_s: float) -> Outcome | None:
        """The answer as soon as it is there, None when it is not within the limit."""
        asked, event = tuple(partitions), asyncio.Event()
        self._waiting.setdefault(command_id, set()).add(event)
        try:
            async with asyncio.timeout(limit_s):
                while (answer := self.answer(command_id, asked)) is None:
                    event.clear()
                    await event.wait()
                return answer
        except TimeoutError:
            return None
        finally:
            self._waiting[command_id].discard(event)
            if not self._waiting[command_id]:
                del self._waiting[command_id]

    def taken(self, place: str, plan: str, measure: str, since_us: int) -> Outcome | None:
        """The last time that a measure was marked as taken at a place since then."""
        done = [
            one for answers in self._known.values() for one in answers.values()
            if one.done is Done.DONE and (one.place, one.measure) == (place, f"{plan}/{measure}")
            and one.at_us >= since_us
        ]
        return max(done, key=lambda one: one.at_us, default=None)


def _order(outcome: Outcome) -> str:
    """What it begins or ends; outcomes from before this was told name their gate."""
    return f"{GATE_ORDER}{outcome.place}" if outcome.command in GATE_COMMANDS else outcome.standing_order
