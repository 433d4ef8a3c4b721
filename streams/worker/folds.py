# SPDX-License-Identifier: Apache-2.0
"""The partitions that this worker holds: their state and the offset that each of them expects."""

from dataclasses import dataclass, field

from schemas.city import City
from schemas.errors import FatalError
from streams.core.step import Partition


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
        Whether no message was folded in yet.
    """

    number: int
    state: Partition
    next_offset: int
    untouched: bool = field(default=True)

    def advance(self, offset: int) -> None:
        """Note that the message at `offset` is folded in."""
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

    def begin(self, number: int, offset: int) -> Fold:
        """Start partition `number` with empty state at `offset`.

        Raises
        ------
        FatalError
            The log has more partitions than the deployment.
        """
        if number >= self._partitions:
            raise FatalError(
                f"site-log has a partition {number}, but drukte.toml says kafka.partitions = "
                f"{self._partitions}; the number is fixed for the life of a deployment"
            )
        fold = Fold(number, Partition(self._city, self._partitions, number), offset)
        self._folds[number] = fold
        return fold

    def get(self, number: int) -> Fold | None:
        """The fold of a partition, or None where this worker does not hold it."""
        return self._folds.get(number)

    def held(self) -> list[Fold]:
        """All folds, ascending by partition."""
        return [self._folds[number] for number in sorted(self._folds)]

    def drop(self, number: int) -> None:
        """Forget a partition; nothing happens where it is not held."""
        self._folds.pop(number, None)
