# SPDX-License-Identifier: Apache-2.0
"""City versions that are announced and not in force yet."""

from collections.abc import Callable

from schemas.city import City
from schemas.city_change import CityChange


class Announced:
    """Changes of version by time, and the content of each.

    Attributes
    ----------
    changes : list of CityChange
    """

    STATE = ("changes",)

    def __init__(self) -> None:
        self.changes: list[CityChange] = []
        self._cities: dict[str, City] = {}
        """By sha256."""

    def newest(self, present: City) -> int:
        """The highest version that is known."""
        return self.changes[-1].version if self.changes else present.version

    def take(self, change: CityChange, city: City, present: City) -> None:
        """Announce a version; one that is known already changes nothing."""
        if change.version > self.newest(present):
            self._cities[change.sha256] = city
            self.changes.append(change)

    def know(self, cities: Callable[[str], City]) -> None:
        """After a restore: find the content of the versions again; `KeyError` where one lacks."""
        self._cities = {change.sha256: cities(change.sha256) for change in self.changes}

    def due(self, at_us: int) -> City | None:
        """The next version that comes into force by now, once."""
        if not self.changes or self.changes[0].effective_at_us > at_us:
            return None
        return self._cities[self.changes.pop(0).sha256]
