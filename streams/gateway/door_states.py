# SPDX-License-Identifier: Apache-2.0
"""How the doors beside HTTP are: MQTT, pulls and folders, for `/metrics` and `/health`. No payload, no place."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from schemas.refusal import Reason, Refusal
from streams import metrics
from streams.metrics import Figure


class DoorKind(StrEnum):
    """What a door is."""

    MQTT = "mqtt"
    PULL = "pull"
    FOLDER = "folder"


_REFUSED = {
    DoorKind.MQTT: metrics.MQTT_REFUSED, DoorKind.PULL: metrics.PULL_REFUSED, DoorKind.FOLDER: metrics.FOLDER_REFUSED,
}


@dataclass(slots=True)
class DoorState:
    """What one door has done since the start; the door writes it, others read it from any thread.

    Parameters
    ----------
    kind : DoorKind
    source : str
        Of the city file; empty for MQTT, which may carry many.
    now_s : callable
        Monotonic seconds.

    Attributes
    ----------
    messages : int
        Messages, answers or files dealt with, also refused ones.
    refused : counter of Reason
        Refused values in them.
    connected : bool
        MQTT alone: subscribed now.
    waiting_files : int
        Folders alone: at the last look.
    failures : int
        Tries in a row that failed.
    """

    kind: DoorKind
    source: str = ""
    now_s: Callable[[], float] = time.monotonic
    messages: int = 0
    refused: Counter[Reason] = field(default_factory=Counter)
    connected: bool = False
    waiting_files: int = 0
    failures: int = 0
    _good_s: float = field(init=False)
    _failing_s: float | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._good_s = self.now_s()

    @property
    def name(self) -> str:
        """Kind, and source where it has one: the label of its figures."""
        return f"{self.kind} {self.source}".rstrip()

    @property
    def success_age_s(self) -> float:
        """Since the last success, or since the start where there was none."""
        return max(self.now_s() - self._good_s, 0.0)

    @property
    def failing_s(self) -> float:
        """For how long every try has failed; 0 where the last one was good, or none has ended yet."""
        since_s = self._failing_s
        return 0.0 if since_s is None else max(self.now_s() - since_s, 0.0)

    def took(self, refused: Iterable[Refusal] = (), messages: int = 1) -> None:
        """Messages, answers or files were dealt with."""
        self.messages += messages
        for one in refused:
            self.refused[one.reason] += one.count

    def succeeded(self) -> None:
        """The last try was good."""
        self._good_s, self._failing_s, self.failures = self.now_s(), None, 0

    def failed(self) -> None:
        """The last try was not; the door's log says why."""
        if self._failing_s is None:
            self._failing_s = self.now_s()
        self.failures += 1


class DoorStates:
    """All of a gateway; doors are added before they open."""

    def __init__(self) -> None:
        self._states: list[DoorState] = []

    def add(self, kind: DoorKind, source: str = "") -> DoorState:
        """A new one."""
        state = DoorState(kind, source)
        self._states.append(state)
        return state

    def figures(self) -> Iterator[Figure]:
        """Metrics of this moment: numbers of messages by kind alone, since a source may tell every passage."""
        states = list(self._states)
        messages: Counter[DoorKind] = Counter()
        refused: Counter[tuple[DoorKind, Reason]] = Counter()
        for state in states:
            messages[state.kind] += state.messages
            for reason, count in dict(state.refused).items():
                refused[state.kind, reason] += count
            yield Figure(metrics.DOOR_FAILURES, state.failures, state.name)
            yield Figure(metrics.DOOR_SUCCESS_AGE, state.success_age_s, state.name)
            if state.kind is DoorKind.FOLDER:
                yield Figure(metrics.WAITING, state.waiting_files, state.name)
            if state.kind is DoorKind.MQTT:
                yield Figure(metrics.MQTT_CONNECTED, float(state.connected))
        for kind, count in messages.items():
            yield Figure(metrics.DOOR_MESSAGES, count, kind.value)
        for (kind, reason), count in refused.items():
            yield Figure(_REFUSED[kind], count, reason.value)

    def as_dict(self) -> dict[str, dict[str, object]]:
        """For `/health`: by door, for how long it has been failing, and how often in a row."""
        return {
            state.name: {
                "failures": state.failures, "failing_s": round(state.failing_s, 1),
                "success_age_s": round(state.success_age_s, 1),
            } for state in self._states
        }
