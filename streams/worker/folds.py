# SPDX-License-Identifier: Apache-2.0
"""The partitions that this worker holds: their state and the offset that each of them expects."""

from collections import Counter
from dataclasses import dataclass, field

from schemas.city import City
from schemas.errors import FatalError
from streams.core.step import Partition
from streams.worker.acknowledged import Unacknowledged


@dataclass(frozen=True, slots=True)
class Kept:
    """The newest snapshot that is known of a partition: where in the log and when in log time it was cut.

    Parameters
    ----------
    next_offset : int
    log_time_us : int
        Microseconds since 1970, UTC.
    """

    next_offset: int
    log_time_us: int


@dataclass(frozen=True, slots=True)
class Restored:
    """The state of a snapshot, ready to go on."""

    state: Partition
    kept: Kept


@dataclass(slots=True)
class Fold:
    """One partition.

    Parameters
    ----------
    number : int
    state : Partition
    next_offset : int
        The offset of the next message to fold in.
    untouched : bool
        Whether the state is empty: no message was folded in yet.
    kept : Kept or None
        The newest snapshot.
    unacknowledged : Unacknowledged
        Its effects that are under way.
    """

    number: int
    state: Partition
    next_offset: int
    untouched: bool = field(default=True)
    kept: Kept | None = field(default=None)
    unacknowledged: Unacknowledged = field(default_factory=Unacknowledged)

    def advance(self, offset: int, effects: int) -> None:
        """Note that the message at `offset` is folded in and that so many effects of it are to be sent.

        One call, so that nobody can see the offset without its effects: a snapshot would be ahead of them.
        """
        self.unacknowledged.register(offset, effects)
        self.next_offset = offset + 1
        self.untouched = False


class Folds:
    """All folds of a worker, by partition number.

    Parameters
    ----------
    city : City
    partitions : int
        Of the deployment.
    """

    def __init__(self, city: City, partitions: int) -> None:
        self._city = city
        self._partitions = partitions
        self._folds: dict[int, Fold] = {}
        self.counters: Counter[str] = Counter()
        """Messages that changed no state: `stale`, `repeated`, `refused`."""

    def begin(self, number: int, offset: int) -> Fold:
        """Start partition `number` with empty state at `offset`.

        Raises
        ------
        FatalError
            The log has more partitions than the deployment.
        """
        self._check(number)
        return self._hold(Fold(number, Partition(self._city, self._partitions, number), offset))

    def resume(self, number: int, restored: Restored) -> Fold:
        """Go on with partition `number` where a snapshot was cut; raises as `begin` does."""
        self._check(number)
        kept = restored.kept
        return self._hold(Fold(number, restored.state, kept.next_offset, untouched=False, kept=kept))

    def get(self, number: int) -> Fold | None:
        """The fold of a partition, or None where this worker does not hold it."""
        return self._folds.get(number)

    def held(self) -> list[Fold]:
        """All folds, ascending by partition."""
        return [self._folds[number] for number in sorted(self._folds)]

    def states(self) -> list[Partition]:
        """The states of all folds; may be asked for in another thread."""
        return [fold.state for fold in list(self._folds.values())]

    def drop(self, number: int) -> None:
        """Forget a partition; nothing happens where it is not held."""
        self._folds.pop(number, None)

    def _hold(self, fold: Fold) -> Fold:
        self._folds[fold.number] = fold
        return fold

    def _check(self, number: int) -> None:
        if number >= self._partitions:
            raise FatalError(
                f"site-log has a partition {number}, but drukte.toml says kafka.partitions = "
                f"{self._partitions}; the number is fixed for the life of a deployment"
            )
