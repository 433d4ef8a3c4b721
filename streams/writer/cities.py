# SPDX-License-Identifier: Apache-2.0
"""City versions on their way to the database: each when it is published, its places when it takes over."""

import time

import structlog

from schemas.errors import TransientError
from schemas.log import Clock
from streams.cities import Cities, Known
from streams.clock import now_us
from streams.settings import ClockSettings
from streams.writer.database import Database

LOOK_S = 2.0
"""How often topic `city` and the clock are looked at."""
READ_S = 2.0
BEGIN_READ_S = 10.0

log = structlog.get_logger(__name__)


class CityRows:
    """Keeps `engine.city_version` and `engine.place` as the deployment's clock has them.

    Dashboards show the places of the highest version in `engine.place`, so a version that takes over later must
    not stand there before.

    Parameters
    ----------
    cities : Cities
    database : Database
    clock : ClockSettings
    """

    def __init__(self, cities: Cities, database: Database, clock: ClockSettings) -> None:
        self._cities = cities
        self._database = database
        self._clock = clock
        self._written: dict[str, bool] = {}
        self._look_s = 0.0
        self.broker_is_away = False
        """Whether the last question to the broker was not answered."""

    def read(self, limit_s: float = BEGIN_READ_S) -> None:
        """Read topic `city`; raises `TransientError` where the broker is away."""
        try:
            self._cities.refresh(limit_s)
        except TransientError:
            self.broker_is_away = True
            raise
        self.broker_is_away = False

    def look(self) -> bool:
        """Read topic `city` when it is time; whether something is to be written. Raises `FatalError`."""
        if time.monotonic() - self._look_s < LOOK_S:
            return False
        self._look_s = time.monotonic()
        try:
            self.read(READ_S)
        except TransientError as error:
            log.warning("city versions not read", reason=str(error))
        return bool(self._due())

    def write(self) -> None:
        """Write what is due; raises as `Database.write_city`. May be repeated."""
        for known, in_force in self._due():
            change = known.change
            if not self._database.write_city(known.city, change.effective_at_us, with_places=in_force):
                log.error("city version has two contents", version=change.version,
                          what="raise `version` in the city file with every change")
            self._written[change.sha256] = in_force
            log.info("city version written", version=change.version, places=in_force)

    def _due(self) -> list[tuple[Known, bool]]:
        """Versions of which something is not written yet, oldest first, and whether they are in force by now."""
        # A clock of the data shows no present: all that is known was.
        until_us = None if self._clock.kind is Clock.DATA else now_us(self._clock)
        found = [(one, until_us is None or one.change.effective_at_us <= until_us) for one in self._cities.known]
        return [(one, now) for one, now in found if self._written.get(one.change.sha256) not in (True, now)]
