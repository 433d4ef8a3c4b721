# SPDX-License-Identifier: Apache-2.0
"""Where a worker's CPU time goes: the event loop's thread, split by stage, each without what it calls."""

import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Generator
from functools import wraps
from typing import Any, Self

DECODE, STEP, TAKE, TIME, CLOSE, ENCODE, SEND = (
    "decode", "step, the rest", "fold message", "10 s steps", "close windows", "encode effects", "send effects",
)
STAGES = (DECODE, TAKE, TIME, CLOSE, STEP, ENCODE, SEND)
"""In the order of their happening; what is in none of them is Faust and aiokafka."""


class Profile:
    """CPU seconds by stage.

    Attributes
    ----------
    spent_s : dict of str to float
        Of the calling thread; a stage that calls another is not charged for it.
    """

    def __init__(self) -> None:
        self.spent_s: dict[str, float] = defaultdict(float)
        self._inner_s = [0.0]

    @classmethod
    def of_worker(cls) -> Self:
        """A profile with the stages of a worker hung in.

        Raises
        ------
        AttributeError
            A function is not there any more: the benchmark has to follow the code.
        """
        from streams.core.step import Partition
        from streams.worker import app
        profile = cls()
        profile.measure(app, "decode_log", DECODE)
        profile.measure(Partition, "step", STEP)
        profile.measure(Partition, "_take", TAKE)
        profile.measure(Partition, "_pass_time", TIME)
        profile.measure(Partition, "_close_due", CLOSE)
        profile.measure(app, "outgoing", ENCODE)
        profile.measure_waiting(app.FoldingWorker, "_send", SEND)
        return profile

    def measure(self, owner: Any, name: str, stage: str) -> None:
        """Charge a function's own time to a stage."""
        original = getattr(owner, name)

        @wraps(original)
        def measured(*given: Any, **named: Any) -> Any:
            begun_s = self._enter()
            try:
                return original(*given, **named)
            finally:
                self._leave(stage, begun_s)
        setattr(owner, name, measured)

    def measure_waiting(self, owner: Any, name: str, stage: str) -> None:
        """Charge a coroutine's own time to a stage, without the time in which it waits."""
        original = getattr(owner, name)
        profile = self

        @wraps(original)
        async def measured(*given: Any, **named: Any) -> Any:
            return await _Stepped(profile, stage, original(*given, **named))
        setattr(owner, name, measured)

    def _enter(self) -> float:
        self._inner_s.append(0.0)
        return time.thread_time()

    def _leave(self, stage: str, begun_s: float) -> None:
        whole_s = time.thread_time() - begun_s
        self.spent_s[stage] += whole_s - self._inner_s.pop()
        self._inner_s[-1] += whole_s

    def step(self, stage: str, proceed: Callable[[Any], Any], value: Any) -> Any:
        """Let a coroutine go on until it waits, charged to a stage."""
        begun_s = self._enter()
        try:
            return proceed(value)
        finally:
            self._leave(stage, begun_s)


class _Stepped(Awaitable[Any]):
    def __init__(self, profile: Profile, stage: str, coroutine: Any) -> None:
        self._profile, self._stage, self._coroutine = profile, stage, coroutine

    def __await__(self) -> Generator[Any, Any, Any]:
        proceed, value = self._coroutine.send, None
        while True:
            try:
                waited_for = self._profile.step(self._stage, proceed, value)
            except StopIteration as end:
                return end.value
            try:
                proceed, value = self._coroutine.send, (yield waited_for)
            except BaseException as error:  # noqa: BLE001  # it is the coroutine's to handle
                proceed, value = self._coroutine.throw, error
