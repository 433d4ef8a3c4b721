# SPDX-License-Identifier: Apache-2.0
"""The start of a worker: it waits for its broker, however long that takes, and may be told to stop meanwhile."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import structlog

from schemas.city import City
from schemas.errors import TransientError
from streams.backoff import delay_s
from streams.cities import Cities
from streams.kafka_client import check_admitted
from streams.settings import KafkaSettings
from streams.topics import ensure_topics

LONGEST_DELAY_S = 10.0

log = structlog.get_logger(__name__)


class StoppedError(Exception):
    """The worker was told to stop while it waited."""


class Start:
    """What has to be so before a worker can fold: a broker that takes us in, topics as planned, city versions read.

    Parameters
    ----------
    kafka : KafkaSettings
    city : City
    """

    def __init__(self, kafka: KafkaSettings, city: City) -> None:
        self._kafka = kafka
        self.cities = Cities(city, kafka)
        self.broker_is_away = False
        """Whether the last try failed."""

    def wait(self) -> None:
        """Return once all is so. Must run in the main thread.

        Raises
        ------
        StoppedError
            SIGTERM or SIGINT came meanwhile.
        FatalError
            No waiting mends it: the account is wrong, the topics are not as planned, or `city` holds versions that
            ours does not go with.
        """
        with _told_to_stop() as stop:
            failures = 0
            while not self._is_so():
                failures += 1
                if stop.wait(delay_s(failures, LONGEST_DELAY_S)):
                    raise StoppedError
            if stop.is_set():
                raise StoppedError
            if failures:
                log.info("broker is back", tries=failures + 1)

    def _is_so(self) -> bool:
        try:
            check_admitted(self._kafka)
            ensure_topics(self._kafka)
            self.cities.refresh()
        except TransientError as error:
            log.warning("broker away", reason=str(error))
            self.broker_is_away = True
            return False
        self.broker_is_away = False
        return True


@contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    """Is set by SIGTERM and SIGINT as long as the context is open."""
    stop = threading.Event()
    before = {number: signal.signal(number, partial(_set, stop)) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _set(stop: threading.Event, *_: object) -> None:
    stop.set()
