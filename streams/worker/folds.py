# SPDX-License-Identifier: Apache-2.0
"""The partitions that this worker holds: their state and the offset that each of them expects."""

from collections import Counter
from dataclasses import dataclass, field

from schemas.city import City
from schemas.errors import FatalError
from schemas.log import LogMessage
from streams.cities import Cities, first_state
from streams.core.log_time import UNSET
from streams.core.step import Partition
from streams.worker.acknowledged import Unacknowledged
from streams.worker.gaps import Gap


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
    """The state of a snapshot, ready to go on at offset `begins_at`: where the log begins, if that is later."""

    state: Partition
    kept: Kept
    begins_at: int


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
        Whether no message was folded in since it began or went on here.
    kept : Kept or None
        The newest snapshot.
    unacknowledged : Unacknowledged
        Its effects that are under way.
    gap : Gap or None
        Messages behind the snapshot that are gone; None once that is told.
    adopts_at : int or None
        After a cold start: the offset of the command that hands over the alerts that were open.
    """

    number: int
    state: Partition
    next_offset: int
    untouched: bool = field(default=True)
    kept: Kept | None = field(default=None)
    unacknowledged: Unacknowledged = field(default_factory=Unacknowledged)
    gap: Gap | None = field(default=None)
    adopts_at: int | None = field(default=None)

    def skip_to(self, offset: int) -> None:
        """Go on at `offset`: the log begins there. Only before the first message."""
        self.next_offset = offset
        if self.kept is not None and offset > self.kept.next_offset:
            self.gap = Gap(self.number, self.kept.next_offset, offset, self.kept.log_time_us)

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
    cities : Cities, optional
        All versions of the city; without it `city` is the only one.
    """

    def __init__(self, city: City, partitions: int, cities: Cities | None = None) -> None:
        self.cities = cities or Cities(city)
        self._partitions = partitions
        self._folds: dict[int, Fold] = {}
        self.counters: Counter[str] = Counter()
        """Messages that changed no state: `stale`, `repeated`, `refused`, `lost`."""

    def begin(self, number: int, offset: int, adopts_at: int | None = None) -> Fold:
        """Start partition `number` with empty state at `offset`.

        With `adopts_at` no alert is told before the command at that offset has handed over those that were open.

        Raises
        ------
        FatalError
            The log has more partitions than the deployment.
        """
        self._check(number)
        # Of any version: `place_in_time` makes it anew where there is a choice.
        city = self.cities.known[0].city
        state = Partition(city, self._partitions, number, awaiting_adoption=adopts_at is not None)
        return self._hold(Fold(number, state, offset, adopts_at=adopts_at))

    def place_in_time(self, fold: Fold, message: LogMessage, append_us: int) -> None:
        """Before a fold's very first message: give it the city version that is in force at that time."""
        if fold.state.log_time_us == UNSET and len(self.cities.known) > 1:
            fold.state = first_state(
                self.cities, message, append_us, self._partitions, fold.number,
                awaiting_adoption=fold.adopts_at is not None,
            )

    def resume(self, number: int, restored: Restored) -> Fold:
        """Go on with partition `number` where a snapshot was cut; raises as `begin` does."""
        self._check(number)
        fold = Fold(number, restored.state, restored.kept.next_offset, kept=restored.kept)
        fold.skip_to(restored.begins_at)
        return self._hold(fold)

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
